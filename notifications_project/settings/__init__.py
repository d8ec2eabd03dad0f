"""Django settings, one module for each topic. Only environment variables select the mode."""

from notifications_project.settings.api import *  # noqa: F403 - this file combines the modules.
from notifications_project.settings.core import *  # noqa: F403
from notifications_project.settings.delivery import *  # noqa: F403
from notifications_project.settings.logs import *  # noqa: F403
from notifications_project.settings.processes import *  # noqa: F403
from notifications_project.settings.queues import *  # noqa: F403
from notifications_project.settings.security import *  # noqa: F403
from notifications_project.settings.storage import *  # noqa: F403
