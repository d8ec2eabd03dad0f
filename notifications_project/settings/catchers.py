"""The mail catcher and the push catcher of docker-compose.yml."""

import os


def use_catchers(*, mail: str, push: str, push_key_file: str) -> None:
    """Send to the catchers of docker-compose.yml while no real provider is configured.

    The variables are set for the process, so that each command in a container, and not only the one
    that the container was started for, uses the same providers.

    Args:
        mail: The host of the mail catcher; empty for none.
        push: The URL of the push catcher; empty for none.
        push_key_file: The service account that the push catcher knows.
    """
    given = os.environ
    if mail and not given.get("SMTP_HOST"):
        given["EMAIL_PROVIDERS"] = given.get("EMAIL_PROVIDERS") or "smtp"
        given.update({"SMTP_HOST": mail, "SMTP_PORT": "1025", "SMTP_TLS": "none"})
    if push and not given.get("FCM_SERVICE_ACCOUNT_FILE"):
        given["PUSH_PROVIDERS"] = given.get("PUSH_PROVIDERS") or "fcm"
        given.update({"FCM_API_URL": push, "FCM_SERVICE_ACCOUNT_FILE": push_key_file})
