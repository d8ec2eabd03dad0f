"""People in files: what a file would create is said first, and formulas do not leave."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.desk.models import AuditEntry
from apps.users.models import User
from tests.desk.conftest import Login
from tests.notifications.factories import person

IMPORT = "/admin/people/import/"
FILE = """Email;Name;Locale;Timezone
grace@example.com;Grace Hopper;en-US;America/New_York
ADA@example.com;Ada again;;
;Nobody;;
grace@example.com;Twice;;
alan@example.com;"Alan
Turing";;Moon/Base

edsger@example.com;Edsger;nl;
"""


@pytest.fixture
def administrator(login: Login, ada: User) -> Client:
    return login("Administrator")


def sent(client: Client, content: str | bytes, **form: str) -> Any:
    content = content.encode() if isinstance(content, str) else content
    upload = SimpleUploadedFile("people.csv", content, content_type="text/csv")
    return client.post(IMPORT, {"file": upload, **form})


def test_a_file_is_tried_first_and_creates_nobody(administrator: Client) -> None:
    before = User.objects.count()

    answer = sent(administrator, FILE)

    report = answer.context["report"]
    assert (report.created, report.known, len(report.wrong)) == (2, 1, 3)
    assert User.objects.count() == before
    assert "What it would do" in answer.content.decode()


def test_each_row_that_creates_nobody_names_its_line(administrator: Client) -> None:
    report = sent(administrator, FILE).context["report"]

    assert [one.line for one in report.wrong] == [4, 5, 6]
    assert "email" in report.wrong[0].said
    assert report.wrong[1].said == "The address is on line 2 as well."
    assert "timezone" in report.wrong[2].said


@pytest.mark.parametrize("mark", ["\x00", "\x07", "\x7f"])
def test_a_row_with_a_control_character_creates_nobody(administrator: Client, mark: str) -> None:
    content = f"email,name\nlin@example.com,Lin{mark}\nkay@example.com,Kay\n"
    report = sent(administrator, content).context["report"]

    assert (report.created, [one.line for one in report.wrong]) == (1, [2])
    assert report.wrong[0].said.startswith("name: ")


def test_a_file_creates_people_as_the_api_does(administrator: Client) -> None:
    sent(administrator, "\ufeff" + FILE, create="yes")

    grace = User.objects.get(email="grace@example.com")
    assert (grace.name, grace.locale, grace.timezone) == (
        "Grace Hopper",
        "en-US",
        "America/New_York",
    )
    assert grace.email_confirmed
    assert User.objects.get(email="ada@example.com").name == "Ada"
    assert AuditEntry.objects.get(action="added").detail == "2 people from a file"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("email\na@example.com\n", "has to name the columns"),
        ("email,name,phone\n", "not phone"),
        (b"email,name\na@example.com,\xe4\n", "It is not UTF-8."),
        ('email,name\n"a@example.com,b\n', "Line"),
        ("", "has to name the columns"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(
    administrator: Client, content: str | bytes, said: str
) -> None:
    assert said in sent(administrator, content).content.decode()


def test_too_many_rows_are_refused(administrator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.desk.people.files.ROWS_MAX", 1)

    page = sent(administrator, "email,name\na@example.com,a\nb@example.com,b\n", create="yes")

    assert "more than 1 rows" in page.content.decode()
    assert not User.objects.filter(email="a@example.com").exists()


@pytest.mark.parametrize("role", ["Viewer", "Operator", "Template editor"])
def test_others_may_not_create(login: Login, ada: User, role: str) -> None:
    assert sent(login(role), FILE, create="yes").status_code == 403


def test_all_people_are_exported_without_formulas(login: Login, ada: User) -> None:
    User.objects.filter(pk=person("eve").pk).update(name="=cmd()")
    operator = login("Operator")

    text = operator.get("/admin/people/export/").getvalue().decode()

    assert text.startswith("\ufeffid,email,name")
    assert "ada@example.com,Ada,en,UTC,True,True" in text
    assert "eve@example.com,'=cmd()" in text
    assert AuditEntry.objects.get().action == "exported"
    assert login("Viewer").get("/admin/people/export/").status_code == 403
