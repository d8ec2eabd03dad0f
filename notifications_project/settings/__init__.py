"""Django settings, one module a topic. The mode is the environment: there is no other switch."""

from notifications_project.settings.api import *  # noqa: F403 - composition is this file's purpose.
from notifications_project.settings.core import *  # noqa: F403
from notifications_project.settings.delivery import *  # noqa: F403
from notifications_project.settings.logs import *  # noqa: F403
from notifications_project.settings.processes import *  # noqa: F403
from notifications_project.settings.queues import *  # noqa: F403
from notifications_project.settings.security import *  # noqa: F403
from notifications_project.settings.storage import *  # noqa: F403
