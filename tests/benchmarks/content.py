"""The content that every row sends, for our own system and for all contenders."""

import json
from typing import Any

SENDER_NAME, SENDER = "Shop", "shop@bench.example"
MAIL_TEMPLATE, PUSH_TEMPLATE = "bench-mail", "bench-push"

# An order confirmation: 0.6 kB of text and 1.7 kB of HTML.
SUBJECT = "Your order {{ ref }}"
_LINES = (
    "Hello {{ name }},",
    """thank you for your order {{ ref }}. We have received it and are packing it now. You will get
another message with a link for tracking as soon as the parcel has left our house.""",
    """You can look at your order, change the address of delivery, or cancel it until it is packed,
at https://shop.example/orders/{{ ref }}. If something is not as you expected, answer this mail and
a person will read it.""",
    "Our house is open from Monday to Friday, nine to five; on public holidays it is closed.",
    "With kind regards, your shop",
)
TEXT = "\n\n".join(_LINES) + "\n"
_STYLE = "margin:0 0 16px 0;font-family:Helvetica,Arial,sans-serif;font-size:16px;line-height:24px"
HTML = (
    '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Order</title></head>\n'
    '<body style="margin:0;padding:24px;background:#f4f4f4">\n<table role="presentation" '
    'width="600" align="center" style="background:#ffffff;padding:32px"><tr><td>\n'
    + "\n".join(f'<p style="{_STYLE}">{line}</p>' for line in _LINES)
    + "\n</td></tr></table>\n</body></html>\n"
)
# As long as our own link to unsubscribe; only the contenders use it.
UNSUBSCRIBE = f"<http://127.0.0.1:8000/unsubscribe/{'x' * 90}>"
PUSH_TITLE, PUSH_BODY = "Your order {{ ref }}", "Hello {{ name }}, it has left our house."


def filled(template: str, *, name: str, ref: str) -> str:
    """Fill in a text of this module without a template engine; only the contenders use this."""
    return template.replace("{{ name }}", name).replace("{{ ref }}", ref)


def request(channel: str, user_id: str, ref: str, **fields: Any) -> dict[str, Any]:
    """Build the body of one request to our API."""
    return {
        "notification_type": channel,
        "user_id": user_id,
        "template_code": MAIL_TEMPLATE if channel == "email" else PUSH_TEMPLATE,
        "variables": {"name": "Ada", "ref": ref},
        **fields,
    }


def encoded(body: object) -> bytes:
    """Encode a body as compact JSON."""
    return json.dumps(body, separators=(",", ":")).encode()
