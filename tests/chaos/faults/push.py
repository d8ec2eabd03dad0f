"""FCM refuses messages, or does not respond."""

import time
from dataclasses import replace

from tests.chaos.copies import unanswered
from tests.chaos.environment import Environment
from tests.chaos.faults.registry import fault
from tests.fakes.fcm_server import EVERY_TOKEN, refusal
from tests.fakes.http_server import Answer

# Retries wait at least 2.5, 5, 10 and 20 s, so in 20 s there are four tries without a response;
# the next one gets a response.
TRIES = 4
UNANSWERED = unanswered(
    "FCM took the message and its answer was lost: the outcome is unknown, and it is tried again "
    "as anything else, because a second copy replaces the first on the device",
    at_most=TRIES,
)
TAKEN = unanswered(
    "the worst that a 5xx can mean: FCM took what it did not answer for, and it is tried again",
    at_most=TRIES,
)


def _answer(environment: Environment, seconds: float, answer: Answer) -> None:
    environment.fcm.answer(EVERY_TOKEN, answer)
    try:
        time.sleep(seconds)
    finally:
        environment.fcm.behave()


@fault(says="FCM answers 429 with Retry-After", seconds=10)
def fcm_429(environment: Environment, seconds: float) -> None:
    """Request a lower rate."""
    answer = refusal(
        429, "RESOURCE_EXHAUSTED", "Quota exceeded.", fcm="QUOTA_EXCEEDED", retry_after="5"
    )
    _answer(environment, seconds, answer)


@fault(says="FCM answers 500, and takes the message all the same", copies=TAKEN)
def fcm_500(environment: Environment, seconds: float) -> None:
    """Fail with an internal error after the message was read."""
    answer = refusal(500, "INTERNAL", "Internal error.", fcm="INTERNAL")
    _answer(environment, seconds, replace(answer, taken=True))


@fault(says="FCM answers 503, and takes the message all the same", copies=TAKEN)
def fcm_503(environment: Environment, seconds: float) -> None:
    """Report an overload after the message was read."""
    answer = refusal(503, "UNAVAILABLE", "Try again.", fcm="UNAVAILABLE", retry_after="2")
    _answer(environment, seconds, replace(answer, taken=True))


@fault(says="FCM answers 401: our credentials are refused", seconds=10)
def fcm_401(environment: Environment, seconds: float) -> None:
    """Refuse our credentials."""
    answer = refusal(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
    _answer(environment, seconds, answer)


@fault(says="FCM takes the message and resets the connection", copies=UNANSWERED)
def fcm_resets(environment: Environment, seconds: float) -> None:
    """Accept the message and close the connection."""
    _answer(environment, seconds, Answer(drop=True))


@fault(says="FCM takes the message and never answers", seconds=20, copies=UNANSWERED)
def fcm_hangs(environment: Environment, seconds: float) -> None:
    """Accept the message and keep the connection open."""
    _answer(environment, seconds, Answer(hang=True))
