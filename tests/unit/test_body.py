"""What the sender wrote now, told from quotes, signatures and footers."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from helpdesk_daemon.mail.body import REPLY_MARKER, new_text

ATTRIBUTIONS = [
    "On Mon, May 4, 2026 at 9:30 AM Support <support@helpdesk.example> wrote:",
    "On Monday the fourth,\nSupport Team <support@helpdesk.example>\nwrote:",
    "Am 04.05.2026 um 09:30 schrieb Support:",
    "Le lun. 4 mai 2026 à 09:30, Support <support@helpdesk.example> a écrit :",
    "El lun, 4 may 2026 a las 9:30, Support (<support@helpdesk.example>) escribió:",
    "Em seg., 4 de mai. de 2026 às 09:30, Support <support@helpdesk.example> escreveu:",
    "Il giorno lun 4 mag 2026 alle ore 09:30 Support ha scritto:",
    "Op ma 4 mei 2026 om 09:30 schreef Support <support@helpdesk.example>:",
    "W dniu 4.05.2026 o 09:30, Support napisał(a):",
    "Den mån 4 maj 2026 kl 09:30 skrev Support <support@helpdesk.example>:",
    "пн, 4 мая 2026 г. в 09:30, Support <support@helpdesk.example> пишет:",
    "2026-05-04 9:30 GMT+02:00 Support <support@helpdesk.example>:",
]


@pytest.mark.parametrize("attribution", ATTRIBUTIONS)
def test_a_quote_below_is_set_aside(attribution: str) -> None:
    assert new_text(f"It works now, thanks.\n\n{attribution}\n\n> old words\n> more old words\n") == (
        "It works now, thanks."
    )


@pytest.mark.parametrize("attribution", ATTRIBUTIONS)
def test_an_answer_below_the_quote_is_kept(attribution: str) -> None:
    assert new_text(f"{attribution}\n> old words\n\nIt works now.\n") == "It works now."


def test_answers_between_quoted_lines_are_kept() -> None:
    text = "On Monday the fourth Support wrote:\n> first question\nfirst answer\n> second question\nsecond answer\n"
    assert new_text(text) == "first answer\nsecond answer"


@pytest.mark.parametrize(
    "separator",
    [
        "-----Original Message-----\nFrom: Support\nold words",
        "-------- Ursprüngliche Nachricht --------\nold words",
        "-----Message d'origine-----\nold words",
        "________________________________\nFrom: Support <support@helpdesk.example>\nSent: Monday\nold words",
        "From: Support <support@helpdesk.example>\nSent: Monday, 4 May 2026 9:30\nTo: Ada\nSubject: Re: x\n\nold words",
        "*From:* Support\n*Date:* Monday\nold words",
        "Von: Support <support@helpdesk.example>\nGesendet: Montag, 4. Mai 2026 09:30\nAn: Ada\n\nold words",
        "De : Support\nEnvoyé : lundi 4 mai 2026\nÀ : Ada\n\nold words",
        "Da: Support\nInviato: lunedì 4 maggio 2026\nA: Ada\n\nold words",
        "De: Support\nEnviado: lunes, 4 de mayo de 2026\nPara: Ada\n\nold words",
        "Van: Support\nVerzonden: maandag 4 mei 2026\nAan: Ada\n\nold words",
    ],
)
def test_header_blocks_and_separators_are_set_aside(separator: str) -> None:
    assert new_text(f"It works now.\n\n{separator}\n") == "It works now."


@pytest.mark.parametrize(
    "signature",
    [
        "-- \nAda Byron\nEngine Works",
        "--\nAda Byron",
        "Sent from my iPhone",
        "Get Outlook for Android",
        "Von meinem iPhone gesendet",
        "Envoyé de mon iPhone",
        "Enviado desde mi iPhone",
        "Inviato da iPhone",
        "Verzonden vanaf mijn telefoon",
    ],
)
def test_signatures_are_set_aside(signature: str) -> None:
    assert new_text(f"It works now.\n\n{signature}\n") == "It works now."


def test_everything_from_the_reply_marker_on_is_cut() -> None:
    assert new_text(f"Try a new cable.\n\n{REPLY_MARKER}\n\nTicket HD-1\nsecret") == "Try a new cable."
    assert new_text(f"Try a new cable.\n> {REPLY_MARKER}\n> Ticket HD-1\nbelow") == "Try a new cable."
    assert new_text(f"{REPLY_MARKER}\nTicket HD-1") == ""


def test_a_forwarded_mail_is_kept_whole() -> None:
    text = "Please see below.\n\n---------- Forwarded message ---------\nFrom: Bob\nDate: Monday\n\nprinter burns"
    assert "printer burns" in new_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "I wrote to you on Monday.",
        "The error is:\n  file not found -- try again",
        "From: where do I get this?\nThat is the question.",
        "a - b\n- one\n- two",
        "We sent it to: Ada",
    ],
)
def test_ordinary_words_are_left_alone(text: str) -> None:
    assert new_text(text) == text


def test_nothing_new_is_empty() -> None:
    assert new_text("> only\n> quoted\n") == ""
    assert new_text("") == ""


@given(
    st.text(max_size=300)
    | st.lists(
        st.sampled_from(
            [*ATTRIBUTIONS, "> q", "-- ", "From: a", "Sent: b", REPLY_MARKER, "words", "", "_" * 30, "On "]
        ),
        max_size=20,
    ).map("\n".join)
)
@example("On " * 3_000)
@example("<" * 2_000)
def test_any_text_gives_storable_text_of_its_own_words(text: str) -> None:
    found = new_text(text)
    found.encode("utf-8")
    assert found == found.strip()
    assert set(found.split()) <= set(text.split())


@pytest.mark.timeout(10)  # a guard against a hang, not a measurement: this takes milliseconds or minutes
@pytest.mark.parametrize("piece", ["<@", "<a@b ", "On <@ ", "From: <@\n", " \n"])
def test_a_hostile_text_does_not_block_others(piece: str) -> None:
    assert len(new_text(piece * (16_000 // len(piece)))) <= 16_000
