"""The WSGI entry point of the web process; in embedded mode it also runs the workers."""

import multiprocessing
import os
import threading
from multiprocessing.process import BaseProcess

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "notifications_project.settings")

application = get_wsgi_application()

# These imports need the models, so they follow the set-up of the application.
from apps.common import logs  # noqa: E402 - see the comment above.
from apps.common.process_exit import at_end  # noqa: E402 - see the comment above.
from apps.notifications.broker import topology  # noqa: E402 - see the comment above.
from apps.notifications.embedded import runtime  # noqa: E402 - see the comment above.
from apps.notifications.operations.heartbeat import HeartbeatThread  # noqa: E402 - see above.


def _end_with_parent(parent: BaseProcess) -> None:
    """Exit when the parent process has died, for example after a kill -9.

    An orphan would keep the port. In embedded mode it would also deliver concurrently with the next
    server.
    """
    # This waits for the end of a pipe that only the parent holds open, and needs no polling.
    parent.join()
    os._exit(1)


if (parent := multiprocessing.parent_process()) is not None:
    threading.Thread(
        target=_end_with_parent, args=(parent,), name="parent-watch", daemon=True
    ).start()
logs.buffer()
at_end(logs.flush)
if settings.EMBEDDED:
    runtime.start()
HeartbeatThread(
    role="embedded" if settings.EMBEDDED else "web",
    queues=topology.WORKER_QUEUES if settings.EMBEDDED else (),
).start()
