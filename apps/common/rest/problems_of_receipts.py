"""The rows of ``problem_table`` about what happens after a message was sent."""

ROWS: tuple[tuple[str, int, str, str, str], ...] = (
    (
        "invalid_signature",
        401,
        "The signature is not valid",
        (
            "The signature of a delivery of events is missing, or none of the keys in "
            "`SENDGRID_WEBHOOK_PUBLIC_KEY` made it for this body."
        ),
        (
            "Operators: set the verification key that SendGrid shows, and let no proxy change the "
            "body. While the key is changed, set both."
        ),
    ),
    (
        "old_signature",
        401,
        "The signature is too old",
        (
            "The signature is right, but its time is further away than "
            "`SENDGRID_WEBHOOK_TOLERANCE_SECONDS`."
        ),
        "Check the clock of this server. A delivery that is repeated has its first time.",
    ),
    (
        "invalid_receipt",
        401,
        "The receipt is not valid",
        (
            "The `receipt` of an app's report was not signed here, was cut off, or was signed for "
            "another notification."
        ),
        "Send back `data.receipt` and `data.notification_id` of one push, unchanged.",
    ),
)
