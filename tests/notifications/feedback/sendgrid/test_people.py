"""What SendGrid's events change for the recipient: the suppression list and the preferences."""

from apps.common.callers import Kind
from apps.notifications.lifecycle.states import Status
from apps.users import contacts, preferences
from apps.users.addresses import address_hash
from apps.users.models import Suppression, User
from tests.fakes.sendgrid_events import EventSigner, event
from tests.notifications.factories import TEST_CALLER, row_with_status
from tests.notifications.feedback.calls import Call, ending, wants


def test_a_bounce_concerns_the_address_that_the_mail_was_sent_to(
    sendgrid_events: EventSigner, mail: Call, alice: User
) -> None:
    row = mail(to="old@example.com")

    sendgrid_events.deliver(event(row.pk, "bounce", email="OLD@example.com"))

    (entry,) = Suppression.objects.all()
    # The account has another address now.
    assert (entry.address_hash, entry.address) == (address_hash("old@example.com"), "")
    assert contacts.load_contacts([alice.pk])[alice.pk].suppressed is False


def test_a_bounce_of_an_address_that_the_mail_was_not_sent_to_suppresses_none(
    sendgrid_events: EventSigner, mail: Call
) -> None:
    row = mail()

    sendgrid_events.deliver(event(row.pk, "bounce", email="mallory@example.com"))

    assert Suppression.objects.count() == 0
    assert [receipt.address_hash for receipt in row.receipts.all()] == [None]


def test_a_bounce_before_the_record_of_the_call_concerns_the_current_address(
    sendgrid_events: EventSigner, alice: User
) -> None:
    row = row_with_status(alice, Status.SENDING)

    sendgrid_events.deliver(event(row.pk, "bounce"))

    assert ending(row) == ("bounced", "hard_bounce")
    assert contacts.load_contacts([alice.pk])[alice.pk].suppressed is True


def test_unsubscribing_turns_mail_off_and_never_suppresses(
    sendgrid_events: EventSigner, mail: Call, alice: User
) -> None:
    sendgrid_events.deliver(event(mail().pk, "unsubscribe"))

    assert (wants(alice, "general"), wants(alice, "news")) == (False, False)
    assert preferences.of_user(User.objects.get(pk=alice.pk)).push is True
    assert Suppression.objects.count() == 0


def test_leaving_a_group_turns_the_category_of_the_mail_off_and_coming_back_on(
    sendgrid_events: EventSigner, mail: Call, alice: User
) -> None:
    row = mail()

    sendgrid_events.deliver(event(row.pk, "group_unsubscribe"))
    assert (wants(alice, "general"), wants(alice, "news")) == (False, True)

    sendgrid_events.deliver(event(row.pk, "group_resubscribe"))
    assert wants(alice, "general") is True


def test_the_last_of_several_wishes_counts(
    sendgrid_events: EventSigner, mail: Call, alice: User
) -> None:
    row = mail()
    sendgrid_events.deliver(
        event(row.pk, "group_resubscribe", timestamp=1_795_348_900),
        event(row.pk, "group_unsubscribe", timestamp=1_795_348_800),
    )
    assert wants(alice, "general") is True


def test_a_test_notification_suppresses_no_address_and_changes_no_preference(
    sendgrid_events: EventSigner, alice: User
) -> None:
    row = row_with_status(alice, Status.SENT, caller=TEST_CALLER, attempts=1)
    assert row.kind == Kind.TEST
    kinds = ("bounce", "spamreport", "unsubscribe")

    sendgrid_events.deliver(*(event(row.pk, kind) for kind in kinds))

    assert Suppression.objects.count() == 0
    assert wants(alice, "general") is True
    assert row.receipts.count() == 3
