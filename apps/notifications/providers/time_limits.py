"""How long one call on the wire may take at most, and how long a stop has to wait for it."""

# Everything of an SMTP call until the final dot has left: name look-up, every address, greeting,
# TLS, login, sender, recipient and content. RFC 5321 (4.5.3.2) allows minutes for each; servers
# that make strangers wait for the greeting do so for 5 to 10 s.
SMTP_CALL_SECONDS = 20.0
# The wait after the final dot is the setting SMTP_REPLY_TIMEOUT_SECONDS. RFC 5321 (4.5.3.2.6)
# asks for ten minutes, and a longer wait could not be explained by it.
SMTP_REPLY_MAX_SECONDS = 600.0
# Everything of a call of an HTTP API, the last byte of its answer and an access token included.
HTTP_CALL_SECONDS = 10.0
# Of these so much to be connected: name look-up, every address, a proxy's tunnel, TLS.
HTTP_CONNECT_SECONDS = 5.0
# Of these so much to exchange the key for an access token.
TOKEN_SECONDS = 5.0

# For so long after its start a message still begins calls (``delivery.deliver``).
BEGIN_SECONDS = 8.0
# So much is left to write the outcome down: the statement may wait for 15 s (``storage``).
RECORD_SECONDS = 15.0
# How long docker/stack.conf, docker-compose.yml and render.yaml wait for a process that was asked
# to stop.
SHIPPED_GRACE_SECONDS = 100


def longest_call_seconds(*, smtp_reply_seconds: float) -> float:
    """Return the seconds that one call of any provider takes at most.

    Args:
        smtp_reply_seconds: The setting SMTP_REPLY_TIMEOUT_SECONDS.
    """
    return max(SMTP_CALL_SECONDS + smtp_reply_seconds, HTTP_CALL_SECONDS)


def stop_seconds(*, smtp_reply_seconds: float) -> float:
    """Return the seconds that a worker needs to end a message it has begun.

    Args:
        smtp_reply_seconds: As above.
    """
    longest = longest_call_seconds(smtp_reply_seconds=smtp_reply_seconds)
    return BEGIN_SECONDS + longest + RECORD_SECONDS
