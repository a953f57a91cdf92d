"""May this mail become a ticket, be acknowledged, reopen a ticket? An ordered table answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from helpdesk_daemon.mail.bounce.verdict import read_bounce
from helpdesk_daemon.mail.message import Address, Message, base_address
from helpdesk_daemon.mail.screening.authentication import dmarc_failed
from helpdesk_daemon.mail.screening.automatic import automatic_mail, automatic_reply, complaint
from helpdesk_daemon.mail.screening.spam import spam_reason


class Kind(StrEnum):
    """What a mail is, as far as the daemon must treat it differently."""

    OWN = "own"
    BOUNCE = "bounce"
    AUTO_REPLY = "auto_reply"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Policy:
    """What screening must know of this installation.

    Attributes:
        own_addresses: every address our mailboxes receive under, lower-cased.
        is_own_id: whether a message identifier carries our signature.
        loop_value: our value of the X-Helpdesk-Loop header.
        own_lists: List-Id values our own group address stamps on everything; ignored.
        authserv_id: name under which our server writes Authentication-Results; empty trusts none.
        auto_replies: `ignore` or `ticket`, for automatic replies that answer none of our tickets.
        auto_generated: the same for other automatic mail (monitoring, receipts).
        suppressed: addresses that are never acknowledged.
        people: senders, as addresses or `@domain`, that are taken for persons whatever automatic or
            list headers they stamp; own mail, bounces, forgeries and spam stay what they are.
        complaints: `ignore` or `ticket` (in triage), for abuse reports about mail of ours.
        forged: the same for mail that fails DMARC.
        spam: the same for mail over `spam_score`.
        spam_score: spam score from which a mail is spam; None believes no spam header.
        form: this one was typed into our own form, so what only mail programs write means nothing in it.
    """

    own_addresses: frozenset[str]
    is_own_id: Callable[[str], bool]
    loop_value: str = ""
    own_lists: frozenset[str] = frozenset()
    authserv_id: str = ""
    auto_replies: str = "ignore"
    auto_generated: str = "ticket"
    suppressed: frozenset[str] = field(default_factory=frozenset)
    people: frozenset[str] = frozenset()
    complaints: str = "ticket"
    forged: str = "ticket"
    spam: str = "ticket"
    spam_score: float | None = None
    form: bool = False

    def is_own(self, email: str) -> bool:
        """Whether an address is one of ours, with a detail (`support+token@`) or without."""
        return email in self.own_addresses or base_address(email) in self.own_addresses


@dataclass(frozen=True, slots=True)
class Screening:
    """The answers of the first row that matched.

    Attributes:
        row: name of that row.
        kind: what the mail is.
        ticket: it may open a ticket.
        acknowledge: it may be acknowledged.
        reopen: it may reopen a closed ticket.
        reason: why, in words for the audit log.
        to_triage: it goes to triage whatever its text says.
        requester: whom the ticket is for.
    """

    row: str
    kind: Kind
    ticket: bool
    acknowledge: bool
    reopen: bool
    reason: str
    requester: Address
    to_triage: bool = False


NO_REPLY = re.compile(
    r"^(?:.{0,100}[-_.+])?(?:(?:no|not|do[-_.]?not|dont|never)[-_.]?repl(?:y|ies)|no[-_.]?answer|unattended|unmonitored|nicht[-_.]?(?:be)?antworten|(?:bitte[-_.]?)?(?:keine?|nicht)[-_.]?antworte?n?|antworten?[-_.]?nicht"
    r"|ne[-_.]?pas[-_.]?r[eé]pondre|pas[-_.]?de[-_.]?r[eé]ponse|sans[-_.]?r[eé]ponse|no[-_.]?(?:responder|responda|respuesta|contest(?:ar|e))|n[aã]o[-_.]?(?:responder|responda|resposta)|non[-_.]?(?:rispondere|risposta)|niet[-_.]?(?:be)?antwoorden|geen[-_.]?(?:antwoord|reply)"
    r"|nie[-_.]?odpowiada[jcć]?|brak[-_.]?odpowiedzi|svara[-_.]?(?:ej|inte)|ej[-_.]?svar(?:a)?|inget[-_.]?svar|(?:ikke|intet)[-_.]?svar|svar[-_.]?ikke|besvares[-_.]?ikke|[aä]l[aä][-_.]?vastaa|ei[-_.]?vastau(?:sta|ksia)|neodpov[ií]dat?|cevaplama(?:y[iı]n)?|yan[iı]tlama(?:y[iı]n)?|ne[-_.]?v[aá]laszolj|ne[-_.]?otvecha(?:t|yte)"
    r"|bounces?|mailer-daemon|postmaster|devnull|dev-null|null|nobody)(?:[-_.+]?\d{0,6})(?:[-_.+].*)?@",
    re.IGNORECASE,
)
LIST_FIELDS = (
    "List-Id", "List-Unsubscribe", "List-Post", "List-Help", "List-Subscribe", "X-Mailing-List", "Mailing-List",
    "X-BeenThere", "X-Mailman-Version", "X-ML-Name", "X-List", "X-CampaignId", "X-Campaign",
)  # fmt: skip


def _is_own(m: Message, p: Policy) -> str:
    if m.message_id and p.is_own_id(m.message_id):
        return "our own mail came back: its Message-ID carries our signature"
    if p.loop_value and p.loop_value in m.headers.get_all("X-Helpdesk-Loop"):
        return "our own mail came back: it carries our loop header"
    return ""


def _foreign_reply_to(m: Message, p: Policy) -> dict[str, Address]:
    return {a.email: a for a in m.reply_to if not p.is_own(a.email)}


def _own_address(m: Message, p: Policy) -> str:
    own = p.is_own(m.sender.email) and not _foreign_reply_to(m, p)
    return f"sent from our own address {m.sender.email}" if own else ""


def _own_form(m: Message, p: Policy) -> str:
    foreign = _foreign_reply_to(m, p)
    if p.is_own(m.sender.email) and foreign and not _forged(m, p):
        return f"a form sent from our own address for {next(iter(foreign))}"
    return ""


def _is_bounce(m: Message, p: Policy) -> str:
    found = read_bounce(m)
    return found.how if found else ""


def _complaint(m: Message, p: Policy) -> str:
    return complaint(m)


def _auto_reply(m: Message, p: Policy) -> str:
    return automatic_reply(m)


def _auto_generated(m: Message, p: Policy) -> str:
    return automatic_mail(m)


def _is_list(m: Message, p: Policy) -> str:
    named = " ".join(m.headers.get(name) for name in ("List-Id", "List-Post", "X-Mailing-List", "X-BeenThere")).lower()
    if any(own in named for own in p.own_lists):
        return ""
    for name in LIST_FIELDS:
        if m.headers.get(name):
            return f"{name} header"
    if (precedence := m.headers.get("Precedence").strip().lower()) in ("bulk", "list", "junk"):
        return f"Precedence: {precedence}"
    return ""


def _null_path(m: Message, p: Policy) -> str:
    if "Return-Path" in m.headers and m.headers.get("Return-Path").strip() == "<>":
        return "null return path: its sender wants no answer (RFC 5321 4.5.5)"
    return ""


def _no_reply(m: Message, p: Policy) -> str:
    to = requester(m, p).email
    return f"{to} takes no answers" if NO_REPLY.match(to) else ""


def _suppressed(m: Message, p: Policy) -> str:
    to = requester(m, p).email
    return f"{to} is suppressed" if to in p.suppressed else ""


def _forged(m: Message, p: Policy) -> str:
    return "DMARC fail according to our own server" if dmarc_failed(m.headers, p.authserv_id) else ""


def _spam(m: Message, p: Policy) -> str:
    return spam_reason(m.headers, p.spam_score)


def _no_address(m: Message, p: Policy) -> str:
    return "" if requester(m, p).email else "no address to answer to"


def _several_reply_to(m: Message, p: Policy) -> str:
    return "several Reply-To addresses" if len(_foreign_reply_to(m, p)) > 1 else ""


def _always(m: Message, p: Policy) -> str:
    return "a person wrote"


def requester(m: Message, p: Policy) -> Address:
    """Whom the ticket is for: a single foreign Reply-To, else the sender."""
    foreign = _foreign_reply_to(m, p)
    if len(foreign) == 1:
        reply_to = next(iter(foreign.values()))
        return Address(reply_to.name or m.sender.name, reply_to.email)
    return m.sender


def _is_person(m: Message, p: Policy) -> bool:
    """Whether the operator says that this sender is a person."""
    return m.sender.email in p.people or f"@{m.sender.domain}" in p.people


Test = Callable[[Message, Policy], str]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: what it looks for, and its answers.

    Attributes:
        name: as the audit log shows it.
        test: says in words why a mail is of this row; empty when it is not.
        kind: what such a mail is.
        ticket: it may open a ticket; or the setting of Policy that decides.
        acknowledge: it may be acknowledged.
        reopen: it may reopen a closed ticket.
        to_triage: it goes to triage whatever its text says.
        of_machines: it gives way where the operator says that the sender is a person.
        of_forms: it is asked of what was typed into our own form, too.
    """

    name: str
    test: Test
    kind: Kind
    ticket: bool | str
    acknowledge: bool
    reopen: bool
    to_triage: bool = False
    of_machines: bool = False
    of_forms: bool = False


OWN, BOUNCE, AUTO, PERSON = Kind.OWN, Kind.BOUNCE, Kind.AUTO_REPLY, Kind.PERSON
# The first row whose test finds a reason answers.   ticket            acknowledge  reopen
TABLE: tuple[Row, ...] = (
    Row("own mail", _is_own, OWN,                     False,            False, False),
    Row("own form", _own_form, PERSON,                True,             True,  True),
    Row("own address", _own_address, OWN,             False,            False, False, of_forms=True),
    Row("bounce", _is_bounce, BOUNCE,                 False,            False, False),
    Row("complaint", _complaint, AUTO,                "complaints",     False, False, to_triage=True),
    Row("automatic reply", _auto_reply, AUTO,         "auto_replies",   False, False, of_machines=True),
    Row("automatic mail", _auto_generated, AUTO,      "auto_generated", False, False, of_machines=True),
    Row("list", _is_list, PERSON,                     True,             False, True, of_machines=True),
    Row("null return path", _null_path, PERSON,       True,             False, True, of_machines=True),
    Row("no-reply sender", _no_reply, PERSON,         True,             False, True, of_machines=True, of_forms=True),
    Row("suppressed", _suppressed, PERSON,            True,             False, True, of_forms=True),
    Row("DMARC failure", _forged, PERSON,             "forged",         False, False, to_triage=True),
    Row("spam", _spam, PERSON,                        "spam",           False, False, to_triage=True),
    Row("no address", _no_address, PERSON,            True,             False, False, to_triage=True, of_forms=True),
    Row("several Reply-To", _several_reply_to, PERSON, True,            False, True, of_forms=True),
    Row("person", _always, PERSON,                    True,             True,  True, of_forms=True),
)  # fmt: skip


def screen(message: Message, policy: Policy) -> Screening:
    """Walk the table; the first row that matches answers.

    Args:
        message: a parsed mail.
        policy: what to know of this installation.

    Returns:
        The row's answers with the reason found.
    """
    person = _is_person(message, policy)
    for row in TABLE:
        if (person and row.of_machines) or (policy.form and not row.of_forms):
            continue
        if reason := row.test(message, policy):
            opens = row.ticket if isinstance(row.ticket, bool) else getattr(policy, row.ticket) == "ticket"
            who = requester(message, policy)
            return Screening(row.name, row.kind, opens, row.acknowledge, row.reopen, reason, who, row.to_triage)
    raise AssertionError("the last row matches everything")
