"""Read lists of mail addresses."""

from apps.notifications.providers.addresses import BadAddressError, name_and_address


def parse_mail_addresses(text: str, *, most: int) -> list[str]:
    """Parse comma-separated addresses without names; an empty text has none.

    Raises:
        ValueError: One is not an address, there are more than ``most``, or one is given twice.
    """
    found = [part.strip() for part in text.split(",")] if text.strip() else []
    for address in found:
        try:
            named, _ = name_and_address(address)
        except BadAddressError:
            named = "?"
        if named or address.startswith("<"):
            message = f"{address!r} is not an address such as ops@example.com."
            raise ValueError(message)
    if len({address.casefold() for address in found}) < len(found) or len(found) > most:
        message = f"{text!r} must list at most {most} addresses, each once."
        raise ValueError(message)
    return found
