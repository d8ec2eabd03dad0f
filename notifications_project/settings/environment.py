"""All environment variables of the project, read once and converted to typed values.

Invalid values stop the process with one line each, which names the variable, and status 2. A test
checks the table in ``.env.example`` against this module.
"""

from pathlib import Path
from typing import Literal, cast

from apps.notifications.providers.registry import PROVIDERS
from apps.notifications.providers.time_limits import SMTP_REPLY_MAX_SECONDS
from notifications_project.settings import readers as env
from notifications_project.settings import server_addresses, unsafe_values
from notifications_project.settings.catchers import use_catchers
from notifications_project.settings.readers import Rate

BASE_DIR = Path(__file__).resolve().parents[2]

# Provider events, replays and idempotency keys need a notification for at least this long. The
# maximum is a century, so that every cut-off is a valid date.
RETENTION_MIN_DAYS = 30
RETENTION_MAX_DAYS = 36_500

SMTP_DEFAULT_PORTS = {"none": 25, "starttls": 587, "implicit": 465}

env.read_file(env.text("ENV_FILE", str(BASE_DIR / ".env")))
# Catchers take the place of providers where none is configured.
use_catchers(
    mail=env.host_name("MAIL_CATCHER"),
    push=env.base_url("PUSH_CATCHER", ""),
    push_key_file=env.text("PUSH_CATCHER_KEY_FILE", ""),
)

# Servers. Without them: SQLite, an in-memory broker (the embedded mode), an in-process cache.
DATABASE_URL: str = env.address("DATABASE_URL", server_addresses.database)
BROKER_URL: str = env.address("BROKER_URL", server_addresses.broker)
REDIS_URL: str = env.address("REDIS_URL", server_addresses.redis)

EMBEDDED: bool = not BROKER_URL
HAS_SERVER: bool = bool(DATABASE_URL or BROKER_URL or REDIS_URL)

# The web process.
SECRET_KEY: str = env.text("SECRET_KEY", "")
SECRET_KEY_FALLBACKS: list[str] = env.older_keys("SECRET_KEY_FALLBACKS")
ALLOWED_HOSTS: list[str] = env.texts("ALLOWED_HOSTS")
DEBUG: bool = env.flag("DEBUG", default=False)
PUBLIC_URL: str = env.origin("PUBLIC_URL", "http://127.0.0.1:8000")
TRUSTED_PROXIES: list[str] = env.networks("TRUSTED_PROXIES")
OPEN_REGISTRATION: bool = env.flag("OPEN_REGISTRATION", default=EMBEDDED and not HAS_SERVER)
METRICS_TOKEN: str = env.text("METRICS_TOKEN", "")
# Flower reads it by itself. It is here to be judged, as a secret that opens pages of its own.
FLOWER_BASIC_AUTH: str = env.text("FLOWER_BASIC_AUTH", "")
ADMIN_SECOND_FACTOR: str = env.text(
    "ADMIN_SECOND_FACTOR", "optional", one_of=["optional", "required"]
)

# Logs.
LOG_LEVEL: str = env.text(
    "LOG_LEVEL",
    "INFO",
    one_of=["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
)
ACCESS_LOG: bool = env.flag("ACCESS_LOG", default=False)
LOG_FORMAT: str = env.text("LOG_FORMAT", "json", one_of=["json", "console"])

# Delivery.
EMAIL_PROVIDERS: list[str] = env.providers("EMAIL_PROVIDERS", PROVIDERS["email"])
PUSH_PROVIDERS: list[str] = env.providers("PUSH_PROVIDERS", PROVIDERS["push"])
LINK_SCHEMES: frozenset[str] = env.link_schemes("LINK_SCHEMES")
DEFAULT_FROM_EMAIL: str = env.sender(
    "DEFAULT_FROM_EMAIL", "Notifications <notifications@localhost>"
)

SMTP_HOST: str = env.text("SMTP_HOST", "")
SMTP_TLS: Literal["none", "starttls", "implicit"] = cast(
    "Literal['none', 'starttls', 'implicit']",
    env.text("SMTP_TLS", "starttls", one_of=list(SMTP_DEFAULT_PORTS)),
)
SMTP_PORT: int = env.number("SMTP_PORT", SMTP_DEFAULT_PORTS.get(SMTP_TLS, 25), least=1, most=65535)
SMTP_USERNAME: str = env.text("SMTP_USERNAME", "")
SMTP_PASSWORD: str = env.text("SMTP_PASSWORD", "")
SMTP_LOCAL_HOSTNAME: str = env.host_name("SMTP_LOCAL_HOSTNAME")
SMTP_CA_FILE: str = env.text("SMTP_CA_FILE", "")
SMTP_REPLY_TIMEOUT_SECONDS: float = env.time_limit(
    "SMTP_REPLY_TIMEOUT_SECONDS", 45.0, most=SMTP_REPLY_MAX_SECONDS
)

SENDGRID_API_KEY: str = env.text("SENDGRID_API_KEY", "")
SENDGRID_API_URL: str = env.base_url("SENDGRID_API_URL", "https://api.sendgrid.com")
SENDGRID_WEBHOOK_PUBLIC_KEYS: list[str] = env.public_keys("SENDGRID_WEBHOOK_PUBLIC_KEY")
SENDGRID_WEBHOOK_TOLERANCE_SECONDS: int = env.number(
    "SENDGRID_WEBHOOK_TOLERANCE_SECONDS", 86_400, least=60, most=30 * 86_400
)

# FCM_SERVICE_ACCOUNT_FILE is itself a path, so its value is not replaced by the file's content.
FCM_SERVICE_ACCOUNT_FILE: str = env.text("FCM_SERVICE_ACCOUNT_FILE", "")
FCM_API_URL: str = env.base_url("FCM_API_URL", "https://fcm.googleapis.com")

# Maximum number of calls per second to a provider, for all workers together.
SMTP_MAX_PER_SECOND: float | None = env.per_second("SMTP_MAX_PER_SECOND")
SENDGRID_MAX_PER_SECOND: float | None = env.per_second("SENDGRID_MAX_PER_SECOND")
FCM_MAX_PER_SECOND: float | None = env.per_second("FCM_MAX_PER_SECOND")

RETRY_MAX_ATTEMPTS: int = env.number("RETRY_MAX_ATTEMPTS", 12, least=1)
RETRY_BASE_SECONDS: float = env.decimal("RETRY_BASE_SECONDS", 5.0, least=0.1)
RETRY_MAX_SECONDS: float = env.decimal("RETRY_MAX_SECONDS", 600.0, least=1)

# Retries of a mail whose outcome is unknown (it may have arrived), and the wait before each retry.
UNKNOWN_OUTCOME_RETRIES: int = env.number("UNKNOWN_OUTCOME_RETRIES", 2, least=0, most=20)
UNKNOWN_OUTCOME_WAITS_SECONDS: tuple[float, ...] = env.waits(
    "UNKNOWN_OUTCOME_WAITS_SECONDS", [300.0, 1800.0]
)

# After so many mails that came back in so many days, an address gets none for as many days. The
# receipts are kept as long as their notifications, so the period is not longer than that.
SOFT_BOUNCE_LIMIT: int = env.number("SOFT_BOUNCE_LIMIT", 5, least=0)
SOFT_BOUNCE_DAYS: int = env.number("SOFT_BOUNCE_DAYS", 30, least=1, most=RETENTION_MIN_DAYS)

# Who is told when something is wrong, and from how many dead letters within ten minutes on. More
# people are a list of the mail server.
OPERATOR_EMAILS: list[str] = env.mail_addresses("OPERATOR_EMAILS", most=20)
OPERATOR_DEAD_LETTERS: int = env.number("OPERATOR_DEAD_LETTERS", 100, least=1, most=10_000)

# How long notifications are kept after their last change.
RETENTION_DAYS: int = env.number(
    "RETENTION_DAYS", 90, least=RETENTION_MIN_DAYS, most=RETENTION_MAX_DAYS
)

# Whether webhooks may be sent to private addresses, and without TLS. For development.
WEBHOOK_ALLOW_PRIVATE: bool = env.flag("WEBHOOK_ALLOW_PRIVATE", default=False)

# Numbers of processes, only to calculate connections. `make stack` and Compose start the processes.
WEB_PROCESSES: int = env.number("WEB_PROCESSES", 2, least=1)
EMAIL_WORKERS: int = env.number("EMAIL_WORKERS", 1, least=0)
PUSH_WORKERS: int = env.number("PUSH_WORKERS", 1, least=0)
WEBHOOK_WORKERS: int = env.number("WEBHOOK_WORKERS", 1, least=0)

# The file that the health check of a container reads; the image names it.
HEARTBEAT_FILE: str = env.text("HEARTBEAT_FILE", "")

# Rate limits of callers.
RATE_LIMIT_NOTIFICATIONS: Rate = env.rate("RATE_LIMIT_NOTIFICATIONS", "60000/m")
RATE_LIMIT_LOGIN: Rate = env.rate("RATE_LIMIT_LOGIN", "10/m")

if HAS_SERVER:
    env.require("SECRET_KEY", SECRET_KEY)
    env.require("ALLOWED_HOSTS", ALLOWED_HOSTS)
    env.judge(unsafe_values.secret_key, "SECRET_KEY", SECRET_KEY)
    env.judge(unsafe_values.hosts, "ALLOWED_HOSTS", ALLOWED_HOSTS)
    env.judge(unsafe_values.debugging, "DEBUG", DEBUG)
    env.judge(unsafe_values.token, "METRICS_TOKEN", METRICS_TOKEN)
    env.judge(unsafe_values.logins, "FLOWER_BASIC_AUTH", FLOWER_BASIC_AUTH)
env.refuse_repeated_key(SECRET_KEY, SECRET_KEY_FALLBACKS)
env.refuse_misspelt()
env.stop_if_refused()
