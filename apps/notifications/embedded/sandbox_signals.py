"""What the pages of the sandbox tell others, without these pages and all that they load."""

from django.dispatch import Signal

# Sent with ``request`` and the ``messages`` that a page shows: one with its content, and a list
# with its subjects. The desk, which this app does not know, writes its audit trail then.
content_shown = Signal()
subjects_shown = Signal()
