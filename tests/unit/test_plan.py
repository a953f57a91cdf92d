"""What one mail becomes: the whole plan, with a desk made by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count

import numpy as np
import pytest

from helpdesk_daemon.mail.digest import digest
from helpdesk_daemon.mail.parse import parse
from helpdesk_daemon.mail.screening.table import Policy
from helpdesk_daemon.outgoing.limits import Limits, Rate
from helpdesk_daemon.outgoing.message import Kind, Outgoing
from helpdesk_daemon.ports import Arrival, Known, Outcome
from helpdesk_daemon.stages.case import Desk, consider
from helpdesk_daemon.stages.plan import absorb, opens_ticket, plan
from helpdesk_daemon.tickets.ticket import Priority, State, Ticket
from helpdesk_daemon.tickets.tracking import Party
from helpdesk_daemon.triage.rules import Conditions, Route, Routing, Rule, Setting
from helpdesk_daemon.triage.vote import Standing, Vote
from tests.unit.making import (
    AGENT,
    CUSTOMER,
    NOW,
    SIGNER,
    SUPPORT,
    TECHNICAL,
    TICKET_ID,
    TRIAGE,
    composer,
    mail,
    message,
    multipart,
    neighbour,
    plain,
    read,
    ticket,
)

AUTHSERV = "mx.helpdesk.example"
OPERATOR = "ops@helpdesk-team.example"
SURE = Vote("Technical", 0.9, (("Technical", 0.9),), (neighbour("Technical", 0.9),))
AMPLE = Rate(1_000, 1_000)
CUSTOMER_TOKEN = f"support+{SIGNER.token(TICKET_ID, Party.CUSTOMER)}@helpdesk.example"
AGENT_TOKEN = f"support+{SIGNER.token(TICKET_ID, Party.AGENT)}@helpdesk.example"


def make_desk(
    *rules: Rule, address: Rate = AMPLE, per_ticket: Rate = AMPLE, total: Rate = AMPLE, auto_replies: str = "ignore"
) -> Desk:
    ids = count(1)
    return Desk(
        routing=Routing(
            categories={"Technical": Route(TECHNICAL, Priority.HIGH, 4)},
            triage=Route(TRIAGE, Priority.MEDIUM, 24),
            target_precision=0.9,
            min_confidence=0.4,
            rules=rules,
            departments={d.name: d for d in (TECHNICAL, TRIAGE)},
            version="v1",
        ),
        policy=Policy(
            own_addresses=frozenset({SUPPORT}),
            is_own_id=lambda identifier: SIGNER.read_message_id(identifier) is not None,
            loop_value="loopmark",
            authserv_id=AUTHSERV,
            auto_replies=auto_replies,
        ),
        composer=composer(),
        signer=SIGNER,
        limits=Limits(address, per_ticket, total),
        ack_max_age=timedelta(days=2),
        reopen_within=timedelta(days=14),
        operator=OPERATOR,
        model="test",
        new_id=lambda: f"HD-{next(ids):08d}",
    )


@dataclass
class Office:
    """A desk and what is known to it; each mail that comes is planned and absorbed."""

    desk: Desk = field(default_factory=make_desk)
    known: Known = field(default_factory=Known)
    arrivals: int = 0

    def holding(self, held: Ticket) -> Office:
        self.known.tickets[held.id] = held
        self.known.participants[held.id] = {held.requester_email}
        return self

    def receive(
        self, raw: bytes, voted: Vote | None = SURE, age: timedelta = timedelta(), now: datetime = NOW
    ) -> Outcome:
        self.arrivals += 1
        arrival = Arrival(self.arrivals, "support", raw, digest(raw, b"key"), now - age, 1)
        received = parse(raw)
        case = consider(arrival, received, self.known, self.desk, now)
        outcome = plan(case, voted)
        if outcome.opened:
            assert opens_ticket(case)
        absorb(self.known, arrival, received, outcome)
        return outcome


def kinds(outcome: Outcome) -> list[Kind]:
    return [out.kind for out in outcome.outgoing]


def only(outcome: Outcome) -> Outgoing:
    (out,) = outcome.outgoing
    return out


def events(outcome: Outcome) -> list[str]:
    return [line.event for line in outcome.audit]


# --- new tickets ---------------------------------------------------------------------------------


def test_a_first_mail_opens_a_ticket_is_forwarded_and_acknowledged() -> None:
    outcome = Office().receive(mail(extra="Cc: Bob <bob@customer.example>"), age=timedelta(minutes=5))
    opened = outcome.opened
    assert opened is not None
    assert (outcome.state, outcome.ticket, opened.id) == ("ticket", "HD-00000001", "HD-00000001")
    assert kinds(outcome) == [Kind.FORWARD, Kind.ACKNOWLEDGEMENT]
    assert [out.recipient for out in outcome.outgoing] == [TECHNICAL.address, CUSTOMER]
    assert (opened.state, opened.category, opened.department) == (State.NEW, "Technical", "Technical Support")
    assert opened.forward_id == outcome.outgoing[0].message_id
    assert opened.customer_id == "<1@customer.example>"
    assert opened.created_at == NOW - timedelta(minutes=5)
    assert opened.due_at == NOW + timedelta(hours=4) - timedelta(minutes=5)
    assert set(outcome.participants) == {CUSTOMER, "bob@customer.example"}
    assert outcome.message is not None
    assert (outcome.message.kind, outcome.message.direction) == ("request", "in")
    assert events(outcome) == ["ticket.decided", "message.settled"]


def test_without_a_vote_a_ticket_opens_in_triage_and_is_acknowledged() -> None:
    outcome = Office().receive(mail(), voted=None)
    assert outcome.opened is not None
    assert (outcome.opened.address, outcome.opened.needs_review) == (TRIAGE.address, True)
    assert Kind.ACKNOWLEDGEMENT in kinds(outcome)


def test_a_form_opens_a_ticket_for_its_visitor() -> None:
    outcome = Office().receive(mail(sender=f"Web form <{SUPPORT}>", extra="Reply-To: Vera <vera@x.example>"))
    assert [out.recipient for out in outcome.outgoing] == [TECHNICAL.address, "vera@x.example"]
    assert SUPPORT not in outcome.participants
    found = read(outcome.outgoing[0].mime)
    assert found["From"].addresses[0].display_name == "Vera via Example Support"
    assert found["X-Original-From"] == "Vera <vera@x.example>"
    assert "vera@x.example" in plain(outcome.outgoing[0].mime)


@pytest.mark.parametrize(
    "raw",
    [
        mail(extra="List-Id: <news.x.example>"),
        mail(sender="noreply@x.example"),
        mail(extra="Auto-Submitted: auto-generated"),
        mail(extra=f"Authentication-Results: {AUTHSERV}; dmarc=fail"),
        mail(sender=""),
        mail(sender="Åsa <åsa@bücher.example>"),
    ],
)
def test_some_mail_opens_a_ticket_and_is_not_acknowledged(raw: bytes) -> None:
    outcome = Office().receive(raw)
    assert outcome.state == "ticket"
    assert kinds(outcome) == [Kind.FORWARD]
    assert "acknowledgement.withheld" in events(outcome)


def test_automatic_mail_that_opens_a_ticket_is_of_low_priority() -> None:
    outcome = Office(make_desk(auto_replies="ticket")).receive(mail(extra="Auto-Submitted: auto-replied"))
    assert outcome.opened is not None
    assert outcome.opened.priority == Priority.LOW
    assert kinds(outcome) == [Kind.FORWARD]


def test_an_automatic_reply_to_nothing_is_ignored() -> None:
    outcome = Office().receive(mail(extra="Auto-Submitted: auto-replied"))
    assert (outcome.state, outcome.outgoing, outcome.ticket) == ("ignored", (), "")
    assert outcome.reason


def test_a_forged_sender_goes_to_triage() -> None:
    outcome = Office().receive(mail(extra=f"Authentication-Results: {AUTHSERV}; dmarc=fail"))
    assert only(outcome).recipient == TRIAGE.address


@pytest.mark.parametrize(
    "raw",
    [
        multipart([("Content-Type: application/pgp-encrypted", b"Version: 1")], "encrypted"),
        mail("MIAGCSqGSIb3", extra="Content-Type: application/pkcs7-mime; smime-type=enveloped-data"),
        multipart(
            [("Content-Type: text/plain", b"meet"), ("Content-Type: text/calendar; method=REQUEST", b"BEGIN:VCALENDAR")]
        ),
    ],
)
def test_sealed_mail_and_invitations_go_to_triage_with_the_original(raw: bytes) -> None:
    outcome = Office().receive(raw)
    forward = outcome.outgoing[0]
    assert forward.recipient == TRIAGE.address
    assert "original.eml" in [p.get_filename() for p in read(forward.mime).iter_attachments()]
    assert outcome.decision is not None
    assert outcome.decision.needs_review


def _alike(cosine: float) -> Vote:
    """A vote on a mail that is so alike to the middle of the burst."""
    vector = np.zeros(8, dtype=np.float32)
    vector[:2] = cosine, (1 - cosine**2) ** 0.5
    return replace(SURE, vector=vector, standing=Standing("v1"))


@pytest.mark.parametrize(("cosine", "allowed", "told"), [(0.9, True, True), (0.9, False, False), (0.3, True, False)])
def test_an_acknowledgement_says_that_others_wrote_the_same_where_that_is_allowed(
    cosine: float, allowed: bool, told: bool
) -> None:
    office = Office(replace(make_desk(), tells_known=allowed))
    office.known.bursts = {5: np.eye(1, 8, dtype="<f2").tobytes()}
    outcome = office.receive(mail(), voted=_alike(cosine))
    assert ("Others have reported the same" in plain(outcome.outgoing[1].mime)) == told
    assert outcome.audit[0].detail.get("told_of_burst") == (5 if told else None)
    assert "Others have reported" not in plain(outcome.outgoing[0].mime), "the department is not the one to be told"
    assert outcome.sighting is not None
    assert np.frombuffer(outcome.sighting.vector, dtype="<f2")[0] == pytest.approx(cosine, abs=1e-3)


def test_a_burst_of_another_model_is_not_compared() -> None:
    office = Office(replace(make_desk(), tells_known=True))
    office.known.bursts = {5: np.eye(1, 4, dtype="<f2").tobytes()}
    assert "Others" not in plain(office.receive(mail(), voted=_alike(0.9)).outgoing[1].mime)


def test_old_mail_is_not_acknowledged() -> None:
    assert kinds(Office().receive(mail(), age=timedelta(days=2))) == [Kind.FORWARD, Kind.ACKNOWLEDGEMENT]
    outcome = Office().receive(mail(), age=timedelta(days=2, seconds=1))
    assert kinds(outcome) == [Kind.FORWARD]
    assert "acknowledgement.withheld" in events(outcome)


def test_a_rule_may_ignore_a_mail_or_keep_the_acknowledgement_back() -> None:
    ignore = Rule("no", Conditions(), Setting(action="ignore"))
    quiet = Rule("quiet", Conditions(), Setting(acknowledge=False))
    ignored = Office(make_desk(ignore)).receive(mail())
    assert (ignored.state, ignored.reason, ignored.outgoing) == ("ignored", "rule no", ())
    assert kinds(Office(make_desk(quiet)).receive(mail())) == [Kind.FORWARD]


def test_a_suppressed_address_is_not_acknowledged() -> None:
    office = Office()
    office.known.suppressed.add(CUSTOMER)
    assert kinds(office.receive(mail())) == [Kind.FORWARD]


# --- copies and our own mail ---------------------------------------------------------------------


def test_a_copy_of_an_arrival_is_ignored() -> None:
    office = Office()
    office.receive(mail())
    again = office.receive(b"Received: from elsewhere\r\n" + mail().replace(b"\r\n", b"\n"))
    assert (again.state, again.outgoing, again.opened) == ("ignored", (), None)
    assert "copy of arrival 1" in again.reason


def test_two_mails_that_share_a_message_id_are_both_kept() -> None:
    office = Office()
    office.receive(mail("one\n"))
    assert office.receive(mail("two\n", sender="bob@x.example", subject="Other")).state in ("ticket", "reply")


def test_two_texts_without_any_header_are_both_kept() -> None:
    office = Office()
    assert office.receive(b"My printer burns.\n").state == "ticket"
    assert office.receive(b"My mouse squeaks.\n").state == "ticket"


def test_what_we_send_is_ignored_when_it_comes_back() -> None:
    office = Office()
    sent = office.receive(mail()).outgoing
    assert len(sent) == 2
    for out in sent:
        outcome = office.receive(out.mime)
        assert (outcome.state, outcome.outgoing) == ("ignored", ())
        assert outcome.reason


def test_mail_from_our_own_address_is_ignored() -> None:
    assert Office().receive(mail(sender=SUPPORT)).state == "ignored"


# --- replies of customers ------------------------------------------------------------------------


CUSTOMER_ID = SIGNER.message_id(TICKET_ID, Party.CUSTOMER, "helpdesk.example")


@pytest.mark.parametrize(
    "raw",
    [
        mail("It is back.\n", to=CUSTOMER_TOKEN, message_id="<2@x>", sender="ada@home.example"),
        mail("It is back.\n", message_id="<2@x>", extra=f"In-Reply-To: {CUSTOMER_ID}"),
        mail("It is back.\n", message_id="<2@x>", extra=f"References: <a@b>\n {CUSTOMER_ID}"),
        mail("It is back.\n", message_id="<2@x>", extra="In-Reply-To: <1@customer.example>"),
        mail("It is back.\n", message_id="<2@x>", subject="Re: black screen hd-7k3m9qx2"),
    ],
    ids=["token", "in-reply-to", "references", "known id", "subject"],
)  # fmt: skip
def test_a_customers_reply_is_forwarded_and_not_acknowledged(raw: bytes) -> None:
    office = Office().holding(ticket(forward_id="<f@x>"))
    office.known.by_message_id["<1@customer.example>"] = TICKET_ID
    outcome = office.receive(raw)
    assert (outcome.state, outcome.ticket, outcome.opened) == ("reply", TICKET_ID, None)
    out = only(outcome)
    assert (out.kind, out.recipient) == (Kind.FORWARD, TECHNICAL.address)
    assert read(out.mime)["In-Reply-To"] == "<f@x>"
    assert "It is back." in plain(out.mime)
    assert outcome.change is not None
    assert outcome.change.customer_id == "<2@x>"


def test_a_reply_to_our_acknowledgement_finds_its_ticket_within_a_batch() -> None:
    office = Office()
    first = office.receive(mail())
    answer = read(first.outgoing[1].mime)
    outcome = office.receive(
        mail("More.\n", to=str(answer["Reply-To"]), message_id="<2@x>", extra=f"In-Reply-To: {answer['Message-ID']}")
    )
    assert (outcome.state, outcome.ticket) == ("reply", first.ticket)
    third = office.receive(mail("And more.\n", message_id="<3@x>", extra="In-Reply-To: <2@x>"))
    assert (third.state, third.ticket) == ("reply", first.ticket)


def test_a_reply_reopens_a_waiting_ticket() -> None:
    outcome = Office().holding(ticket(state=State.WAITING)).receive(mail(to=CUSTOMER_TOKEN))
    assert outcome.change is not None
    assert outcome.change.state == State.OPEN


def test_an_early_reply_reopens_a_closed_ticket() -> None:
    office = Office().holding(ticket(state=State.CLOSED))
    office.known.closed_at[TICKET_ID] = NOW - timedelta(days=13)
    outcome = office.receive(mail(to=CUSTOMER_TOKEN))
    assert outcome.change is not None
    assert outcome.change.state == State.OPEN
    assert "ticket.reopened" in events(outcome)
    assert office.known.tickets[TICKET_ID].state == State.OPEN


def test_a_late_reply_opens_a_linked_ticket() -> None:
    office = Office().holding(ticket(state=State.CLOSED))
    office.known.closed_at[TICKET_ID] = NOW - timedelta(days=15)
    outcome = office.receive(mail(to=CUSTOMER_TOKEN))
    assert outcome.opened is not None
    assert outcome.opened.linked_to == TICKET_ID
    assert kinds(outcome) == [Kind.FORWARD, Kind.ACKNOWLEDGEMENT]


def test_mail_that_may_not_reopen_does_not() -> None:
    office = Office().holding(ticket(state=State.CLOSED))
    office.known.closed_at[TICKET_ID] = NOW
    outcome = office.receive(mail(to=CUSTOMER_TOKEN, extra=f"Authentication-Results: {AUTHSERV}; dmarc=fail"))
    assert outcome.ticket == TICKET_ID
    assert office.known.tickets[TICKET_ID].state == State.CLOSED


@pytest.mark.parametrize("to", [CUSTOMER_TOKEN, AGENT_TOKEN])
def test_an_automatic_reply_is_kept_on_its_ticket_and_causes_nothing(to: str) -> None:
    office = Office(make_desk(auto_replies="ticket")).holding(ticket(state=State.CLOSED))
    outcome = office.receive(mail(sender=AGENT, to=to, subject="Out of office", extra="Auto-Submitted: auto-replied"))
    assert (outcome.state, outcome.ticket, outcome.outgoing, outcome.change) == ("reply", TICKET_ID, (), None)
    assert outcome.message is not None
    assert outcome.message.kind == "automatic"


def test_a_tracking_id_from_a_stranger_opens_a_linked_ticket() -> None:
    outcome = Office().holding(ticket()).receive(mail(sender="eve@x.example", subject=f"about {TICKET_ID}"))
    assert outcome.opened is not None
    assert (outcome.opened.linked_to, outcome.opened.id) == (TICKET_ID, "HD-00000001")


def test_an_unknown_tracking_id_opens_an_unlinked_ticket() -> None:
    outcome = Office().receive(mail(subject=f"about {TICKET_ID}"))
    assert outcome.opened is not None
    assert outcome.opened.linked_to == ""


@pytest.mark.parametrize(
    "to", ["support+HD-7K3M9QX2-c-0000000000000000@helpdesk.example", "support+x@helpdesk.example"]
)
def test_a_forged_token_proves_nothing(to: str) -> None:
    outcome = Office().holding(ticket()).receive(mail(sender="eve@x.example", to=to))
    assert outcome.opened is not None
    assert outcome.ticket != TICKET_ID


@pytest.mark.parametrize("core", ["HDAB1234", "HD000000"])
def test_a_reply_finds_a_ticket_whose_id_begins_like_its_prefix(core: str) -> None:
    held = replace(ticket(), id=f"HD-{core}")
    outcome = (
        Office()
        .holding(held)
        .receive(
            mail(extra=f"In-Reply-To: {SIGNER.message_id(held.id, Party.CUSTOMER, 'h.example')}", sender="b@x.example")
        )
    )
    assert (outcome.state, outcome.ticket) == ("reply", held.id)
    named = Office().holding(held).receive(mail(subject=f"Re: x [{held.id}]"))
    assert (named.state, named.ticket) == ("reply", held.id)


def test_an_odd_recipient_address_does_not_stop_planning() -> None:
    outcome = Office().receive(mail(to=f"support+hd-aaaaaaaa-c-{'ſ' * 16}@helpdesk.example"))
    assert outcome.state == "ticket"


# --- answers of agents ---------------------------------------------------------------------------


def from_agent(body: str = "Press the button.\n", sender: str = AGENT, extra: str = "") -> bytes:
    return mail(
        body, sender=sender, to=AGENT_TOKEN, subject=f"Re: [{TICKET_ID}] Black screen", message_id="<9@t>", extra=extra
    )


def test_an_agents_answer_is_relayed() -> None:
    office = Office().holding(ticket())
    outcome = office.receive(from_agent())
    out = only(outcome)
    assert (outcome.state, outcome.ticket, out.kind, out.recipient) == ("reply", TICKET_ID, Kind.RELAY, CUSTOMER)
    assert plain(out.mime).strip() == "Press the button."
    assert outcome.change is not None
    assert (outcome.change.state, outcome.change.first_answer_at) == (State.WAITING, NOW)
    assert outcome.message is not None
    assert outcome.message.kind == "answer"


def test_an_agent_may_answer_by_message_id_alone() -> None:
    identifier = SIGNER.message_id(TICKET_ID, Party.AGENT, "helpdesk.example")
    raw = mail("Press the button.\n", sender=AGENT, message_id="<9@t>", extra=f"In-Reply-To: {identifier}")
    assert only(Office().holding(ticket()).receive(raw)).kind == Kind.RELAY


def test_a_hash_with_a_number_is_text() -> None:
    outcome = Office().holding(ticket()).receive(from_agent("#1234 is your order.\n"))
    assert kinds(outcome) == [Kind.RELAY]


def test_those_on_copy_receive_the_answer() -> None:
    office = Office()
    opened = office.receive(mail(extra="Cc: Bob <bob@customer.example>"))
    token = SIGNER.token(opened.ticket, Party.AGENT)
    outcome = office.receive(
        mail("Press it.\n", sender=AGENT, to=f"support+{token}@helpdesk.example", message_id="<9@t>")
    )
    assert {out.recipient for out in outcome.outgoing} == {CUSTOMER, "bob@customer.example"}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (from_agent(sender="eve@x.example"), "eve@x.example is not an agent"),
        (from_agent(sender=CUSTOMER), "is not an agent"),
        (from_agent(extra=f"Authentication-Results: {AUTHSERV}; dmarc=fail"), "DMARC"),
        (from_agent("> only the quote\n"), "no new text"),
    ],
)
def test_what_must_not_reach_the_customer_is_held_and_shown_to_the_department(raw: bytes, reason: str) -> None:
    office = Office().holding(ticket())
    outcome = office.receive(raw)
    out = only(outcome)
    assert (outcome.state, outcome.ticket) == ("reply", TICKET_ID)
    assert reason in outcome.reason
    assert (out.kind, out.recipient) == (Kind.FORWARD, TECHNICAL.address)
    assert outcome.change is None
    assert office.known.participants[TICKET_ID] == {CUSTOMER}
    assert outcome.message is not None
    assert outcome.message.kind == "held"


def test_an_answer_of_files_only_is_relayed() -> None:
    raw = multipart([("Content-Type: application/pdf; name=a.pdf", b"PDF")])
    raw = raw.replace(b"ada@customer.example", AGENT.encode()).replace(SUPPORT.encode(), AGENT_TOKEN.encode())
    assert kinds(Office().holding(ticket()).receive(raw)) == [Kind.RELAY]


def test_an_answer_to_nobody_who_can_be_written_to_is_held() -> None:
    office = Office().holding(ticket(requester_email="åsa@bücher.example"))
    assert only(office.receive(from_agent())).recipient == TECHNICAL.address


def test_a_flood_of_held_mail_is_bounded() -> None:
    office = Office(make_desk(per_ticket=Rate(3, 0))).holding(ticket())
    shown = [kinds(office.receive(from_agent(f"text {n}\n", sender="eve@x.example"))) for n in range(10)]
    assert sum(map(len, shown)) == 3


# --- bounces -------------------------------------------------------------------------------------


def bounce(returned: Outgoing, recipient: str, status: str = "5.1.1", number: int = 1) -> bytes:
    """What a server sends back: report and the headers of the mail that failed."""
    report = (
        f"Reporting-MTA: dns; mx{number}.example\r\n\r\nFinal-Recipient: rfc822; {recipient}\r\nAction: failed\r\n"
        f"Status: {status}\r\n"
    )
    head = returned.mime.partition(b"\r\n\r\n")[0]
    parts = [
        ("Content-Type: text/plain", b"It could not be delivered."),
        ("Content-Type: message/delivery-status", report.encode()),
        ("Content-Type: text/rfc822-headers", head),
    ]
    return multipart(parts, "report").replace(b"Ada Byron <ada@customer.example>", b"MAILER-DAEMON@mx.example")


def test_a_bounced_forward_goes_to_triage_once() -> None:
    office = Office()
    forward = office.receive(mail()).outgoing[0]
    first = office.receive(bounce(forward, TECHNICAL.address))
    (out,) = (o for o in first.outgoing if o.kind != Kind.ALERT)
    assert (first.state, out.recipient) == ("reply", TRIAGE.address)
    assert first.opened is None
    assert not first.suppress
    # The mail to triage bounces as well: nobody is left to send it to.
    second = office.receive(bounce(out, TRIAGE.address, number=2))
    assert second.state == "reply"
    assert [o.recipient for o in second.outgoing if o.kind != Kind.ALERT] == []


def test_a_bounced_forward_is_noted_for_the_watcher() -> None:
    office = Office()
    forward = office.receive(mail()).outgoing[0]
    outcome = office.receive(bounce(forward, TECHNICAL.address))
    (line,) = (line for line in outcome.audit if line.event == "outgoing.bounced")
    assert line.detail["party"] == Party.AGENT


@pytest.mark.parametrize(
    "answer",
    [
        lambda alert: bounce(alert, OPERATOR),
        lambda alert: mail(
            "I am away.\n", sender=OPERATOR, subject="Out of office", extra=answering(alert, "auto-replied")
        ),
        lambda alert: mail("Seen.\n", sender=OPERATOR, subject="Read", extra=answering(alert, "auto-generated")),
        lambda alert: alert.mime,
    ],
    ids=["bounce", "vacation", "other automatic mail", "the alert itself"],
)
def test_what_comes_back_on_an_alert_causes_nothing(answer: Callable[[Outgoing], bytes]) -> None:
    desk = make_desk()
    values = {"problem": "Nothing leaves.", "mend": "See.", "identity": desk.composer.identity}
    alert = desk.composer.notice(Kind.ALERT, "alert", "Alert: it", OPERATOR, values, NOW)
    outcome = Office(desk).receive(answer(alert))
    assert (outcome.state, outcome.outgoing, dict(outcome.suppress)) == ("ignored", (), {})


def answering(alert: Outgoing, submitted: str) -> str:
    return f"In-Reply-To: {alert.message_id}\nReferences: {alert.message_id}\nAuto-Submitted: {submitted}"


def test_what_triage_gets_of_a_bounced_forward_is_readable() -> None:
    office = Office()
    forward = office.receive(mail()).outgoing[0]
    out = office.receive(bounce(forward, TECHNICAL.address)).outgoing[0]
    assert "HD-00000001" in plain(out.mime)
    assert TECHNICAL.address in plain(out.mime)


def test_a_hard_bounce_of_an_acknowledgement_suppresses_the_address() -> None:
    office = Office()
    acknowledgement = office.receive(mail()).outgoing[1]
    outcome = office.receive(bounce(acknowledgement, CUSTOMER))
    assert set(outcome.suppress) == {CUSTOMER}
    assert (outcome.state, outcome.outgoing, outcome.change) == ("reply", (), None)
    assert kinds(office.receive(mail("Another thing.\n", subject="Mouse", message_id="<7@x>"))) == [Kind.FORWARD]


def test_a_soft_bounce_suppresses_nobody() -> None:
    office = Office()
    acknowledgement = office.receive(mail()).outgoing[1]
    outcome = office.receive(bounce(acknowledgement, CUSTOMER, status="4.2.2"))
    assert (outcome.suppress, outcome.outgoing) == ({}, ())


def test_a_delay_report_is_kept_and_causes_nothing() -> None:
    office = Office()
    forward = office.receive(mail()).outgoing[0]
    report = bounce(forward, TECHNICAL.address, status="4.4.1").replace(b"Action: failed", b"Action: delayed")
    outcome = office.receive(report)
    assert (outcome.state, outcome.outgoing, dict(outcome.suppress)) == ("reply", (), {})
    assert outcome.ticket == "HD-00000001"


def test_a_hard_bounce_of_an_address_that_takes_no_part_suppresses_nobody() -> None:
    office = Office().holding(ticket())
    relay = only(office.receive(from_agent()))
    assert dict(office.receive(bounce(relay, "somebody@else.example")).suppress) == {}


def test_a_bounce_is_tied_by_our_reply_address_where_a_relay_changed_the_message_id() -> None:
    office = Office()
    forward = office.receive(mail()).outgoing[0]
    changed = bounce(forward, TECHNICAL.address).replace(forward.message_id.encode(), b"<other@relay.example>")
    assert forward.message_id.encode() not in changed
    assert office.receive(changed).ticket == "HD-00000001"


def test_triage_may_answer_a_ticket_of_another_department() -> None:
    office = Office().holding(ticket())
    outcome = office.receive(from_agent().replace(b"@technical.example", b"@nowhere.example"))
    assert outcome.reason.startswith("held")
    office = Office().holding(ticket())
    outcome = office.receive(from_agent(sender=TRIAGE.address))
    assert [(out.kind, out.recipient) for out in outcome.outgoing] == [
        (Kind.RELAY, CUSTOMER), (Kind.FORWARD, TECHNICAL.address),
    ]  # fmt: skip
    assert "Press the button." in plain(outcome.outgoing[1].mime)


def test_a_bounced_relay_is_shown_to_the_department() -> None:
    office = Office().holding(ticket())
    relay = only(office.receive(from_agent()))
    outcome = office.receive(bounce(relay, CUSTOMER))
    assert outcome.ticket == TICKET_ID
    assert [out.recipient for out in outcome.outgoing] == [TECHNICAL.address]


def test_a_bounce_of_no_mail_of_ours_is_ignored() -> None:
    office = Office()
    stranger = Outgoing(Kind.FORWARD, "a@x.example", "", "<x@y>", b"Message-ID: <x@y>\r\n\r\n")
    outcome = office.receive(bounce(stranger, "a@x.example"))
    assert (outcome.state, outcome.outgoing, dict(outcome.suppress)) == ("ignored", (), {})


def test_a_bounce_never_opens_or_reopens_a_ticket() -> None:
    office = Office().holding(ticket(state=State.CLOSED))
    relay = composer().relay(ticket(), composer().answer(message("x"), ()), NOW)
    outcome = office.receive(bounce(relay, CUSTOMER))
    assert outcome.opened is None
    assert office.known.tickets[TICKET_ID].state == State.CLOSED


# --- limits --------------------------------------------------------------------------------------


def acknowledged(outcomes: list[Outcome]) -> int:
    return sum(kinds(o).count(Kind.ACKNOWLEDGEMENT) for o in outcomes)


def flood(office: Office, senders: int) -> list[Outcome]:
    return [
        office.receive(mail(f"text {n}\n", sender=f"a{n % senders}@x.example", subject=f"s{n}", message_id=f"<{n}@x>"))
        for n in range(200)
    ]


def test_acknowledgements_to_one_address_are_bounded_and_no_mail_is_lost() -> None:
    outcomes = flood(Office(make_desk(address=Rate(5, 0))), senders=1)
    assert acknowledged(outcomes) == 5
    assert all(o.state == "ticket" and Kind.FORWARD in kinds(o) for o in outcomes)
    assert not any(o.breaker for o in outcomes)


def test_the_limit_of_one_address_does_not_touch_another() -> None:
    assert acknowledged(flood(Office(make_desk(address=Rate(5, 0))), senders=4)) == 20


def test_the_breaker_opens_once_and_leaves_the_telling_to_the_watcher() -> None:
    outcomes = flood(Office(make_desk(total=Rate(50, 0))), senders=200)
    assert acknowledged(outcomes) == 50
    assert [bool(o.breaker) for o in outcomes].count(True) == 1
    assert not [out for o in outcomes for out in o.outgoing if out.kind == Kind.ALERT]
    assert all(o.state == "ticket" and Kind.FORWARD in kinds(o) for o in outcomes)


def test_two_helpdesks_that_answer_each_other_come_to_rest() -> None:
    office = Office(make_desk(address=Rate(5, 1)))
    sent = 0
    for n in range(60):  # a robot that hides what it is, and begins anew each time
        outcome = office.receive(
            mail(f"Thank you for mail {n}.\n", sender="bot@x.example", subject=f"Case {n}", message_id=f"<{n}@b>")
        )
        sent += kinds(outcome).count(Kind.ACKNOWLEDGEMENT)
    assert sent == 5


def test_every_outcome_says_where_the_mail_ended() -> None:
    office = Office().holding(ticket())
    raws = [
        mail(), mail(sender=SUPPORT), from_agent(), mail(to=CUSTOMER_TOKEN, message_id="<8@x>"), b"", b"\x00\xff",
        from_agent(sender="eve@x.example"), mail(extra="Auto-Submitted: auto-replied"),
    ]  # fmt: skip
    for raw in raws:
        outcome = office.receive(raw)
        assert outcome.state in ("ticket", "reply", "ignored")
        assert outcome.reason
        assert events(outcome)[-1] == "message.settled"
