"""The page of providers, and what staff do there: test, force, give back, lift a limit."""

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.common.channels import Channel
from apps.desk import audit
from apps.desk.pages import may, require, show
from apps.desk.providers import unmatched
from apps.desk.providers.cards import cards
from apps.desk.providers.force_form import (
    FIRST_LENGTH,
    LENGTHS,
    REASON_MAX_LENGTH,
    WAYS,
    ForceForm,
)
from apps.notifications.flow_control import control
from apps.notifications.flow_control.breakers import Forced
from apps.notifications.lifecycle.outcomes import Outcome
from apps.notifications.lifecycle.reasons import Reason, explained
from apps.notifications.providers import registry
from apps.notifications.providers.base import Reply

# The same permissions as in the API.
VIEW = "notifications.view_heartbeat"
FORCE = "notifications.change_notification"
TRAIL = {Forced.OPEN: "forced_open", Forced.CLOSED: "forced_closed"}


@require_safe
def provider_page(request: HttpRequest) -> HttpResponse:
    """Show every provider."""
    found = cards()
    unused = [card.provider for card in found if card.provider.preference is None]
    context = {
        "title": "Providers",
        "cards": found,
        "unused": [provider.name for provider in unused],
        "shows_unused": any(
            breaker.forced is not Forced.AUTO
            for provider in unused
            for breaker in provider.breakers
        ),
        "may_force": may(request, FORCE),
        "sees_reports": may(request, unmatched.VIEW),
        "sees_messages": may(request, "notifications.view_notification"),
        # Then the processes do not know of each other's breakers.
        "is_alone": not settings.REDIS_URL and not settings.EMBEDDED,
    }
    return show(request, "desk/providers.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def force_breaker(request: HttpRequest, provider: str, breaker: str) -> HttpResponse:
    """Ask which way, why and for how long, and force the breaker."""
    require(request, FORCE)
    found = [one for one in control.breakers_of(provider) if one.name == breaker]
    if not found:
        raise Http404
    form = ForceForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return _question(request, provider, found[0], form)
    reason = form.cleaned_data["reason"]
    control.force(
        provider,
        form.forced,
        by=audit.actor_of(request),
        only=breaker,
        seconds=form.seconds,
        reason=reason,
    )
    audit.record(
        request,
        TRAIL[form.forced],
        object_type="provider",
        object_id=breaker,
        detail=f"{form.length_words}: {reason}",
    )
    words = f"Breaker {breaker} is forced {form.forced.value} {form.length_words}."
    messages.success(request, words)
    return redirect("providers")


@require_POST
def give_back_breaker(request: HttpRequest, provider: str, breaker: str) -> HttpResponse:
    """Return a breaker to automatic control."""
    require(request, FORCE)
    if not control.force(provider, Forced.AUTO, by=audit.actor_of(request), only=breaker):
        raise Http404
    audit.record(request, "given_back", object_type="provider", object_id=breaker)
    messages.success(request, f"Breaker {breaker} opens and closes by itself again.")
    return redirect("providers")


@require_POST
def lift_limit(request: HttpRequest, provider: str) -> HttpResponse:
    """Forget that a provider asked for fewer calls."""
    require(request, FORCE)
    if not control.lift_limit(provider, by=audit.actor_of(request)):
        raise Http404
    audit.record(request, "limit_lifted", object_type="provider", object_id=provider)
    messages.success(request, f"Provider {provider} gets as many calls as its setting allows.")
    return redirect("providers")


@require_POST
def test_connection(request: HttpRequest, channel: str, provider: str) -> HttpResponse:
    """Test a provider's connection now, from this web process, without sending anything."""
    require(request, FORCE)
    if channel not in set(Channel):
        raise Http404
    try:
        reply = registry.check(provider, channel=channel)
    except LookupError:
        raise Http404 from None
    works = reply is not None and reply.outcome is Outcome.ACCEPTED
    audit.record(
        request,
        "tested",
        object_type="provider",
        object_id=provider,
        detail="It works." if works else _meaning(reply).sentence if reply else "",
    )
    level = messages.SUCCESS if works else messages.WARNING
    messages.add_message(request, level, _said(provider, reply))
    return redirect("providers")


def _said(provider: str, reply: Reply | None) -> str:
    """Return the result of a test in one line: what it means, and the provider's words."""
    if reply is None:
        return f"Provider {provider} has no call to test it with."
    # Where nobody answered, the code is the class of our own error.
    is_own = reply.code.isidentifier() and not reply.code.isupper()
    words = " ".join(filter(None, ("" if is_own else reply.code, reply.detail)))
    after = f"after {reply.duration_ms:,} ms"
    if reply.outcome is Outcome.ACCEPTED:
        return f"The connection of {provider} works, {after}: {words}"
    meaning = _meaning(reply)
    said = f"The connection of {provider} does not work, {after}. {meaning.sentence}"
    return f"{said} In its words: “{words}” {meaning.advice}".strip()


def _meaning(reply: Reply) -> Reason:
    return explained(reply.reason or reply.outcome)


def _question(
    request: HttpRequest, provider: str, breaker: control.BreakerState, form: ForceForm
) -> HttpResponse:
    given = form.data if form.is_bound else {"way": Forced.OPEN.value, "length": FIRST_LENGTH}
    context = {
        "title": f"Force the breaker of {breaker.name}",
        "provider": provider,
        "breaker": breaker,
        "ways": WAYS,
        "lengths": {name: words for name, (words, _) in LENGTHS.items()},
        "given": given,
        "misses_reason": form.is_bound and "reason" in form.errors,
        "is_wrong": form.is_bound and bool({"way", "length"} & form.errors.keys()),
        "reason_max_length": REASON_MAX_LENGTH,
    }
    return show(request, "desk/provider_force.html", context)
