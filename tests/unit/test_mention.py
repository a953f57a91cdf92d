"""An address is found however it is written, and no other is taken for it."""

from __future__ import annotations

from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk_daemon.mail.mention import Mention

ZOE = Mention("zoe@customer.example")


@pytest.mark.parametrize("text", [
    "zoe@customer.example", "ZOE@Customer.Example", "<zoe@customer.example>", "write zoe@customer.example.",
    "mailto:zoe@customer.example?x", "a/%3Czoe%40customer.example%3E", "=3Czoe=40customer.example",
    "?u=zoe%40customer.example&x",
    "zoe&#64;customer.example", "(zoe@customer.example)", "'zoe@customer.example'", "zoe@customer.example, ken",
])  # fmt: skip
def test_it_is_found(text: str) -> None:
    assert ZOE.in_text(text)
    assert not ZOE.in_text(ZOE.redact(text))
    assert "[erased]" in ZOE.redact(text)


@pytest.mark.parametrize("text", [
    "anzoe@customer.example", "zoe@customer.example.org", "zoe.zoe@customer.example", "zoe@customer.examples",
    "zoe at customer.example", "an-zoe@customer.example", "zoe+tag@customer.example", "zoe@customerxexample", "",
])  # fmt: skip
def test_another_is_not(text: str) -> None:
    assert not ZOE.in_text(text)
    assert ZOE.redact(text) == text


def mail(text: str = "hello", cte: str = "7bit", charset: str = "utf-8", **fields: str) -> EmailMessage:
    made = EmailMessage()
    made["From"] = "ken@customer.example"
    for name, value in fields.items():
        made[name] = value
    made.set_content(text, cte=cte, charset=charset)
    return made


@pytest.mark.parametrize("made", [
    mail("zoe@customer.example wrote"), mail("zoe@customer.example wrote", "base64"),
    mail("x" * 60 + " zoe@customer.example wrote", "quoted-printable"), mail(Cc="zoe@customer.example"),
    mail(Subject="Für zoe@customer.example"), mail("zoe@customer.example", "base64", "utf-16"),
], ids=["plain", "base64", "quoted-printable", "header", "encoded word", "utf-16"])  # fmt: skip
def test_it_is_found_in_a_mail_whatever_its_encoding(made: EmailMessage) -> None:
    assert ZOE.in_mail(made.as_bytes())
    outer = mail()
    outer.add_attachment(made)
    assert ZOE.in_mail(outer.as_bytes())


def test_it_is_not_found_in_a_mail_of_another() -> None:
    assert not ZOE.in_mail(mail("anzoe@customer.example wrote", "base64").as_bytes())


@given(st.binary(max_size=500))
def test_whatever_bytes_come(raw: bytes) -> None:
    assert ZOE.in_mail(raw + b"\n zoe@customer.example")
