"""Example bodies for the OpenAPI document and the browsable API."""

from typing import Any

NEW_TEMPLATE: dict[str, Any] = {
    "code": "welcome",
    "notification_type": "email",
    "name": "Welcome",
    "language": "en",
    "category": "account",
    "subject": "Welcome, {{ name }}",
    "body": "Hello {{ name }},\n\nconfirm your address: {{ link }}\n",
    "html": '<p>Hello {{ name }},</p><p><a href="{{ link }}">Confirm your address</a></p>',
}
# With a code that no installation has yet, so that the example can be sent.
FIRST_TEMPLATE: dict[str, Any] = {
    **NEW_TEMPLATE,
    "code": "my-first-template",
    "name": "My first template",
}
NEW_VERSION: dict[str, Any] = {
    "language": "pt",
    "subject": "Boas-vindas, {{ name }}",
    "body": "Olá {{ name }},\n\nconfirme o seu endereço: {{ link }}\n",
}
PUBLISH: dict[str, Any] = {"language": "en"}
PREVIEW: dict[str, Any] = {
    "variables": {"name": "Ada", "link": "https://example.com/confirm"},
    "language": "en",
}
# The first version of a template, as responses with versions show it.
VERSION: dict[str, Any] = {
    "id": "0198f0c1-11aa-7c3e-8f20-5a4e6b7c8d90",
    "version": 1,
    "language": "en",
    "published": True,
    "status": "published",
    "engine": 2,
    "subject": NEW_TEMPLATE["subject"],
    "body": NEW_TEMPLATE["body"],
    "html": NEW_TEMPLATE["html"],
    "variables": ["link", "name"],
    "created_by": "shop",
    "created_at": "2026-11-22T12:00:00Z",
}
TEMPLATE: dict[str, Any] = {
    **VERSION,
    "id": "0198f0c1-22bb-7aaa-9bbb-6c5d4e3f2a10",
    "code": "welcome",
    "notification_type": "email",
    "name": "Welcome",
    "default_language": "en",
    "languages": ["en"],
    "category": "account",
    "critical": False,
    "sensitive": False,
    "updated_at": "2026-11-22T12:00:00Z",
}
WRITTEN: dict[str, Any] = {
    **TEMPLATE,
    "language": "pt",
    "languages": ["en", "pt"],
    "subject": NEW_VERSION["subject"],
    "body": NEW_VERSION["body"],
    "html": None,
}
PREVIEWED: dict[str, Any] = {
    "template_code": "welcome",
    "notification_type": "email",
    "language": "en",
    "version": 1,
    "subject": "Welcome, Ada",
    "body": "Hello Ada,\n\nconfirm your address: https://example.com/confirm\n",
    "html": None,
    "from_name": "",
    "reply_to": "",
    "missing": [],
    "unused": [],
    "empty": [],
    "refused_links": [],
    "replaced": [],
}
DRAFT: dict[str, Any] = {**NEW_VERSION, "language": "en"}
DRAFTED: dict[str, Any] = {
    **VERSION,
    "version": 2,
    "published": False,
    "status": "draft",
    "subject": DRAFT["subject"],
    "body": DRAFT["body"],
    "html": None,
}
PUBLISHED: dict[str, Any] = {
    **TEMPLATE,
    "changes": {
        "newly_required": [{"variable": "name", "missing": 3}],
        "no_longer_required": [],
        "calls": 250,
    },
}
