"""Applications, middleware, pages, languages and time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django_stubs_ext
from django.core.exceptions import ImproperlyConfigured

from notifications_project.settings import environment
from notifications_project.settings.environment import BASE_DIR

# Makes classes such as ModelForm and ModelAdmin generic, as the type checker requires.
django_stubs_ext.monkeypatch()

DEBUG = environment.DEBUG
EMBEDDED = environment.EMBEDDED
PUBLIC_URL = environment.PUBLIC_URL
VAR_DIR = BASE_DIR / "var"


@contextmanager
def kept_files(place: Path = VAR_DIR) -> Iterator[None]:
    """Convert errors on files under ``var/`` to a one-line configuration error with the path.

    Args:
        place: The path to report if the error itself has none.

    Raises:
        ImproperlyConfigured: A file or directory cannot be created, read or written.
    """
    try:
        yield
    except (OSError, ValueError) as error:
        where = getattr(error, "filename", None) or place
        reason = getattr(error, "strerror", None) or "not a file of this project"
        kept = f"The embedded mode keeps its data in {VAR_DIR}."
        message = f"{where} cannot be used: {reason}. {kept}"
        raise ImproperlyConfigured(message) from error


INSTALLED_APPS = [
    "apps.users.admin_config.StaffAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    # Its widgets are among the templates, so that the project's can replace them.
    "django.forms",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "apps.common",
    "apps.users",
    "apps.templates",
    "apps.webhooks",
    "apps.notifications",
    "apps.desk",
]

# What the accounts need from the pipeline, which depends on them. Both are imported on first use.
ACCOUNT_MAILER = "apps.notifications.intake.account_mails.Mailer"
# The function that tells client applications what changed in accounts.
ACCOUNT_EVENTS = "apps.webhooks.account_events.tell"
# The function that keeps the trail of acts through the API.
AUDIT_TRAIL = "apps.desk.audit.add"
USER_ERASERS = [
    "apps.notifications.privacy.erase_notifications.erase_notifications",
    "apps.webhooks.retention.erase_user",
]

MIDDLEWARE = [
    "apps.common.middleware.correlation.CorrelationMiddleware",
    "apps.common.middleware.security_headers.SecurityHeadersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "apps.common.rest.error_answers.ProblemMiddleware",
    "apps.common.server.refusals.RefusalMiddleware",
    # Refuses hosts that are not in ALLOWED_HOSTS, and sets Content-Length.
    "apps.common.middleware.hosts.ServedHostMiddleware",
    "apps.common.rest.query_parameters.OneValueMiddleware",
    "apps.common.middleware.sessions.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "apps.common.middleware.sessions.AuthenticationMiddleware",
    "apps.common.middleware.sessions.OTPMiddleware",
    "apps.common.middleware.sessions.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "notifications_project.urls"
CSRF_FAILURE_VIEW = "apps.common.rest.error_answers.csrf_failure"
WSGI_APPLICATION = "notifications_project.wsgi.application"

# Paths are routed with and without a trailing slash: see apps.common.rest.routes.
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Widgets of the project's own folder come first, as all templates do.
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

STATIC_URL = "static/"
# Static files are served directly from the packages. No collectstatic is needed, so there is no
# STATIC_ROOT.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

LANGUAGE_CODE = "en"
USE_I18N = False
TIME_ZONE = "UTC"
USE_TZ = True

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
