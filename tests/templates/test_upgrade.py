"""A version of an earlier engine says what changes when it is saved again."""

from typing import Any

import pytest
from django.test import Client

from apps.templates import rendering, versions
from apps.templates.content import CheckedContent
from apps.templates.engine.releases import CURRENT, FIRST
from apps.templates.models import TemplateVersion
from apps.templates.upgrade import changes_when_saved

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("project_urls")]
OLD = {
    "subject": "{{ price | times: 2 }}",
    "body": "{{ day | date: '%d. %B, %k' }}{% if a %}{% else if b %}{% endif %}",
}


@pytest.fixture
def old() -> TemplateVersion:
    return saved(OLD, engine=FIRST)


def saved(content: dict[str, Any], *, engine: int) -> TemplateVersion:
    """Store a version as an earlier release did, which did not check it by today's rules."""
    new = versions.NewTemplate(
        code="old", channel="email", name="Old", default_language="de", category="general"
    )
    stored = CheckedContent(
        stored=content, required=["price"], used=["price", "day"], checked_at_intake=[]
    )
    version = versions.create(template=new, content=stored, author="tests")
    TemplateVersion.objects.filter(pk=version.pk).update(engine=engine)
    version.refresh_from_db()
    rendering.forget()
    return version


def test_a_version_has_the_number_of_todays_engine() -> None:
    assert saved({"subject": "a", "body": "b"}, engine=CURRENT).engine == CURRENT


def test_it_says_what_changes_and_what_is_refused(old: TemplateVersion) -> None:
    assert [change.split(":")[0] for change in changes_when_saved(old)] == [
        "subject",
        "body",
        "body",
    ]
    numbers, dates, refused = changes_when_saved(old)
    assert numbers.endswith("(times).")
    assert "recipient's zone" in dates
    assert "line 1, column 41: 'else' takes no condition; write 'elsif'" in refused


def test_a_version_without_numbers_and_dates_does_not_change() -> None:
    assert changes_when_saved(saved({"subject": "Hi {{ n }}", "body": "x"}, engine=FIRST)) == []


def test_style_sheets_are_put_into_elements() -> None:
    html = "<style>p { color: red }</style><p>"
    old = saved({"subject": "a", "body": "b", "html": html}, engine=FIRST)

    assert changes_when_saved(old) == [
        "html: the rules of its style sheets are put into its elements."
    ]


def test_saving_it_without_a_change_takes_it_to_todays_rules(admin_client: Client) -> None:
    old = saved({"subject": "a", "body": "b"}, engine=FIRST)
    form = {
        "name": "Old",
        "category": "general",
        "language": "de",
        "subject": "a",
        "body": "b",
        "versions-TOTAL_FORMS": 0,
        "versions-INITIAL_FORMS": 0,
    }
    address = f"/admin/message_templates/template/{old.template_id}/change/"

    admin_client.post(address, form | {"name": "Renamed"})
    assert TemplateVersion.objects.get().engine == FIRST

    admin_client.post(address, form | {"name": "Renamed"})
    assert list(TemplateVersion.objects.values_list("engine", flat=True)) == [CURRENT, FIRST]


def test_todays_versions_do_not_change() -> None:
    body = "{{ day | date: '%Y' }}"
    assert changes_when_saved(saved({"subject": "a", "body": body}, engine=CURRENT)) == []


def test_a_version_is_rendered_by_the_rules_it_was_saved_under(old: TemplateVersion) -> None:
    variables = {"price": "12,50", "day": "soon"}
    before = rendering.render(old.pk, variables)
    TemplateVersion.objects.filter(pk=old.pk).update(engine=CURRENT)
    rendering.forget()

    assert isinstance(before, rendering.EmailContent)
    assert (before.subject, before.text) == ("0", "soon")
    with pytest.raises(rendering.RenderError, match="can no longer be parsed"):
        rendering.render(old.pk, variables)


def test_the_page_of_a_template_says_it(old: TemplateVersion, admin_client: Client) -> None:
    page = admin_client.get(f"/admin/message_templates/template/{old.template_id}/change/")
    text = page.content.decode()
    assert "These versions follow the rules of an earlier engine." in text
    assert "de: subject: a value that is not a number is an error" in text

    TemplateVersion.objects.update(engine=CURRENT)
    page = admin_client.get(f"/admin/message_templates/template/{old.template_id}/change/")
    assert "all published versions follow today&#x27;s rules" in page.content.decode()


def test_times_are_in_the_zone_that_the_sender_names() -> None:
    version = saved({"subject": "{{ at | date: '%A %H:%M' }}", "body": "b"}, engine=CURRENT)
    at = {"price": 1, "at": "2026-12-24T18:30:00Z"}
    content = rendering.render(version.pk, at, timezone="Asia/Tokyo")
    assert isinstance(content, rendering.EmailContent)
    assert content.subject == "Freitag 03:30"
