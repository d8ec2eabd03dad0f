"""What a reason means, in a sentence, and what to do about it.

Every reason of a status, of an attempt and of a breaker is here once. The desk, the API's document
and the operations page read it. Providers may have further reasons; these are shown as they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from apps.notifications.lifecycle.states import Status


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One reason.

    Attributes:
        sentence: What happened, as a whole sentence.
        advice: What to do about it; empty if nothing is to be done.
    """

    sentence: str
    advice: str = ""


def _reason(sentence: str, advice: str = "") -> Reason:
    return Reason(sentence=sentence, advice=advice)


_NEW_CREDENTIALS = "Correct the provider's credentials; what waits is sent by itself then."
_TOO_LARGE = "Shorten the template, or the variables that the call brings."
_REPORT = "Report it with the correlation id: the service sent something that is not valid."
_WAIT = "Nothing: it is tried again by itself."

REASONS: Mapping[str, Reason] = {
    # Why nothing was sent.
    "opted_out": _reason("The recipient has turned this off in their preferences."),
    "suppressed": _reason(
        "The address is on the suppression list.",
        "Take it off the list only if the recipient says that the address works again.",
    ),
    "no_address": _reason(
        "The recipient has no confirmed address.", "Let them confirm it, or enter it as staff."
    ),
    "no_device": _reason(
        "The recipient has no device that receives pushes.", "The app registers one when it opens."
    ),
    "user_erased": _reason("The recipient's account was erased."),
    "cancelled": _reason("It was cancelled before it was sent."),
    "expired": _reason("Its time had passed before it could be sent."),
    # Why it failed.
    "template_error": _reason(
        "The template could not be filled in with these variables.",
        "Correct the template or the call, then replay it.",
    ),
    "defect": _reason("The message could not be composed.", _REPORT),
    "attempts_exhausted": _reason(
        "Every attempt failed, and there are none left.",
        "See the last reply; replay it when the provider works again.",
    ),
    "unknown_outcome": _reason(
        "The provider took the message and did not answer, so it may have arrived.",
        "Ask the recipient, or the provider's log, before you replay it.",
    ),
    "crashed": _reason(
        "The process that sent it ended several times.",
        "See the log of the workers; then replay it.",
    ),
    "rejected": _reason(
        "The provider refused the message for good.", "See its reply, correct it, then replay it."
    ),
    "hard_bounce": _reason(
        "The address does not exist.", "It gets no more mail. Ask the recipient for another one."
    ),
    "soft_bounce": _reason(
        "The mail came back, for a reason that may pass.",
        "See the report; an address that does this often gets no mail for some weeks.",
    ),
    "soft_bounces": _reason(
        "Several mails to the address came back.", "It gets mail again when this has ended."
    ),
    "manual": _reason("Staff or a client application has put the address on the list."),
    "dropped": _reason(
        "The provider did not send it, because of a list or limit of its own.",
        "See its reason, and look at the lists of the provider's account.",
    ),
    "complaint": _reason(
        "The recipient has reported a mail as spam.", "They get no more mail. Do not replay it."
    ),
    "unregistered": _reason(
        "The app was removed from the device, or its token is no longer valid."
    ),
    "invalid_token": _reason("What the app registered is no token of Firebase."),
    "sender_id_mismatch": _reason(
        "The device's token belongs to another Firebase project.",
        "Check that the app and the key file are of the same project.",
    ),
    "mailbox_full": _reason("The recipient's mailbox is full.", _WAIT),
    "message_too_large": _reason("The mail is larger than the server accepts.", _TOO_LARGE),
    "payload_too_large": _reason("The message is larger than the provider accepts.", _TOO_LARGE),
    "policy": _reason(
        "The mail server refused the mail by its rules, such as a spam filter.",
        "See its reply; check the sender's domain (SPF, DKIM, DMARC) and the content.",
    ),
    "invalid_address": _reason("The provider does not accept the address.", "Correct the address."),
    "smtputf8": _reason(
        "The address has letters that this mail server cannot send to.",
        "Use a server with SMTPUTF8, or another address.",
    ),
    # What concerns the provider or our settings.
    "credentials": _reason("The provider does not accept our credentials.", _NEW_CREDENTIALS),
    "token_exchange": _reason("The key could not be exchanged for access.", _NEW_CREDENTIALS),
    "certificate": _reason(
        "The provider's certificate cannot be verified.",
        "Check the server's name and SMTP_CA_FILE; what waits is sent by itself then.",
    ),
    "starttls": _reason(
        "The mail server does not offer the encryption that is set.",
        "Check SMTP_TLS and SMTP_PORT; what waits is sent by itself then.",
    ),
    "third_party_auth_error": _reason(
        "Firebase has no valid key for Apple's or the browser's service.",
        "Upload a valid key in the Firebase console; what waits is sent by itself then.",
    ),
    "settings": _reason(
        "Settings of the provider are missing, or it refuses them.",
        "See its reply and correct them.",
    ),
    "sender": _reason(
        "The provider does not accept the sender.", "Verify DEFAULT_FROM_EMAIL at the provider."
    ),
    "sender_quota": _reason(
        "The provider's quota for this sender is used up.", "Raise the quota, or wait."
    ),
    "session": _reason("The mail server takes no session now.", _WAIT),
    "service_closing": _reason("The mail server closed the session.", _WAIT),
    "slow_down": _reason("The provider asked for fewer messages.", _WAIT),
    "quota_exceeded": _reason("The provider's limit of messages was reached.", _WAIT),
    "rate_limited": _reason("The provider asked for fewer messages.", _WAIT),
    "greylisted": _reason("The mail server asks to try again later.", _WAIT),
    "flaky": _reason("The sandbox played a temporary failure.", _WAIT),
    "connection": _reason("The provider could not be reached.", _WAIT),
    "unavailable": _reason("The provider takes no message now.", _WAIT),
    "internal": _reason("The provider had an error of its own.", _WAIT),
    "transient": _reason("The provider asks to try again later.", _WAIT),
    "timeout": _reason("The provider did not answer in time."),
    "unspecified": _reason("The provider gave no reason."),
    "unexpected_answer": _reason(
        "The answer is not one of this provider.", "Check the provider's address."
    ),
    "unreadable_reply": _reason("The mail server's reply could not be read."),
    "not_found": _reason(
        "The provider does not know the project or the address of its API.",
        "Check the provider's address and the project of the key file.",
    ),
    "protocol": _reason("The provider did not understand the request.", _REPORT),
    "invalid_argument": _reason("The provider calls the message invalid.", _REPORT),
    "unknown": _reason("The provider's answer was lost."),
    "configuration": _reason("Our settings for the provider are wrong.", _NEW_CREDENTIALS),
    "dead_address": _reason("The address or token does not exist."),
    # Why a breaker is open.
    "failure_rate": _reason("Too many of the latest calls failed.", "It closes by itself."),
    "probes_failed": _reason("The calls that tried it again failed.", "It is tried again."),
    # Why a message of the queue is a dead letter.
    "delivery_limit": _reason(
        "Workers took the message and ended several times.",
        "See the log of the workers; its notifications were found by the sweep.",
    ),
    "maxlen": _reason("The queue was full."),
}

# What each status says, as what a reader wants to know.
STATUSES: Mapping[Status, str] = {
    Status.SCHEDULED: "Scheduled",
    Status.PENDING: "Waiting",
    Status.SENDING: "Being sent",
    Status.RETRYING: "Trying again",
    Status.SENT: "Sent",
    Status.DELIVERED: "Delivered",
    Status.FAILED: "Failed",
    Status.BOUNCED: "Bounced",
    Status.SKIPPED: "Not sent",
    Status.EXPIRED: "Expired",
    Status.CANCELLED: "Cancelled",
}


def in_markdown() -> str:
    """Return all reasons as a list, for the API's document."""
    return "\n".join(f"* `{code}`: {reason.sentence}" for code, reason in REASONS.items())


def explained(code: str) -> Reason:
    """Return what a reason means; one that only a provider knows is shown as it is."""
    known = REASONS.get(code)
    if known is not None:
        return known
    return Reason(sentence=f"The reason is “{code.replace('_', ' ')}”." if code else "")
