"""Examples with the demo's user in the embedded mode, so that they can be sent as they are.

The id of the demo's user differs between installations, so it is read when an example is shown.
"""

from typing import Any

from django.conf import settings
from rest_framework.request import Request

from apps.common.rest import renderers
from apps.notifications.api.examples import USER_ID
from apps.notifications.embedded import demo
from apps.users.api.serializers import EXAMPLE_USER_ID

MADE_UP_IDS = (USER_ID, EXAMPLE_USER_ID)


def with_demo_user(value: Any, user_id: str) -> Any:
    """Replace the made-up ids of users in an example or a document."""
    if isinstance(value, dict):
        return {key: with_demo_user(one, user_id) for key, one in value.items()}
    if isinstance(value, list):
        return [with_demo_user(one, user_id) for one in value]
    if isinstance(value, str):
        for made_up in MADE_UP_IDS:
            value = value.replace(made_up, user_id)
    return value


def demo_user_id() -> str | None:
    """Return the id of the demo's user; None with servers, or if there is no such user."""
    user = demo.demo_user() if settings.EMBEDDED else None
    return None if user is None else str(user.pk)


def use_demo_user(result: dict[str, Any], request: Request | None, **_: Any) -> dict[str, Any]:
    """Use the demo's user in the examples of the OpenAPI document.

    The document that a command writes needs no database, so it keeps the made-up ids.
    """
    user_id = None if request is None else demo_user_id()
    document: dict[str, Any] = result if user_id is None else with_demo_user(result, user_id)
    return document


class BrowsableAPIRenderer(renderers.BrowsableAPIRenderer):
    """The browsable API, whose forms contain the demo's user."""

    def example(self, view: Any, method: str) -> Any:
        """Return the example of a form."""
        example = super().example(view, method)
        user_id = demo_user_id() if example is not None else None
        return example if user_id is None else with_demo_user(example, user_id)
