"""Robots that answer robots, over real SMTP and Maildirs: how many mails leave is bounded, small, and known exactly.

Each robot is a function from a mail of ours to the mail it answers with. A round drains the daemon, takes what it sent
to the robots and puts their answers into our mailbox, until nobody has anything more to say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path

import pytest

from helpdesk_daemon.adapters.maildir import deliver
from helpdesk_daemon.app import App
from helpdesk_daemon.mail.parse import parse
from tests.harness.mails import mail
from tests.harness.sink import Mail, Sink
from tests.harness.world import rows, write_settings
from tests.integration.conftest import daemon, once

CUSTOMER = "ann@customer.example.net"
OPERATOR = "operator@helpdesk.example"
GENERAL = "general@helpdesk.example"
STRICT = "[limits]\nconversation_burst = 6\nconversation_hourly = 0.001\n"  # nothing flows back while a test runs
SLOW = "per_address_hourly = 0.001\nper_ticket_hourly = 0.001\nsender_hourly = 0.001\n"
MOST_ROUNDS = 60

Robot = Callable[[Mail, int], bytes | None]


def sort_all_to_general(folder: Path, more: str = "") -> None:
    """Rules by which every ticket goes to one department, with other agents than its own mailbox."""
    (folder / "routing.toml").write_text(
        '[triage]\ndepartment = "General Support"\npriority = "Medium"\nsla_hours = 24\nmin_confidence = 0.0\n'
        '[category.Technical]\ndepartment = "General Support"\npriority = "High"\nsla_hours = 4\n'
        f'[department."General Support"]\naddress = "{GENERAL}"\nagents = ["kim@helpdesk.example"]\n{more}'
    )


@dataclass
class World:
    """One daemon, the robots around it, and what it sent."""

    folder: Path
    sink: Sink
    limits: str = STRICT + SLOW
    robots: dict[str, Robot] = field(default_factory=dict)
    rounds: int = 0

    def run(self, *mails: bytes) -> None:
        """Put mails in, and let daemon and robots talk until nobody says anything more."""
        sort_all_to_general(self.folder)
        settings = write_settings(
            self.folder, "maildir:inbox", self.sink.port, limits=self.limits, more='rules = "routing.toml"'
        )
        for raw in mails:
            deliver(self.folder / "inbox", raw)
        with daemon(settings) as (app, runner):
            runner.run(self._talk(app))

    async def _talk(self, app: App) -> None:
        heard = 0
        for self.rounds in range(MOST_ROUNDS):
            await app.once()
            # Mails of a round leave at once and land in any order: the robots answer in one order, always the same.
            fresh, heard = sorted(self.sink.mails[heard:], key=lambda m: m.recipient), len(self.sink.mails)
            answers = [a for n, m in enumerate(fresh, heard - len(fresh)) if (a := self._answer(m, n))]
            for raw in answers:
                deliver(self.folder / "inbox", raw)
            if not answers:
                return
        pytest.fail(f"they still talk after {MOST_ROUNDS} rounds")

    def _answer(self, sent: Mail, number: int) -> bytes | None:
        robot = self.robots.get(sent.recipient)
        return robot(sent, number) if robot else None

    def sent(self) -> Counter[str]:
        """What left, by its kind and the one who got it."""
        return Counter(f"{r['kind']} to {r['recipient']}" for r in self._outbox("sent"))

    def held(self) -> Counter[str]:
        return Counter(r["kind"] for r in self._outbox("held"))

    def _outbox(self, state: str) -> list[dict[str, str]]:
        return rows(self.folder, "select kind, recipient from outbox where state = ?", state)

    def states(self) -> dict[str, int]:
        """Arrivals by where they ended; each must have ended somewhere, with a reason."""
        found = rows(self.folder, "select state, reason from arrivals")
        assert {r["state"] for r in found} <= {"ticket", "reply", "ignored", "quarantined"}
        assert all(r["reason"] for r in found)
        undone = rows(self.folder, "select state from outbox where state not in ('sent', 'held')")
        assert undone == [], "what was made has left, or waits for a person"
        return dict(Counter(r["state"] for r in found))

    def events(self, name: str) -> int:
        (found,) = rows(self.folder, "select count(*) as n from audit_log where event = ?", name)
        return int(found["n"])


@pytest.fixture
def world(tmp_path: Path, sink: Sink) -> World:
    return World(tmp_path, sink)


def answer(
    to: Message, sender: str, text: str, number: int, *, subject: str = "", extra: str = "", address: str = "",
    threaded: bool = True,
) -> bytes:  # fmt: skip
    """What a robot writes back: to Reply-To, in the thread, unless told otherwise."""
    thread = f"In-Reply-To: {to['Message-ID']}\r\nReferences: {to['Message-ID']}\r\n" if threaded else ""
    return (
        f"From: {sender}\r\nTo: {address or to['Reply-To'] or to['From']}\r\n"
        f"Subject: {subject or 'Re: ' + str(to['Subject'])}\r\nMessage-ID: <r{number}@{sender.rpartition('@')[2]}>\r\n"
        f"Date: Mon, 16 Nov 2026 10:00:00 +0000\r\n{thread}{extra}\r\n{text}\r\n"
    ).encode()


def test_a_vacation_responder_with_headers_gets_one_mail(world: World) -> None:
    world.robots[CUSTOMER] = lambda sent, n: answer(
        sent.message, CUSTOMER, "I am on holiday.", n, extra="Auto-Submitted: auto-replied\r\n"
    )
    world.run(mail(1, sender=CUSTOMER))
    assert world.sent() == {f"forward to {GENERAL}": 1, f"acknowledgement to {CUSTOMER}": 1}
    assert world.states() == {"ticket": 1, "reply": 1}


def test_a_responder_without_any_header_gets_one_mail_and_is_seen_once(world: World) -> None:
    world.robots[CUSTOMER] = lambda sent, n: answer(sent.message, CUSTOMER, "Note: new opening hours, 9 to 5.", n)
    world.run(mail(1, sender=CUSTOMER))
    assert world.sent() == {f"forward to {GENERAL}": 2, f"acknowledgement to {CUSTOMER}": 1}
    assert world.states() == {"ticket": 1, "reply": 1}


def test_two_responders_without_headers_at_both_ends_come_to_rest(world: World) -> None:
    world.robots[CUSTOMER] = lambda sent, n: answer(sent.message, CUSTOMER, f"Opening hours {n}.", n)
    world.robots[GENERAL] = lambda sent, n: answer(sent.message, GENERAL, f"Ask the front desk, counter {n}.", n)
    world.robots[OPERATOR] = lambda sent, n: answer(sent.message, OPERATOR, f"Noted, {n}.", n)
    world.run(mail(1, sender=CUSTOMER))
    assert world.sent() == {
        f"acknowledgement to {CUSTOMER}": 1, f"forward to {GENERAL}": 5, f"relay to {CUSTOMER}": 3,
        f"notice to {GENERAL}": 1,
    }  # fmt: skip
    assert (world.held(), world.events("outgoing.held")) == ({"forward": 1, "relay": 1}, 2)
    assert world.states() == {"ticket": 2, "reply": 9}


def test_a_responder_that_begins_anew_each_time_is_acknowledged_five_times(world: World) -> None:
    world.robots[CUSTOMER] = lambda sent, n: answer(
        sent.message, CUSTOMER, f"We opened case {n} for you.", n, subject=f"Case {n}", threaded=False,
        address="support@helpdesk.example",
    )  # fmt: skip
    world.run(mail(1, sender=CUSTOMER))
    assert world.sent() == {f"acknowledgement to {CUSTOMER}": 5, f"forward to {GENERAL}": 6}
    assert world.states() == {"ticket": 6}
    assert world.events("acknowledgement.withheld") == 1


def test_a_responder_that_changes_its_address_each_time_is_one_mailbox(world: World) -> None:
    def robot(sent: Mail, number: int) -> bytes:
        return answer(
            sent.message, f"ann+{number}@customer.example.net", f"Case {number}.", number, subject=f"Case {number}",
            threaded=False, address="support@helpdesk.example",
        )  # fmt: skip

    for number in range(200):
        world.robots[f"ann+{number}@customer.example.net"] = robot
    world.run(mail(1, sender="ann+0@customer.example.net"))
    assert sum(n for what, n in world.sent().items() if what.startswith("ack")) == 5
    assert world.states() == {"ticket": 6}


def test_a_department_that_answers_without_headers_and_begins_anew_is_soon_held(world: World) -> None:
    world.robots[GENERAL] = lambda sent, n: answer(
        sent.message, GENERAL, f"We got it, {n}.", n, subject=f"Got it {n}", threaded=False,
        address="support@helpdesk.example",
    )  # fmt: skip
    world.run(mail(1, sender=CUSTOMER))
    assert world.sent() == {
        f"acknowledgement to {CUSTOMER}": 1, f"forward to {GENERAL}": 6, f"notice to {OPERATOR}": 1,
    }  # fmt: skip
    assert (world.held(), world.states()) == ({"forward": 1}, {"ticket": 7})


def test_a_relay_that_sends_forwards_back_under_new_names_is_known(world: World) -> None:
    def resend(sent: Mail, number: int) -> bytes:
        """As a gateway that strips what it does not know and writes a Message-ID of its own."""
        fields = ("From", "To", "Subject", "Reply-To", "MIME-Version", "Content-Type")
        head = "".join(f"{name}: {sent.message[name]}\r\n" for name in fields)
        body = sent.content.partition(b"\r\n\r\n")[2]
        return f"Message-ID: <new{number}@gateway.example>\r\n{head}\r\n".encode() + body

    world.robots[GENERAL] = world.robots[CUSTOMER] = resend
    world.run(mail(1, sender=CUSTOMER))
    assert world.sent() == {f"forward to {GENERAL}": 1, f"acknowledgement to {CUSTOMER}": 1}
    assert world.states() == {"ticket": 1, "ignored": 2}


def test_a_no_reply_address_that_bounces_gets_nothing(world: World) -> None:
    noreply = "no-reply@shop.example.net"
    world.robots[noreply] = lambda sent, n: bounce(sent, n)
    world.run(mail(1, sender=noreply), mail(2, sender=noreply))
    assert world.sent() == {f"forward to {GENERAL}": 2}
    assert world.states() == {"ticket": 2}


def bounce(sent: Mail, number: int, sender: str = "MAILER-DAEMON@mx.example.net", status: str = "5.1.1") -> bytes:
    """A delivery report (RFC 3464) about a mail of ours, with its header returned."""
    head = sent.content.partition(b"\r\n\r\n")[0].decode()
    return (
        f"From: {sender}\r\nTo: support@helpdesk.example\r\nSubject: Undelivered Mail Returned to Sender\r\n"
        f"Message-ID: <b{number}@mx.example.net>\r\nReturn-Path: <>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
        f"--b\r\n\r\nThe mail system: no such user, {number}.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        f"Reporting-MTA: dns; mx.example.net\r\n\r\nFinal-Recipient: rfc822; {sent.recipient}\r\nAction: failed\r\n"
        f"Status: {status}\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n{head}\r\n--b--\r\n"
    ).encode()


def test_a_customer_that_bounces_is_suppressed(world: World) -> None:
    world.robots[CUSTOMER] = lambda sent, n: bounce(sent, n)
    world.run(mail(1, sender=CUSTOMER))
    deliver(world.folder / "inbox", mail(2, sender=CUSTOMER))
    once(world.folder / "settings.toml")
    assert world.sent() == {f"forward to {GENERAL}": 2, f"acknowledgement to {CUSTOMER}": 1}
    assert world.states() == {"ticket": 2, "reply": 1}


def test_a_thousand_bounces_at_once_cause_nothing(world: World) -> None:
    world.run(mail(1, sender=CUSTOMER))
    acknowledgement = next(m for m in world.sink.mails if m.recipient == CUSTOMER)
    stranger = Mail("", "nobody@x.example", b"Message-ID: <spam@x.example>\r\n\r\n")
    before = len(world.sink.mails)
    world.run(
        *(
            bounce(acknowledgement if n % 2 else stranger, n, sender=f"mailer-daemon@mx{n}.example")
            for n in range(1_000)
        )
    )
    assert len(world.sink.mails) == before
    assert world.states() == {"ticket": 1, "reply": 500, "ignored": 500}


def test_a_thousand_bounces_of_one_forward_are_shown_five_times_and_alert_once(world: World) -> None:
    world.run(mail(1, sender=CUSTOMER))
    forward = next(m for m in world.sink.mails if m.recipient == GENERAL)
    sort = (world.folder / "routing.toml").read_text()
    other = '[department.Sorting]\naddress = "sorting@helpdesk.example"\n'
    sort = sort.replace('[triage]\ndepartment = "General Support"', '[triage]\ndepartment = "Sorting"') + other
    (world.folder / "routing.toml").write_text(sort)
    for number in range(1_000):
        deliver(world.folder / "inbox", bounce(forward, number, sender=f"mailer-daemon@mx{number}.example"))
    world.sink.mails.clear()
    once(world.folder / "settings.toml")
    assert Counter(m.recipient for m in world.sink.mails) == {"sorting@helpdesk.example": 5, OPERATOR: 1}
    assert world.states() == {"ticket": 1, "reply": 1_000}


def test_a_department_that_bounces_lands_in_triage_and_alerts_once(tmp_path: Path, sink: Sink) -> None:
    world = World(tmp_path, sink)
    world.robots[GENERAL] = lambda sent, n: bounce(sent, n, sender="postmaster@gateway.example")
    world.run()
    sort_all_to_general(tmp_path, '[department.Sorting]\naddress = "sorting@helpdesk.example"\n')
    rules = (tmp_path / "routing.toml").read_text()
    rules = rules.replace('[triage]\ndepartment = "General Support"', '[triage]\ndepartment = "Sorting"')
    rules += '[[rule]]\nname = "all"\nwhen = { subject = ["."] }\nset = { department = "General Support" }\n'
    (tmp_path / "routing.toml").write_text(rules)
    for number in range(10):
        deliver(tmp_path / "inbox", mail(number, sender=f"c{number}@customer.example.net"))
    with daemon(tmp_path / "settings.toml") as (app, runner):
        runner.run(world._talk(app))
    by_recipient = Counter(m.recipient for m in sink.mails)
    assert by_recipient[GENERAL] == 10
    assert by_recipient["sorting@helpdesk.example"] == 10, "each forward lands in triage, once"
    assert by_recipient[OPERATOR] == 1
    assert len(sink.mails) == 31
    assert world.states() == {"ticket": 10, "reply": 10}


def test_an_odd_bounce_from_another_address_in_no_known_form_comes_to_rest(world: World) -> None:
    def robot(sent: Mail, number: int) -> bytes:
        return answer(
            sent.message, "gateway@odd.example", f"Nix da, {number}: das Fach gibt es hier nicht.", number,
            subject=f"Rücklauf {number}", threaded=False, address="support@helpdesk.example",
            extra="Return-Path: <>\r\n",
        )  # fmt: skip

    world.robots[GENERAL] = robot
    world.limits = STRICT + SLOW + "sender_burst = 8\n"
    world.run(mail(1, sender=CUSTOMER))
    sent = world.sent()
    assert sent.pop(f"acknowledgement to {CUSTOMER}") == 1
    assert sent == {f"forward to {GENERAL}": 9, f"notice to {GENERAL}": 1}
    assert (world.held(), world.states()) == ({"forward": 2}, {"ticket": 11})


def test_a_list_that_sends_everything_to_everybody_comes_to_rest(world: World) -> None:
    the_list = "all@lists.example.net"

    def resend(sent: Mail, number: int) -> bytes:
        """A list that we are on, and that hides what it is: our mail comes back under its name."""
        return answer(
            sent.message, f"Support via All <{the_list}>", sent.content.decode()[-300:], number,
            subject=f"[All] {sent.message['Subject']}", threaded=False, address="support@helpdesk.example",
        )  # fmt: skip

    world.robots[the_list] = resend
    world.run(mail(1, sender=the_list))
    assert world.sent() == {f"acknowledgement to {the_list}": 1, f"forward to {GENERAL}": 2}
    assert world.states() == {"ticket": 1, "reply": 1}


def test_poison_that_triage_sends_back_comes_to_rest(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaking(raw: bytes) -> object:
        if b"poison" in raw:
            raise ValueError("no such thing should be")
        return parse(raw)

    monkeypatch.setattr("helpdesk_daemon.stages.decide.parse", breaking)
    world.robots[GENERAL] = lambda sent, n: b"X-Number: %d\r\n" % n + bounce(sent, n) + b"poison\r\n"
    world.run(mail(1, sender=CUSTOMER) + b"poison\r\n")
    assert world.sent() == {f"notice to {GENERAL}": 6, f"alert to {OPERATOR}": 1}
    assert (world.held(), world.states()) == ({"notice": 1}, {"quarantined": 7})


# --- two daemons of ours -------------------------------------------------------------------------


def helpdesk(folder: Path, port: int, address: str, department: str) -> Path:
    """Settings of a helpdesk with keys of its own, all of whose mail goes to one department."""
    folder.mkdir()
    settings = write_settings(folder, "maildir:inbox", port, limits=STRICT + SLOW, more='rules = "routing.toml"')
    settings.write_text(settings.read_text().replace("support@helpdesk.example", address))
    sort_all_to_general(folder)
    rules = (folder / "routing.toml").read_text()
    (folder / "routing.toml").write_text(rules.replace(GENERAL, department))
    return settings


def ping_pong(
    folder: Path, sink: Sink, b_department: str, strip: tuple[str, ...] = ()
) -> tuple[Counter[str], int, int]:
    """Two helpdesks; A's department is B. What was sent, by recipient, and how many tickets each has."""
    one, two = "support@one.example", "support@two.example"
    desks = {
        one: helpdesk(folder / "one", sink.port, one, two),
        two: helpdesk(folder / "two", sink.port, two, b_department),
    }
    deliver(folder / "one" / "inbox", mail(1, sender=CUSTOMER).replace(b"support@helpdesk.example", one.encode()))
    heard = 0
    for _ in range(MOST_ROUNDS):
        for settings in desks.values():
            once(settings)
        fresh, heard = sink.mails[heard:], len(sink.mails)
        passed = 0
        for sent in fresh:
            local, _, domain = sent.recipient.partition("@")
            desk = desks.get(f"{local.partition('+')[0]}@{domain}")
            if desk:
                deliver(desk.parent / "inbox", stripped(sent.content, strip))
                passed += 1
        if not passed:
            break
    else:
        pytest.fail("they still talk")
    counts = [len(rows(folder / name, "select 1 from tickets")) for name in ("one", "two")]
    for name in ("one", "two"):
        assert rows(folder / name, "select 1 from arrivals where state in ('pending', 'claimed')") == []
    return Counter(m.recipient.partition("+")[0] for m in sink.mails), counts[0], counts[1]


def stripped(content: bytes, names: tuple[str, ...]) -> bytes:
    """A mail without some header fields, as a gateway hands it on."""
    head, _, body = content.partition(b"\r\n\r\n")
    kept = [line for line in head.split(b"\r\n") if not line.lower().startswith(tuple(n.encode() for n in names))]
    return b"\r\n".join(kept if names else head.split(b"\r\n")) + b"\r\n\r\n" + body


def test_a_helpdesk_behind_a_helpdesk_gets_each_mail_once(tmp_path: Path, sink: Sink) -> None:
    sent, one, two = ping_pong(tmp_path, sink, "desk@two.example")
    assert sent == {CUSTOMER: 1, "support@two.example": 1, "desk@two.example": 1}
    assert (one, two) == (1, 1)


def test_two_helpdesks_that_are_each_others_department_come_to_rest(tmp_path: Path, sink: Sink) -> None:
    sent, one, two = ping_pong(tmp_path, sink, "support@one.example")
    assert sent == {CUSTOMER: 1, "support@two.example": 1, "support@one.example": 1}
    assert (one, two) == (1, 1)


def test_even_when_a_gateway_between_them_takes_every_mark_away(tmp_path: Path, sink: Sink) -> None:
    marks = ("x-helpdesk-", "auto-submitted", "x-auto-response", "importance", "priority", "x-priority")
    sent, one, two = ping_pong(tmp_path, sink, "support@one.example", marks)
    assert (sum(sent.values()), one, two) == (17, 2, 1)
