"""Which ticket a mail belongs to: claims are verified here, the strongest first."""

from __future__ import annotations

import base64
import contextlib
import re
from dataclasses import dataclass

from helpdesk_daemon.mail.linear import linear
from helpdesk_daemon.mail.message import Attachment, Message
from helpdesk_daemon.mail.references import Claims, claims
from helpdesk_daemon.mail.screening.authentication import doubtful_sender
from helpdesk_daemon.ports import Known
from helpdesk_daemon.tickets.ticket import Ticket
from helpdesk_daemon.tickets.tracking import Party, Signer, read_tracking_id

OUR_ID = linear(r"\bhd[0-9a-z]{8}\.[car]\.[0-9a-z]{8,20}\.[0-9a-z]{16}@")
OUR_TOKEN = linear(r"\+(hd-?[0-9a-z]{8}-[car]-[0-9a-z]{16})@")
BASE64 = re.compile(rb"[A-Za-z0-9+/=\s]+")
MAX_RETURNED = 200_000  # bytes of each part of a bounce searched for a name of ours


@dataclass(frozen=True, slots=True)
class Thread:
    """A verified claim.

    Attributes:
        ticket: the ticket.
        party: whose side the evidence was made for.
        how: the evidence, in words.
        signed: it carries our signature; else the sender's name had to vouch for it.
    """

    ticket: Ticket
    party: Party
    how: str
    signed: bool = False


def claimed_tickets(found: Claims, signer: Signer) -> tuple[str, ...]:
    """Tracking IDs a mail claims, verified or not; what has to be looked up."""
    signed = [signer.read_token(t) for t in found.tokens] + [signer.read_message_id(i) for i in found.answers]
    spoken = [read_tracking_id(t) for t in found.tracking]
    return tuple(dict.fromkeys([s[0] for s in signed if s] + [t for t in spoken if t]))


def lasting(known: Known, ticket_id: str) -> Ticket | None:
    """The ticket of an ID, or the one it was merged into; None when it is not known."""
    ticket = known.tickets.get(ticket_id)
    return known.tickets.get(ticket.merged_into, ticket) if ticket else None


def orders_expected(found: Claims, signer: Signer) -> bool:
    """Whether a mail proves to come by an agents' address, so that it may hold orders."""
    signed = [signer.read_token(t) for t in found.tokens] + [signer.read_message_id(i) for i in found.answers]
    return any(proof and proof[1] == Party.AGENT for proof in signed)


def find_thread(
    message: Message, known: Known, signer: Signer, authserv_id: str = "", typed: bool = False
) -> Thread | None:
    """The ticket a mail belongs to, None when it proves none.

    A tracking ID in the subject and the Message-ID of somebody else's mail count only from a sender who takes
    part in the ticket, and whom nothing makes doubtful: both are printed in many mails, may be guessed at or passed on.
    """
    found = claims(message)
    for source, verified in (
        ("token in the recipient address", [signer.read_token(t) for t in found.tokens]),
        ("signed Message-ID", [signer.read_message_id(i) for i in found.answers]),
    ):
        for proof in verified:
            if proof and (ticket := lasting(known, proof[0])):
                party = Party.AGENT if proof[1] == Party.AGENT else Party.CUSTOMER
                return Thread(ticket, party, source, signed=True)
    named = _unsigned(found, known)
    if not named or typed or doubtful_sender(message, authserv_id):  # anybody can type any address into a form
        return None
    for ticket, source in named:
        if message.sender.email in known.participants.get(ticket.id, ()):
            return Thread(ticket, Party.CUSTOMER, f"{source}, from a participant")
    return None


def _unsigned(found: Claims, known: Known) -> list[tuple[Ticket, str]]:
    """Tickets that a mail names without our signature, with the evidence in words, the strongest first."""
    answered = [(known.by_message_id.get(identifier, ""), "known Message-ID") for identifier in found.answers]
    spoken = [(read_tracking_id(t), "tracking ID in the subject") for t in found.tracking]
    return [(ticket, source) for name, source in (*answered, *spoken) if (ticket := lasting(known, name))]


def mentioned(message: Message, known: Known) -> str:
    """A ticket that a mail names without proof; a new ticket is linked to it. Empty for none."""
    return next((ticket.id for ticket, _ in _unsigned(claims(message), known)), "")


def returned_proof(message: Message, signer: Signer) -> tuple[str, Party] | None:
    """Ticket and party of the mail of ours that a bounce returns, wherever in the bounce it is named.

    A signed Message-ID is looked for first, then the token of our Reply-To: some relays give every mail a
    Message-ID of their own.
    """
    words = (" ".join(message.answers), message.report, message.text)
    places = [each[:MAX_RETURNED].encode("utf-8", "replace") for each in words]
    places += [_readable(a) for a in message.attachments]
    for pattern, read in ((OUR_ID, signer.read_message_id), (OUR_TOKEN, signer.read_token)):
        for place in places:
            for found in pattern.findall(place):
                if proof := read(found.decode("utf-8", "replace")):
                    return proof
    return None


def _readable(attachment: Attachment) -> bytes:
    """The beginning of an attachment; a returned mail may stand there under base64."""
    content = attachment.content[:MAX_RETURNED]
    if attachment.content_type.startswith("message/") and BASE64.fullmatch(content[:1_000]):
        with contextlib.suppress(ValueError):
            content = base64.b64decode(content[: len(content) // 4 * 4])
    return content
