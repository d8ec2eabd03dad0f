"""Export and import of templates as files: all or nothing, and no version without a change."""

import json
from pathlib import Path

import pytest

from apps.templates.catalog import CatalogError, export_templates, import_templates
from apps.templates.models import Template, TemplateVersion
from tests.templates.conftest import EMAIL, PUSH, Api

MJML = (
    "<mjml><mj-body><mj-section><mj-column><mj-text>{{ name }}</mj-text>"
    "</mj-column></mj-section></mj-body></mjml>"
)


def lines(folder: Path) -> list[str]:
    return [str(line) for line in import_templates(folder)]


def test_an_import_restores_what_was_exported(api: Api, tmp_path: Path) -> None:
    api.post("", EMAIL | {"html": MJML, "critical": True, "body": "\n a\r\nb "})
    api.put("welcome", {"language": "pt-BR", "subject": "Olá", "body": "x\n"})
    api.post("", PUSH)
    before = [api.get(path).json() for path in ("welcome", "welcome?language=pt-BR", "parcel")]

    assert export_templates(tmp_path) == ["parcel", "welcome"]
    Template.objects.all().delete()
    assert lines(tmp_path) == [
        "parcel en v1 created",
        "welcome en v1 created",
        "welcome pt-BR v1 created",
    ]

    after = [api.get(path).json() for path in ("welcome", "welcome?language=pt-BR", "parcel")]
    changing = ("id", "created_at", "updated_at", "created_by")
    for one in (*before, *after):
        for name in changing:
            one.pop(name)
    assert after == before


def test_a_text_made_from_html_is_made_again_at_the_import(api: Api, tmp_path: Path) -> None:
    api.post("", {**EMAIL, "body": None, "html": "<p>Hello</p>"})
    export_templates(tmp_path)

    assert sorted(path.name for path in (tmp_path / "welcome/en").iterdir()) == [
        "html.liquid",
        "subject.liquid",
    ]
    assert lines(tmp_path) == ["welcome en v1 unchanged"]
    Template.objects.all().delete()
    assert lines(tmp_path) == ["welcome en v1 created"]
    assert api.get("welcome").json()["body"] is None


def test_a_second_import_changes_nothing(api: Api, tmp_path: Path) -> None:
    api.post("", EMAIL | {"html": MJML})
    api.post("", PUSH)
    export_templates(tmp_path)

    assert lines(tmp_path) == ["parcel en v1 unchanged", "welcome en v1 unchanged"]
    assert TemplateVersion.objects.count() == 2


def test_a_changed_file_creates_a_version(api: Api, tmp_path: Path) -> None:
    api.post("", EMAIL)
    export_templates(tmp_path)
    (tmp_path / "welcome/en/subject.liquid").write_text("New\n")

    assert lines(tmp_path) == ["welcome en v2 updated"]
    assert api.get("welcome").json()["subject"] == "New"


def test_a_changed_name_creates_no_version(api: Api, tmp_path: Path) -> None:
    api.post("", EMAIL)
    export_templates(tmp_path)
    meta = tmp_path / "welcome/template.json"
    meta.write_text(json.dumps(json.loads(meta.read_text()) | {"name": "New"}))

    assert lines(tmp_path) == ["welcome en v1 unchanged"]
    assert Template.objects.get().name == "New"


def test_an_export_deletes_fields_of_an_earlier_one(api: Api, tmp_path: Path) -> None:
    api.post("", EMAIL | {"html": "<p>"})
    export_templates(tmp_path)
    api.put("welcome", {"subject": "x", "body": "y"})
    export_templates(tmp_path)

    assert sorted(path.name for path in (tmp_path / "welcome/en").iterdir()) == [
        "body.liquid",
        "subject.liquid",
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("welcome/en/body.liquid", "{{ a |", "en: /body: line 1, column 1"),
        ("welcome/template.json", "{", "template.json: "),
        ("welcome/template.json", "{}", "'notification_type' is missing"),
        ("welcome/template.json", '{"notification_type": "sms"}', "not a valid Channel"),
        ("welcome/xx_yy/body.liquid", "x", "Expected a language tag"),
    ],
)
def test_an_import_with_an_invalid_file_changes_nothing(
    api: Api, tmp_path: Path, name: str, text: str, message: str
) -> None:
    api.post("", EMAIL)
    api.post("", EMAIL | {"code": "another"})
    export_templates(tmp_path)
    Template.objects.all().delete()
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)

    with pytest.raises(CatalogError, match=message):
        import_templates(tmp_path)
    assert not Template.objects.exists()


def test_a_folder_with_the_name_of_a_builtin_text_is_refused(api: Api, tmp_path: Path) -> None:
    api.post("", EMAIL)
    export_templates(tmp_path)
    Template.objects.all().delete()
    (tmp_path / "welcome").rename(tmp_path / "system:reset-password")

    with pytest.raises(CatalogError, match="belong to the system itself"):
        import_templates(tmp_path)
    assert not Template.objects.exists()


def test_a_folder_without_templates_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"template\.json"):
        import_templates(tmp_path)
