"""The rows of ``problem_table`` about webhooks."""

ROWS: tuple[tuple[str, int, str, str, str], ...] = (
    (
        "too_many_webhooks",
        409,
        "There are too many webhooks",
        "A client application has as many webhooks of this kind of key as it may have.",
        "Delete one that is not needed. One webhook may get all types of events.",
    ),
    (
        "webhook_disabled",
        409,
        "The webhook is disabled",
        (
            "Somebody has disabled it, it has answered 410, or every call has failed for five "
            "days; `disabled_reason` says which."
        ),
        (
            'Send `{"enabled": true}` with `PATCH /webhooks/{id}` when it works again, and then '
            "deliver again what it has missed."
        ),
    ),
    (
        "address_not_allowed",
        422,
        "The address is not of the public internet",
        (
            "The host of the URL has an address of a private network, of this machine, or of a "
            "cloud's inside. Events are not sent there."
        ),
        (
            "Register a public address. Operators: `WEBHOOK_ALLOW_PRIVATE=true` allows all "
            "addresses, for development only."
        ),
    ),
    (
        "window_too_large",
        422,
        "The window has too many deliveries",
        "More deliveries would begin again than one call may begin.",
        "Choose a shorter window, or only those that failed.",
    ),
)
