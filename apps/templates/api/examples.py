"""The bodies that the OpenAPI document and the browsable API show."""

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
