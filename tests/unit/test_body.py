"""What the sender wrote now, told from quotes, signatures and footers."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from helpdesk_daemon.mail.body.split import REPLY_MARKER, new_text, own_text
from helpdesk_daemon.mail.formats.html import html_to_text

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
    '04.05.2026, 09.30, "Support - Team" <support@helpdesk.example>:',
    "Monday, 4 May 2026, 9:30 AM +0200 from Support <support@helpdesk.example>:",
    "ma 4. toukokuuta 2026 klo 9.30 Support\n<support@helpdesk.example> kirjoitti:",
    "4 травня 2026 р. о 09:30 <support@helpdesk.example> написав:",
    "---- On Mon, 04 May 2026 09:30:00 +0200 support@helpdesk.example wrote ----",
    "- On 2026-05-04 09:30, Support wrote:",
    "On Mon, May 4, 2026 at 9:30 AM The Support Team <\nsupport+token@helpdesk.example> wrote:",
    "man. 4. mai 2026 kl. 09:30 skrev Support <support@helpdesk.example\n>:",
    "4. mai 2026 kl. 09:30 skrev Support <support@helpdesk.example>:",
    "Den 4. maj 2026 kl. 09.30 skrev Support <support@helpdesk.example>:",
    "śr., 4 maj 2026 o 09:30 Support <support@helpdesk.example> napisał(a):",
    "Support <support@helpdesk.example> schrieb am Mo. 4. Mai 2026 um 09:30:",
    "2026年5月4日(月) 9:30 Support <support@helpdesk.example>:",
    "Support <support@helpdesk.example> 于2026年5月4日周一 09:30写道：",
    "Quoting Support <support@helpdesk.example>:",
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
        " ------------------------------\n\n*From:* Support\n*Sent:* Monday\n*Subject:* x\n\nold words",
        "From: Support\n<support+a-long-token@helpdesk.example>\nSent: Monday, 4 May 2026\nTo: Ada\n\nold words",
        "====\n\nMessage du : 04/05/2026 09:30\nDe : Support <help@desk.example>\nA : Ada\nSujet : x\n\nold words",
        "Fra: Support\nSendt: mandag 4. mai 2026\nTil: Ada\nEmne: x\n\nold words",
        "Från: Support\nSkickat: den 4 maj 2026\nTill: Ada\n\nold words",
        "Od: Support\nWysłano: poniedziałek\nDo: Ada\nTemat: x\n\nold words",
        "От: Support\nОтправлено: 4 мая 2026\nКому: Ada\n\nold words",
        "发件人: Support <support@helpdesk.example>\n发送时间: 2026年5月4日\n收件人: Ada\n主题: x\n\nold words",
        "差出人: Support\n送信日時: 2026年5月4日\n宛先: Ada\n件名: x\n\nold words",
        "##- Please type your reply above this line -##\n\nold words",
        "-=-=- Bitte antworten Sie oberhalb dieser Linie -=-=-\n\nold words",
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
        "Get Outlook for iOS<https://aka.example/x>",
        "Envoyé à partir de Outlook pour iOS<https://aka.example/x>",
        "Sent from OrbitMail<https://orbit.example/x>",
        "Gesendet mit der GMX Mail App",
        "Wysłane z mojego iPhone'a",
        "Skickat från min iPhone",
        "Отправлено из мобильной Почты Mail.ru",
        "发自我的 iPhone",
        "iPhoneから送信",
        "____________\nengine-users mailing list\nengine-users@lists.example\nhttps://lists.example/engine",
        "This message is confidential and intended only for the addressee. If you received it in error, delete it.",
        "Diese E-Mail enthält vertrauliche Informationen. Sind Sie nicht der Empfänger, ist die Weitergabe verboten.",
        "Virus-free. www.avast.com",
        "Kind regards,\n\nAda Byron\nDirector, Engine Works Ltd\nTel. +44 20 7946 0123",
        "Ada Byron\nEngine Works Ltd\n+44 20 7946 0123\nwww.engine.example",
        "Mit freundlichem Gruß\n\nAda Byron\nTel.: +49 30 1234567\n\nSitz der Gesellschaft: Berlin\n"
        "Amtsgericht Berlin HRB 12\nGeschäftsführer: Karl Byron,\nOtto Byron",
    ],
)
def test_signatures_are_set_aside(signature: str) -> None:
    assert new_text(f"It works now.\n\n{signature}\n") == "It works now."


def test_company_particulars_without_a_closing_are_what_was_asked_for() -> None:
    told = "Please put these on the invoice:\n\nAmtsgericht Berlin HRB 12\nUSt-IdNr. DE 123"
    assert new_text(told) == told


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
        "On the surface it works.\n\nOn the other hand, it is slow.",
        "The load is\n>90% all day",
        "I typed\n>>> import engine\n>>> engine.run()\nand it hangs.",
        "The points:\n-- first, the boiler\n-- second, the belt\n\nPlease help!",
        "Results\n--\n" + "\n".join(f"Row {n} of the table is wrong." for n in range(20)),
        "My parcel:\nFrom: Berlin\nTo: Paris\nDate: tomorrow\nWhere is it?",
        "Sent from our warehouse on Monday, but nothing came.",
        "Best regards,\nAda",
        "It fails.\n\nRegards,\nAda Byron\nOrder no. 4711",
        "Thanks!\n-Ada",
        "My new details are:\n\nAda Byron\nTel. +44 20 7946 0123\nwww.engine.example",
        "The button above this line does nothing.",
        "This message is about my broken boiler.",
    ],
)
def test_ordinary_words_are_left_alone(text: str) -> None:
    assert new_text(text) == text


FORWARD = "---------- Forwarded message ---------\nFrom: Bob\nDate: Monday\n\nprinter burns"
OUTLOOK = "From: Bob <bob@customer.example>\nSent: Monday\nTo: Ada\nSubject: x\n\nprinter burns"


@pytest.mark.parametrize("above", ["", "FYI\n\n", "Please see below.\n\n"])
def test_what_is_forwarded_is_new_but_not_ones_own(above: str) -> None:
    assert new_text(above + FORWARD) == above + FORWARD
    assert own_text(above + FORWARD) == above.strip()
    assert new_text(above + OUTLOOK, subject="FW: help") == above + OUTLOOK


def test_many_own_words_above_a_forwarded_mail_stand_alone() -> None:
    own = " ".join(["word"] * 60)
    assert new_text(f"{own}\n\n{FORWARD}") == own


def test_a_quote_alone_is_all_there_is_to_read_but_never_ones_own() -> None:
    assert new_text(OUTLOOK) == OUTLOOK
    assert new_text(f"Sent from my iPhone\n\n{OUTLOOK}").endswith("printer burns")
    assert own_text(OUTLOOK) == ""


def test_a_website_form_is_no_quote() -> None:
    form = "A new message:\n\nFrom: Bob <bob@customer.example>\nSubject: Boiler\nMessage: It leaks."
    assert new_text(form) == form


def test_own_text_keeps_the_signature() -> None:
    assert own_text("Try this.\n\n-- \nAda\n\nOn 4.5.2026 Bob wrote:\n> old") == "Try this.\n\n-- \nAda"


def test_only_a_signature_is_kept_rather_than_nothing() -> None:
    assert new_text("-- \nAda Byron") == "-- \nAda Byron"


def test_an_answer_below_a_phone_footer_is_kept() -> None:
    assert new_text("Yes.\nSent from my iPhone\n> Shall we?\nAnd soon.") == "Yes.\nAnd soon."


def test_what_is_below_a_phone_footer_is_a_bare_quote() -> None:
    assert new_text("Yes.\n\nSent from my Orbit 5G\n\nShall we meet?") == "Yes."
    assert new_text("Sent from my Orbit 5G\n\nShall we meet?") == "Shall we meet?"


@pytest.mark.parametrize("attribution", ATTRIBUTIONS)
def test_words_right_above_an_attribution_are_kept(attribution: str) -> None:
    assert new_text(f"Hello\n{attribution}\n> old words\n\nIt works now.\n") == "Hello\n\nIt works now."


def test_the_broken_off_end_of_a_quoted_line_goes_with_it() -> None:
    quoted = "> the quick brown fox jumps over the lazy dog and then over another\nlazy one\n> and rests"
    assert new_text(f"Fine.\n\n{quoted}") == "Fine."


@pytest.mark.parametrize(
    "quote",
    [
        "<div class=gmail_attr>Bob kirjutas</div><blockquote class=gmail_quote>old</blockquote>",
        "<div id=appendonsend></div><hr><div id=divRplyFwdMsg><b>Saatja:</b> Bob</div><div>old</div><p>older</p>",
        "<div style='border:none;border-top:solid #E1E1E1 1.0pt'><p><b>Saatja:</b> Bob</p></div><p>old</p>",
        "<div class=x1yahoo_quoted><div>Bob kirjutas</div><div>old</div></div>",
        "<div class=moz-cite-prefix>Bob kirjutas</div><blockquote type=cite>old<blockquote type=cite>older",
        "<div class=protonmail_quote>Bob kirjutas<br>old</div>",
        "<div class=zmail_extra>Bob kirjutas<br>old</div>",
        "<div name=quote>Bob kirjutas<br>old</div>",
    ],
)
def test_quotes_that_only_the_html_form_shows_are_set_aside(quote: str) -> None:
    html = f"<p>It works now.</p>{quote}"
    assert new_text(html_to_text(html), html) == "It works now."
    assert own_text(html_to_text(html), html) == "It works now."
    assert own_text(html_to_text(quote), quote) == ""


def test_indented_words_are_no_quote() -> None:
    html = "<p>Steps:</p><blockquote style='margin:0 0 0 40px;border:none'>unplug<br>plug in</blockquote>"
    assert new_text(html_to_text(html), html) == "Steps:\n\nunplug\nplug in"


def test_a_signature_that_only_the_html_form_shows_is_set_aside() -> None:
    html = "<p>It works now.</p><div class=gmail_signature>Ada<br>Engine Works</div>"
    assert new_text(html_to_text(html), html) == "It works now."
    assert own_text(html_to_text(html), html) == "It works now.\n\nAda\nEngine Works"


def test_hopelessly_nested_html_is_left_to_the_words() -> None:
    assert own_text("It works now.", "<div class=protonmail_quote>" + "<div>" * 50_000) == "It works now."


def test_a_warning_of_the_gateway_is_set_aside() -> None:
    banner = "CAUTION: This email originated from outside of the organization. Do not click links."
    assert new_text(f"{banner}\n\nIt leaks.") == "It leaks."


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
@pytest.mark.parametrize(
    "piece",
    [
        "<@",
        "<a@b ",
        "On <@ ",
        "From: <@\n",
        " \n",
        "--\n",
        "-- \nx\n",
        "> a\n",
        "On 2026 x@y.example 10:30 \n",
        "Regards\n",
    ],
)
def test_a_hostile_text_does_not_block_others(piece: str) -> None:
    assert len(new_text(piece * (16_000 // len(piece)))) <= 16_000
