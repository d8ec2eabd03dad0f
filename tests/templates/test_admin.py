"""The admin creates template versions by the same checks as the API, and changes none."""

import re
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from apps.templates.models import Template, TemplateVersion
from tests.templates.conftest import EMAIL, PUSH, Api

pytestmark = pytest.mark.usefixtures("project_urls")

BASE = "/admin/message_templates"
NO_INLINES = {
    "versions-TOTAL_FORMS": "0",
    "versions-INITIAL_FORMS": "0",
    "versions-MIN_NUM_FORMS": "0",
    "versions-MAX_NUM_FORMS": "0",
}
FORM: dict[str, Any] = {
    **NO_INLINES,
    "code": "welcome",
    "channel": "email",
    "name": "Welcome",
    "category": "general",
    "language": "en",
    "subject": "Hi {{ name }}",
    "body": "One\r\nTwo",
}


@pytest.fixture
def admin(db: None) -> Client:
    """The browser session of Alice, a superuser."""
    model: Any = get_user_model()
    client = Client()
    client.force_login(model.objects.create_superuser(email="alice@example.com", name="Alice"))
    return client


def test_a_template_is_created_with_its_first_version(admin: Client) -> None:
    response = admin.post(f"{BASE}/template/add/", FORM)

    assert response.status_code == 302
    version = TemplateVersion.objects.get()
    assert version.content == {"subject": "Hi {{ name }}", "body": "One\nTwo"}
    assert version.number == 1
    assert version.created_by.startswith("staff:")
    assert version.template.default_language == "en"


def test_the_code_of_a_builtin_text_is_refused(admin: Client) -> None:
    response = admin.post(f"{BASE}/template/add/", FORM | {"code": "system:reset-password"})

    assert "belong to the system itself" in response.content.decode()
    assert not Template.objects.exists()


def test_a_syntax_error_is_shown_at_its_field(admin: Client) -> None:
    response = admin.post(f"{BASE}/template/add/", FORM | {"body": "a\r\n{{ b | c }}"})

    assert response.status_code == 200
    assert "line 2, column 8: unknown filter &#x27;c&#x27;" in response.content.decode()
    assert not Template.objects.exists()


def test_editing_creates_a_draft_and_saving_unchanged_content_does_not(
    admin: Client, api: Api
) -> None:
    api.post("", EMAIL)
    url = f"{BASE}/template/{Template.objects.get().pk}/change/"
    page = admin.get(url).content.decode()
    assert "Welcome, {{ name }}" in page
    form = FORM | {"subject": EMAIL["subject"], "body": EMAIL["body"], "name": "Renamed"}

    assert admin.post(url, form).status_code == 302
    assert TemplateVersion.objects.count() == 1
    assert Template.objects.get().name == "Renamed"

    assert admin.post(url, form | {"subject": "New"}).status_code == 302
    assert TemplateVersion.objects.get(draft=True).number == 2
    assert TemplateVersion.objects.get(published=True).content["subject"] == EMAIL["subject"]


def test_a_version_can_be_read_and_published_but_not_changed(admin: Client, api: Api) -> None:
    api.post("", PUSH)
    api.put("parcel", {"title": "Two", "body": "x"})
    first = TemplateVersion.objects.get(number=1)

    page = admin.get(f"{BASE}/templateversion/{first.pk}/change/")
    assert page.status_code == 200
    assert b'name="_save"' not in page.content
    assert admin.post(f"{BASE}/templateversion/{first.pk}/change/", {}).status_code == 403
    assert admin.post(f"{BASE}/templateversion/{first.pk}/delete/", {}).status_code == 403
    response = admin.post(
        f"{BASE}/templateversion/", {"action": "publish", "_selected_action": [str(first.pk)]}
    )
    assert response.status_code == 302
    assert TemplateVersion.objects.get(published=True).number == 1


@pytest.mark.parametrize(
    "path", ["template/", "template/?q=welcome", "template/add/", "templateversion/"]
)
def test_every_page_opens(admin: Client, api: Api, path: str) -> None:
    api.post("", EMAIL)

    assert admin.get(f"{BASE}/{path}").status_code == 200


def test_the_data_of_a_push_without_data_are_empty(admin: Client, api: Api) -> None:
    api.post("", {name: PUSH[name] for name in PUSH if name != "data"})
    template = Template.objects.get()

    page = admin.get(f"{BASE}/template/{template.pk}/change/").content.decode()

    (shown,) = re.findall(r'<textarea name="data"[^>]*>\s*(.*?)</textarea>', page, re.DOTALL)
    assert shown == ""


def test_the_data_of_a_push_are_shown_as_they_are(admin: Client, api: Api) -> None:
    api.post("", PUSH | {"data": {"screen": "parcel"}})
    template = Template.objects.get()

    page = admin.get(f"{BASE}/template/{template.pk}/change/").content.decode()

    assert "{&quot;screen&quot;: &quot;parcel&quot;}" in page
