"""Response renderers: compact JSON for programs, the browsable API for people."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
from rest_framework import renderers
from rest_framework.utils.encoders import JSONEncoder


def _encode_other(value: Any) -> Any:
    """Encode types that JSON does not have, in the same way as the REST framework."""
    if isinstance(value, UUID):
        return str(value)
    return JSONEncoder().default(value)


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
        if form is not None and example is not None and "_content" in form.fields:
            form.fields["_content"].initial = json.dumps(example, indent=4, ensure_ascii=False)
        return form

    def example(self, view: Any, method: str) -> Any:
        """Return ``view.examples[method]``; None if there is none."""
        return getattr(view, "examples", {}).get(method)
