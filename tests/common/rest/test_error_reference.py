"""Each problem has a page, which its ``type`` leads to, and a line in ``docs/errors.md``."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from apps.common.rest.error_reference import markdown
from apps.common.rest.problem_types import TYPES
from apps.common.rest.problems import DEFAULT_CODES, problem_body

ROOT = Path(__file__).resolve().parents[3]
BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"
# Functions whose parameter ``code`` is that of a problem.
MAKERS = {"Problem", "problem_response", "impossible", "refused", "_conflict", "ParseError"}


def codes_in_the_source() -> Iterator[str]:
    """Yield the codes that the source gives to problems as literal texts."""
    for path in (ROOT / "apps").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
                name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
                given: list[Any] = [one.value for one in node.keywords if one.arg == "code"]
                if name in {"impossible", "_conflict"}:
                    given += node.args[1:2]
                if name in MAKERS:
                    yield from (str(one.value) for one in given if isinstance(one, ast.Constant))


def test_every_code_of_the_source_has_a_page() -> None:
    found = set(codes_in_the_source())

    assert {"unknown_user", "invalid_token", "duplicate_email", "malformed_json"} <= found
    assert found | set(DEFAULT_CODES.values()) <= set(TYPES)


@pytest.mark.parametrize("status", DEFAULT_CODES)
def test_the_code_of_a_status_belongs_to_it(status: int) -> None:
    assert TYPES[DEFAULT_CODES[status]].status == status


@pytest.mark.parametrize("code", TYPES)
def test_the_type_of_a_problem_leads_to_its_page(code: str, client: Client) -> None:
    known = TYPES[code]
    document = problem_body(status=known.status, detail="No.", code=code, instance="/x")
    assert document["title"] == known.title
    path = urlsplit(document["type"]).path

    page = client.get(path, headers={"accept": BROWSER})
    read = client.get(path).json()

    assert page.status_code == 200
    assert f"<h1>{known.title}</h1>" in page.content.decode()
    assert "`" not in page.content.decode()
    assert (read["code"], read["status"], read["type"]) == (code, known.status, document["type"])


def test_the_pages_need_no_database(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries, db: None
) -> None:
    with django_assert_num_queries(0):
        for path in ("/errors/", "/errors", "/errors/not_found", "/errors/not_found/"):
            assert client.get(path, headers={"accept": BROWSER}).status_code == 200


def test_the_list_leads_to_each_page(client: Client) -> None:
    page = client.get("/errors/", headers={"accept": BROWSER}).content.decode()

    assert [code for code in TYPES if f'href="/errors/{code}"' not in page] == []
    assert [one["code"] for one in client.get("/errors/").json()["results"]] == list(TYPES)


def test_an_unknown_code_has_no_page(client: Client) -> None:
    assert client.get("/errors/nothing").status_code == 404
    assert client.get("/errors/<script>").status_code == 404


def test_the_document_has_the_same_table() -> None:
    lines = (ROOT / "docs/errors.md").read_text().splitlines()

    assert [line for line in lines if line.startswith("|")] == list(markdown())
