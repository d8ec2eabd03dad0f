"""Whether a name leads into a private network now, asked when a webhook is registered."""

from concurrent.futures import ThreadPoolExecutor, wait
from urllib.parse import urlsplit

from django.conf import settings

from apps.webhooks import addresses

# A name whose server does not answer is judged when it is called.
LOOK_UP_SECONDS = 2.0
THREADS = 4
HTTPS_PORT = 443

_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="webhook-registration")


def resolves_to_private(url: str) -> bool:
    """Return whether the name in a URL has an address that may not be called."""
    host = urlsplit(url).hostname or ""
    if settings.WEBHOOK_ALLOW_PRIVATE or addresses.is_literal(host):
        return False
    asked = _threads.submit(addresses.look_up, host, HTTPS_PORT)
    wait([asked], timeout=LOOK_UP_SECONDS)
    if not asked.done() or asked.exception() is not None:
        asked.cancel()
        return False
    return not all(addresses.allowed(each.address) for each in asked.result())
