"""At which mailbox's desk a mail is decided, where there are several: whose identity answers, whose rules hold."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from helpdesk_daemon.mail.message import Message
from helpdesk_daemon.outgoing.form import FORM
from helpdesk_daemon.ports import Arrival, Known
from helpdesk_daemon.stages.case import Case, Desk, consider
from helpdesk_daemon.stages.thread import find_thread, lasting, returned_proof
from helpdesk_daemon.tickets.ticket import Ticket
from helpdesk_daemon.triage.rules import Routing

PLUS_PART = re.compile(r"\+[^@]*@")


@dataclass(frozen=True, slots=True)
class Desks:
    """The desk of each mailbox.

    Attributes:
        by_mailbox: at least one desk, by name of its mailbox, in the order of the settings.
        receivers: names of the mailboxes that customers reach under an address of ours, by that address.
    """

    by_mailbox: Mapping[str, Desk]
    receivers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def first(self) -> Desk:
        """The desk for what belongs to no mailbox."""
        return next(iter(self.by_mailbox.values()))

    def of(self, mailbox: str) -> Desk:
        """The desk of a mailbox; the first for one that the settings no longer have."""
        return self.by_mailbox.get(mailbox) or self.first

    def ruled(self, mailboxes: Sequence[str], routing: Routing) -> Desks:
        """The same with other rules for some mailboxes."""
        by_mailbox = {n: replace(d, routing=routing) if n in mailboxes else d for n, d in self.by_mailbox.items()}
        return replace(self, by_mailbox=by_mailbox)

    def voting(self, model: str) -> Desks:
        """The same with the name of the model that votes."""
        return replace(self, by_mailbox={n: replace(desk, model=model) for n, desk in self.by_mailbox.items()})


def at_desk(
    arrival: Arrival, message: Message, known: Known, desks: Desks, now: datetime, before: Case | None = None
) -> Case:
    """Screen and thread a mail at the desk that it belongs to.

    What a mail server stamped (authentication results, spam score) is read as that of the mailbox it came by. `before`
    is the same mail's case by what was known earlier.
    """
    came = desks.of(arrival.mailbox)
    if len(desks.by_mailbox) == 1:
        return consider(arrival, message, known, came, now, before=before)
    name, because = _chosen(arrival, message, known, desks)
    desk = desks.of(name)
    stamped = replace(desk.policy, authserv_id=came.policy.authserv_id, spam_score=came.policy.spam_score)
    return consider(arrival, message, known, replace(desk, policy=stamped), now, because, before)


def _chosen(arrival: Arrival, message: Message, known: Known, desks: Desks) -> tuple[str, str]:
    """Name of the mailbox, and why: the ticket's, else the first that the mail is addressed to, else where it came.

    Only To and Cc are asked: they are the same in every copy of a mail, so it does not matter which copy comes first.
    """
    ticket = _ticket(message, known, desks, arrival.mailbox == FORM)
    if ticket is not None and ticket.mailbox in desks.by_mailbox:
        return ticket.mailbox, f"ticket {ticket.id} is its"
    for address in (PLUS_PART.sub("@", a.email) for a in (*message.to, *message.cc)):
        if names := desks.receivers.get(address):
            return arrival.mailbox if arrival.mailbox in names else names[0], f"addressed to {address} first"
    return arrival.mailbox, "it came by it"


def _ticket(message: Message, known: Known, desks: Desks, typed: bool) -> Ticket | None:
    """The ticket a mail is on, or whose mail it returns."""
    if not known.tickets:
        return None
    if thread := find_thread(message, known, desks.first.signer, desks.first.policy.authserv_id, typed):
        return thread.ticket
    proof = None if typed else returned_proof(message, desks.first.signer)
    return lasting(known, proof[0]) if proof else None
