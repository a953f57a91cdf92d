"""What an agent's mail does: orders, answers, and what is never sent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from helpdesk_daemon.mail.body.split import REPLY_MARKER
from helpdesk_daemon.outgoing.answer import Answer, leak
from helpdesk_daemon.outgoing.limits import Rate
from helpdesk_daemon.outgoing.message import Kind
from helpdesk_daemon.ports import Outcome
from helpdesk_daemon.stages.case import Desk
from helpdesk_daemon.tickets.ticket import SPAM, Priority, State
from helpdesk_daemon.triage.rules import Conditions, Department, Route, Rule, Setting
from tests.unit.making import (
    AGENT,
    CUSTOMER,
    NOW,
    SUPPORT,
    TECHNICAL,
    TICKET_ID,
    TRIAGE,
    html,
    mail,
    multipart,
    plain,
    read,
    ticket,
)  # fmt: skip
from tests.unit.test_plan import (
    AGENT_TOKEN,
    AMPLE,
    CUSTOMER_TOKEN,
    Office,
    events,
    from_agent,
    kinds,
    make_desk,
    only,
)

BILLING = Department("Billing Team", "desk@billing.example", ("@billing.example",))
KIM = "kim@billing.example"


def desk(*rules: Rule, per_ticket: Rate = AMPLE) -> Desk:
    made = make_desk(*rules, per_ticket=per_ticket)
    routing = replace(
        made.routing,
        categories={**made.routing.categories, "Billing": Route(BILLING, Priority.MEDIUM, 24)},
        departments={**made.routing.departments, BILLING.name: BILLING},
    )
    return replace(made, routing=routing)


def office(*rules: Rule, **more: Rate) -> Office:
    """An office with one ticket that has arrived as a mail."""
    found = Office(desk(*rules, **more))
    opened = replace(ticket(), forward_id="<f@helpdesk.example>")
    outcome = found.receive(mail(extra="Content-Type: text/plain", body="I was charged twice.\n"))
    assert outcome.message
    assert outcome.opened
    found.known = type(found.known)()
    found.holding(opened)
    found.known.departments[TICKET_ID] = {TECHNICAL.name}
    found.known.stories[TICKET_ID] = [
        (replace(outcome.message, ticket=TICKET_ID), mail("I was charged twice.\n", subject="Double charge"))
    ]
    return found


def says(body: str, sender: str = AGENT, found: Office | None = None) -> Outcome:
    return (found or office()).receive(from_agent(body, sender=f"Jo Park <{sender}>"))


# --- orders --------------------------------------------------------------------------------------


def test_a_category_moves_the_ticket_to_its_department_and_teaches() -> None:
    outcome = says("#category billing\n")
    change = outcome.change
    assert change is not None
    assert (change.category, change.department, change.address) == ("Billing", BILLING.name, BILLING.address)
    assert (change.priority, change.sla_hours) == (Priority.MEDIUM, 24)
    assert change.due_at is not None
    assert (change.due_at - NOW).total_seconds() == 24 * 3600
    out = only(outcome)
    assert (out.kind, out.recipient) == (Kind.FORWARD, BILLING.address)
    assert change.forward_id == out.message_id
    fields = read(out.mime)
    assert (fields["X-Helpdesk-Category"], fields["X-Helpdesk-Department"]) == ("Billing", BILLING.name)
    assert (fields["X-Helpdesk-Priority"], fields["X-Helpdesk-SLA-Hours"]) == ("Medium", "24")
    for form in (plain(out.mime), html(out.mime)):
        assert "I was charged twice." in form
        assert f"{AGENT} moved this ticket from Technical Support to Billing Team." in form
    assert outcome.label is not None
    assert (outcome.label.text, outcome.label.category) == ("Double charge I was charged twice.", "Billing")
    assert (outcome.label.actor, outcome.label.ticket) == (AGENT, TICKET_ID)
    assert outcome.decision is not None
    assert (outcome.decision.category, outcome.decision.confidence, outcome.actor) == ("Billing", 1.0, AGENT)
    assert events(outcome) == ["ticket.corrected", "message.settled"]
    assert outcome.message is not None
    assert outcome.message.kind == "command"


def test_the_same_category_only_confirms() -> None:
    outcome = says("#category Technical\n")
    assert outcome.outgoing == ()
    assert outcome.label is not None
    assert outcome.decision is not None


def test_rules_still_set_the_priority_of_a_moved_ticket() -> None:
    vip = Rule("vip", Conditions(sender=(CUSTOMER,)), Setting(priority=Priority.HIGH, sla_hours=1))
    outcome = says("#category Billing", found=office(vip))
    assert outcome.change is not None
    assert outcome.change.sla_hours == 1
    assert outcome.change.priority is None  # it was High already
    assert read(only(outcome).mime)["X-Helpdesk-Rule"] == "vip"


def test_an_answer_below_a_category_is_relayed_and_told_to_the_new_department() -> None:
    outcome = says("#category Billing\n#priority low\n\nMy colleagues will look at it.\n")
    relay, forward = outcome.outgoing
    assert (relay.recipient, forward.recipient) == (CUSTOMER, BILLING.address)
    assert plain(relay.mime).strip() == "My colleagues will look at it."
    assert "My colleagues will look at it." in plain(forward.mime)
    assert read(forward.mime)["X-Helpdesk-Priority"] == "Low"
    assert outcome.change is not None
    assert (outcome.change.state, outcome.change.priority) == (None, Priority.LOW)  # open before, open again
    assert outcome.change.first_answer_at == NOW
    assert events(outcome) == ["answer.relayed", "ticket.corrected", "ticket.prioritised", "message.settled"]


def test_files_of_the_conversation_move_with_it() -> None:
    found = office()
    raw = multipart([("Content-Type: text/plain", b"see"), ("Content-Type: image/png; name=bill.png", b"PNG")])
    stored = replace(found.known.stories[TICKET_ID][0][0], files=("bill.png (3 bytes)",))
    found.known.stories[TICKET_ID] = [(stored, raw), (replace(stored, kind="reply", new_text="And this."), raw)]
    out = only(says("#category Billing", found=found))
    assert [p.get_payload(decode=True) for p in read(out.mime).iter_attachments()] == [b"PNG", b"PNG"]
    assert "And this." in plain(out.mime)
    assert "bill.png" in plain(out.mime)


def test_a_priority_changes_nothing_else() -> None:
    outcome = says("#PRIORITY Low\n-- \nJo Park\n")
    assert outcome.change is not None
    assert outcome.change.columns == {"priority": Priority.LOW}
    assert outcome.outgoing == ()
    assert events(outcome) == ["ticket.prioritised", "message.settled"]


def test_a_note_stays_inside() -> None:
    outcome = says("#note\nHe is a difficult customer.\n")
    assert outcome.outgoing == ()
    assert outcome.change is not None
    assert outcome.change.columns == {}
    assert outcome.change.first_answer_at is None
    assert outcome.message is not None
    assert outcome.message.kind == "note"
    assert events(outcome) == ["note.kept", "message.settled"]


def test_close_with_words_relays_and_closes() -> None:
    outcome = says("#close\n\nIt is repaired.\n\nRegards\nJo\n")
    assert kinds(outcome) == [Kind.RELAY]
    assert plain(only(outcome).mime).split("\n")[0].strip() == "It is repaired."
    assert outcome.change is not None
    assert outcome.change.state == State.CLOSED
    assert outcome.change.first_answer_at == NOW


@pytest.mark.parametrize("body", ["#close", "#close\n\n-- \nJo Park\nTechnical Support", "#close\n\nBest regards,\nJo"])
def test_close_alone_tells_the_customer_nothing(body: str) -> None:
    outcome = says(f"{body}\n\nOn Monday, Ada via Example Support <{SUPPORT}> wrote:\n> {REPLY_MARKER}\n> words\n")
    assert outcome.outgoing == ()
    assert outcome.change is not None
    assert outcome.change.state == State.CLOSED
    assert outcome.change.first_answer_at is None


def test_a_category_and_close_in_one_mail_close_without_a_forward() -> None:
    outcome = says("#category Billing\n#close\n")
    assert outcome.outgoing == ()
    assert outcome.label is not None
    assert outcome.change is not None
    assert (outcome.change.state, outcome.change.category) == (State.CLOSED, "Billing")


def test_spam_closes_for_good() -> None:
    found = office()
    outcome = says("#spam\nwhat a liar\n", found=found)
    assert outcome.outgoing == ()
    assert dict(outcome.suppress) == {}
    assert outcome.change is not None
    assert (outcome.change.state, outcome.change.tags) == (State.CLOSED, (SPAM,))
    assert "ticket.marked_spam" in events(outcome)
    later = found.receive(mail("buy!\n", to=CUSTOMER_TOKEN, message_id="<77@x>"))
    assert (later.state, later.ticket, later.outgoing, later.change) == ("reply", TICKET_ID, (), None)
    assert "spam" in later.reason


def test_an_answer_to_a_closed_ticket_opens_it_again() -> None:
    found = office()
    says("#close", found=found)
    outcome = found.receive(from_agent("One more thing.\n").replace(b"<9@t>", b"<10@t>"))
    assert outcome.change is not None
    assert outcome.change.state == State.WAITING
    assert "ticket.reopened" in events(outcome)


# --- what is not carried out ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("#clsoe\nDone.", "#clsoe is no command; did you mean #close?"),
        ("#category Biling", "there is no category “Biling”; did you mean Billing?"),
        ("#category", "#category needs a name: Technical, Billing"),
        ("#priority urgent", "there is no priority “urgent”"),
        ("#close he is annoying", "#close takes no words"),
        ("#category Billing\n#category Technical", "#category stands there twice"),
        ("#category Billing\n#unknown", "#unknown is no command"),
        ("Hello Ada,\n\n#note he is annoying", "“#note he is annoying” stands below other words"),
        ("#größe", "#größe is no command"),
    ],
)
def test_what_cannot_be_carried_out_is_answered_with_help_and_sends_nothing(body: str, problem: str) -> None:
    outcome = says(f"{body}\n")
    out = only(outcome)
    fields = read(out.mime)
    assert (out.kind, out.recipient, out.sender) == (Kind.NOTICE, AGENT, "")
    assert (fields["Auto-Submitted"], fields["X-Auto-Response-Suppress"]) == ("auto-replied", "All")
    assert str(fields["Reply-To"]) == AGENT_TOKEN
    assert fields["In-Reply-To"] == "<9@t>"
    for form in (plain(out.mime), html(out.mime)):
        assert problem.split("“")[0] in form
        assert "#category" in form
        assert "Billing" in form
    assert problem in outcome.reason
    assert outcome.change is None
    assert outcome.label is None
    assert events(outcome) == ["command.refused", "message.settled"]


@pytest.mark.parametrize("line", ["#1234 is your order.", "# 1", "#1 in the list is the cause."])
def test_numbers_are_text(line: str) -> None:
    out = only(says(f"{line}\n"))
    assert (out.kind, plain(out.mime).strip()) == (Kind.RELAY, line)


def test_help_is_bounded() -> None:
    found = office(per_ticket=Rate(3, 0))
    sent = [kinds(found.receive(from_agent(f"#oops\n{n}\n").replace(b"<9@t>", b"<%d@t>" % n))) for n in range(100, 110)]
    assert sum(map(len, sent)) == 3


def test_the_answer_to_a_help_mail_is_the_agents() -> None:
    found = office()
    out = only(says("#clsoe\n", found=found))
    again = mail("#close\n", sender=AGENT, to=str(read(out.mime)["Reply-To"]), message_id="<11@t>")
    outcome = found.receive(again)
    assert outcome.change is not None
    assert outcome.change.state == State.CLOSED


def test_a_stranger_orders_nothing() -> None:
    outcome = says("#close\n", sender="eve@x.example")
    assert outcome.reason.startswith("held")
    assert outcome.change is None


# --- who may answer ------------------------------------------------------------------------------


def test_the_former_department_may_still_answer_and_the_present_one_sees_it() -> None:
    found = office()
    says("#category Billing", found=found)
    outcome = found.receive(from_agent("One more word from us.\n").replace(b"<9@t>", b"<12@t>"))
    relay, shown = outcome.outgoing
    assert (relay.kind, relay.recipient) == (Kind.RELAY, CUSTOMER)
    assert shown.recipient == BILLING.address
    assert AGENT in plain(shown.mime)
    assert "One more word from us." in plain(shown.mime)
    kim = found.receive(from_agent("And from us.\n", sender=KIM).replace(b"<9@t>", b"<13@t>"))
    assert kinds(kim) == [Kind.RELAY]


def test_a_department_that_never_had_the_ticket_may_not_answer() -> None:
    assert says("Hello.\n", sender=KIM).reason.startswith("held")


def test_a_colleague_who_asked_gets_the_answer() -> None:
    found = Office(desk()).holding(ticket(requester_email=KIM))
    found.known.participants[TICKET_ID] |= {"boss@billing.example", "friend@x.example", SUPPORT, CUSTOMER_TOKEN}
    outcome = says("Done.\n", found=found)
    assert [out.recipient for out in outcome.outgoing] == [KIM, "friend@x.example"]


# --- what is taken out ---------------------------------------------------------------------------


def html_mail(body: str, text: str = "", extra: bytes = b"") -> bytes:
    parts = [("Content-Type: text/plain; charset=utf-8", text.encode())] * bool(text)
    parts.append(("Content-Type: text/html; charset=utf-8", body.encode()))
    raw = multipart(parts, "alternative").replace(b"Ada Byron <ada@customer.example>", f"Jo Park <{AGENT}>".encode())
    return raw.replace(f"To: {SUPPORT}".encode(), f"To: {AGENT_TOKEN}".encode())


QUOTE = f"<div>{REPLY_MARKER}</div><table><tr><td>Ticket</td><td>{TICKET_ID}</td></tr></table><p>INTERNAL</p>"
WROTE = f"Ada via Example Support &lt;{SUPPORT}&gt; wrote:"
REPLIES = {
    "gmail": f"""<div dir="ltr"><b>Press</b> the button.</div><br><div class="gmail_quote gmail_quote_container">
<div dir="ltr" class="gmail_attr">On Mon, May 4, 2026 at 9:30 AM {WROTE}<br></div>
<blockquote class="gmail_quote">{QUOTE}</blockquote></div>""",
    "apple": f"""<html><body><div><b>Press</b> the button.</div><div><br><blockquote type="cite">
<div>On 4 May 2026, at 09:30, {WROTE}</div><br><div>{QUOTE}</div></blockquote></div></body></html>""",
    "outlook": f"""<html><head><style>p.MsoNormal{{margin:0}}</style></head><body><div class="WordSection1">
<p class="MsoNormal"><b>Press</b> the button.<o:p></o:p></p><p class="MsoNormal"><o:p>&nbsp;</o:p></p><div>
<div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0in 0in 0in"><p class="MsoNormal">
<b>From:</b> Ada via Example Support &lt;{SUPPORT}&gt;<br><b>Sent:</b> Monday<br><b>To:</b> Technical Support
&lt;{TECHNICAL.address}&gt;<br><b>Subject:</b> [{TICKET_ID}] Black screen</p></div></div>{QUOTE}</div></body></html>""",
    "outlook on the web": f"""<div class="elementToProof"><b>Press</b> the button.</div><div id="appendonsend"></div>
<hr style="display:inline-block;width:98%"><div id="divRplyFwdMsg"><b>Von:</b> Ada via Example Support</div>{QUOTE}""",
    "attribution only": f"""<p><b>Press</b> the button.</p><p>On Mon, May 4, 2026 at 9:30 AM {WROTE}</p>{QUOTE}""",
    "marker only": f"<p><b>Press</b> the button.</p>{QUOTE}",
}


@pytest.mark.parametrize("client", REPLIES)
@pytest.mark.parametrize("order", ["", "<div>#priority low</div>", "#close<br><br>", "<p class='MsoNormal'>#close</p>"])
def test_the_new_part_of_every_clients_html_is_relayed_with_its_emphasis(client: str, order: str) -> None:
    body = REPLIES[client].replace("<b>Press", f"{order}<b>Press", 1)
    outcome = office().receive(html_mail(body))
    out = only(outcome)
    assert out.kind == Kind.RELAY
    assert plain(out.mime).strip() == "Press the button."
    assert "<b>Press</b> the button." in html(out.mime)
    for secret in (b"INTERNAL", b"Ticket", b"wrote", b"via", b"#close", b"#priority", b"Von", b"<hr", b"blockquote"):
        assert secret not in out.mime.replace(b"<title>", b""), secret


def test_the_plain_form_wins_where_the_html_form_says_something_else() -> None:
    out = only(
        office().receive(html_mail("<p>Something else entirely, and much longer it is, too.</p>", "Press it.\n"))
    )
    assert plain(out.mime).strip() == "Press it."
    assert b"text/html" not in out.mime


def test_html_of_an_answer_is_harmless() -> None:
    body = (
        '<p onclick="x()" style="color:red;position:fixed">Press <script>evil()</script>it.</p>'
        '<a href="javascript:x()">now</a><img src="https://track.example/p.gif" onerror="x()">'
    )
    shown = html(only(office().receive(html_mail(body))).mime)
    for evil in ("script", "onclick", "position", "onerror", "evil"):
        assert evil not in shown
    assert 'style="color:red"' in shown


def test_private_addresses_are_taken_out_of_the_html() -> None:
    body = (
        f'<p>Write to <a href="mailto:{AGENT}?subject=x">{AGENT}</a> or '
        f'<a href="mailto:desk%40technical.example">us</a> or "{AGENT}" &lt;{TECHNICAL.address}&gt;'
        f' or <a href="mailto:x@team.example">{KIM} team</a> '
        "or someone@billing.example.</p>"
    )
    out = only(office().receive(html_mail(body)))
    for form in (plain(out.mime), html(out.mime)):
        assert "technical.example" not in form
        assert "billing.example" not in form
        assert "x@team.example" in form
    assert f"mailto:{SUPPORT}?subject=x" in html(out.mime)


def test_an_address_hidden_across_tags_costs_the_html() -> None:
    body = f"<p>Press it. {AGENT.replace('@', '&amp;#64;')} end</p>"
    out = only(office().receive(html_mail(body)))
    assert b"text/html" not in out.mime or AGENT not in html(out.mime)


@pytest.mark.parametrize(
    "remains",
    [
        f"Ticket       {TICKET_ID}\nCustomer Ada", f"| Ticket | {TICKET_ID} |", "X-Helpdesk-Category: Technical",
        f"Ada Byron via Example Support <{SUPPORT}> zxcvb", f"Reply-To: {AGENT_TOKEN}",
    ],
)  # fmt: skip
def test_what_may_still_hold_our_forward_is_held(remains: str) -> None:
    outcome = says(f"Press it.\n\n{remains}\n")
    assert outcome.reason.startswith("held: the quoted mail could not be told")
    assert [out.recipient for out in outcome.outgoing] == [TECHNICAL.address]
    assert outcome.change is None


def test_the_marker_of_a_forward_is_a_leak_in_either_form() -> None:
    for answer in (Answer(f"Hi {REPLY_MARKER}", "", ()), Answer("Hi", f"<p>{REPLY_MARKER}</p>", ())):
        assert "above which to write" in leak(answer, ticket(), "Example Support")
    assert leak(Answer("Hi", "<p>Hi</p>", ()), ticket(), "Example Support") == ""


@pytest.mark.parametrize("between", [" ", "\n"])
def test_an_attribution_in_a_language_nobody_knows_is_held(between: str) -> None:
    outcome = says(f"Press it.\n\nAda Byron via{between}Example Support zxcvb 4.5.2026\nInternal words\n")
    assert outcome.reason.startswith("held: the quoted mail could not be told")


def test_an_encrypted_answer_is_held() -> None:
    raw = multipart([("Content-Type: application/pgp-encrypted", b"Version: 1")], "encrypted")
    raw = raw.replace(b"ada@customer.example", AGENT.encode()).replace(SUPPORT.encode(), AGENT_TOKEN.encode())
    assert office().receive(raw).reason.startswith("held: it is encrypted")


def test_content_ids_and_file_names_tell_no_address() -> None:
    raw = multipart(
        [
            ("Content-Type: text/html", b'<p>Press <img src="cid:part1.1@technical.example"> or '
             b'<img src="cid:part2.2%40technical.example">.</p>'),
            ("Content-Type: image/png; name=a.png\nContent-ID: <part1.1@technical.example>", b"ONE"),
            (f"Content-Type: image/png; name={AGENT}.png\nContent-ID: <part2.2@technical.example>", b"TWO"),
        ],
        "related",
    )  # fmt: skip
    raw = raw.replace(b"ada@customer.example", AGENT.encode()).replace(SUPPORT.encode(), AGENT_TOKEN.encode())
    out = only(office().receive(raw))
    shown = [p for p in read(out.mime).walk() if p["Content-ID"]]
    parts = {str(p["Content-ID"]).strip("<>"): p.get_payload(decode=True) for p in shown}
    assert sorted(str(content) for content in parts.values()) == ["b'ONE'", "b'TWO'"]
    assert all(f'src="cid:{name}"' in html(out.mime) for name in parts)
    assert b"technical.example" not in out.mime


def test_pictures_of_the_answer_travel_and_those_of_the_quote_do_not() -> None:
    body = (
        '<p>Press <img src="cid:new@x"> it.</p><blockquote type="cite"><div>On Monday Ada wrote:</div>'
        '<img src="cid:old@x"></blockquote>'
    )
    raw = multipart(
        [
            ("Content-Type: text/html", body.encode()),
            ("Content-Type: image/png; name=new.png\nContent-ID: <new@x>", b"NEW"),
            ("Content-Type: image/png; name=old.png\nContent-ID: <old@x>", b"OLD"),
        ],
        "related",
    )
    raw = raw.replace(b"ada@customer.example", AGENT.encode()).replace(SUPPORT.encode(), AGENT_TOKEN.encode())
    out = only(office().receive(raw))
    assert html(out.mime).count("cid:") == 1
    assert [p.get_payload(decode=True) for p in read(out.mime).walk() if p.get_filename()] == [b"NEW"]


def test_seals_cards_and_our_own_mail_are_not_sent_on() -> None:
    forward = office().receive(from_agent("#category Billing")).outgoing[0].mime
    raw = multipart(
        [
            ("Content-Type: text/plain", b"See the files."),
            ("Content-Type: application/pkcs7-signature; name=smime.p7s", b"SEAL"),
            ("Content-Type: text/vcard; name=jo.vcf", f"BEGIN:VCARD\nEMAIL:{AGENT}\n".encode()),
            ("Content-Type: text/vcard; name=maker.vcf", b"BEGIN:VCARD\nEMAIL:a@maker.example\n"),
            ("Content-Type: application/octet-stream; name=fwd.eml", forward),
            ("Content-Type: message/rfc822", forward),
            ("Content-Type: message/rfc822; name=maker.eml", mail("From the maker.\n", sender="a@maker.example")),
            ("Content-Type: application/pdf; name=a.pdf", b"PDF"),
        ]
    )
    raw = raw.replace(b"From: Ada Byron <ada@customer.example>", f"From: {AGENT}".encode(), 1)
    out = only(office().receive(raw.replace(f"To: {SUPPORT}".encode(), f"To: {AGENT_TOKEN}".encode(), 1)))
    names = [p.get_filename() for p in read(out.mime).iter_attachments()]
    assert names == ["maker.vcf", "maker.eml", "a.pdf"]
    assert out.recipient == CUSTOMER


# --- copies --------------------------------------------------------------------------------------


FOOTER = "\n\n_______________________________________________\nteam mailing list\nhttps://lists.example/team\n"


def test_an_answer_that_comes_by_two_ways_is_relayed_once() -> None:
    found = office()
    first = found.receive(from_agent("Press the button.\n"))
    again = found.receive(from_agent(f"Press the  button.{FOOTER}", extra="List-Id: <team.lists.example>"))
    assert kinds(first) == [Kind.RELAY]
    assert (again.state, again.outgoing) == ("ignored", ())
    assert f"copy of a mail on {TICKET_ID}" in again.reason


def test_a_reply_that_comes_by_two_ways_is_forwarded_once() -> None:
    found = office()
    first = found.receive(mail("It is back.\n", to=CUSTOMER_TOKEN, message_id="<20@x>"))
    again = found.receive(mail(f"It is back.\n{FOOTER}", to=f"{CUSTOMER_TOKEN}, team@x.example", message_id="<20@x>"))
    assert kinds(first) == [Kind.FORWARD]
    assert (again.state, again.outgoing) == ("ignored", ())


@pytest.mark.parametrize(
    ("text", "sender"),
    [
        ("It is back. And I was charged twice.\n", CUSTOMER),
        ("It is back.\n\nAnd I was charged twice.\n", CUSTOMER),
        ("It is back.\n", "bob@customer.example"),
        ("It is not back.\n", CUSTOMER),
    ],
)
def test_different_mails_that_share_a_message_id_are_both_kept(text: str, sender: str) -> None:
    found = office()
    found.receive(mail("It is back.\n", to=CUSTOMER_TOKEN, message_id="<20@x>"))
    again = found.receive(mail(text, sender=sender, to=CUSTOMER_TOKEN, message_id="<20@x>"))
    assert (again.state, kinds(again)) == ("reply", [Kind.FORWARD])


def test_a_copy_of_a_first_mail_opens_no_second_ticket() -> None:
    found = office()
    assert found.receive(mail("My mouse squeaks.\n", message_id="<40@x>")).state == "ticket"
    again = found.receive(mail(f"My mouse squeaks.\n{FOOTER}", message_id="<40@x>", extra="List-Id: <all.x.example>"))
    assert (again.state, again.outgoing) == ("ignored", ())


def test_a_mail_that_answers_nothing_of_the_ticket_is_no_copy_of_one_that_does() -> None:
    found = office()
    found.receive(mail("It is back.\n", to=CUSTOMER_TOKEN, message_id="<20@x>"))
    assert found.receive(mail("It is back.\n", message_id="<20@x>", subject="Other")).state == "ticket"


def test_a_second_mail_with_other_files_is_kept() -> None:
    found = office()
    one = multipart([("Content-Type: text/plain", b"see"), ("Content-Type: image/png; name=a.png", b"1")])
    two = multipart([("Content-Type: text/plain", b"see"), ("Content-Type: image/png; name=b.png", b"2")])
    first, second = (found.receive(raw.replace(SUPPORT.encode(), CUSTOMER_TOKEN.encode())) for raw in (one, two))
    assert kinds(first) == kinds(second) == [Kind.FORWARD]


def test_a_copy_that_passes_where_the_first_was_held_is_relayed() -> None:
    found = office()
    failed = "Authentication-Results: mx.helpdesk.example; dmarc=fail"
    assert found.receive(from_agent(f"Press it.{FOOTER}", extra=failed)).reason.startswith("held")
    assert kinds(found.receive(from_agent("Press it.\n"))) == [Kind.RELAY]


# --- merged tickets ------------------------------------------------------------------------------


def test_mail_to_a_merged_ticket_goes_to_the_one_that_goes_on() -> None:
    found = office()
    gone = replace(ticket(state=State.CLOSED), id="HD-G0NE0000", merged_into=TICKET_ID)
    found.known.tickets[gone.id] = gone
    found.known.participants[TICKET_ID].add("bob@x.example")
    signer = found.desk.signer
    for party, sender, kind in (("c", "bob@x.example", Kind.FORWARD), ("a", AGENT, Kind.RELAY)):
        token = signer.token(gone.id, party)  # type: ignore[arg-type]
        outcome = found.receive(mail(f"Words {party}.\n", sender=sender, to=f"support+{token}@helpdesk.example",
                                     message_id=f"<{party}@m>"))  # fmt: skip
        assert outcome.ticket == TICKET_ID
        assert kinds(outcome)[0] == kind
    outcome = found.receive(mail("More.\n", sender="bob@x.example", subject="about HD-G0NE0000", message_id="<s@m>"))
    assert (outcome.state, outcome.ticket) == ("reply", TICKET_ID)


def test_people_a_customer_copies_in_get_the_answer() -> None:
    found = office()
    found.receive(mail("With Bob.\n", to=CUSTOMER_TOKEN, message_id="<30@x>",
                       extra=f"Cc: bob@customer.example, {CUSTOMER_TOKEN}, {SUPPORT}"))  # fmt: skip
    outcome = says("Hello both.\n", found=found)
    assert sorted(out.recipient for out in outcome.outgoing) == [CUSTOMER, "bob@customer.example"]


def test_triage_moves_on_what_it_sorted() -> None:
    found = Office(desk()).holding(replace(ticket(department=TRIAGE), needs_review=True))
    found.known.stories[TICKET_ID] = office().known.stories[TICKET_ID]
    outcome = found.receive(from_agent("#category Billing", sender="anna@helpdesk-team.example"))
    assert only(outcome).recipient == BILLING.address
    assert outcome.change is not None
    assert outcome.change.needs_review is False
