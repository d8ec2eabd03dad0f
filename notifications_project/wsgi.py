"""The WSGI entry of the web process; in the embedded mode that process is everything."""

import multiprocessing
import os
import threading
import time

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "notifications_project.settings")

application = get_wsgi_application()

# After the application is set up, because these read its models.
from apps.common import logs  # noqa: E402 - as the comment says.
from apps.common.process_exit import at_end  # noqa: E402 - as the comment says.
from apps.notifications.embedded import runtime  # noqa: E402 - as the comment says.
from apps.notifications.operations.heartbeat import HeartbeatThread  # noqa: E402 - as above.

PARENT_POLL_SECONDS = 0.25


def _end_with_parent() -> None:
    """End when the server that started this process is gone, as after a kill -9.

    An orphan would keep the port, and in the embedded mode deliver beside the next start.
    """
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(PARENT_POLL_SECONDS)
    os._exit(1)


if multiprocessing.parent_process() is not None:
    threading.Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()
logs.gather()
at_end(logs.flush)
if settings.EMBEDDED:
    runtime.start()
HeartbeatThread(
    role="embedded" if settings.EMBEDDED else "web",
    queues=runtime.QUEUES if settings.EMBEDDED else (),
).start()
