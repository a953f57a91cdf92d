"""May this mail become a ticket, be acknowledged, reopen a ticket? An ordered table answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from helpdesk_daemon.mail.authentication import dmarc_failed
from helpdesk_daemon.mail.message import Address, Message


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
    """

    own_addresses: frozenset[str]
    is_own_id: Callable[[str], bool]
    loop_value: str = ""
    own_lists: frozenset[str] = frozenset()
    authserv_id: str = ""
    auto_replies: str = "ignore"
    auto_generated: str = "ticket"
    suppressed: frozenset[str] = field(default_factory=frozenset)


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
    r"^(?:.*[-_.+])?(?:no[-_.]?reply|do[-_.]?not[-_.]?reply|nicht[-_.]?antworten|keine[-_.]?antwort|ne[-_.]?pas[-_.]?repondre"
    r"|no[-_.]?responder|nao[-_.]?responda|non[-_.]?rispondere|noreply|bounces?|mailer-daemon|postmaster|devnull|null)"
    r"(?:[-_.+].*)?@",
    re.IGNORECASE,
)
AUTO_SUBJECT = re.compile(
    r"^\s*(?:re:\s*)?(?:auto(?:matic|mated)?[- ]?(?:reply|response|answer)|out of (?:the )?office|abwesen|automatische (?:antwort|abwesenheit)"
    r"|réponse automatique|absence du bureau|respuesta autom|resposta autom|risposta automatica|automatisch antwoord|autosvar|automatiskt svar"
    r"|automaattinen vastaus|automatyczna odpowied|odpowiedź automatyczna|автоответ|автоматический ответ|自动回复|自動回覆|自動返信|vacation (?:reply|response|auto)|on (?:annual leave|vacation)\b)",
    re.IGNORECASE,
)
BOUNCE_SENDER = re.compile(r"^(?:mailer[-_]?daemon|postmaster|mail[-_]?delivery[-_.]?sub?system)@?", re.IGNORECASE)
BOUNCE_SUBJECT = re.compile(
    r"undeliver|delivery (?:status notification|failure|has failed|report|problem)|returned (?:mail|to sender)|mail delivery|failure notice"
    r"|unzustellbar|nicht zugestellt|non remis|no se pudo entregar|mancato recapito|onbestelbaar|could not be delivered|not delivered",
    re.IGNORECASE,
)


def _is_own(m: Message, p: Policy) -> str:
    if m.message_id and p.is_own_id(m.message_id):
        return "our own mail came back: its Message-ID carries our signature"
    if p.loop_value and p.loop_value in m.headers.get_all("X-Helpdesk-Loop"):
        return "our own mail came back: it carries our loop header"
    return ""


def _own_address(m: Message, p: Policy) -> str:
    return f"sent from our own address {m.sender.email}" if m.sender.email in p.own_addresses else ""


def _own_form(m: Message, p: Policy) -> str:
    foreign = [a for a in m.reply_to if a.email not in p.own_addresses]
    if _own_address(m, p) and foreign:
        return f"a form sent from our own address for {foreign[0].email}"
    return ""


def _is_bounce(m: Message, p: Policy) -> str:
    if m.content_type == "multipart/report" and m.report:
        return "delivery status notification (RFC 3464)"
    if "X-Failed-Recipients" in m.headers:
        return "X-Failed-Recipients header"
    null_path = "Return-Path" in m.headers and m.headers.get("Return-Path").strip() in ("<>", "")
    from_daemon = bool(BOUNCE_SENDER.match(m.sender.email))
    if BOUNCE_SUBJECT.search(m.subject) and (from_daemon or null_path):
        return "bounce by sender and subject"
    return ""


def _auto_reply(m: Message, p: Policy) -> str:
    submitted = m.headers.get("Auto-Submitted").split(";")[0].strip().lower()
    if submitted.startswith("auto-replied"):
        return "Auto-Submitted: auto-replied (RFC 3834)"
    for name in (
        "X-Autoreply",
        "X-Autorespond",
        "X-Autoresponder",
        "X-Auto-Reply",
        "X-Vacation",
        "X-Auto-Reply-From",
    ):
        if name in m.headers and m.headers.get(name).strip().lower() not in ("no", "false", "0"):
            return f"{name} header"
    if m.headers.get("Precedence").strip().lower() in ("auto_reply", "auto-reply"):
        return "Precedence: auto_reply"
    if m.headers.get("Delivered-To").strip().lower() == "autoresponder":
        return "Delivered-To: autoresponder"
    if m.content_type == "multipart/report" and not m.report:
        return "message disposition notification (RFC 8098)"
    if AUTO_SUBJECT.search(m.subject):
        return "subject of an automatic reply"
    return ""


def _auto_generated(m: Message, p: Policy) -> str:
    submitted = m.headers.get("Auto-Submitted").split(";")[0].strip().lower()
    if submitted and submitted != "no":
        return f"Auto-Submitted: {submitted[:40]} (RFC 3834)"
    if "X-Auto-Response-Suppress" in m.headers and _suppresses_all(m.headers.get("X-Auto-Response-Suppress")):
        return "X-Auto-Response-Suppress header"
    return ""


def _suppresses_all(value: str) -> bool:
    wants = {word.strip().lower() for word in value.split(",")}
    return bool(wants & {"all", "oof", "autoreply"})


def _is_list(m: Message, p: Policy) -> str:
    named = " ".join(m.headers.get(name) for name in ("List-Id", "List-Post", "X-Mailing-List", "X-BeenThere")).lower()
    if any(own in named for own in p.own_lists):
        return ""
    for name in ("List-Id", "List-Unsubscribe", "List-Post", "X-Mailing-List", "X-BeenThere"):
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


def _no_address(m: Message, p: Policy) -> str:
    return "" if requester(m, p).email else "no address to answer to"


def _several_reply_to(m: Message, p: Policy) -> str:
    foreign = {a.email for a in m.reply_to} - p.own_addresses
    return "several Reply-To addresses" if len(foreign) > 1 else ""


def _always(m: Message, p: Policy) -> str:
    return "a person wrote"


def requester(m: Message, p: Policy) -> Address:
    """Whom the ticket is for: a single foreign Reply-To, else the sender."""
    foreign = {a.email: a for a in m.reply_to if a.email not in p.own_addresses}
    if len(foreign) == 1:
        reply_to = next(iter(foreign.values()))
        return Address(reply_to.name or m.sender.name, reply_to.email)
    return m.sender


Test = Callable[[Message, Policy], str]
# name, test, kind, ticket, acknowledge, reopen, to triage. `ticket` may name a setting of Policy.
TABLE: tuple[tuple[str, Test, Kind, bool | str, bool, bool, bool], ...] = (
    ("own mail", _is_own, Kind.OWN, False, False, False, False),
    ("own form", _own_form, Kind.PERSON, True, True, True, False),
    ("own address", _own_address, Kind.OWN, False, False, False, False),
    ("bounce", _is_bounce, Kind.BOUNCE, False, False, False, False),
    ("automatic reply", _auto_reply, Kind.AUTO_REPLY, "auto_replies", False, False, False),
    ("automatic mail", _auto_generated, Kind.AUTO_REPLY, "auto_generated", False, False, False),
    ("list", _is_list, Kind.PERSON, True, False, True, False),
    ("null return path", _null_path, Kind.PERSON, True, False, True, False),
    ("no-reply sender", _no_reply, Kind.PERSON, True, False, True, False),
    ("suppressed", _suppressed, Kind.PERSON, True, False, True, False),
    ("DMARC failure", _forged, Kind.PERSON, True, False, False, True),
    ("no address", _no_address, Kind.PERSON, True, False, False, True),
    ("several Reply-To", _several_reply_to, Kind.PERSON, True, False, True, False),
    ("person", _always, Kind.PERSON, True, True, True, False),
)


def screen(message: Message, policy: Policy) -> Screening:
    """Walk the table; the first row that matches answers.

    Args:
        message: a parsed mail.
        policy: what to know of this installation.

    Returns:
        The row's answers with the reason found.
    """
    for name, test, kind, ticket, acknowledge, reopen, to_triage in TABLE:
        reason = test(message, policy)
        if reason:
            opens = ticket if isinstance(ticket, bool) else getattr(policy, ticket) == "ticket"
            who = requester(message, policy)
            return Screening(name, kind, opens, acknowledge, reopen, reason, who, to_triage)
    raise AssertionError("the last row matches everything")
