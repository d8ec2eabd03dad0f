"""The studio: drafts first, tried out while typing, reviewed before release."""

import json
from typing import Any

import pytest
from django.test import Client

from apps.desk.models import AuditEntry
from apps.desk.studio.review import changes_between
from apps.notifications.models import Notification
from apps.templates import rendering, versions
from apps.templates.content import check
from apps.templates.models import Template, TemplateVersion
from apps.users.models import User
from tests.desk.conftest import Login
from tests.notifications.factories import accepted

STUDIO = "/admin/templates/welcome/"
WORDS = {"subject": "Welcome, {{ name }}", "body": "Hello {{ name }}, see {{ link }}"}


@pytest.fixture
def editor(login: Login, ada: User) -> Client:
    return login("Template editor")


def form(**changes: str) -> dict[str, str]:
    return {"language": "en", "base": "1", "sample": "{}", **WORDS, **changes}


def save(client: Client, **changes: str) -> Any:
    return client.post(f"{STUDIO}save/", form(**changes), follow=True)


def sent(code: str = "welcome") -> int:
    rendering.forget()
    return rendering.pin(code, language=None, locale=None).number


def test_saving_is_no_release(editor: Client) -> None:
    page = save(editor, body="Hello {{ name }}, {{ new }}").content.decode()

    assert "Draft 2 (en) is saved." in page
    assert "is not sent. Version 1 is." in page
    assert sent() == 1
    draft = TemplateVersion.objects.get(number=2)
    assert draft.draft
    assert draft.created_by.startswith("staff:")


def test_the_review_says_what_changes_and_which_calls_it_would_refuse(
    editor: Client, ada: User
) -> None:
    for _ in range(3):
        accepted(ada)
    save(editor, body="Hello {{ name }},\nyour code is {{ code }}")

    page = editor.get(f"{STUDIO}review/2/").content.decode()

    assert "<code>code</code>" in page
    assert "missing in 3 of the latest 3 calls" in page
    assert "No longer needed: <code>link</code>" in page
    assert "<ins>+ your code is {{ code }}</ins>" in page
    assert "<del>- Hello {{ name }}, see {{ link }}</del>" in page


def test_publishing_is_a_release_and_in_the_audit_trail(editor: Client) -> None:
    save(editor, subject="Hi {{ name }}", then="review")

    page = editor.post(f"{STUDIO}review/2/", follow=True).content.decode()

    assert "Version 2 (en) is sent from now on." in page
    assert sent() == 2
    assert AuditEntry.objects.filter(action="published", object_id="welcome").exists()


def test_going_back_is_a_release_of_an_earlier_version(editor: Client) -> None:
    save(editor, subject="Hi {{ name }}")
    editor.post(f"{STUDIO}review/2/")

    assert "goes back to an earlier version" in editor.get(f"{STUDIO}review/1/").content.decode()
    editor.post(f"{STUDIO}review/1/")

    assert sent() == 1


def test_errors_are_shown_at_their_fields_and_nothing_is_saved(editor: Client) -> None:
    answer = save(editor, body="{{ a | nothing }}", sample="[", subject="Kept {{ name }}")

    page = answer.content.decode()
    assert "Kept {{ name }}" in page
    assert "Expected JSON" in page
    assert TemplateVersion.objects.filter(draft=True).count() == 0

    page = save(editor, body="{{ a | nothing }}").content.decode()
    assert "line 1, column" in page


def test_saving_without_a_change_makes_no_draft(editor: Client) -> None:
    page = save(editor).content.decode()

    assert "Nothing has changed" in page
    assert TemplateVersion.objects.filter(draft=True).count() == 0


def test_two_people_who_edit_are_told(editor: Client, login: Login) -> None:
    save(login("Administrator"), body="Theirs")

    answer = save(editor, body="Mine")

    page = answer.content.decode()
    assert "Administrator saved version 2 while you were writing." in page
    assert "Mine" in page
    assert TemplateVersion.objects.filter(draft=True).count() == 1

    save(editor, body="Mine", base="2", anyway="yes")
    assert TemplateVersion.objects.get(number=3).content["body"] == "Mine"


def test_the_sample_is_kept_with_the_template(editor: Client) -> None:
    save(editor, sample='{"name": "Grace", "link": "x"}')

    assert Template.objects.get(code="welcome").sample == {"name": "Grace", "link": "x"}
    assert "Grace" in editor.get(STUDIO).content.decode()


def test_without_a_sample_each_variable_says_its_name(editor: Client) -> None:
    assert '"link": "link"' in editor.get(STUDIO).content.decode().replace("&quot;", '"')


def tried(client: Client, **changes: str) -> Any:
    return client.post(f"{STUDIO}preview/", form(**changes)).json()


def test_the_preview_says_what_would_be_sent(editor: Client) -> None:
    said = tried(
        editor,
        html="<style>p{color:red}</style><p>{{ name }}</p>",
        body="",
        sample='{"name": "<Grace>", "other": 1}',
    )

    assert said["errors"] == []
    assert said["content"]["subject"] == "Welcome, <Grace>"
    assert said["content"]["text"] == "<Grace>"
    assert '<p style="color: red;">&lt;Grace&gt;</p>' in said["content"]["html"]
    assert said["unused"] == ["other"]
    assert said["latest"] == {"number": 1, "author": "tests"}


def test_the_preview_names_the_place_of_each_error(editor: Client) -> None:
    said = tried(editor, body="a\n  {{ b | nothing }}", sample="{")

    assert [error["field"] for error in said["errors"]] == ["sample"]

    (error,) = tried(editor, body="a\n  {{ b | nothing }}")["errors"]
    assert (error["field"], error["line"], error["column"]) == ("body", 2, 10)


def test_the_preview_says_what_callers_would_have_to_bring(editor: Client) -> None:
    said = tried(editor, body="{{ code }}", sample='{"name": "Ada"}')

    assert said["newly_required"] == ["code"]
    assert said["missing"] == ["code"]


def test_the_preview_says_why_it_cannot_be_rendered(editor: Client) -> None:
    said = tried(editor, body="{{ price | times: 2 }}", sample='{"name": "a", "price": "12,50"}')

    assert said["content"] is None
    assert "price" in said["failure"]


def test_a_new_language_begins_with_the_words_of_another_one(editor: Client) -> None:
    page = editor.get(STUDIO, {"language": "pt-br"}).content.decode()
    assert "New language" in page
    assert "Hello {{ name }}" in page

    save(editor, language="pt-br", base="0", subject="Olá {{ name }}")
    editor.post(f"{STUDIO}review/1/?language=pt-BR")

    assert rendering.pin("welcome", language="pt-BR", locale=None).language == "pt-BR"


def test_a_language_that_is_none_is_not_found(editor: Client) -> None:
    assert editor.get(STUDIO, {"language": "??"}).status_code == 404


@pytest.mark.parametrize("role", ["Administrator", "Template editor"])
def test_authors_send_themselves_a_draft(role: str, login: Login, ada: User) -> None:
    author = login(role)
    save(author, subject="Draft for {{ name }}", sample='{"name": "Grace", "link": "x"}')

    assert "Send to me" in author.get(STUDIO).content.decode()
    author.post(f"{STUDIO}send/2/", {"language": "en"})

    row = Notification.objects.get()
    assert row.template_version == 2
    assert row.variables == {"name": "Grace", "link": "x"}
    assert row.user_id == User.objects.get(name__iexact=role.replace(" ", "-")).pk
    assert sent() == 1


def test_a_copy_has_all_published_languages(login: Login, ada: User) -> None:
    administrator = login("Administrator")
    content = check("email", {"subject": "Olá", "body": "b"})
    versions.write(code="welcome", content=content, language="pt", author="tests", changes={})

    administrator.post(f"{STUDIO}duplicate/", {"code": "welcome-2", "name": "Second"})

    assert rendering.pin("welcome-2", language="pt", locale=None).language == "pt"
    assert sent("welcome-2") == 1


@pytest.mark.parametrize("code", ["welcome", "a b", "-x"])
def test_a_copy_needs_a_code_of_its_own(login: Login, ada: User, code: str) -> None:
    answer = login("Administrator").post(f"{STUDIO}duplicate/", {"code": code, "name": "x"})

    assert "status is-bad" in answer.content.decode()
    assert Template.objects.count() == 2


def test_a_template_is_made(editor: Client) -> None:
    words = {"subject": "Rechnung", "body": "b"}
    answer = editor.post(
        "/admin/templates/new/", {"code": "invoice", "channel": "email", "language": "de", **words}
    )

    assert answer["Location"] == "/admin/templates/invoice/"
    assert rendering.pin("invoice", language="de", locale=None).number == 1


def test_a_template_that_cannot_be_made_says_why(editor: Client) -> None:
    answer = editor.post(
        "/admin/templates/new/", {"code": "invoice", "channel": "push", "title": "{{", "body": "b"}
    )

    assert "line 1, column 1" in answer.content.decode()


def test_an_archived_template_leaves_the_list_and_is_sent_as_before(
    editor: Client, ada: User
) -> None:
    editor.post(f"{STUDIO}archive/", {"archived": "yes"})

    assert "welcome" not in editor.get("/admin/templates/").content.decode()
    assert "welcome" in editor.get("/admin/templates/", {"archived": "yes"}).content.decode()
    assert accepted(ada).template_code == "welcome"

    editor.post(f"{STUDIO}archive/", {"archived": "no"})
    assert "welcome" in editor.get("/admin/templates/").content.decode()


@pytest.mark.parametrize("path", ["save/", "archive/", "review/1/", "duplicate/"])
def test_a_viewer_may_read_and_change_nothing(login: Login, ada: User, path: str) -> None:
    viewer = login("Viewer")

    assert viewer.get(STUDIO).status_code == 200
    assert tried(viewer)["errors"] == []
    assert viewer.post(f"{STUDIO}{path}", form(archived="yes")).status_code == 403
    assert TemplateVersion.objects.count() == 2
    assert Template.objects.filter(archived_at__isnull=False).count() == 0


def test_a_push_template_has_its_own_fields(editor: Client) -> None:
    page = editor.get("/admin/templates/parcel/").content.decode()

    assert 'name="title"' in page
    assert 'name="subject"' not in page
    assert "As iOS shows it" in page


def test_a_comparison_leaves_out_what_is_far_from_a_change() -> None:
    before = {"body": "\n".join(str(number) for number in range(20))}
    after = {"body": before["body"].replace("\n10\n", "\nten\n")}

    (change,) = changes_between(before, after)

    assert [(line.kind, line.text) for line in change.lines] == [
        ("left-out", ""),
        ("same", "8"),
        ("same", "9"),
        ("removed", "10"),
        ("added", "ten"),
        ("same", "11"),
        ("same", "12"),
        ("left-out", ""),
    ]


def test_data_is_compared_line_by_line() -> None:
    (change,) = changes_between({"data": {"a": "1"}}, {"data": {"a": "1", "b": "2"}})

    assert [line.text for line in change.lines if line.kind == "added"] == ["b: 2"]


def test_completions_are_the_words_of_the_template(editor: Client) -> None:
    page = editor.get(STUDIO).content.decode()
    data = page.split('id="completions"')[1].split(">", 1)[1].split("</script>")[0]

    words = json.loads(data)
    assert {"link", "name", "recipient.name"} <= set(words["variables"])
    assert "money" in words["filters"]
