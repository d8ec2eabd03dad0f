"""Devices: registration, change of owner, retirement and removal."""

import pytest
from rest_framework.test import APIClient

from apps.users import contacts, devices
from apps.users.models import Device, User
from tests.users.conftest import logged_in


def url(user: User, rest: str = "") -> str:
    return f"/api/v1/users/{user.pk}/devices/{rest}"


def test_a_user_may_register_several_devices(alice: User) -> None:
    caller = logged_in("alice@example.com")
    first = caller.post(url(alice), {"push_token": "one"}, format="json")
    second = caller.post(url(alice), {"push_token": "two", "platform": "ios"}, format="json")
    assert [first.status_code, second.status_code] == [201, 201]
    assert first.json() == {
        "id": str(Device.objects.get(token="one").pk),
        "push_token": "one",
        "platform": "android",
        "active": True,
        "retired_at": None,
        "retired_reason": "",
        "created_at": first.json()["created_at"],
        "last_seen_at": first.json()["last_seen_at"],
    }
    page = caller.get(url(alice)).json()
    assert [device["platform"] for device in page["results"]] == ["ios", "android"]


def test_a_repeated_token_is_the_same_device(alice: User, shop: APIClient) -> None:
    body = {"push_token": "one", "platform": "web"}
    first = shop.post(url(alice), body, format="json")
    second = shop.post(url(alice), {"push_token": "one"}, format="json")
    assert [first.status_code, second.status_code] == [201, 200]
    assert second.json()["id"] == first.json()["id"]
    assert second.json()["platform"] == "web"
    assert Device.objects.count() == 1


def test_a_token_moves_to_its_new_owner(alice: User, bob: User, shop: APIClient) -> None:
    first = shop.post(url(alice), {"push_token": "one"}, format="json")
    second = shop.post(url(bob), {"push_token": "one"}, format="json")
    assert second.status_code == 201
    assert second.json()["id"] != first.json()["id"]
    assert shop.get(url(alice)).json()["results"] == []
    assert Device.objects.get().user_id == bob.pk


def test_a_retired_device_is_kept_and_can_be_registered_again(alice: User, shop: APIClient) -> None:
    made = shop.post(url(alice), {"push_token": "one"}, format="json").json()
    device = Device.objects.get()
    contacts.retire_devices({device.pk: "unregistered"})
    (shown,) = shop.get(url(alice)).json()["results"]
    assert shown["active"] is False
    assert shown["retired_reason"] == "unregistered"
    assert contacts.load_contacts([alice.pk])[alice.pk].devices == ()

    again = shop.post(url(alice), {"push_token": "one"}, format="json")
    assert again.status_code == 200
    assert again.json()["id"] == made["id"]
    assert again.json()["active"] is True
    assert [each.token for each in contacts.load_contacts([alice.pk])[alice.pk].devices] == ["one"]


def test_the_first_reason_of_a_retirement_stays(alice: User) -> None:
    device, _ = devices.register(user_id=alice.pk, token="one")
    contacts.retire_devices({device.pk: "unregistered"})
    contacts.retire_devices({device.pk: "sender_id_mismatch"})
    device.refresh_from_db()
    assert device.retired_reason == "unregistered"


def test_a_device_is_removed_by_its_owner_only(alice: User, bob: User) -> None:
    device, _ = devices.register(user_id=alice.pk, token="one")
    thief = logged_in("bob@example.com")
    assert thief.delete(url(alice, f"{device.pk}")).status_code == 404
    assert thief.delete(url(bob, f"{device.pk}/")).status_code == 404
    assert Device.objects.count() == 1
    owner = logged_in("alice@example.com")
    assert owner.delete(url(alice, f"{device.pk}/")).status_code == 204
    assert owner.delete(url(alice, f"{device.pk}")).status_code == 404
    assert Device.objects.count() == 0


@pytest.mark.parametrize("method", ["get", "post"])
def test_the_devices_of_another_user_are_a_404(alice: User, bob: User, method: str) -> None:
    caller = logged_in("bob@example.com")
    answer = getattr(caller, method)(url(alice), {"push_token": "x"}, format="json")
    assert answer.status_code == 404
    assert Device.objects.count() == 0


@pytest.mark.parametrize(
    "body", [{}, {"push_token": ""}, {"push_token": None}, {"push_token": "é"}, {"token": "x"}]
)
def test_a_malformed_device_is_refused(alice: User, shop: APIClient, body: dict[str, str]) -> None:
    assert shop.post(url(alice), body, format="json").status_code == 400
    assert Device.objects.count() == 0


def test_the_number_of_active_devices_is_limited(alice: User, shop: APIClient) -> None:
    for number in range(devices.MAX_ACTIVE_DEVICES):
        devices.register(user_id=alice.pk, token=f"token-{number}")
    answer = shop.post(url(alice), {"push_token": "one-more"}, format="json")
    assert answer.status_code == 409
    assert answer.json()["code"] == "too_many_devices"
    assert not Device.objects.filter(token="one-more").exists()


@pytest.mark.parametrize("spelling", ["ios", "iOS", "IOS", " ios "])
def test_a_platform_is_read_without_regard_to_case(
    alice: User, shop: APIClient, spelling: str
) -> None:
    answer = shop.post(url(alice), {"push_token": "one", "platform": spelling}, format="json")
    assert (answer.status_code, answer.json()["platform"]) == (201, "ios")


def test_a_token_that_moves_without_a_platform_keeps_its_own(
    alice: User, bob: User, shop: APIClient
) -> None:
    shop.post(url(alice), {"push_token": "one", "platform": "ios"}, format="json")
    moved = shop.post(url(bob), {"push_token": "one"}, format="json")
    assert (moved.status_code, moved.json()["platform"]) == (201, "ios")
