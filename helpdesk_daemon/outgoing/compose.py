"""Compose every mail that leaves: to the customer, to the department, to the operator."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from textwrap import shorten
from typing import Protocol

from helpdesk_daemon.mail.body.split import REPLY_MARKER
from helpdesk_daemon.mail.message import Address, Attachment, Message
from helpdesk_daemon.outgoing import mime
from helpdesk_daemon.outgoing.answer import Answer, answer_of
from helpdesk_daemon.outgoing.headers import SUBJECT, Field, date, helpdesk_fields, mailbox, phrase, reply_subject
from helpdesk_daemon.outgoing.message import Kind, Outgoing, Said
from helpdesk_daemon.tickets.ticket import Priority, Ticket
from helpdesk_daemon.tickets.tracking import NO_TICKET, Party, Signer
from helpdesk_daemon.triage.decide import Decision
from helpdesk_daemon.triage.rules import Department
from helpdesk_daemon.triage.vote import Neighbour

EVIDENCE = 3  # neighbours shown to agents
EVIDENCE_WIDTH = 120  # characters of each
MAX_REFERENCES = 20
MAX_MARKS = 10
IDENTIFIER = re.compile(r"<[!-;=?-~]{1,250}>")  # one that we repeat: of printable ASCII, and short enough to fold
AUTOMATIC: tuple[Field, ...] = (("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All"))


class Render(Protocol):
    """Fills a template of both kinds."""

    def __call__(self, name: str, values: Mapping[str, object], language: str = "") -> tuple[str, str]:
        """The plain and the HTML form of template `name`, in a language where there is one in it.

        The HTML is empty when there is none.
        """

    def clean(self, html: str) -> str:
        """HTML of one of our own people, harmless and balanced."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are to the outside.

    Attributes:
        name: display name, such as `Example Support`.
        address: the support address.
        plus_addressing: whether mail to `local+anything@domain` reaches the same mailbox.
        mailbox: name of the mailbox whose identity it is; its mails leave by that one's server.
    """

    name: str
    address: str
    plus_addressing: bool = True
    mailbox: str = "support"

    @property
    def domain(self) -> str:
        """Right-hand side of our Message-IDs."""
        return self.address.rpartition("@")[2]

    def reply_address(self, token: str) -> str:
        """Where answers come back to, with the token where the server allows it."""
        local, _, domain = self.address.rpartition("@")
        return f"{local}+{token}@{domain}" if self.plus_addressing else self.address


def deliverable(email: str) -> bool:
    """Whether SMTP without SMTPUTF8 (RFC 6531) can carry an address."""
    return bool(re.fullmatch(r"[!-?A-~]{1,64}@[A-Za-z0-9.-]{1,253}|[!-?A-~]{1,64}@\[[0-9A-Fa-f:.]+\]", email))


@dataclass(frozen=True, slots=True)
class Composer:
    """Composes as one identity.

    Attributes:
        identity: whose name and address the mails carry.
        signer: signs Message-IDs and tokens.
        render: fills templates.
        loop_value: value of X-Helpdesk-Loop, by which we know our own mail.
        null_sender: acknowledgements leave with the null reverse-path (RFC 3834 section 3.3).
        base_url: where customers reach our pages, empty where they do not.
    """

    identity: Identity
    signer: Signer
    render: Render
    loop_value: str
    null_sender: bool = True
    base_url: str = ""

    def acknowledgement(self, ticket: Ticket, message: Message, now: datetime, known: bool = False) -> Outgoing:
        """The customer's acknowledgement, as RFC 3834 asks of an automatic answer; `known`: others wrote the same."""
        track = f"{self.base_url}/track/{self.signer.link(ticket.id)}/" if self.base_url else ""
        values = {"ticket": ticket, "message": message, "identity": self.identity, "track": track, "known": known}
        text, html = self.render("acknowledgement", values, message.language)
        fields: list[Field] = [
            ("From", phrase(self.identity.name, self.identity.address)),
            ("To", phrase(ticket.requester_name, ticket.requester_email)),
            ("Subject", reply_subject(message.subject, ticket.id)),
            ("Reply-To", self.identity.reply_address(self.signer.token(ticket.id, Party.CUSTOMER))),
            *_thread(message.message_id, message.references),
            ("Auto-Submitted", "auto-replied"),
            ("X-Auto-Response-Suppress", "All"),
        ]
        sender = "" if self.null_sender else self.identity.address
        return self._mail(
            Kind.ACKNOWLEDGEMENT,
            ticket,
            Party.CUSTOMER,
            ticket.requester_email,
            sender,
            fields,
            text,
            html,
            now,
        )

    def link(self, ticket: Ticket, recipient: str, url: str, now: datetime) -> Outgoing:
        """A link that was asked for, to somebody who takes part in a ticket."""
        text, html = self.render("link", {"ticket": ticket, "identity": self.identity, "url": url})
        fields: list[Field] = [
            ("From", phrase(self.identity.name, self.identity.address)),
            ("To", recipient),
            ("Subject", f"Your link to request {ticket.id}"),
            *AUTOMATIC,
        ]
        sender = "" if self.null_sender else self.identity.address
        return self._mail(Kind.LINK, ticket, Party.CUSTOMER, recipient, sender, fields, text, html, now)

    def forward(
        self, ticket: Ticket, message: Message, decision: Decision, now: datetime, original: bytes = b""
    ) -> Outgoing:
        """The new ticket to its department. `original` attaches the received mail whole."""
        values = self._forward_values(ticket, message) | {
            "decision": decision,
            "evidence": [_evidence(n) for n in decision.because[:EVIDENCE]],
        }
        return self._to_department("forward", ticket, message, f"[{ticket.id}] {message.subject[:SUBJECT]}", values,
                                   helpdesk_fields(ticket, decision.confidence, decision.rule), now,
                                   original=original)  # fmt: skip

    def follow_up(
        self, ticket: Ticket, message: Message, confidence: float, rule: str, now: datetime, doubt: str = ""
    ) -> Outgoing:
        """A customer's further mail to the department, in the forward's thread, with what speaks against its sender."""
        fields = helpdesk_fields(ticket, confidence, rule)
        return self._to_department("follow_up", ticket, message, f"Re: [{ticket.id}] {ticket.subject[:SUBJECT]}",
                                   self._forward_values(ticket, message) | {"doubt": doubt}, fields, now,
                                   answers=ticket.forward_id)  # fmt: skip

    def held(self, ticket: Ticket, message: Message, reason: str, raw: bytes, now: datetime) -> Outgoing:
        """A mail on a ticket that was neither relayed nor taken for the customer's, shown to the department."""
        values = self._forward_values(ticket, message) | {"reason": reason}
        return self._to_department("held", ticket, message, f"[{ticket.id}] Not sent on: {message.subject[:SUBJECT]}",
                                   values, [], now, answers=ticket.forward_id, original=raw, bare=True)  # fmt: skip

    def retold(
        self, ticket: Ticket, message: Message, confidence: float, rule: str, why: str, story: Sequence[Said],
        attachments: Sequence[Attachment], now: datetime, answers: str = "",
    ) -> Outgoing:  # fmt: skip
        """A conversation so far, to a department that has not seen it.

        Args:
            ticket: as it is now.
            message: the mail that opened the conversation.
            confidence: of the ticket's latest decision, 0 to 1.
            rule: that hit, `default` when none did.
            why: why they get it.
            story: what came after the first mail.
            attachments: of all its mails.
            now: the present moment, UTC.
            answers: Message-ID of the forward they have already, empty for none.
        """
        values = self._forward_values(ticket, message) | {
            "confidence": confidence, "rule": rule, "why": why, "story": story,
        }  # fmt: skip
        return self._to_department("retold", ticket, replace(message, attachments=tuple(attachments)),
                                   f"[{ticket.id}] {ticket.subject[:SUBJECT]}", values,
                                   helpdesk_fields(ticket, confidence, rule), now, answers=answers)  # fmt: skip

    def answered(self, ticket: Ticket, message: Message, now: datetime) -> Outgoing:
        """An answer that somebody outside of the ticket's department gave, shown to the department."""
        return self._to_department("answered", ticket, message, f"Re: [{ticket.id}] {ticket.subject[:SUBJECT]}",
                                   self._forward_values(ticket, message), [], now, answers=ticket.forward_id,
                                   bare=True)  # fmt: skip

    def answer(self, message: Message, private: Sequence[str]) -> Answer:
        """What of an agent's mail may reach a customer; `private` addresses are taken out."""
        return answer_of(message, private, self.identity.address, self.render.clean)

    def relay(self, ticket: Ticket, answer: Answer, now: datetime, recipient: Address | None = None) -> Outgoing:
        """An agent's answer to the customer, or to another who takes part, under our address."""
        to = recipient or Address(ticket.requester_name, ticket.requester_email)
        text, html = self.render("relay", {"ticket": ticket, "answer": answer, "identity": self.identity})
        fields: list[Field] = [
            ("From", phrase(self.identity.name, self.identity.address)),
            ("To", phrase(to.name, to.email)),
            ("Subject", reply_subject(ticket.subject, ticket.id)),
            ("Reply-To", self.identity.reply_address(self.signer.token(ticket.id, Party.CUSTOMER))),
            *_thread(ticket.customer_id, ()),
        ]
        return self._mail(
            Kind.RELAY, ticket, Party.ANSWERED, to.email, self.identity.address, fields, text,
            html if answer.html else "", now, answer.attachments,
        )  # fmt: skip

    def help(self, ticket: Ticket, message: Message, problems: Sequence[str], categories: Sequence[str],
             now: datetime) -> Outgoing:  # fmt: skip
        """What was wrong with an agent's commands, and which there are, to that agent alone."""
        values = {"ticket": ticket, "problems": problems, "categories": categories, "identity": self.identity,
                  "priorities": [p.value for p in Priority], "marker": REPLY_MARKER}  # fmt: skip
        text, html = self.render("help", values)
        fields: list[Field] = [
            ("From", phrase(self.identity.name, self.identity.address)),
            ("To", phrase(message.sender.name, message.sender.email)),
            ("Subject", f"[{ticket.id}] Not done: {problems[0]}"[:SUBJECT]),
            ("Reply-To", self.identity.reply_address(self.signer.token(ticket.id, Party.AGENT))),
            *_thread(message.message_id, message.references),
            ("Auto-Submitted", "auto-replied"),
            ("X-Auto-Response-Suppress", "All"),
        ]
        sender = "" if self.null_sender else self.identity.address
        return self._mail(Kind.NOTICE, ticket, Party.AGENT, message.sender.email, sender, fields, text, html, now)

    def quarantined(self, arrival: int, raw: bytes, reason: str, triage: Department, now: datetime) -> Outgoing:
        """A mail that could not be handled, to people, as it came (message/rfc822)."""
        values = {"arrival": arrival, "reason": reason, "identity": self.identity}
        return self.notice(
            Kind.NOTICE, "quarantined", f"Mail {arrival} needs a person", triage.address, values, now, raw
        )

    def notice(
        self, kind: Kind, template: str, subject: str, recipient: str, values: Mapping[str, object],
        now: datetime, original: bytes = b"", attachments: Sequence[Attachment] = (),
    ) -> Outgoing:  # fmt: skip
        """A mail about no ticket to one of our own people."""
        text, html = self.render(template, values)
        fields: list[Field] = [
            ("From", phrase(self.identity.name, self.identity.address)),
            ("To", recipient),
            ("Subject", subject),
            *AUTOMATIC,
        ]
        return self._mail(
            kind, None, Party.AGENT, recipient, self.identity.address, fields, text, html, now, attachments, original
        )

    def _forward_values(self, ticket: Ticket, message: Message) -> dict[str, object]:
        return {
            "ticket": ticket, "message": message, "author": author(ticket, message), "identity": self.identity,
            "marker": REPLY_MARKER,
        }  # fmt: skip

    def _to_department(
        self, template: str, ticket: Ticket, message: Message, subject: str, values: Mapping[str, object],
        fields: Sequence[Field], now: datetime, *, answers: str = "", original: bytes = b"", bare: bool = False,
    ) -> Outgoing:  # fmt: skip
        text, html = self.render(template, values)
        token = self.signer.token(ticket.id, Party.AGENT)
        who = author(ticket, message)
        name = who.name or who.email.partition("@")[0]
        head: list[Field] = [
            ("From", phrase(f"{name} via {self.identity.name}", self.identity.address)),
            ("To", phrase(ticket.department, ticket.address)),
            ("Subject", subject),
            ("Reply-To", self.identity.reply_address(token)),
            ("X-Original-From", mailbox(who.name, who.email)),
            *_thread(answers, ()),
            *fields,
            *AUTOMATIC,
            *_passed_by(message),
        ]
        attachments = () if bare else message.attachments
        return self._mail(Kind.FORWARD, ticket, Party.AGENT, ticket.address, self.identity.address, head, text,
                          html, now, attachments, original)  # fmt: skip

    def _mail(
        self, kind: Kind, ticket: Ticket | None, party: Party, recipient: str, sender: str, fields: Sequence[Field],
        text: str, html: str, now: datetime, attachments: Sequence[Attachment] = (), original: bytes = b"",
    ) -> Outgoing:  # fmt: skip
        about = ticket.id if ticket else NO_TICKET
        message_id = self.signer.message_id(about, party, self.identity.domain)
        common: list[Field] = [
            ("Date", date(now)),
            ("Message-ID", message_id),
            ("X-Helpdesk-Loop", self.loop_value),
        ]
        content = mime.write([*fields, *common], text, html, attachments, original)
        known = ticket.id if ticket else ""
        return Outgoing(kind, recipient, sender, message_id, content, known, self.identity.mailbox)


def _passed_by(message: Message) -> list[Field]:
    """Loop marks of other helpdesks that a mail came through: each knows by its own that the mail has gone round."""
    marks = [m for m in message.headers.get_all("X-Helpdesk-Loop") if re.fullmatch(r"[0-9a-z]{16}", m)]
    return [("X-Helpdesk-Loop", mark) for mark in dict.fromkeys(marks[:MAX_MARKS])]


def _thread(answers: str, references: tuple[str, ...]) -> list[Field]:
    """In-Reply-To and References of an answer (RFC 5322 section 3.6.4), the chain cut in its middle."""
    if not IDENTIFIER.fullmatch(answers):
        return []
    chain = [i for i in dict.fromkeys((*references, answers)) if IDENTIFIER.fullmatch(i)]
    if len(chain) > MAX_REFERENCES:
        chain = chain[:1] + chain[-MAX_REFERENCES + 1 :]
    return [("In-Reply-To", answers), ("References", " ".join(chain))]


def _evidence(neighbour: Neighbour) -> dict[str, object]:
    """One neighbour as agents may see it: only shipped examples in words, customers' by tracking ID."""
    shown = _opening(neighbour.text) if neighbour.source == "seed" else neighbour.ticket or "a labelled ticket"
    return {"category": neighbour.category, "similarity": neighbour.similarity, "shown": shown}


@lru_cache(maxsize=1_000)
def _opening(text: str) -> str:
    """How a shipped example begins; they are few and shown often."""
    return shorten(text[: 4 * EVIDENCE_WIDTH], EVIDENCE_WIDTH, placeholder=" …")


def author(ticket: Ticket, message: Message) -> Address:
    """Who wrote, as agents see it: of a form sent for somebody, that somebody."""
    if ticket.requester_email in {a.email for a in message.reply_to}:
        return Address(ticket.requester_name, ticket.requester_email)
    return message.sender
