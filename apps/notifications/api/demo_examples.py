"""The browsable API: links in what it shows, and examples with the demo's user.

In the embedded mode the examples contain the demo's user, so that they can be sent as they are.

The id of the demo's user differs between installations, so it is read when an example is shown.
"""

from http import HTTPStatus
from typing import Any

from django.conf import settings
from rest_framework.request import Request

from apps.common.rest import renderers
from apps.notifications.api.browsable_links import linked
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
    """The browsable API, whose answers have links and whose forms contain the demo's user."""

    def get_context(
        self, data: Any, accepted_media_type: str | None, renderer_context: Any
    ) -> dict[str, Any]:
        """Return the context of the page: the framework's, the content with links, and the forms.

        Args:
            data: The answer.
            accepted_media_type: The media type that was accepted.
            renderer_context: The request, the response and the view.
        """
        context: dict[str, Any] = super().get_context(data, accepted_media_type, renderer_context)
        pages = data if isinstance(data, dict) and "results" in data else {}
        failed = renderer_context["response"].status_code >= HTTPStatus.BAD_REQUEST
        forms = {
            "POST": context["raw_data_post_form"],
            "PUT": context["raw_data_put_form"],
            "PATCH": context["raw_data_patch_form"],
        }
        return {
            **context,
            "linked": linked(context["content"], context["request"].path),
            "newer": pages.get("previous"),
            "older": pages.get("next"),
            "problem": data if failed else None,
            "forms": [(method, form) for method, form in forms.items() if form],
        }

    def example(self, view: Any, method: str) -> Any:
        """Return the example of a form."""
        example = super().example(view, method)
        user_id = demo_user_id() if example is not None else None
        return example if user_id is None else with_demo_user(example, user_id)
