"""Keys, passwords, sessions, cookies and headers."""

from datetime import timedelta
from urllib.parse import urlsplit

from apps.common import secret_file
from notifications_project.settings import environment, readers, unsafe_values
from notifications_project.settings.core import VAR_DIR, kept_files

DEMO_ENV_FILE = VAR_DIR / "demo.env"

# Without any server this is the embedded mode on loopback: a missing secret is generated once and
# stored in var/demo.env. With a server it must be set, so that all processes use the same one.
SECRET_KEY = environment.SECRET_KEY
ALLOWED_HOSTS = environment.ALLOWED_HOSTS
if not environment.HAS_SERVER:
    with kept_files(DEMO_ENV_FILE):
        SECRET_KEY = SECRET_KEY or secret_file.secret(DEMO_ENV_FILE, "SECRET_KEY")
    ALLOWED_HOSTS = ALLOWED_HOSTS or ["localhost", "127.0.0.1", "[::1]"]

# Older keys: their signatures are still accepted (sessions, tokens, links in mails), but they are
# not used for new ones.
SECRET_KEY_FALLBACKS = environment.SECRET_KEY_FALLBACKS
# The module of all variables has done this for a key that is set, but not for a generated one.
readers.refuse_repeated_key(SECRET_KEY, SECRET_KEY_FALLBACKS)
readers.stop_if_refused()

_HTTPS = urlsplit(environment.PUBLIC_URL).scheme == "https"
SESSION_COOKIE_SECURE = _HTTPS
CSRF_COOKIE_SECURE = _HTTPS
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_HTTPONLY = True
# Only staff have sessions. A session lasts a working day and ends when the browser is closed.
SESSION_COOKIE_AGE = 12 * 3600
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
CSRF_TRUSTED_ORIGINS = [environment.PUBLIC_URL]
# TLS ends at the proxy in front, which redirects to HTTPS. Django would have to trust a header to
# detect HTTPS.
SECURE_SSL_REDIRECT = False
SILENCED_SYSTEM_CHECKS = ["security.W008"]
if not environment.REDIS_URL:
    # django-ratelimit refuses an in-process cache, because several processes would count
    # separately. Without Redis there is one web process, so its count is complete.
    SILENCED_SYSTEM_CHECKS += ["django_ratelimit.E003", "django_ratelimit.W001"]
SECURE_HSTS_SECONDS = 31_536_000 if _HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _HTTPS
SECURE_HSTS_PRELOAD = _HTTPS
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
TRUSTED_PROXIES = environment.TRUSTED_PROXIES

AUTH_USER_MODEL = "users.User"
LOGIN_URL = "/admin/login/"
LOGIN_REDIRECT_URL = "/api/v1/"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

# The signing keys are SECRET_KEY and SECRET_KEY_FALLBACKS: see apps.users.token_keys.
SIMPLE_JWT = {
    "ALGORITHM": "HS256",
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=14),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
    "UPDATE_LAST_LOGIN": False,
}

OPEN_REGISTRATION = environment.OPEN_REGISTRATION
RATE_LIMIT_LOGIN = environment.RATE_LIMIT_LOGIN
RATE_LIMIT_NOTIFICATIONS = environment.RATE_LIMIT_NOTIFICATIONS
METRICS_TOKEN = environment.METRICS_TOKEN
ADMIN_SECOND_FACTOR = environment.ADMIN_SECOND_FACTOR

# A check warns about them. They stop nothing, because an internal network may protect the server,
# and because a password of a server cannot be changed at the moment of an upgrade.
GUESSABLE_SERVER_PASSWORDS = unsafe_values.guessable_passwords(
    {
        "DATABASE_URL": environment.DATABASE_URL,
        "BROKER_URL": environment.BROKER_URL,
        "REDIS_URL": environment.REDIS_URL,
    }
)

# django-ratelimit counts in the shared cache. When Redis is unavailable it must neither crash nor
# allow all calls: apps.common.throttling then counts in the process.
RATELIMIT_FAIL_OPEN = False
RATELIMIT_USE_CACHE = "default"
RATELIMIT_IP_META_KEY = "apps.common.throttling.client_address"
