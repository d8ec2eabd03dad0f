"""The table of ``problem_types``: code, status, title, meaning, advice."""

from apps.common.rest import problems_of_receipts, problems_of_webhooks

_ROWS: tuple[tuple[str, int, str, str, str], ...] = (
    (
        "bad_request",
        400,
        "Bad request",
        "The request could not be read as HTTP, or its address has characters that none may have.",
        "Mend the request. The same one will be refused again.",
    ),
    (
        "invalid",
        400,
        "The request is not valid",
        (
            "A field has a wrong type, is missing, is not known, or is outside of its limits. Each "
            "entry of `errors` names one place: a JSON pointer into the body, or `?` and a query "
            "parameter."
        ),
        "Change what the pointers name. Nothing was stored.",
    ),
    (
        "malformed_json",
        400,
        "The body is not JSON",
        "The body is empty, is cut off, or is not JSON in UTF-8. `detail` says where it ended.",
        "Send a JSON document with `Content-Type: application/json`.",
    ),
    (
        "parse_error",
        400,
        "The body cannot be read",
        "The body does not have the form that its `Content-Type` promises.",
        "Send the body in the form that the header names.",
    ),
    (
        "too_deep",
        400,
        "The body is nested too deeply",
        "Objects or lists are inside of each other more often than any field needs.",
        "Send flatter variables or metadata.",
    ),
    (
        "incomplete_body",
        400,
        "The body did not arrive whole",
        "The connection ended before as many bytes came as `Content-Length` said.",
        "Send the request again. Nothing was stored.",
    ),
    (
        "host_not_served",
        400,
        "This host name is not served here",
        "The `Host` header names no host of `ALLOWED_HOSTS`.",
        "Use the address of the API. Operators: add the name to `ALLOWED_HOSTS`.",
    ),
    (
        "not_authenticated",
        401,
        "No credential",
        "The call needs an API key or a token, and there was none.",
        "Send `Authorization: Api-Key ...`, `X-API-Key: ...` or `Authorization: Bearer ...`.",
    ),
    (
        "authentication_failed",
        401,
        "The credential is not valid",
        "The key or token is unknown, was revoked, has expired, or two different ones were sent.",
        "Check the key, or get a new token. A revoked key does not come back.",
    ),
    (
        "invalid_credentials",
        401,
        "Wrong address or password",
        "The log-in names no account, or the password is wrong. Which one is not said.",
        "Try again, or reset the password. Attempts are limited.",
    ),
    (
        "second_factor_required",
        401,
        "A second factor is needed",
        "The account has a second factor, or staff need one here, and the log-in came without it.",
        "Send `one_time_code` with the log-in. Without an app, enrol one first.",
    ),
    (
        "invalid_one_time_code",
        401,
        "Wrong one-time code",
        "The code is wrong, too old, or was used before.",
        "Wait for the next code of the app, or use a recovery code.",
    ),
    (
        "invalid_token",
        401,
        "The refresh token is not valid",
        "It has expired, was used already, or ended with a change of the password.",
        "Log in again.",
    ),
    (
        "permission_denied",
        403,
        "Not allowed",
        "The credential is valid and lacks the scope or permission for this call.",
        "Use a key with the scope that `detail` or the documentation of the call names.",
    ),
    (
        "csrf",
        403,
        "The form is too old",
        "A form of a page came without the token of that page.",
        "Reload the page and send it again. Calls with a key need no such token.",
    ),
    (
        "not_found",
        404,
        "Not found",
        "There is nothing at this address, or it belongs to another client.",
        "Check the id and the path. What a retention rule deleted is gone as well.",
    ),
    (
        "method_not_allowed",
        405,
        "Method not allowed",
        "The address exists and does not take this method.",
        "Use one of the methods in the header `Allow`.",
    ),
    (
        "not_acceptable",
        406,
        "No such format",
        "The header `Accept` or `?format=` asks for a format that this address does not have.",
        "Ask for `application/json`.",
    ),
    (
        "request_timeout",
        408,
        "The request took too long",
        "Head or body did not arrive within the time limit.",
        "Send it again over a better connection. Nothing was stored.",
    ),
    (
        "conflict",
        409,
        "Not possible in the present state",
        "What is there does not allow the act, such as cancelling what was sent.",
        "Read the present state, then decide anew.",
    ),
    (
        "duplicate_code",
        409,
        "The code is taken",
        "Another template has this code.",
        "Choose another code, or write a new version of that template with PUT.",
    ),
    (
        "duplicate_email",
        409,
        "The address is taken",
        "Another account has this e-mail address, perhaps in another spelling.",
        "Find that user with `GET /users/?email=...` and use it.",
    ),
    (
        "duplicate_external_id",
        409,
        "The external id is taken",
        "Another user of this client has this external id.",
        "Find that user with `GET /users/?external_id=...` and use it.",
    ),
    (
        "too_many_devices",
        409,
        "Too many devices",
        "The user has as many devices as one may have.",
        "Remove a device that is not used any more.",
    ),
    (
        "unconfirmed",
        409,
        "The address is not confirmed",
        "The act needs an address that its owner has confirmed.",
        "Let the user follow the link of the mail, or send it again.",
    ),
    (
        "may_have_arrived",
        409,
        "It may have arrived already",
        "The provider did not answer, so a replay could deliver the mail twice.",
        "Look whether it arrived. To send it in any case, say `may_have_arrived`.",
    ),
    (
        "never_sent",
        409,
        "It was never sent",
        "A receipt reports on a notification that no provider was given.",
        "Check the id of the receipt.",
    ),
    (
        "variables_redacted",
        409,
        "The variables are gone",
        (
            "The template is sensitive, so its variables were erased when the notification ended. "
            "A replay has nothing to send."
        ),
        "Send a new notification.",
    ),
    (
        "body_too_large",
        413,
        "The body is too large",
        "The body, or the file, has more bytes or rows than this call takes.",
        "Send less at once. A file may have a million rows: `POST /batches/upload`.",
    ),
    (
        "unsupported_media_type",
        415,
        "This kind of body is not read here",
        "The header `Content-Type` names a format that this call does not take.",
        "Send `application/json`; for an upload one of the formats in its documentation.",
    ),
    (
        "unprocessable",
        422,
        "It cannot be carried out",
        "The request is well formed, and what it asks is not possible. `errors` has the places.",
        "Change what the pointers name. Nothing was stored.",
    ),
    (
        "unknown_user",
        422,
        "Unknown user",
        "No user has this id, address or external id, or the account was erased.",
        "Create the user first, or check the id.",
    ),
    (
        "unknown_template",
        422,
        "Unknown template",
        "No template has this code, it has no published version, or it was archived.",
        "Check the code, and publish a version.",
    ),
    (
        "unknown_notification",
        422,
        "Unknown notification",
        "A receipt names a notification that does not exist or belongs to another client.",
        "Check the id of the receipt.",
    ),
    (
        "type_mismatch",
        422,
        "The template is for the other channel",
        "A mail was asked for with a template for pushes, or the other way round.",
        "Change `notification_type` or `template_code`.",
    ),
    (
        "missing_variables",
        422,
        "Variables are missing",
        "The template uses variables that were not given and have no default. `errors` names each.",
        "Send the variables, or give them a `default` in the template.",
    ),
    (
        "template_error",
        422,
        "The template cannot be used",
        "The stored version of the template is damaged.",
        "Save and publish the template again.",
    ),
    (
        "render_failed",
        422,
        "The template fails with these values",
        (
            "Rendering ended with an error: a filter got a value that it cannot use, or the result "
            "became too large."
        ),
        "Try the values with `POST /templates/{code}/preview`.",
    ),
    (
        "already_expired",
        422,
        "It has expired already",
        "`expires_at` is in the past.",
        "Send a later time, or none.",
    ),
    (
        "expires_before_schedule",
        422,
        "It expires before it would be sent",
        "`expires_at` is not after `scheduled_for`.",
        "Send a later `expires_at`, or an earlier `scheduled_for`.",
    ),
    (
        "idempotency_key_reused",
        422,
        "The key was used for another request",
        "This `request_id` or `Idempotency-Key` was sent before with another body.",
        "Use a new key for a new request. To repeat the old one, send the same body.",
    ),
    (
        "rate_limited",
        429,
        "Too many requests",
        "The client or address has used up its limit. A bulk call costs as many as its recipients.",
        (
            "Wait for the time in `Retry-After`. `RateLimit` and `RateLimit-Policy` say how "
            "much is left."
        ),
    ),
    (
        "internal_error",
        500,
        "An error on our side",
        "The service failed in a way that nobody foresaw. The log has it under the correlation id.",
        (
            "Try again with the same `request_id`, which sends nothing twice. Report the "
            "correlation id if it fails again."
        ),
    ),
    (
        "could_not_be_made",
        500,
        "The notification could not be made",
        "A row of a batch failed eight times while its notification was being made.",
        "Send the row again. The correlation id of the batch finds the error in the log.",
    ),
    (
        "unavailable",
        503,
        "The service cannot answer now",
        "The database does not answer, or the service is being stopped. Nothing was stored.",
        "Try again after the time in `Retry-After`.",
    ),
)
# In the order of the statuses, which is that of the pages and of docs/errors.md.
ROWS = tuple(
    sorted((*_ROWS, *problems_of_receipts.ROWS, *problems_of_webhooks.ROWS), key=lambda row: row[1])
)
