"""Check the problem documents that the API answers with."""

from typing import Any


def pointers(answer: Any) -> list[str]:
    """Return the pointers of all errors of a problem document."""
    return [error["pointer"] for error in answer.json()["errors"]]


PROBLEM_MEMBERS = {
    "type",
    "title",
    "status",
    "detail",
    "instance",
    "code",
    "correlation_id",
    "errors",
}


def assert_problem(answer: Any, status: int) -> dict[str, Any]:
    """Assert that an answer is a complete problem document of this status, and return it."""
    assert answer.status_code == status, (answer.status_code, answer.content[:500])
    assert answer["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert set(problem) == PROBLEM_MEMBERS
    assert problem["status"] == status
    assert problem["correlation_id"] == answer["X-Correlation-ID"]
    return problem
