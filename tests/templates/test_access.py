"""Access rights for reading and writing templates."""

from uuid import UUID

import pytest

from apps.common.callers import Caller, Scope
from apps.templates.models import Template, TemplateVersion
from tests.templates.conftest import EMAIL, Api

SECOND = {"subject": "Two", "body": "Two"}
ALICE = UUID(int=1)


def staff(*permissions: str) -> Caller:
    named = frozenset(f"message_templates.{permission}" for permission in permissions)
    return Caller(client=f"staff:{ALICE}", user_id=ALICE, is_staff=True, permissions=named)


@pytest.mark.parametrize(
    ("caller", "statuses"),
    [
        pytest.param(None, [401, 401, 401, 401, 401, 401], id="nobody"),
        pytest.param(Caller(client=None, user_id=ALICE), [403] * 6, id="an end user"),
        pytest.param(Caller(client="shop"), [403] * 6, id="a key without scopes"),
        pytest.param(
            Caller(client="shop", scopes=frozenset({Scope.TEMPLATES_READ})),
            [200, 200, 403, 403, 403, 200],
            id="a reading key",
        ),
        pytest.param(
            Caller(client="shop", scopes=frozenset({Scope.TEMPLATES_WRITE})),
            [403, 403, 201, 200, 200, 403],
            id="a writing key",
        ),
        pytest.param(staff(), [403] * 6, id="staff without permissions"),
        pytest.param(staff("view_template"), [200, 200, 403, 403, 403, 200], id="a viewer"),
        pytest.param(
            staff("view_template", "add_template", "change_template"),
            [200, 200, 201, 200, 200, 200],
            id="an editor",
        ),
    ],
)
def test_each_caller_may_do_what_its_rights_allow(
    api: Api, caller: Caller | None, statuses: list[int]
) -> None:
    api.post("", EMAIL)
    other = Api(caller)

    answers = [
        other.get(""),
        other.get("welcome"),
        other.post("", EMAIL | {"code": "other"}),
        other.put("welcome", SECOND),
        other.post("welcome/versions/1/publish", {}),
        other.post("welcome/preview", {"variables": {}}),
    ]

    found = [answer.status_code for answer in answers]
    assert found == statuses
    assert Template.objects.count() == 1 + (201 in found)
    assert TemplateVersion.objects.filter(number=2).exists() == (found[3] == 200)


def test_staff_have_a_client_name_for_the_author_column() -> None:
    assert staff().client == f"staff:{ALICE}"


@pytest.mark.django_db
def test_the_author_is_recorded() -> None:
    Api(staff("add_template")).post("", EMAIL)

    assert TemplateVersion.objects.get().created_by == f"staff:{ALICE}"


def test_a_template_cannot_be_deleted(api: Api) -> None:
    api.post("", EMAIL)

    assert api.client.delete("/api/v1/templates/welcome").status_code == 405
    assert Template.objects.count() == 1
