"""Response renderers: compact JSON for programs, the browsable API for people."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
from rest_framework import renderers
from rest_framework.utils.encoders import JSONEncoder

FORM_PARTS = "multipart/form-data"
FEWEST_ROWS, WRAPPED_ROWS, MOST_ROWS = 6, 3, 24


def _encode_other(value: Any) -> Any:
    """Encode types that JSON does not have, in the same way as the REST framework."""
    if isinstance(value, UUID):
        return str(value)
    return JSONEncoder().default(value)


def _rows(text: str) -> int:
    """Return how many lines to show of a body: all, with room for lines that are wrapped."""
    return min(max(text.count("\n") + WRAPPED_ROWS, FEWEST_ROWS), MOST_ROWS)


class JSONRenderer(renderers.BaseRenderer):
    """Render ``application/json`` with msgspec."""

    media_type = "application/json"
    format = "json"
    charset = None
    render_style = "binary"

    encoder = msgspec.json.Encoder(enc_hook=_encode_other)

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the body; empty for a response without data."""
        if data is None:
            return b""
        return self.encoder.encode(data)


class BrowsableAPIRenderer(renderers.BrowsableAPIRenderer):
    """The browsable API, with a JSON form that contains the view's example."""

    def get_default_renderer(self, view: Any) -> renderers.BaseRenderer:
        """Show responses as indented JSON."""
        return renderers.JSONRenderer()

    def get_raw_data_form(self, data: Any, view: Any, method: str, request: Any) -> Any:
        """Prefill the form with the example of the view, if it has one."""
        form = super().get_raw_data_form(data, view, method, request)
        example = self.example(view, method)
        if form is None:
            return form
        body: Any = form.fields["_content"]
        kind: Any = form.fields["_content_type"]
        if example is not None:
            is_text = isinstance(example, str)
            body.initial = example if is_text else json.dumps(example, indent=4, ensure_ascii=False)
        # Nobody writes the parts of a form by hand, and the other types carry the same.
        kind.choices = [one for one in kind.choices if one[0] != FORM_PARTS]
        # Several forms may be on one page, and each label needs its own field.
        form.auto_id = f"{method.lower()}%s"
        body.widget.attrs.update(rows=_rows(body.initial or ""), spellcheck="false")
        body.widget.attrs["class"] = "code"
        return form

    def example(self, view: Any, method: str) -> Any:
        """Return ``view.examples[method]``; None if there is none."""
        return getattr(view, "examples", {}).get(method)
