"""Who is told, and how."""

from apps.notifications.models import Notice
from apps.notifications.notices import mails


def has_subscribers() -> bool:
    """Return whether anybody is told. Without anybody the scheduler looks at nothing."""
    return bool(mails.addresses())


def told(notice: Notice) -> None:
    """Tell that a notice was raised, or that it is over, in the transaction that stores it.

    Called once when it is raised and once when it is over (``notice.is_over``). Whatever tells
    operators in another way begins here.

    Raises:
        InFlightError: The notice is over, and a worker is sending the mail that raised it. The
            transaction is rolled back, and the next look tries again.
    """
    mails.tell(notice)
