"""Tracking IDs as people retype them, and signatures nobody can guess."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from helpdesk_daemon.tickets.tracking import ALPHABET, Party, Signer, new_tracking_id, read_tracking_id

IDS = st.text(alphabet=ALPHABET, min_size=8, max_size=8).map("HD-".__add__)
PARTIES = st.sampled_from(list(Party))
OLD, NEW = b"o" * 32, b"n" * 32
SIGNER = Signer((NEW,))
TICKET = "HD-7K3M9QX2"


def test_new_ids_are_canonical_and_differ() -> None:
    made = {new_tracking_id() for _ in range(200)}
    assert len(made) == 200
    assert all(read_tracking_id(m) == m for m in made)
    assert all(len(m) == 11 and set(m[3:]) <= set(ALPHABET) for m in made)


@given(IDS)
@example("HD-HDAB1234")
@example("HD-HDHDHDHD")
def test_an_id_is_read_back_in_any_case(identifier: str) -> None:
    core = identifier[3:]
    for written in (identifier, identifier.lower(), f"  {identifier} ", f"hd {core}", f"Hd{core}", f"HD‑{core}"):
        assert read_tracking_id(written) == identifier


@given(IDS)
@example("HD-HDAB1234")
def test_an_id_is_read_back_without_its_prefix(identifier: str) -> None:
    assert read_tracking_id(identifier[3:]) == identifier


@given(IDS)
@example("HD-01010101")
def test_letters_that_look_like_digits_are_read_as_digits(identifier: str) -> None:
    core = identifier[3:]
    for one, zero in (("I", "O"), ("L", "o"), ("i", "O"), ("l", "o")):
        assert read_tracking_id("HD-" + core.replace("1", one).replace("0", zero)) == identifier


@pytest.mark.parametrize("text", ["", "HD-", "HD-7K3M9QX", "HD-7K3M9QX22", "HD-7K3M9QXU", "HD-7K3M 9QX", "XX-7K3M9QX2"])
def test_anything_else_is_no_id(text: str) -> None:
    assert read_tracking_id(text) == ""


@given(IDS, PARTIES)
@example("HD-HDAB1234", Party.CUSTOMER)
def test_a_token_leads_back_in_any_case(identifier: str, party: Party) -> None:
    token = SIGNER.token(identifier, party)
    assert SIGNER.read_token(token) == (identifier, party)
    assert SIGNER.read_token(token.lower()) == (identifier, party)
    assert SIGNER.read_token(token.upper()) == (identifier, party)


@given(IDS, PARTIES)
@example("HD-HDAB1234", Party.CUSTOMER)
@example("HD-HDAB1234", Party.AGENT)
def test_a_message_id_leads_back_in_any_case(identifier: str, party: Party) -> None:
    made = SIGNER.message_id(identifier, party, "helpdesk.example")
    assert made.startswith("<")
    assert made.endswith("@helpdesk.example>")
    assert SIGNER.read_message_id(made) == (identifier, party)
    assert SIGNER.read_message_id(made.upper()) == (identifier, party)


def test_customer_and_agent_tokens_differ() -> None:
    customer, agent = SIGNER.token(TICKET, Party.CUSTOMER), SIGNER.token(TICKET, Party.AGENT)
    assert customer.rpartition("-")[2] != agent.rpartition("-")[2]
    assert SIGNER.read_token(customer.replace("-c-", "-a-")) is None
    assert SIGNER.read_token(agent.replace("-a-", "-c-")) is None


def test_a_token_fits_into_a_local_part() -> None:
    assert len("support+" + SIGNER.token(TICKET, Party.CUSTOMER)) <= 64  # RFC 5321 section 4.5.3.1.1


def test_two_message_ids_of_a_ticket_differ() -> None:
    made = {SIGNER.message_id(TICKET, Party.AGENT, "x.example") for _ in range(50)}
    assert len(made) == 50


def test_what_an_old_key_signed_still_verifies_after_a_rotation() -> None:
    before, after = Signer((OLD,)), Signer((NEW, OLD))
    assert after.read_token(before.token(TICKET, Party.AGENT)) == (TICKET, Party.AGENT)
    assert after.read_message_id(before.message_id(TICKET, Party.CUSTOMER, "x")) == (TICKET, Party.CUSTOMER)
    assert after.token(TICKET, Party.AGENT) != before.token(TICKET, Party.AGENT)
    assert before.read_token(after.token(TICKET, Party.AGENT)) is None


def test_the_loop_mark_outlives_a_rotation_and_is_not_guessed() -> None:
    address = "support@helpdesk.example"
    assert Signer((NEW, OLD)).loop_value(address) == Signer((OLD,)).loop_value(address)
    assert Signer((NEW,)).loop_value(address) != Signer((OLD,)).loop_value(address)
    assert Signer((OLD,)).loop_value("other@helpdesk.example") != Signer((OLD,)).loop_value(address)


def test_the_forged_is_refused() -> None:
    token, identifier = SIGNER.token(TICKET, Party.AGENT), SIGNER.message_id(TICKET, Party.AGENT, "x.example")
    forger = Signer((b"f" * 32,))
    assert SIGNER.read_token(forger.token(TICKET, Party.AGENT)) is None
    assert SIGNER.read_message_id(forger.message_id(TICKET, Party.AGENT, "x.example")) is None
    assert SIGNER.read_token(token.replace("7K3M9QX2", "7K3M9QX3")) is None
    assert SIGNER.read_message_id(identifier.replace("7k3m9qx2", "7k3m9qx3")) is None
    assert SIGNER.read_message_id(identifier.replace(".a.", ".c.")) is None
    assert SIGNER.read_token(token + "x") is None
    assert SIGNER.read_token("") is None


def test_a_token_is_no_message_id_and_the_other_way_round() -> None:
    tag = SIGNER.token(TICKET, Party.AGENT).rpartition("-")[2]
    assert SIGNER.read_message_id(f"<hd7k3m9qx2.a.{'0' * 12}.{tag}@x.example>") is None


@given(st.text(max_size=60))
@example("hd-aaaaaaaa-c-" + "ſ" * 16)
@example("hd-aaaaaaaa-a-" + "\u0130" * 16)
def test_any_text_is_read_as_a_token_without_failing(text: str) -> None:
    assert SIGNER.read_token(text) is None


@given(st.text(max_size=60))
@example("<hdaaaaaaaa.c.00000000.ſſſſſſſſſſſſſſſſ@x.example>")
def test_any_text_is_read_as_a_message_id_without_failing(text: str) -> None:
    assert SIGNER.read_message_id(text) is None
