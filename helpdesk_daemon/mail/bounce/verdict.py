"""Bounces: is this mail one, whom did it not reach, and is that for good (RFC 3464, and what servers write)?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from helpdesk_daemon.mail.bounce.flufl import flufl_recipients
from helpdesk_daemon.mail.bounce.report import Recipient, enclosed_recipients, recipients, service_notification
from helpdesk_daemon.mail.bounce.returned import returned_to, returns_mail
from helpdesk_daemon.mail.bounce.text import STATUS, Named, about, named_in, notice
from helpdesk_daemon.mail.bounce.words import (
    ANSWER_OR_FORWARD,
    DAEMON,
    DAEMON_NAME,
    DELAY,
    FULL,
    GIVEN_UP,
    GREETING,
    HARD,
    OPENING,
    POSTMASTER,
    SOFT,
    SUBJECT,
)
from helpdesk_daemon.mail.message import Message
from helpdesk_daemon.mail.mime.headers import addresses, one_line

OPENING_LINES = 8  # filled lines in which a notice says what it is
# Enhanced status codes that speak of the address (RFC 3463 section 3.2), and those that say nothing.
DEAD = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"})
VAGUE = frozenset({"5.0.0", "5.1.0", "5.2.0", "5.5.0"})
ABOUT_SENDER = frozenset({"5.1.7", "5.1.8"})


@dataclass(frozen=True, slots=True)
class Failed:
    """An address that could not be reached.

    Attributes:
        address: lower-cased.
        hard: the address itself is dead, so writing to it again is useless; a full mailbox, a refused
            text or a server that is down are not that.
        status: enhanced status code (RFC 3463), empty when none was given.
        diagnostic: what the other server said, one line.
    """

    address: str
    hard: bool
    status: str = ""
    diagnostic: str = ""


@dataclass(frozen=True, slots=True)
class Bounce:
    """What a server reports about a mail.

    Attributes:
        how: what it was recognised by, in words.
        failed: who was not reached; may be empty when the report names nobody.
        delayed: who is still being tried.
        delivered: who was reached.
        still_tried: nobody has failed: it is about a delay, whether or not it says whose.
    """

    how: str
    failed: tuple[Failed, ...] = ()
    delayed: tuple[str, ...] = ()
    delivered: tuple[str, ...] = ()
    still_tried: bool = False

    @property
    def hard(self) -> bool:
        """Whether an address is dead."""
        return any(f.hard for f in self.failed)


def failed_recipients(message: Message) -> tuple[str, ...]:
    """Addresses that a bounce reports as failed, lower-cased, in order; empty for any other mail."""
    found = read_bounce(message)
    return tuple(f.address for f in found.failed) if found else ()


def read_bounce(message: Message) -> Bounce | None:
    """What a bounce reports; None for a mail that is none.

    A null return path alone makes no bounce: vacation notices have one too (RFC 3834). Neither do the
    words of a bounce in a person's mail: somebody may ask about one.
    """
    reported = recipients(message)
    how = _recognised(message, reported)
    if not how:
        return None
    reported = reported or enclosed_recipients(message)
    if not reported:
        return _read_words(message, how)
    failed = tuple(_failed(r.address, r.status, r.diagnostic) for r in reported if r.action == "failed")
    delayed, delivered = (_unique(r.address for r in reported if r.action == a) for a in ("delayed", "delivered"))
    return Bounce(how, _once(failed), delayed, delivered, still_tried=bool(delayed) and not failed)


def _read_words(m: Message, how: str) -> Bounce:
    """A bounce without a delivery report: what its words say, by the first reading that finds somebody."""
    lines = notice(m.text)
    said = " ".join(" ".join(lines).split())[:1_000]
    listed = _unique(a.email for a in addresses([v[:10_000] for v in m.headers.get_all("X-Failed-Recipients")[:20]]))
    delayed, failed = ((), listed) if listed else flufl_recipients(m.headers, m.content_type, m.text)
    if failed and not (listed and _is_delay(m.subject, lines)):
        return Bounce(how, tuple(_failed(address, "", about(address, lines) or said) for address in failed))
    named = tuple(Named(address, "") for address in listed) or _named(m, lines)
    if delayed or _is_delay(m.subject, lines):
        return Bounce(how, delayed=delayed or tuple(n.address for n in named), still_tried=True)
    reasons = (n.diagnostic if len(named) > 1 else f"{n.diagnostic} {said}" for n in named)
    return Bounce(how, tuple(_failed(n.address, "", reason) for n, reason in zip(named, reasons, strict=True)))


def _unique(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))


def _once(found: tuple[Failed, ...]) -> tuple[Failed, ...]:
    first: dict[str, Failed] = {}
    for one in found:
        first.setdefault(one.address, one)
    return tuple(first.values())


# --- is it one? ----------------------------------------------------------------------------------


def _recognised(m: Message, reported: tuple[Recipient, ...]) -> str:
    """By what a mail is told for a bounce, empty when it is none."""
    daemon, subject = _from_daemon(m), m.subject[:400]
    says_so = bool(SUBJECT.search(subject))
    if _is_status_report(m, reported):
        return "delivery status notification (RFC 3464)"
    if reported and (daemon or _null_path(m) or (says_so and not ANSWER_OR_FORWARD.match(subject))):
        return "delivery status in a mail of another type"
    if "X-Failed-Recipients" in m.headers:
        return "X-Failed-Recipients header"
    if service_notification(m.text):
        return "delivery notification of a mail service"
    opens = _opens_as_notice(m.text)
    if daemon == "sure" and (says_so or opens):
        return "sender and words of a mail server"
    if says_so and (daemon or _null_path(m)) and not ANSWER_OR_FORWARD.match(subject):
        return "sender and subject of a bounce"
    if opens and (daemon or _null_path(m)) and not _is_automatic_reply(m):
        return "sender and words of a bounce"
    if (says_so or opens or daemon) and not _greets(m.text) and _names_and_returns(m):
        return "words of a known mail server"
    return ""


def _names_and_returns(m: Message) -> bool:
    """What a person's question about a bounce has not: the form of a known server, or address and returned mail."""
    if any(flufl_recipients(m.headers, m.content_type, m.text)):
        return True
    return returns_mail(m) and bool(named_in(notice(m.text), frozenset({m.sender.email})))


def _is_status_report(m: Message, reported: tuple[Recipient, ...]) -> bool:
    if m.content_type != "multipart/report":
        return False
    kind = m.headers.get("Content-Type").lower()
    return bool(m.report or reported) or "delivery-status" in kind


def _null_path(m: Message) -> bool:
    return "Return-Path" in m.headers and m.headers.get("Return-Path").strip() in ("<>", "")


def _from_daemon(m: Message) -> str:
    """`sure` when a mail server's own address or name stands in From, `maybe` when a person may use it too."""
    written = m.headers.get("From")[:500]
    sender = m.sender.email
    if DAEMON.match(sender) or DAEMON.match(written.strip('<>" ')) or DAEMON_NAME.search(written):
        return "sure"
    path = m.headers.get("Return-Path").strip(" <>")
    if DAEMON.match(path) and not written:
        return "sure"
    return "maybe" if POSTMASTER.match(sender) or DAEMON.match(path) else ""


def _filled(text: str) -> list[str]:
    return [line.strip()[:300] for line in text[:4_000].split("\n") if line.strip(" \t*=-_>")][:OPENING_LINES]


def _opens_as_notice(text: str) -> bool:
    lines = _filled(text)
    return bool(OPENING.search(" ".join(lines))) and not GREETING.match(lines[0])


def _greets(text: str) -> bool:
    """Whether a person seems to write: a greeting, a thank-you or a question at the top."""
    lines = _filled(text)
    return bool(lines) and (bool(GREETING.match(lines[0])) or any(line.endswith("?") for line in lines[:4]))


def _is_automatic_reply(m: Message) -> bool:
    return m.headers.get("Auto-Submitted").lower().startswith("auto-replied") or "X-Autoreply" in m.headers


def _is_delay(subject: str, lines: list[str]) -> bool:
    said = "\n".join(lines)[:4_000]
    if GIVEN_UP.search(said):
        return False
    return bool(DELAY.search(said) or DELAY.search(subject[:400]))


# --- whom does it name? --------------------------------------------------------------------------


def _named(m: Message, lines: list[str]) -> tuple[Named, ...]:
    """Whom its words or the returned mail name, the surer first."""
    sender = "" if m.sender_source == "text" else m.sender.email  # an empty From gets the first address of the text
    sender_side = frozenset({sender, *(a.email for a in (*m.to, *m.cc)), *m.recipients})
    named = named_in(lines, sender_side) or tuple(Named(address, "") for address in returned_to(m))
    return named or named_in(lines, frozenset())  # who writes to themselves is on both sides


def _failed(address: str, status: str, diagnostic: str) -> Failed:
    status = status or next(iter(STATUS.findall(diagnostic[:1_000])), "")
    diagnostic = one_line(diagnostic[:1_000])
    return Failed(address, _is_hard(status, diagnostic), status, diagnostic[:500])


def _is_hard(status: str, diagnostic: str) -> bool:
    """Whether an address is dead for good; when in doubt it is not, as suppressing it silences us.

    Words go before codes: many servers answer 550 or 5.0.0 to everything.
    """
    if FULL.search(diagnostic) or status.startswith("4") or status in ABOUT_SENDER:
        return False
    if HARD.search(diagnostic):
        return True
    if SOFT.search(diagnostic):
        return False
    return status in DEAD or (status in VAGUE and not diagnostic.partition(";")[2].strip())
