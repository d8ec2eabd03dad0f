"""The time limits of provider calls, and the time that a stopping worker needs."""

# The limit of a whole SMTP call until the final dot has been sent: name look-up, every address,
# greeting, TLS, login, sender, recipient and content. RFC 5321 (4.5.3.2) allows minutes for each
# step. Servers that delay the greeting for unknown clients do so for 5 to 10 s.
SMTP_CALL_SECONDS = 20.0
# The maximum of the setting SMTP_REPLY_TIMEOUT_SECONDS, the wait after the final dot. RFC 5321
# (4.5.3.2.6) specifies ten minutes, so there is no reason for a longer wait.
SMTP_REPLY_MAX_SECONDS = 600.0
# The limit of a whole HTTP API call, including the last byte of the response and the exchange for
# an access token.
HTTP_CALL_SECONDS = 10.0
# The part of HTTP_CALL_SECONDS for connecting: name look-up, every address, proxy tunnel, TLS.
HTTP_CONNECT_SECONDS = 5.0
# The part of HTTP_CALL_SECONDS for the exchange of the key for an access token.
TOKEN_SECONDS = 5.0

# No call is started later than this after the start of a message (``delivery.send``).
BEGIN_SECONDS = 8.0
# The time to record the outcome: the statement may wait for 15 s (``settings/storage.py``).
RECORD_SECONDS = 15.0
# How long docker/stack.conf, docker-compose.yml, render.yaml and docker/kubernetes wait for a
# stopping worker.
SHIPPED_GRACE_SECONDS = 100


def longest_call_seconds(*, smtp_reply_seconds: float) -> float:
    """Return the maximum duration of one call of any provider, in seconds.

    Args:
        smtp_reply_seconds: The setting SMTP_REPLY_TIMEOUT_SECONDS.
    """
    return max(SMTP_CALL_SECONDS + smtp_reply_seconds, HTTP_CALL_SECONDS)


def stop_seconds(*, smtp_reply_seconds: float) -> float:
    """Return the seconds that a stopping worker needs to finish its current message.

    Args:
        smtp_reply_seconds: As above.
    """
    longest = longest_call_seconds(smtp_reply_seconds=smtp_reply_seconds)
    return BEGIN_SECONDS + longest + RECORD_SECONDS
