"""The REST framework and the OpenAPI document."""

from typing import Any

# The same as in pyproject.toml, which the container images do not include.
VERSION = "1.0.0"

REQUEST_BODY_MAX_BYTES = 256 * 1024
BULK_BODY_MAX_BYTES = 8 * 1024 * 1024
# Django's own limit must allow the largest body; the parser enforces the limit of each endpoint.
DATA_UPLOAD_MAX_MEMORY_SIZE = BULK_BODY_MAX_BYTES

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "apps.users.authentication.ApiKeyAuthentication",
        "apps.users.authentication.TokenAuthentication",
        "apps.users.authentication.StaffSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["apps.common.rest.permissions.Authenticated"],
    "DEFAULT_RENDERER_CLASSES": [
        "apps.common.rest.renderers.JSONRenderer",
        "apps.notifications.api.demo_examples.BrowsableAPIRenderer",
    ],
    "DEFAULT_PARSER_CLASSES": ["apps.common.rest.parsers.StrictJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "apps.common.rest.negotiation.ContentNegotiation",
    "DEFAULT_PAGINATION_CLASS": "apps.common.rest.pagination.NewestFirst",
    "DEFAULT_SCHEMA_CLASS": "apps.common.rest.openapi.Schema",
    "EXCEPTION_HANDLER": "apps.common.rest.problems.exception_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Notifications",
    "DESCRIPTION": (
        "Accepts notification requests and delivers them by e-mail and push. A query parameter "
        "takes one value: no parameter is a list, and one that is given twice is a 400."
    ),
    "VERSION": VERSION,
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    # Enumerations stay inline where they are used, because generated names would not be meaningful.
    "POSTPROCESSING_HOOKS": [
        "apps.common.rest.document.add_servers",
        "apps.common.rest.document.describe_fields",
        "apps.common.rest.document.state_refused_characters",
        "apps.webhooks.api.document.add_webhooks",
        "apps.common.rest.document.drop_library_marks",
        "apps.notifications.api.demo_examples.use_demo_user",
    ],
    "PREPROCESSING_HOOKS": ["apps.common.rest.document.drop_second_spellings"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "/static/desk/favicon.svg",
    "REDOC_DIST": "SIDECAR",
}
