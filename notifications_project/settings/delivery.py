"""Providers, the retry policy, and who is told when something is wrong."""

from notifications_project.settings import environment

EMAIL_PROVIDERS = environment.EMAIL_PROVIDERS
PUSH_PROVIDERS = environment.PUSH_PROVIDERS
DEFAULT_FROM_EMAIL = environment.DEFAULT_FROM_EMAIL
# Variables in a mail can create links with these schemes only.
LINK_SCHEMES = environment.LINK_SCHEMES

SMTP_HOST = environment.SMTP_HOST
SMTP_PORT = environment.SMTP_PORT
SMTP_USERNAME = environment.SMTP_USERNAME
SMTP_PASSWORD = environment.SMTP_PASSWORD
SMTP_TLS = environment.SMTP_TLS
SMTP_LOCAL_HOSTNAME = environment.SMTP_LOCAL_HOSTNAME
SMTP_CA_FILE = environment.SMTP_CA_FILE
SMTP_REPLY_TIMEOUT_SECONDS = environment.SMTP_REPLY_TIMEOUT_SECONDS

SENDGRID_API_KEY = environment.SENDGRID_API_KEY
SENDGRID_API_URL = environment.SENDGRID_API_URL
SENDGRID_WEBHOOK_PUBLIC_KEYS = environment.SENDGRID_WEBHOOK_PUBLIC_KEYS
SENDGRID_WEBHOOK_TOLERANCE_SECONDS = environment.SENDGRID_WEBHOOK_TOLERANCE_SECONDS

FCM_SERVICE_ACCOUNT_FILE = environment.FCM_SERVICE_ACCOUNT_FILE
FCM_API_URL = environment.FCM_API_URL

# A provider without a value here has no fixed rate limit; only its own throttling slows it down.
PROVIDER_MAX_PER_SECOND: dict[str, float | None] = {
    "smtp": environment.SMTP_MAX_PER_SECOND,
    "sendgrid": environment.SENDGRID_MAX_PER_SECOND,
    "fcm": environment.FCM_MAX_PER_SECOND,
}

RETRY_MAX_ATTEMPTS = environment.RETRY_MAX_ATTEMPTS
RETRY_BASE_SECONDS = environment.RETRY_BASE_SECONDS
RETRY_MAX_SECONDS = environment.RETRY_MAX_SECONDS
# Seconds before each retry of a mail whose outcome is unknown. The last value is repeated if the
# list is shorter than the number of retries.
UNKNOWN_OUTCOME_WAITS = tuple(
    environment.UNKNOWN_OUTCOME_WAITS_SECONDS[
        min(number, len(environment.UNKNOWN_OUTCOME_WAITS_SECONDS) - 1)
    ]
    for number in range(environment.UNKNOWN_OUTCOME_RETRIES)
)

# No limit is 0: then soft bounces suppress nothing.
SOFT_BOUNCE_LIMIT = environment.SOFT_BOUNCE_LIMIT
SOFT_BOUNCE_DAYS = environment.SOFT_BOUNCE_DAYS

WEBHOOK_ALLOW_PRIVATE = environment.WEBHOOK_ALLOW_PRIVATE
OPERATOR_EMAILS = environment.OPERATOR_EMAILS
OPERATOR_DEAD_LETTERS = environment.OPERATOR_DEAD_LETTERS

RETENTION_DAYS = environment.RETENTION_DAYS
RETENTION_MIN_DAYS = environment.RETENTION_MIN_DAYS
RETENTION_MAX_DAYS = environment.RETENTION_MAX_DAYS
