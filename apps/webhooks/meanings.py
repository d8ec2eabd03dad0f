"""What came of a call, in sentences: for the desk, the API's document and docs/webhooks.md."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from apps.webhooks.models import DisabledReason
from apps.webhooks.schedule import CallError


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What came of a call.

    Attributes:
        sentence: What happened, as a whole sentence.
        advice: What the owner of the endpoint does about it; empty if nothing is to be done.
    """

    sentence: str
    advice: str = ""


def _meaning(sentence: str, advice: str = "") -> Meaning:
    return Meaning(sentence=sentence, advice=advice)


# Why a call has no answer.
ERRORS: Mapping[CallError, Meaning] = {
    CallError.TIMEOUT: _meaning(
        "It did not answer within 15 seconds.",
        "Answer at once, and do the work later.",
    ),
    CallError.CONNECTION: _meaning(
        "No connection could be made, or it broke.",
        "See that the server runs and that its firewall lets this service in.",
    ),
    CallError.TLS: _meaning(
        "Its certificate could not be verified.",
        "Renew the certificate, or send its whole chain.",
    ),
    CallError.NAME_NOT_RESOLVED: _meaning(
        "Its name has no address.",
        "Correct the URL, or the DNS of the name.",
    ),
    CallError.ADDRESS_NOT_ALLOWED: _meaning(
        "Its name leads to an address that is not of the public internet.",
        "Use a name whose addresses are all public.",
    ),
    CallError.PROTOCOL: _meaning(
        "What it answered is not HTTP.",
        "See what listens at the port of the URL.",
    ),
    CallError.SECRET_UNREADABLE: _meaning(
        "The event could not be signed, because the secret cannot be decrypted.",
        "Operators: put the earlier `SECRET_KEY` into `SECRET_KEY_FALLBACKS`, or rotate it.",
    ),
    CallError.ENDPOINT_DISABLED: _meaning(
        "The webhook was disabled while the event waited.",
        "Enable it, then deliver the event again.",
    ),
}
# Why an endpoint is disabled.
DISABLED: Mapping[str, str] = {
    DisabledReason.BY_HAND: "Somebody has disabled it.",
    DisabledReason.GONE: "It answered 410: it wants no more events.",
    DisabledReason.FAILING: "Every call has failed for five days.",
}
_PAUSE = "Nothing: it is tried again, and not before the time of a `Retry-After` in its answer."
_NOT_OURS = _meaning(
    "It refused the call as one of a stranger.",
    "Let calls with a right signature pass without a login, and see that it has the right secret.",
)
# Statuses that say more than their first digit.
STATUSES: Mapping[int, Meaning] = {
    HTTPStatus.UNAUTHORIZED: _meaning(
        "It refused the call: it does not accept the signature, or wants a login.",
        "See that it has the right secret, and asks for no login.",
    ),
    HTTPStatus.FORBIDDEN: _NOT_OURS,
    HTTPStatus.NOT_FOUND: _meaning(
        "The page at its URL does not exist.",
        "Correct the URL.",
    ),
    HTTPStatus.METHOD_NOT_ALLOWED: _meaning(
        "The page at its URL takes no POST.",
        "Correct the URL, or let it take POST.",
    ),
    HTTPStatus.GONE: _meaning(
        "It wants no more events, so it was disabled.",
        "Enable it if that was a mistake, then deliver the window again.",
    ),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: _meaning(
        "The event is larger than it accepts.",
        "Let it take bodies of 20 kB.",
    ),
    HTTPStatus.TOO_MANY_REQUESTS: _meaning("It says that it got too many calls.", _PAUSE),
    HTTPStatus.SERVICE_UNAVAILABLE: _meaning("It says that it takes no calls now.", _PAUSE),
}
_TAKEN = _meaning("It took the event.")
# By the first digit of the status.
_CLASSES: Mapping[int, Meaning] = {
    2: _TAKEN,
    3: _meaning(
        "It answered with a redirect, which is not followed.",
        "Change the URL of the webhook to where it leads.",
    ),
    4: _meaning("It refused the event.", "See its answer, and its own log."),
    5: _meaning("It failed while it worked on the event.", "See its answer, and its own log."),
}
_STRANGE = _meaning("Its answer is not 2xx, so the event counts as not taken.", "Answer with 204.")
_HUNDRED = 100


def explained(*, status_code: int | None, error: str | None) -> Meaning:
    """Return what came of a call, as an attempt in the log stores it.

    Args:
        status_code: The status of the answer; None if there was none.
        error: The code of a ``CallError``; another release may have stored one that is new.
    """
    if status_code is not None:
        named = STATUSES.get(status_code)
        return named or _CLASSES.get(status_code // _HUNDRED, _STRANGE)
    if not error:
        return _meaning("There was no answer.")
    known = ERRORS.get(CallError(error)) if error in set(CallError) else None
    return known or _meaning(f"There was no answer: {error.replace('_', ' ')}.")
