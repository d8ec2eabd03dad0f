"""Validate a request and build its row, which is not stored yet."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from apps.common.callers import Caller
from apps.common.channels import Channel
from apps.common.middleware.correlation import current_id
from apps.common.new_rows import new_row
from apps.common.rest.problems import FieldError, Problem, impossible, pointer_to
from apps.notifications.broker import publisher
from apps.notifications.intake.digests import PRESENT_FORM, body_digest, second_form
from apps.notifications.intake.requests import SendRequest, normalised
from apps.notifications.models import Notification
from apps.notifications.privacy.redaction import redacted
from apps.templates import rendering


def make_draft(
    request: SendRequest,
    *,
    caller: Caller,
    locales: dict[UUID, str],
    now: datetime,
    version: rendering.PinnedTemplate | None = None,
) -> Notification:
    """Validate a request and build its row.

    Args:
        request: The request.
        caller: The API client.
        locales: The locales of known users.
        now: The current time, UTC.
        version: The version to use; by default the published one.

    Raises:
        Problem: 400 or 422.
    """
    asked = normalised(request, now=now)
    _check_times(asked, now=now)
    locale = locales.get(asked.user_id)
    if locale is None:
        raise impossible("/user_id", "unknown_user", "There is no such user.")
    pinned = _pinned(asked, locale=locale, version=version)
    scheduled_for = asked.scheduled_for
    if scheduled_for is not None and scheduled_for <= now:
        scheduled_for = None
    row = new_row(
        Notification,
        client=caller.client or "",
        kind=caller.kind,
        request_id=asked.request_id,
        **_digests(request),
        correlation_id=current_id(),
        channel=asked.notification_type,
        user_id=asked.user_id,
        template_code=pinned.code,
        template_version=pinned.number,
        template_version_id=pinned.version_id,
        language=pinned.language,
        reply_to=asked.reply_to,
        variables=redacted(asked.variables) if pinned.sensitive else asked.variables,
        sensitive=pinned.sensitive,
        secret_variables=asked.variables if pinned.sensitive else None,
        metadata=asked.metadata,
        priority=asked.priority,
        scheduled_for=scheduled_for,
        expires_at=asked.expires_at,
        next_attempt_at=scheduled_for,
        wake_at=scheduled_for or publisher.first_wake(now),
        created_at=now,
        updated_at=now,
    )
    row.status = row.first_status
    return row


def _digests(request: SendRequest) -> dict[str, Any]:
    """Return the digests by which a repetition of the request is recognised.

    Without a key nothing repeats the request. Its digests would be a tenth of the work for a row.
    """
    if request.request_id is None:
        return {"body_digest": b""}
    return {
        "body_digest": second_form(request),
        "canonical_digest": body_digest(request),
        "digest_form": PRESENT_FORM,
    }


def check_terms(request: SendRequest) -> None:
    """Validate the content and times of a request, without its recipient.

    Raises:
        Problem: 400 or 422.
    """
    now = timezone.now()
    asked = normalised(request, now=now)
    _check_times(asked, now=now)
    _pinned(asked, locale=None)


def _pinned(
    asked: SendRequest,
    *,
    locale: str | None,
    version: rendering.PinnedTemplate | None = None,
) -> rendering.PinnedTemplate:
    """Choose the template version of the notification.

    Raises:
        Problem: 422 if there is none, it is for another channel, or variables are missing.
    """
    try:
        pinned = version or rendering.pin(
            asked.template_code, language=asked.language, locale=locale
        )
    except rendering.UnknownTemplate:
        raise impossible(
            "/template_code", "unknown_template", "There is no such template."
        ) from None
    if pinned.channel != asked.notification_type:
        detail = f"The template is for {pinned.channel}, not {asked.notification_type}."
        raise impossible("/notification_type", "type_mismatch", detail)
    if asked.reply_to is not None and asked.notification_type != Channel.EMAIL.value:
        detail = "Nobody can answer a push message."
        raise impossible("/reply_to", "type_mismatch", detail)
    _check_variables(asked, pinned)
    _check_outcomes(asked, pinned)
    return pinned


def _check_outcomes(asked: SendRequest, pinned: rendering.PinnedTemplate) -> None:
    """Refuse variables with which the message could not be sent.

    Raises:
        Problem: 422 that names the field of the template.
    """
    try:
        rendering.check_at_intake(pinned, asked.variables)
    except rendering.RenderError as error:
        detail = f"The template's {error.place or 'content'}: {error.detail}"
        raise impossible("/variables", "template_error", detail) from None


def _check_times(asked: SendRequest, *, now: datetime) -> None:
    if asked.expires_at is None:
        return
    if asked.expires_at <= now:
        raise impossible("/expires_at", "already_expired", "This time has passed.")
    if asked.scheduled_for is not None and asked.expires_at <= asked.scheduled_for:
        raise impossible(
            "/expires_at", "expires_before_schedule", "It would expire before it is due."
        )


def _check_variables(asked: SendRequest, pinned: rendering.PinnedTemplate) -> None:
    missing = rendering.missing_variables(pinned, asked.variables)
    if missing:
        raise Problem(
            422,
            f"The template needs variables that are not given: {', '.join(missing)}.",
            code="missing_variables",
            errors=[
                FieldError(
                    pointer=pointer_to("variables", *name.split(".")),
                    code="required",
                    detail="The template needs this variable.",
                )
                for name in missing
            ],
        )
