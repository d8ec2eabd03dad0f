"""The Django admin of accounts, keys and the suppression list."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from apps.desk.models import AuditEntry
from apps.users import api_keys, contacts, devices
from apps.users.models import ApiKey, CategoryPreference, ExternalId, Suppression, User
from tests.users.conftest import PASSWORD, make

pytestmark = pytest.mark.usefixtures("project_urls")

USERS = "/admin/users/user/"
USER_FORM = {
    "name": "Alice Liddell",
    "email": "alice@example.com",
    "locale": "pt-br",
    "timezone": "Africa/Lagos",
    "email_enabled": "on",
    "is_active": "on",
    "devices-TOTAL_FORMS": "0",
    "devices-INITIAL_FORMS": "0",
    "category_preferences-TOTAL_FORMS": "0",
    "category_preferences-INITIAL_FORMS": "0",
    "external_ids-TOTAL_FORMS": "0",
    "external_ids-INITIAL_FORMS": "0",
}


@pytest.fixture
def admin(charlie: User) -> Client:
    client = Client()
    client.force_login(charlie)
    return client


def test_staff_may_log_in_with_their_address_in_any_case(charlie: User) -> None:
    client = Client()
    form = {"username": "CHARLIE@example.com", "password": PASSWORD}
    assert client.post("/admin/login/?next=/admin/", form).status_code == 302


def test_accounts_are_found_and_no_hash_is_shown(admin: Client, alice: User) -> None:
    devices.register(user_id=alice.pk, token="token-one")
    found = admin.get("/admin/users/user/", {"q": "ALICE@Example.com"})
    assert b"alice@example.com" in found.content
    page = admin.get(f"/admin/users/user/{alice.pk}/change/")
    assert page.status_code == 200
    assert b"token-one" in page.content
    # With its "$", because a random token of the page may contain the letters alone.
    algorithm, _, secret = alice.password.partition("$")
    assert f"{algorithm}$".encode() not in page.content
    assert secret.rpartition("$")[2].encode() not in page.content


def shown(answer: Any) -> list[Any]:
    return [row.pk for row in answer.context["cl"].result_list]


@pytest.mark.parametrize("term", ["ALI", "alice@exam", "Alice@EXAMPLE.com", "customer-7", "{id}"])
def test_a_search_finds_an_account(admin: Client, alice: User, bob: User, term: str) -> None:
    ExternalId.objects.create(user=alice, client="shop", value="customer-7")

    assert shown(admin.get(USERS, {"q": term.format(id=alice.pk)})) == [alice.pk]


def test_found_accounts_are_filtered_and_shown_in_pages(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin.get(USERS)  # Django imports the admin with its first page.
    monkeypatch.setattr("apps.users.admin.users.AccountAdmin.list_per_page", 2)
    users = [make(f"ann{number}", is_active=number != 3).pk for number in range(5)][::-1]

    first = admin.get(USERS, {"q": "ann"})
    second = admin.get(f"{USERS}{first.context['cl'].older_link}")
    third = admin.get(f"{USERS}{second.context['cl'].older_link}")
    assert [shown(page) for page in (first, second, third)] == [users[:2], users[2:4], users[4:]]
    assert shown(admin.get(f"{USERS}{third.context['cl'].newer_link}")) == users[2:4]
    assert b"5 users" in first.content
    assert shown(admin.get(USERS, {"q": "ann", "is_active__exact": "0"})) == [users[1]]


def test_a_search_that_finds_too_many_accounts_says_so(
    admin: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.users.search.USERS_MAX", 1)
    make("alina")

    page = admin.get(USERS, {"q": "ali"})

    assert len(shown(page)) == 1
    assert b"more than 1 users" in page.content


@pytest.mark.parametrize("right", ["is_staff", "is_superuser"])
def test_accounts_with_rights_are_listed(
    admin: Client, alice: User, charlie: User, right: str
) -> None:
    assert shown(admin.get(USERS, {f"{right}__exact": "1"})) == [charlie.pk]
    assert shown(admin.get(USERS, {f"{right}__exact": "0"})) == [alice.pk]


def test_the_members_of_a_group_are_listed(admin: Client, alice: User, bob: User) -> None:
    group = Group.objects.create(name="Desk")
    alice.groups.add(group)

    assert shown(admin.get(USERS, {"groups__id__exact": str(group.pk)})) == [alice.pk]


def test_no_column_sorts_all_accounts(admin: Client, alice: User) -> None:
    assert "?o=" not in admin.get(USERS).content.decode()


def test_a_suppressed_address_is_found_in_any_spelling(admin: Client) -> None:
    contacts.suppress(email="alice@example.com", reason="complaint")
    contacts.suppress(email="bob@example.com", reason="hard_bounce")
    row = Suppression.objects.get(reason="complaint")
    url = "/admin/users/suppression/"

    assert shown(admin.get(url, {"q": "ALICE@example.com"})) == [row.pk]
    assert shown(admin.get(url, {"q": "alice"})) == []
    assert shown(admin.get(url, {"reason": "complaint"})) == [row.pk]


def test_an_action_takes_only_chosen_rows(admin: Client) -> None:
    for name in ("alice", "bob"):
        contacts.suppress(email=f"{name}@example.com", reason="complaint")
    chosen = [str(Suppression.objects.order_by("pk")[0].pk)]
    asked = {"action": "delete_selected", "_selected_action": chosen, "select_across": "1"}

    page = admin.post("/admin/users/suppression/", {**asked, "post": "yes"}, follow=True)

    assert b"Choose rows of the page" in page.content
    assert Suppression.objects.count() == 2


@pytest.mark.parametrize("model", ["outstandingtoken", "blacklistedtoken"])
def test_refresh_tokens_have_no_page(admin: Client, model: str) -> None:
    assert admin.get(f"/admin/token_blacklist/{model}/").status_code == 404


def inputs_without_label(page: str) -> set[str]:
    """Return the ids of the inputs of a page that have neither a label nor a name of their own."""
    inputs = re.findall(r"<(?:input|select|textarea)\s[^>]*>", page)
    shown = [one for one in inputs if 'type="hidden"' not in one and 'type="submit"' not in one]
    named = [(one, re.search(r'\sid="([^"]+)"', one)) for one in shown if "aria-label=" not in one]
    return {
        one if found is None else found[1]
        for one, found in named
        if found is None or f'for="{found[1]}"' not in page
    }


@pytest.mark.parametrize(
    "path", ["user/add/", "user/{}/change/", "apikey/add/", "suppression/add/"]
)
def test_every_input_has_a_label(admin: Client, alice: User, path: str) -> None:
    CategoryPreference.objects.create(user=alice, category="news", email=True, push=True)
    page = admin.get(f"/admin/users/{path.format(alice.pk)}").content.decode()

    assert inputs_without_label(page) == set()


def test_an_account_can_be_created_with_a_password(admin: Client) -> None:
    answer = admin.post(
        "/admin/users/user/add/",
        {
            **{name: value for name, value in USER_FORM.items() if "FORMS" not in name},
            "usable_password": "true",
            "password1": PASSWORD,
            "password2": PASSWORD,
        },
    )
    assert answer.status_code == 302, answer.content
    user = User.objects.get(email="alice@example.com")
    assert user.check_password(PASSWORD)
    assert user.email_confirmed is True
    assert user.locale == "pt-BR"


def test_an_account_can_be_changed(admin: Client, alice: User) -> None:
    form = {**USER_FORM, "email": "liddell@example.com"}
    answer = admin.post(f"/admin/users/user/{alice.pk}/change/", form)
    assert answer.status_code == 302, answer.content
    alice.refresh_from_db()
    assert (alice.email, alice.email_key) == ("liddell@example.com", "liddell@example.com")
    assert (alice.name, alice.locale, alice.push_enabled) == ("Alice Liddell", "pt-BR", False)
    assert alice.check_password(PASSWORD)


@pytest.mark.parametrize(
    "wrong",
    [
        {"email": "BOB@example.com"},
        {"email": "nobody"},
        {"email": ""},
        {"locale": "en_US"},
        {"timezone": "Mars/Olympus"},
        {"quiet_from": "22:00"},
    ],
)
def test_the_admin_enforces_the_rules_of_the_api(
    admin: Client, alice: User, bob: User, wrong: dict[str, str]
) -> None:
    answer = admin.post(f"/admin/users/user/{alice.pk}/change/", {**USER_FORM, **wrong})
    assert answer.status_code == 200
    alice.refresh_from_db()
    assert alice.name == "Alice"


def test_a_password_set_in_the_admin_ends_every_session(admin: Client, alice: User) -> None:
    form = {
        "usable_password": "true",
        "password1": "a new passphrase",
        "password2": "a new passphrase",
    }
    answer = admin.post(f"/admin/users/user/{alice.pk}/password/", form)
    assert answer.status_code == 302
    alice.refresh_from_db()
    assert alice.check_password("a new passphrase")
    assert alice.session_version == 1


def test_staff_cannot_grant_permissions_or_change_an_administrator(
    alice: User, charlie: User
) -> None:
    dora = make("dora", is_staff=True)
    dora.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "change_user"]))
    client = Client()
    client.force_login(dora)
    client.post(f"/admin/users/user/{alice.pk}/change/", {**USER_FORM, "is_superuser": "on"})
    alice.refresh_from_db()
    assert (alice.name, alice.is_superuser) == ("Alice Liddell", False)
    assert client.post(f"/admin/users/user/{charlie.pk}/change/", USER_FORM).status_code == 403
    assert client.post(f"/admin/users/user/{charlie.pk}/password/", {}).status_code == 403


def test_accounts_cannot_be_deleted(admin: Client, alice: User) -> None:
    assert admin.post(f"/admin/users/user/{alice.pk}/delete/", {"post": "yes"}).status_code == 403
    assert User.objects.filter(pk=alice.pk).exists()


def test_a_new_key_is_shown_once(admin: Client) -> None:
    form = {"name": "Shop", "client": "", "kind": "test", "scopes": ["users:read"]}
    page = admin.post("/admin/users/apikey/add/", form)
    found = re.search(rb"nk_test_[a-z0-9]{8}_[A-Za-z0-9]{43}", page.content)
    assert found is not None
    assert "no-store" in page["Cache-Control"]
    caller = api_keys.verify(found.group().decode())
    assert caller is not None
    assert (caller.client, sorted(caller.scopes)) == ("Shop", ["users:read"])
    api_key = ApiKey.objects.get()
    shown = admin.get(f"/admin/users/apikey/{api_key.pk}/change/")
    assert shown.status_code == 200
    assert found.group() not in shown.content
    assert api_key.secret_hash.encode() not in shown.content


@pytest.mark.parametrize(
    "wrong", [{"client": "staff:1"}, {"client": "System"}, {"scopes": []}, {"name": ""}]
)
def test_an_invalid_key_is_not_created(admin: Client, wrong: dict[str, Any]) -> None:
    form = {"name": "Shop", "client": "shop", "kind": "live", "scopes": ["users:read"], **wrong}
    assert admin.post("/admin/users/apikey/add/", form).status_code == 200
    assert ApiKey.objects.count() == 0


def test_keys_can_be_rotated_and_revoked(admin: Client) -> None:
    old, plain = api_keys.create(name="Shop", client="shop")
    action = {"action": "rotate", "_selected_action": [str(old.pk)]}
    page = admin.post("/admin/users/apikey/", action)
    assert re.search(rb"nk_live_[a-z0-9]{8}_[A-Za-z0-9]{43}", page.content)
    assert ApiKey.objects.filter(client="shop").count() == 2
    admin.post("/admin/users/apikey/", {"action": "revoke", "_selected_action": [str(old.pk)]})
    assert api_keys.verify(plain) is None


def test_an_address_can_be_suppressed_and_removed_from_the_list(admin: Client, alice: User) -> None:
    form = {"address": "Alice@Example.com", "note": "asked by phone"}
    assert admin.post("/admin/users/suppression/add/", form).status_code == 302
    assert contacts.load_contacts([alice.pk])[alice.pk].suppressed is True
    assert admin.post("/admin/users/suppression/add/", form).status_code == 200
    suppression = Suppression.objects.get()
    assert (suppression.reason, suppression.note) == ("manual", "asked by phone")
    assert suppression.source.startswith("staff:")
    page = f"/admin/users/suppression/{suppression.pk}/delete/"
    assert 'name="reason"' in admin.get(page).content.decode()
    admin.post(page, {"post": "yes", "reason": "It works again"})
    entry = AuditEntry.objects.get(action="unsuppressed")
    assert (entry.object_id, entry.detail) == (
        suppression.address_hash,
        "It works again (was: manual)",
    )
    assert contacts.load_contacts([alice.pk])[alice.pk].suppressed is False


def test_the_suppression_list_says_in_words_why_and_from_whom(admin: Client) -> None:
    rows = [("hard_bounce", "reply"), ("complaint", "sendgrid"), ("old word", "staff:1")]
    for number, (reason, source) in enumerate(rows):
        Suppression.objects.create(
            address_hash=str(number),
            address=f"u{number}@example.com",
            reason=reason,
            source=source,
        )

    page = admin.get("/admin/users/suppression/").content.decode()
    for words in (
        "the address does not exist",
        "the mail server&#x27;s reply",
        "its owner reported a mail as spam",
        "sendgrid",
        "old word",
        ">staff<",
    ):
        assert words in page
    assert ">hard_bounce<" not in page
    chosen = admin.get("/admin/users/suppression/?reason=complaint").content.decode()
    assert "u1@example.com" in chosen
    assert "u0@example.com" not in chosen
