"""Mails as bytes, parsed back with the standard library."""

import email
import email.policy
from email.header import decode_header, make_header
from email.message import EmailMessage

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apps.notifications.providers.addresses import BadAddressError
from apps.notifications.providers.base import Mail
from apps.notifications.providers.smtp import mime
from tests.fakes.messages import a_mail

ANY_TEXT = st.text(max_size=300)


def parsed(mail: Mail) -> EmailMessage:
    return email.message_from_bytes(mime.build(mail), policy=email.policy.default)


def body(mail: Mail, subtype: str) -> str:
    part = parsed(mail).get_body((subtype,))
    assert part is not None
    content: str = part.get_content()
    return content.replace("\r\n", "\n")


def test_a_mail_has_both_parts_and_the_given_message_id() -> None:
    mail = a_mail(headers={"List-Unsubscribe": "<https://example.com/u/1>"})

    message = parsed(mail)

    assert message["From"] == "Notifications <notifications@example.com>"
    assert message["To"] == "Bob <bob@example.com>"
    assert message["Subject"] == "Your order"
    assert message["Message-ID"] == mail.message_id
    assert message["X-Correlation-ID"] == "corr-1"
    assert message["List-Unsubscribe"] == "<https://example.com/u/1>"
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


def test_a_mail_without_html_is_plain_text() -> None:
    message = parsed(a_mail(html=None))

    assert message.get_content_type() == "text/plain"
    assert message.get_content() == "It is on its way.\r\n"


def test_the_date_is_in_utc() -> None:
    written = mime.build(a_mail(), date=0.0)

    assert b"\r\nDate: Thu, 01 Jan 1970 00:00:00 -0000\r\n" in written


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("plain words", "7bit"),
        ("Grüße aus Köln, mit vielen gewöhnlichen Wörtern", "quoted-printable"),
        ("Здравствуйте", "base64"),
        ("x" * 2000, "quoted-printable"),
    ],
)
def test_a_body_gets_the_encoding_that_suits_it(text: str, encoding: str) -> None:
    mail = a_mail(html=None, text=text)

    assert parsed(mail)["Content-Transfer-Encoding"] == encoding
    assert body(mail, "plain") == text + "\n"


def test_a_text_that_contains_the_boundary_cannot_end_its_part() -> None:
    mail = a_mail()
    text = f"--=_{mail.notification_id.hex}--\nstill here"

    message = email.message_from_bytes(
        mime.build(a_mail(notification_id=mail.notification_id, text=text)),
        policy=email.policy.default,
    )

    first, second = message.iter_parts()
    assert first.get_content().replace("\r\n", "\n").strip() == text
    assert second.get_content_type() == "text/html"


@pytest.mark.parametrize(
    "attack", ["Hi\r\nBcc: eve@example.com", "Hi\nBcc: eve@example.com", "Hi\rBcc: x", "Hi\x0bB: x"]
)
def test_no_value_can_add_another_header(attack: str) -> None:
    mail = a_mail(
        subject=attack,
        recipient_name=attack,
        correlation_id=attack,
        message_id=attack,
        headers={"X-Note": attack, "X-Bad\r\nBcc": "eve@example.com", "Bcc": "eve@example.com"},
    )

    message = parsed(mail)

    assert message["Bcc"] is None
    assert message["B"] is None
    assert message["X-Note"].startswith("Hi B")
    assert len(message.get_all("To", [])) == 1


@pytest.mark.parametrize("name", ["From", "subject", "MESSAGE-ID", "Content-Type", "Cc"])
def test_an_additional_header_cannot_replace_a_standard_one(name: str) -> None:
    message = parsed(a_mail(headers={name: "eve@example.com"}))

    assert "eve" not in str(message)


@pytest.mark.parametrize(
    "subject",
    [
        "Grüße",
        "日本語の件名" * 20,
        "word " * 60,
        "x" * 1500,
        "=?utf-8?q?not_an_encoded_word?=",
        "emoji 🎉",
        "",
    ],
)
def test_a_subject_is_unchanged_and_no_line_is_too_long(subject: str) -> None:
    written = mime.build(a_mail(subject=subject))

    message = email.message_from_bytes(written, policy=email.policy.default)
    assert message["Subject"] == subject.strip()
    assert max(map(len, written.split(b"\r\n"))) <= 998


@pytest.mark.parametrize(
    "name", ["Bob", "Bob, the Builder", 'Bob "the" Builder', "Böb Größe", "b\\ob", "b@b"]
)
def test_the_name_of_a_recipient_is_unchanged(name: str) -> None:
    (address,) = parsed(a_mail(recipient_name=name))["To"].addresses

    assert (address.display_name, address.addr_spec) == (name, "bob@example.com")


def test_a_long_name_is_folded_into_encoded_words() -> None:
    name = "李" * 40

    raw = email.message_from_bytes(mime.build(a_mail(recipient_name=name)))["To"]

    # The standard library's newer parser leaves a space between encoded words of a name.
    assert str(make_header(decode_header(raw))) == f"{name} <bob@example.com>"
    assert max(map(len, raw.splitlines())) <= 76


def test_a_long_list_header_is_not_folded() -> None:
    link = "<https://example.com/unsubscribe/" + "t" * 300 + ">"

    assert f"List-Unsubscribe: {link}\r\n".encode() in mime.build(
        a_mail(headers={"List-Unsubscribe": link})
    )


def test_a_non_ascii_domain_is_written_in_idna() -> None:
    assert b"To: Bob <bob@xn--exmple-cua.com>\r\n" in mime.build(a_mail("bob@exämple.com"))


@pytest.mark.parametrize(
    "address",
    [
        "bob", "@example.com", "bob@", "bob@example.com\r\nBcc: eve@example.com", "b b@example.com",
        "bob@example.com> SIZE=1", "bob@\u2028example.com", "bob@-ä-.com", "b\x00b@example.com",
        "bob@exa\ud800mple.com",
    ],
)  # fmt: skip
def test_an_invalid_address_is_refused(address: str) -> None:
    with pytest.raises(BadAddressError):
        mime.build(a_mail(address))


@example(subject="", name="", text="\n\n", html="")
@given(subject=ANY_TEXT, name=ANY_TEXT, text=ANY_TEXT, html=ANY_TEXT)
def test_any_text_makes_a_mail_of_the_same_structure(
    subject: str, name: str, text: str, html: str
) -> None:
    mail = a_mail(subject=subject, recipient_name=name, text=text, html=html)

    written = mime.build(mail)

    message = email.message_from_bytes(written, policy=email.policy.default)
    assert not message.defects
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert len(message.keys()) == 8
    assert max(map(len, written.split(b"\r\n"))) <= 998
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    # The last line break of a text may be the one in front of the boundary.
    assert body(mail, "plain") in {lines, lines.removesuffix("\n"), f"{lines}\n"}
    assert b"\n" not in written.replace(b"\r\n", b"")
