"""Where a mail says it belongs."""

from __future__ import annotations

import pytest

from helpdesk_daemon.mail.references import claims
from tests.unit.making import message


def test_tokens_stand_in_any_recipient_address() -> None:
    found = claims(
        message(
            to="Support <support+one@helpdesk.example>, bob@x.example",
            extra="Cc: support+two@helpdesk.example\nDelivered-To: support+three@helpdesk.example\n"
            "X-Original-To: <support+one@helpdesk.example>",
        )
    )
    assert found.tokens == ("one", "two", "three")


def test_answers_are_nearest_first_and_each_once() -> None:
    found = claims(message(extra="In-Reply-To: <c@x>\nReferences: <a@x> <b@x> <c@x>"))
    assert found.answers == ("<c@x>", "<b@x>", "<a@x>")


@pytest.mark.parametrize(
    ("subject", "tracking"),
    [
        ("Re: screen [HD-7K3M9QX2]", ("7K3M9QX2",)),
        ("hd-7k3m9qx2", ("7k3m9qx2",)),
        ("HD 7K3M9QX2 and HD‑00000001", ("7K3M9QX2", "00000001")),
        ("HD-7K3M9QX2 hd-7K3M9QX2", ("7K3M9QX2",)),
        ("HD-7K3M9QX", ()),
        ("HD-7K3M9QX22", ()),
        ("WHD-7K3M9QX2", ()),
        ("nothing", ()),
    ],
)
def test_tracking_ids_in_the_subject(subject: str, tracking: tuple[str, ...]) -> None:
    assert claims(message(subject=subject)).tracking == tracking


def test_an_encoded_subject_is_read() -> None:
    assert claims(message(subject="=?utf-8?q?Re=3A_=C3=BC_=5BHD-7K3M9QX2=5D?=")).tracking == ("7K3M9QX2",)
