"""Canonical spelling and validation of addresses and language tags, and the TTL cache."""

import pytest

from apps.common.languages import canonical_tag
from apps.common.ttl_cache import TtlCache
from apps.users.addresses import address_key, deliverable, problem_with


@pytest.mark.parametrize(
    ("tag", "canonical"),
    [
        ("en", "en"),
        ("EN-us", "en-US"),
        ("pt-br", "pt-BR"),
        ("zh-hant-tw", "zh-Hant-TW"),
        ("ES-419", "es-419"),
        ("sl-ROZAJ-biske", "sl-rozaj-biske"),
        ("de-CH-1996", "de-CH-1996"),
        ("en-US-u-CA-gregory", "en-US-u-ca-gregory"),
        ("en-x-US", "en-x-us"),
        ("zh-yue-HK", "zh-yue-HK"),
        ("", None),
        ("e", None),
        ("english", None),
        ("en_US", None),
        ("en-", None),
        ("en-USA-", None),
        ("en-US-GB", None),
        ("é", None),
        ("en\n", None),
        ("en" + "-abcde" * 6, None),
    ],
)
def test_language_tags_have_one_canonical_spelling(tag: str, canonical: str | None) -> None:
    assert canonical_tag(tag) == canonical


@pytest.mark.parametrize(
    "address",
    ["", "@", "a", "a@", "@b.c", "a b@c.de", "a@b..c", "a@b\n.c", ".@b.c", "..@b.c"],
)
def test_a_malformed_address_has_an_error_message(address: str) -> None:
    assert problem_with(address)


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("jane.@docomo.example", "jane.@docomo.example"),
        (".jane@docomo.example", ".jane@docomo.example"),
        ("A..B@docomo.example", "a..b@docomo.example"),
        ("ада@пример.рф", "ада@xn--e1afmkfd.xn--p1ai"),
        ("\u00e9t\u00e9@example.com", "\u00e9t\u00e9@example.com"),
        ("e\u0301te\u0301@example.com", "\u00e9t\u00e9@example.com"),
    ],
)
def test_unusual_addresses_of_real_mailboxes_are_accepted(address: str, key: str) -> None:
    assert problem_with(address) is None
    assert address_key(address) == key


def test_spellings_of_one_mailbox_share_a_key() -> None:
    keys = {
        address_key(each)
        for each in ["A@Bücher.example", " a@BÜCHER.example", "a@xn--bcher-kva.example"]
    }
    assert keys == {"a@xn--bcher-kva.example"}
    assert deliverable("A@Bücher.example") == "A@xn--bcher-kva.example"
    assert address_key("nö address") == "nö address"


def test_the_cache_lists_used_entries_that_soon_expire() -> None:
    now = 0.0
    memory: TtlCache[int, str] = TtlCache(seconds=10, size=10, clock=lambda: now)
    for number in range(6):
        memory.put(number, "x")
    now = 5.0
    memory.put(6, "x")
    for number in (0, 1, 2, 6):
        memory.get(number)
    assert memory.ending(10) == []
    now = 9.0
    assert memory.ending(10) == [0, 1, 2]
    assert memory.ending(2) == [0, 1]
    now = 11.0
    assert memory.ending(10) == [0, 1, 2]
    memory.put(1, "y")
    assert memory.ending(10) == [0, 2]
    # Entries that were not read since are dropped, so that they are not refreshed for ever.
    assert sorted(memory._entries) == [0, 1, 2, 6]


def test_the_cache_has_a_ttl_and_a_maximum_size() -> None:
    now = 0.0
    memory: TtlCache[int, str] = TtlCache(seconds=2, size=10, clock=lambda: now)
    memory.put(0, "zero")
    assert memory.get(0) == "zero"
    now = 2.0
    assert memory.get(0) is None
    for number in range(100):
        memory.put(number, "x")
    assert sum(memory.get(number) is not None for number in range(100)) == 10
    assert memory.get(99) == "x"
