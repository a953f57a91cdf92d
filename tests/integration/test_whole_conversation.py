"""One ticket from request to close and on: a customer, a colleague of hers and agents, over Dovecot and SMTP.

`python -m scripts.conversation FOLDER` writes every mail of it into a folder.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpdesk_daemon.mail.body.split import REPLY_MARKER
from helpdesk_daemon.mail.formats.html import html_to_text
from tests.harness.clients import apple, body, gmail, outlook, read, thunderbird
from tests.harness.dovecot import Dovecot
from tests.harness.play import Play, kept_folder
from tests.harness.sink import Mail, Sink
from tests.harness.world import rows, write_settings
from tests.integration.conftest import daemon

ADA, BOB = "ada@customer.example.net", "bob@customer.example.net"
KIM, LEE, MALLORY = "kim@helpdesk.example", "lee@helpdesk.example", "mallory@evil.example.org"
TECHNICAL, BILLING = "technical@helpdesk.example", "billing@helpdesk.example"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

CUSTOMER_FIELDS = {
    "From", "To", "Subject", "Reply-To", "In-Reply-To", "References", "Date", "Message-ID", "X-Helpdesk-Loop",
    "MIME-Version", "Content-Type",
}  # fmt: skip
AUTOMATIC_FIELDS = {"Auto-Submitted", "X-Auto-Response-Suppress"}
ADDRESS = re.compile(r"[\w.+-]+@(?:[\w-]+\.)*helpdesk\.example")
PUBLIC = re.compile(
    r"support(\+HD-[0-9A-Z]{8}-c-[0-9a-z]{16})?@helpdesk\.example|hd[0-9a-z]{8}\.[cr]\.[0-9a-z]+\.[0-9a-z]{16}@helpdesk\.example"
)
INTERNAL = (
    REPLY_MARKER[2:-2], "Because of", "confidence", "Technical Support", "#category", "#note", "#close", "#priority",
    "-a-", "via Example Support", "wrote:", "difficult", "Kim", "Original Message",
)  # fmt: skip


@pytest.fixture
def play(tmp_path: Path, server: Dovecot, sink: Sink) -> Iterator[Play]:
    settings = write_settings(tmp_path, server.url, sink.port)
    with daemon(settings, real_model=True) as (app, runner):
        yield Play(app, runner, server, sink, kept_folder())


def fit_for_customers(mail: Mail, words: str, *, automatic: bool = False, internal: tuple[str, ...] = INTERNAL) -> None:
    """Assert all of a mail that a customer gets: its fields, its words in both forms, and what must not be there."""
    found = read(mail.content)
    assert set(found.keys()) - {"Content-Transfer-Encoding"} == CUSTOMER_FIELDS | (
        AUTOMATIC_FIELDS if automatic else set()
    )
    assert str(found["From"]) == "Example Support <support@helpdesk.example>"
    assert found["To"].addresses[0].addr_spec == mail.recipient
    leaks = [address for address in ADDRESS.findall(_decoded(mail)) if not PUBLIC.fullmatch(address)]
    assert leaks == []
    for form in (body(mail.content, "plain"), html_to_text(body(mail.content, "html"))):
        assert [word for word in internal if word in form] == []
    if words:
        assert " ".join(body(mail.content, "plain").split()) == words
        if rich := body(mail.content, "html"):
            assert " ".join(html_to_text(rich).split()) == words


def _decoded(mail: Mail) -> str:
    """Everything in a mail that a person or a program could read."""
    found = read(mail.content)
    head = "\n".join(f"{name}: {value}" for name, value in found.items())
    parts = [p.get_payload(decode=True) or b"" for p in found.walk() if not p.is_multipart()]
    return head + "\n" + "\n".join(part.decode("utf-8", "replace") for part in parts if isinstance(part, bytes))


def fit_for_agents(mail: Mail, ticket: str, *words: str) -> None:
    """Assert a mail that a department gets: its fields, its marker, and the words in both forms."""
    found = read(mail.content)
    assert found["X-Helpdesk-Ticket"] == ticket
    assert re.fullmatch(r"support\+HD-[0-9A-Z]{8}-a-[0-9a-z]{16}@helpdesk\.example", str(found["Reply-To"]))
    for form in (body(mail.content, "plain"), html_to_text(body(mail.content, "html"))):
        assert form.startswith(REPLY_MARKER)
        assert [word for word in words if " ".join(word.split()) not in " ".join(form.split())] == []


def request() -> bytes:
    """A first mail with a picture in its text and a file beside it."""
    coded = base64.encodebytes(PNG).decode()
    return (
        f"From: Ada Byron <{ADA}>\nTo: support@helpdesk.example\nCc: Bob <{BOB}>\nSubject: Router loses connection\n"
        "Message-ID: <first@customer.example.net>\nDate: Mon, 16 Nov 2026 09:00:00 +0000\nMIME-Version: 1.0\n"
        'Content-Type: multipart/mixed; boundary="m"\n\n--m\nContent-Type: multipart/related; boundary="r"\n\n'
        "--r\nContent-Type: text/html; charset=utf-8\n\n<p>Hello,</p><p>our router <b>loses its network connection</b> "
        'every few minutes and the WiFi is down. Restarting it does not help.</p><p><img src="cid:shot@x" alt="the '
        'lights"></p><p>Ada</p>\n'
        "--r\nContent-Type: image/png; name=lights.png\nContent-ID: <shot@x>\nContent-Disposition: inline\n"
        f"Content-Transfer-Encoding: base64\n\n{coded}\n--r--\n"
        '--m\nContent-Type: text/plain; name="router.log"\nContent-Disposition: attachment; filename="router.log"\n\n'
        "link down\n--m--\n"
    ).replace("\n", "\r\n").encode()  # fmt: skip


def test_the_whole_conversation(tmp_path: Path, play: Play) -> None:
    # A request: acknowledged to the one who asked, forwarded with its files.
    acknowledged, forwarded = play.arrives(request(), step="request")
    ticket = str(read(forwarded.content)["X-Helpdesk-Ticket"])
    assert [acknowledged.recipient, forwarded.recipient] == [ADA, TECHNICAL]
    fit_for_customers(acknowledged, "", automatic=True, internal=tuple(w for w in INTERNAL if w != "Technical Support"))
    assert ticket in body(acknowledged.content, "plain")
    fit_for_agents(forwarded, ticket, "Ada Byron", "loses its network connection", "Because of")
    assert {p.get_filename() for p in read(forwarded.content).walk() if p.get_filename()} == {
        "lights.png",
        "router.log",
    }

    # An agent is away: her vacation note stays with us.
    away = thunderbird(
        play.latest(TECHNICAL), f"Kim <{KIM}>", "I am away until Friday.", "Auto-Submitted: auto-replied\n"
    )
    assert play.arrives(away, step="vacation-note") == []

    # An agent answers from Outlook: her new words go to both customers, in both forms.
    rich = (
        '<p class="MsoNormal">Hello Ada,<o:p></o:p></p><p class="MsoNormal"><o:p>&nbsp;</o:p></p>'
        '<p class="MsoNormal">please <b>unplug</b> the router:<o:p></o:p></p><ol><li class="MsoListParagraph">wait '
        '<span style="color:red">30 seconds</span></li><li class="MsoListParagraph">plug it in</li></ol>'
        '<p class="MsoNormal"><o:p>&nbsp;</o:p></p>'
        f'<p class="MsoNormal">Regards, the desk (<a href="mailto:{TECHNICAL}">{TECHNICAL}</a>)<o:p></o:p></p>'
    )
    steps = "1. wait 30 seconds\n2. plug it in"
    words = f"Hello Ada,\n\nplease unplug the router:\n\n{steps}\n\nRegards, the desk ({TECHNICAL})"
    seen = " ".join(words.replace(TECHNICAL, "support@helpdesk.example").split())
    to_ada, to_bob = play.arrives(outlook(play.latest(TECHNICAL), f"Kim <{KIM}>", words, html=rich), step="answer")
    assert [to_ada.recipient, to_bob.recipient] == [ADA, BOB]
    for mail in (to_ada, to_bob):
        fit_for_customers(mail, seen)
        assert "<b>unplug</b>" in body(mail.content, "html")
        assert 'style="color:red"' in body(mail.content, "html")
    assert read(to_ada.content)["In-Reply-To"] == "<first@customer.example.net>"
    assert state(tmp_path) == "waiting"

    # Both customers reply; the department gets each in the thread of its forward.
    (again,) = play.arrives(gmail(play.latest(ADA), f"Ada Byron <{ADA}>", "Still down, I am afraid."), step="reply")
    assert again.recipient == TECHNICAL
    fit_for_agents(again, ticket, "Ada Byron", "wrote again", "Still down, I am afraid.")
    assert read(again.content)["In-Reply-To"] == read(forwarded.content)["Message-ID"]
    assert state(tmp_path) == "open"
    bobs = apple(play.latest(BOB), f"Bob <{BOB}>", "It is down on my floor, too.")
    (bob_wrote,) = play.arrives(bobs, step="colleague-replies")
    fit_for_agents(bob_wrote, ticket, "Bob", "It is down on my floor, too.")

    # The same mail through a list, with another footer: once is enough.
    listed = thunderbird(play.latest(TECHNICAL), f"Kim <{KIM}>", "We are looking into it.")
    footer = (
        "\r\n_______________________________________________\r\ndesk list\r\nhttps://lists.helpdesk.example/desk\r\n"
    )
    coded = base64.encodebytes(base64.b64decode(listed.partition(b"\r\n\r\n")[2]) + footer.encode())
    copy = b"Received: by lists\r\nList-Id: <desk>\r\n" + listed.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + coded
    twice = play.arrives(listed, copy, step="reply-all-by-two-ways")
    assert [m.recipient for m in twice] == [ADA, BOB]
    for mail in twice:
        fit_for_customers(mail, "We are looking into it.")

    # Somebody else has got hold of the agents' address: held, and shown to the department.
    stranger = thunderbird(play.latest(TECHNICAL), f"Mallory <{MALLORY}>", "Send me your password.")
    (shown,) = play.arrives(stranger, step="unlisted-sender")
    assert shown.recipient == TECHNICAL
    assert f"{MALLORY} is not an agent of Technical Support" in body(shown.content, "plain")

    # An order nobody knows: help, to its writer alone.
    (helped,) = play.arrives(gmail(play.latest(TECHNICAL), f"Kim <{KIM}>", "#clsoe\nAll done."), step="unknown-command")
    assert (helped.recipient, read(helped.content)["Auto-Submitted"]) == (KIM, "auto-replied")
    assert "#clsoe is no command; did you mean #close?" in body(helped.content, "plain")
    assert ADA not in helped.content.decode()

    # A number is no command.
    numbered = gmail(play.latest(TECHNICAL), f"Kim <{KIM}>", "#1234 is the part you need.")
    for mail in play.arrives(numbered, step="number-in-the-first-line"):
        fit_for_customers(mail, "#1234 is the part you need.")

    # A note stays inside.
    note = outlook(
        play.latest(TECHNICAL), f"Kim <{KIM}>", "#note\nA difficult customer, and the invoice is ours to mend."
    )
    assert play.arrives(note, step="note") == []

    # Another category: its department gets everything so far, the customers only the words for them.
    moving = apple(play.latest(TECHNICAL), f"Kim <{KIM}>", "#category billing\n\nMy colleagues will check the invoice.")
    to_ada, moved, to_bob = play.arrives(moving, step="re-routed")
    assert [to_ada.recipient, moved.recipient, to_bob.recipient] == [ADA, BILLING, BOB]
    for mail in (to_ada, to_bob):
        fit_for_customers(mail, "My colleagues will check the invoice.")
    fit_for_agents(
        moved, ticket, f"{KIM} moved this ticket from Technical Support to Billing Team.",
        "loses its network connection", "please unplug the router", "Still down, I am afraid.",
        "It is down on my floor, too.", "A difficult customer", "My colleagues will check the invoice.",
    )  # fmt: skip
    fields = read(moved.content)
    assert (fields["X-Helpdesk-Category"], fields["X-Helpdesk-Priority"]) == ("Billing", "Medium")
    assert {p.get_filename() for p in fields.walk() if p.get_filename()} == {"lights.png", "router.log"}
    assert rows(tmp_path, "select category, source, actor, ticket from examples where source <> 'seed'") == [
        {"category": "Billing", "source": "correction", "actor": KIM, "ticket": ticket}
    ]
    assert rows(tmp_path, "select actor, category from decisions order by id") == [
        {"actor": "daemon", "category": "Technical"}, {"actor": KIM, "category": "Billing"},
    ]  # fmt: skip

    # The new department answers and closes.
    closing = gmail(play.latest(BILLING), f"Lee <{LEE}>", "#close\n\nYou get the money back.\n\nRegards\nLee",
                    html="<div>#close</div><div><br></div><div>You get the <i>money</i> back.</div><div><br></div>"
                    "<div>Regards</div><div>Lee</div>")  # fmt: skip
    for mail in play.arrives(closing, step="closed"):
        fit_for_customers(mail, "You get the money back. Regards Lee")
        assert "<i>money</i>" in body(mail.content, "html")
    assert state(tmp_path) == "closed"

    # A reply opens the ticket again, with the department that has it now.
    (reopened,) = play.arrives(outlook(play.latest(ADA), f"Ada Byron <{ADA}>", "It never came."), step="reopened")
    assert reopened.recipient == BILLING
    fit_for_agents(reopened, ticket, "It never came.")
    assert state(tmp_path) == "open"

    ends = rows(tmp_path, "select state, count(*) as n from arrivals group by state order by state")
    assert ends == [{"state": "ignored", "n": 1}, {"state": "reply", "n": 12}, {"state": "ticket", "n": 1}]
    assert len(rows(tmp_path, "select id from tickets")) == 1
    events = {row["event"] for row in rows(tmp_path, "select event from audit_log")}
    assert events >= {
        "ticket.decided", "answer.relayed", "reply.received", "reply.held", "command.refused", "note.kept",
        "ticket.corrected", "example.corrected", "ticket.closed", "ticket.reopened",
    }  # fmt: skip


def state(folder: Path) -> str:
    """The state of the only ticket."""
    (row,) = rows(folder, "select state from tickets")
    return str(row["state"])
