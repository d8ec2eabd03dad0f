# ruff: noqa: INP001 - the configuration of Flower (--conf), not a module of the project.
"""How Flower shows the tasks: in words, with the ids in full, for the search of the desk.

Its Broker page shows all queues of the system.
"""

import re
from logging import ERROR, getLogger
from typing import Any

from flower.views import BaseHandler

from apps.notifications.broker.topology import SHOWN_QUEUES

# Its messages name endpoints, and have no number of attempts.
WEBHOOKS = "webhooks.deliver"
NAMES = {
    "notifications.deliver_email": "Deliver mails",
    "notifications.deliver_push": "Deliver push messages",
    WEBHOOKS: "Deliver webhooks",
}
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
ATTEMPT = re.compile(r"\], (\d+)[\])]$")
# Where Celery has cut an argument.
CUT = "..."
# Of a chunk of a hundred ids a row of the list shows so many.
SHOWN_IDS = 3

# When it starts it asks all workers, and warns about each question that nobody answered. They may
# start later, and then they tell it of themselves.
getLogger("flower.inspector").setLevel(ERROR)

# Read by Flower.
tasks_columns = "name,args,state,received,runtime,worker"


def queue_names(_handler: BaseHandler) -> list[str]:
    """Return the queues of the Broker page.

    Flower asks the workers for their queues once, when it starts. Those of workers that start later
    were missing until somebody opened its list of workers with ``?refresh=1``. The queue of dead
    letters has no worker at all. There is no option for this, so the method is replaced.
    """
    return list(SHOWN_QUEUES)


BaseHandler.get_active_queue_names = queue_names


def format_task(task: Any) -> Any:
    """Return a task with its name and arguments in words (Flower's ``format_task``).

    Celery cuts the text of long arguments, so the number of ids in it may be the least there are.
    """
    if task.name not in NAMES:
        return task
    text = str(task.args or "")
    ids, attempt = ID.findall(text), ATTEMPT.search(text)
    is_whole = CUT not in text if task.name == WEBHOOKS else attempt is not None
    what = "endpoint" if task.name == WEBHOOKS else "notification"
    task.name = NAMES[task.name]
    if not ids:
        return task
    several = "s" if len(ids) > 1 or not is_whole else ""
    count = f"{len(ids)} {what}{several}"
    words = [count if is_whole else f"at least {count}"]
    if attempt and int(attempt[1]):
        words.append(f"after {attempt[1]} attempt{'s' if attempt[1] != '1' else ''}")
    more = len(ids) - SHOWN_IDS
    listed = ", ".join(ids[:SHOWN_IDS]) + (f" and {more} more" if more > 0 else "")
    task.args = f"{', '.join(words)}: {listed}"
    task.kwargs = ""
    return task
