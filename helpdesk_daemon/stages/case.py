"""One mail with all that was found out about it, and what there is to work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from helpdesk_daemon.mail.message import Message, base_address
from helpdesk_daemon.mail.screening.table import Kind, Policy, Screening, screen
from helpdesk_daemon.outgoing.compose import Composer
from helpdesk_daemon.outgoing.form import FORM
from helpdesk_daemon.outgoing.limits import Limits
from helpdesk_daemon.ports import Arrival, Audit, Known, Outcome, Stored
from helpdesk_daemon.stages.thread import Thread, find_thread
from helpdesk_daemon.tickets.tracking import NO_TICKET, Signer, new_tracking_id
from helpdesk_daemon.triage.rules import Routing


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything planning needs that does not come with the mail.

    Attributes:
        routing: the operator's rules.
        policy: for screening.
        composer: makes the outgoing mails.
        signer: verifies tokens and Message-IDs.
        limits: on automatic mail.
        ack_max_age: older mail is not acknowledged.
        reopen_within: a reply later than this after closing opens a linked ticket.
        operator: who hears of trouble, empty for nobody.
        model: name of the model that votes.
        new_id: makes tracking IDs.
        confirms: whether a ticket that is closed teaches its category.
        tells_known: whether acknowledgements say that others wrote the same.
    """

    routing: Routing
    policy: Policy
    composer: Composer
    signer: Signer
    limits: Limits
    ack_max_age: timedelta
    reopen_within: timedelta
    operator: str = ""
    model: str = ""
    new_id: Callable[[], str] = new_tracking_id
    confirms: bool = False
    tells_known: bool = False

    @property
    def mailbox(self) -> str:
        """Name of the mailbox whose desk it is."""
        return self.composer.identity.mailbox

    def is_colleague(self, email: str) -> bool:
        """Whether an address is a mailbox of our own people that mail of ours goes to by itself."""
        departments = (*self.routing.departments.values(), self.routing.triage.department)
        ours = {base_address(d.address.lower()) for d in departments} | {base_address(self.operator)}
        return bool(email) and base_address(email) in ours


@dataclass(frozen=True, slots=True)
class Case:
    """One mail with all that was found out about it; `because` says why at this desk, where there are several."""

    arrival: Arrival
    message: Message
    screening: Screening
    thread: Thread | None
    known: Known
    desk: Desk
    now: datetime
    because: str = ""

    def outcome(self, state: str, reason: str, **more: object) -> Outcome:
        """An outcome whose last audit line says where the mail ended."""
        ticket = str(more.get("ticket", ""))
        detail = {
            "arrival": self.arrival.id, "state": state, "reason": reason, "row": self.screening.row,
            "from": self.message.sender.email, "subject": self.message.subject[:200],
        }  # fmt: skip
        if self.because:
            detail |= {"desk": self.desk.mailbox, "because": self.because}
        lines = (*more.pop("audit", ()), Audit("message.settled", detail, ticket))  # type: ignore[misc]
        sender, subject = str(self.message.sender), self.message.subject
        return Outcome(self.arrival.id, state, reason, sender, subject, audit=lines, **more)  # type: ignore[arg-type]

    def stored(self, ticket: str, kind: str) -> Stored:
        """The mail as kept on a ticket."""
        m = self.message
        files = tuple(f"{a.name} ({len(a.content):,} bytes)" for a in m.attachments)
        return Stored(ticket, "in", kind, m.message_id, str(m.sender), m.subject, m.text, m.new_text,
                      self.arrival.received_at, files)  # fmt: skip


def consider(
    arrival: Arrival, message: Message, known: Known, desk: Desk, now: datetime, because: str = "",
    before: Case | None = None,
) -> Case:  # fmt: skip
    """Screen and thread a mail; where nothing else is known, `before`, an earlier case of it, says the screening."""
    typed = arrival.mailbox == FORM
    desk = replace(desk, policy=replace(desk.policy, suppressed=frozenset(known.suppressed), form=typed))
    thread = find_thread(message, known, desk.signer, desk.policy.authserv_id, typed)
    screening = before.screening if before and before.desk.policy == desk.policy else screen(message, desk.policy)
    if screening.kind == Kind.AUTO_REPLY and any(_is_notice(answered, desk.signer) for answered in message.answers):
        screening = replace(screening, ticket=False, reason="automatic answer to a notice or alert of ours")
    return Case(arrival, message, screening, thread, known, desk, now, because)


def _is_notice(message_id: str, signer: Signer) -> bool:
    proof = signer.read_message_id(message_id)
    return proof is not None and proof[0] == NO_TICKET
