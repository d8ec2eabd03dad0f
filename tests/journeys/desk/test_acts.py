"""What is done at the desk in a real browser: each flow as the roles that have it."""

from typing import Any
from uuid import uuid4

import pytest

from tests.journeys.http import Api, until
from tests.journeys.installation import Installation
from tests.journeys.visitor import Visitor

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]


def test_who_got_what_and_what_did_it_say(enter: Any, ada: dict[str, str]) -> None:
    operator = enter("Operator")

    operator.page.keyboard.press("/")
    operator.page.keyboard.type(ada["email"])
    operator.page.keyboard.press("Enter")
    operator.says("Everything sent")
    operator.page.get_by_role("link", name=f"Order A-1 for {ada['name']}").click()

    operator.says("took the mail; nothing says yet whether it arrived.")
    frame = operator.page.frame_locator("iframe[name=mail]")
    assert frame.locator("b").get_attribute("style") == "color: red;"
    operator.page.get_by_text("Text", exact=True).click()
    operator.says("Order A-1")


def test_a_message_is_sent_to_oneself_after_a_question(
    enter: Any, ada: dict[str, str], installation: Installation
) -> None:
    operator = enter("Operator")
    operator.go(f"/admin/messages/{ada['id']}/")

    operator.press("Send to me…")
    operator.says("The recipient gets nothing.")
    operator.press("Send to me 1")

    operator.says("1 sent to you.")
    until(
        lambda: any("operator@example.com" in mail.recipient for mail in installation.smtp.mails),
        within=30,
        what="the copy",
    )


def test_a_template_is_written_tried_out_and_released(enter: Any, ada: dict[str, str]) -> None:
    editor = enter("Template editor")
    editor.go(f"/admin/templates/{ada['code']}/")
    frame = editor.page.frame_locator("#preview-frame")
    frame.get_by_text("Order number").wait_for()

    subject = editor.page.get_by_role("textbox", name="Subject")
    subject.click()
    subject.press("End")
    subject.press_sequentially(" {{ numb")
    editor.page.locator(".cm-tooltip-autocomplete").get_by_text("number").first.wait_for()
    subject.press("Escape")
    subject.press_sequentially("er | bogus")
    editor.says("unknown filter 'bogus'")
    for _ in "| bogus":
        subject.press("Backspace")
    editor.page.get_by_text("Order number for Ada Lovelace number").wait_for()

    editor.page.get_by_role("textbox", name="HTML").click()
    editor.page.keyboard.press("Control+End")
    editor.page.keyboard.insert_text("<p>{{ greeting }}</p>")
    editor.says("Callers would have to bring: greeting")
    editor.press("Review and publish…")
    editor.says("such calls are refused then")
    editor.press("Publish version 2")
    editor.says("Version 2 (en) is sent from now on.")

    editor.page.get_by_role("link", name="Go back to it…").click()
    editor.press("Publish version 1")
    editor.says("Version 1 (en) is sent from now on.")


def test_a_dead_letter_is_decided_on(
    enter: Any, ada: dict[str, str], api: Api, installation: Installation
) -> None:
    template, bob = api.mail_template(), api.user("bob")
    address = api.call("GET", f"/api/v1/users/{bob}").body["email"]
    installation.smtp.answer("rcpt", "550 5.6.0 Not this content", recipient=address)
    try:
        failed = api.send("email", bob, template)
        assert api.ended(failed)["status"] == "failed"
    finally:
        installation.smtp.rules.clear()
    letters = f"/admin/dead-letters/?template_code={template}"
    operator = enter("Operator")
    until(lambda: _shows(operator, letters, "refused the message"), within=30, what="the letter")
    assert operator.violations() == []

    operator.page.locator("table.rows a[href^='/admin/dead-letters/']").first.click()
    operator.says("Not this content")
    operator.press("Discard…")
    operator.page.fill("#note", "Bob has left the company.")
    operator.press("Discard 1")

    operator.says("1 discarded")
    operator.go("/admin/audit/?action=discarded")
    operator.says("Operator")


def _shows(visitor: Visitor, path: str, words: str) -> bool:
    visitor.go(path)
    return words in visitor.page.content()


def test_the_errors_of_an_upload_are_read_and_downloaded(
    enter: Any, api: Api, installation: Installation
) -> None:
    template, carol = api.mail_template(), api.user("carol")
    content = (
        "user_id,notification_type,template_code,variables.name\n"
        f"{carol},email,{template},Carol\n"
        f"{uuid4()},email,{template},=nobody()\n"
    )
    started = api.call("POST", "/api/v1/batches/upload", content.encode(), Content_Type="text/csv")
    assert started.status == 202, started.body
    address = f"/admin/batches/{started.body['batch_id']}/"
    operator = enter("Operator")
    until(lambda: _shows(operator, address, "There is no such user"), within=30, what="the error")
    assert operator.violations() == []

    with operator.page.expect_download() as download:
        operator.page.get_by_role("link", name="as CSV").click()

    text = download.value.path().read_text(encoding="utf-8-sig")
    assert text.splitlines()[0].startswith("user_id,notification_type,template_code,variables.name")
    assert "'=nobody()" in text


def test_a_breaker_is_forced_with_a_reason_and_an_end(
    enter: Any, installation: Installation
) -> None:
    operator, viewer = enter("Operator"), enter("Viewer")
    operator.go("/admin/providers/")
    operator.press("Test the connection")
    operator.says("smtp")

    operator.page.get_by_role("link", name="Force…").first.click()
    operator.page.locator("input[name=way]").first.check()
    operator.page.locator("input[name=length]").first.check()
    operator.page.fill("#reason", "The relay is being moved.")
    operator.press("Force it")
    try:
        operator.says("The relay is being moved.")
        viewer.page.wait_for_timeout(3_000)
        viewer.go("/admin/messages/")
        viewer.says("by hand")
        assert viewer.violations() == []
    finally:
        operator.go("/admin/providers/")
        operator.press("Give back")
    operator.page.wait_for_timeout(3_000)
    operator.go("/admin/")
    assert "The relay is being moved." not in operator.page.content()


def test_a_webhook_is_tried_and_gets_a_new_secret(enter: Any, hook: dict[str, str]) -> None:
    operator = enter("Operator")
    operator.go(hook["page"])
    operator.page.get_by_role("link", name="Deliver a window again…").click()
    operator.says("see first how many there are")
    assert operator.violations() == []
    operator.page.go_back()

    operator.press("Send a test event…")
    operator.says("One event that tells of nothing")
    assert operator.violations() == []
    operator.press("Send it")
    operator.says("A test event is on its way")

    operator.press("New secret…")
    operator.press("Make a new secret")
    operator.says("it is shown this once")
    assert operator.violations() == []
    secret = operator.page.locator("pre").inner_text()
    assert secret.startswith("whsec_")
    assert secret != hook["secret"]
    operator.page.get_by_role("link", name="Done").click()
    operator.says("Operator gave a new secret to it")
    assert "whsec_" not in operator.page.content()


def test_people_come_from_a_file_after_a_trial(enter: Any, installation: Installation) -> None:
    administrator = enter("Administrator")
    name = f"Grace {uuid4().hex[:6]}"
    upload = {
        "name": "people.csv",
        "mimeType": "text/csv",
        "buffer": f"email,name\n{uuid4().hex[:8]}@example.com,{name}\n,Nobody\n".encode(),
    }
    administrator.go("/admin/people/import/")
    administrator.page.set_input_files("#id_file", upload)
    administrator.press("Read the file")
    administrator.says("What it would do")
    assert administrator.violations() == []

    administrator.page.set_input_files("#id_file", upload)
    administrator.page.get_by_label("Create the people").check()
    administrator.press("Read the file")
    administrator.says("1 people were created.")
    administrator.go(f"/admin/people/?q={name}")
    administrator.says(name)
