"""The page behind ``List-Unsubscribe``: a GET shows a button, only a POST unsubscribes."""

import structlog
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from apps.common.channels import Channel
from apps.notifications.feedback.unsubscribe import read_token
from apps.users import contacts

log = structlog.get_logger(__name__)

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Show the page, or end the subscription.

    Mail programs post without a cookie and expect no redirect, so the token alone is the
    credential. Scanners follow links, so a GET changes nothing.
    """
    subscription = read_token(token)
    if subscription is None:
        raise Http404
    done = request.method == "POST"
    if done:
        contacts.set_channel(
            user_id=subscription.user_id,
            channel=Channel.EMAIL,
            category=subscription.category,
            enabled=False,
        )
        log.info("unsubscribed", category=subscription.category)
    page = render(request, "unsubscribe.html", {"category": subscription.category, "done": done})
    page["Content-Security-Policy"] = POLICY
    # The URL of the page is a credential, so it must not be sent to other sites.
    page["Referrer-Policy"] = "no-referrer"
    return page
