"""What of an agent's mail may reach a customer: the new words, without command lines and private addresses."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from html import escape, unescape
from urllib.parse import quote

from helpdesk_daemon.mail.body.commands import read_commands
from helpdesk_daemon.mail.body.html_cut import cut_out
from helpdesk_daemon.mail.body.html_quotes import is_too_deep, without_quotes
from helpdesk_daemon.mail.body.split import REPLY_MARKER, own_text
from helpdesk_daemon.mail.formats.html import html_to_text
from helpdesk_daemon.mail.message import Attachment, Message
from helpdesk_daemon.tickets.ticket import Ticket

MAX_HTML = 300_000  # characters of an agent's HTML that are cut; of a longer mail only the text is sent
UNLIKE = 0.1  # share of words in which the two forms of a body may differ: clients write links and pictures differently
FEW = 4
# A signature over words that are not sent any more, with the agent's certificate in it.
SEALS = re.compile(r"application/(?:x-)?pkcs7-signature|application/pgp-(?:signature|keys)")
CARDS = re.compile(r"text/(?:x-)?vcard|text/directory|text/calendar")
OURS = (b"X-Helpdesk-Loop", b"X-Helpdesk-Ticket", REPLY_MARKER[2:-2].encode())
SEARCHED = 200_000  # bytes of an attachment in which our own mail is looked for
AGENT_TOKEN = re.compile(r"\+hd-?[0-9a-z]{8}-a-[0-9a-z]{16}@", re.IGNORECASE)
Clean = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as a customer may see it.

    Attributes:
        text: the plain form.
        html: the HTML form, empty when there is none whose words are certain.
        attachments: what goes with it.
    """

    text: str
    html: str
    attachments: tuple[Attachment, ...]


def answer_of(message: Message, private: Sequence[str], public: str, clean: Clean) -> Answer:
    """Take the answer out of an agent's mail.

    Args:
        message: the agent's mail.
        private: addresses that must not be seen; `@domain` means all of a domain.
        public: the address that stands in their place.
        clean: makes HTML harmless and balances it.
    """
    text = read_commands(own_text(message.text, message.html)).rest
    html, attachments = _named_anew(_own_html(message, text, clean), message.attachments)
    html = without_addresses(html, private, public)
    readable = unescape(html).replace(public, "")
    if any(_names(readable, address) for address in private):  # written in some escape
        html = ""
    kept = tuple(
        replace(new, name=_file_name(new.name, private, public))
        for old, new in zip(message.attachments, attachments, strict=True)
        if _may_leave(old, message, bool(html) and _shows(html, new), bool(html), private)
    )
    return Answer(without_addresses(text, private, public), html, kept)


def leak(answer: Answer, ticket: Ticket, sender: str) -> str:
    """Why an answer may still hold a part of our own forward; empty when it does not.

    Args:
        answer: the answer.
        ticket: what it is about.
        sender: our display name, which stands in every forward as `NAME via SENDER`.
    """
    head = re.compile(rf"^[\W_]{{0,20}}Ticket[\s|*:]{{1,20}}{re.escape(ticket.id)}", re.MULTILINE)
    us = r"\s+".join(map(re.escape, sender.split()))
    name = r"\s+".join(map(re.escape, (ticket.requester_name or ticket.requester_email.partition("@")[0]).split()))
    via = re.compile(rf"{name}\s+via\s+{us}|\bvia\s+{us}\W{{0,12}}(?:[\w.+-]{{1,100}}@|$)", re.MULTILINE)
    for form in (answer.text, html_to_text(answer.html)):
        if REPLY_MARKER[2:-2] in form:
            return "the line above which to write is inside"
        if AGENT_TOKEN.search(form) or "X-Helpdesk-" in form:
            return "an address or a header for agents is inside"
        if head.search(form) or via.search(form):
            return "the head of a forward is inside"
    return ""


def _own_html(message: Message, text: str, clean: Clean) -> str:
    """The new part of the HTML form without its command lines; empty unless its words are those of `text`."""
    if not message.html or len(message.html) > MAX_HTML or is_too_deep(message.html):
        return ""
    shown = clean(without_quotes(message.html) or message.html)
    own = own_text(html_to_text(shown))
    orders = read_commands(own)
    words, rest = own.split(), orders.rest.split()
    if orders.stray or not _alike(rest, text.split()):
        return ""
    part = clean(cut_out(shown, words, len(words) - len(rest)))
    return part if html_to_text(part).split() == rest else ""


def _alike(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two forms of a body say the same, but for how clients write pictures, links and emphasis."""
    plain, rich = (Counter(re.findall(r"\w+", " ".join(words).casefold())) for words in (one, other))
    unlike = ((plain - rich) + (rich - plain)).total()
    return unlike <= max(FEW, UNLIKE * plain.total()) and (bool(plain) == bool(rich))


def _references(content_id: str) -> tuple[str, str]:
    """How HTML may point at a part (RFC 2392)."""
    return f"cid:{content_id}", f"cid:{quote(content_id)}"


def _shows(html: str, attachment: Attachment) -> bool:
    return bool(attachment.content_id) and any(r in unescape(html) for r in _references(attachment.content_id))


def _named_anew(html: str, attachments: Sequence[Attachment]) -> tuple[str, list[Attachment]]:
    """Give shown parts new Content-IDs: those that clients make name the sender's domain, or look like an address."""
    found: list[Attachment] = []
    for number, attachment in enumerate(attachments, 1):
        if html and _shows(html, attachment):
            name = f"part{number}.{hashlib.sha256(attachment.content).hexdigest()[:12]}"
            for reference in _references(attachment.content_id):
                for written in (reference, escape(reference)):
                    html = html.replace(f'"{written}"', f'"cid:{name}"')
            attachment = replace(attachment, content_id=name)
        found.append(attachment)
    return html, found


def _may_leave(attachment: Attachment, message: Message, shown: bool, rich: bool, private: Sequence[str]) -> bool:
    """Whether an attachment is the agent's own: none of our mails, no seal, no picture of the quoted part.

    Args:
        attachment: as it came.
        message: it came with.
        shown: the HTML that is sent shows it.
        rich: HTML is sent.
        private: addresses that must not be seen.
    """
    if SEALS.fullmatch(attachment.content_type) or any(mark in attachment.content[:SEARCHED] for mark in OURS):
        return False
    if CARDS.fullmatch(attachment.content_type):
        card = attachment.content[:SEARCHED].decode("utf-8", "replace")
        return not any(_names(card, address) for address in private)
    if shown or not _shows(message.html, attachment):
        return True
    return not rich and _shows(without_quotes(message.html) or message.html, attachment)


def _pattern(address: str) -> str:
    local, at, domain = address.partition("@")
    before = rf"(?<![\w.+-]){re.escape(local)}" if local else r"(?<![\w.+-])[\w.+-]{1,64}"
    return rf"{before}(?:{at}|%40|&#64;){re.escape(domain)}(?![\w-]|\.\w)"


def _names(text: str, address: str) -> bool:
    return bool(address) and re.search(_pattern(address), text, re.IGNORECASE) is not None


def _file_name(name: str, private: Sequence[str], public: str) -> str:
    """A file name without private addresses; its ending is no part of one."""
    stem, dot, ending = name.rpartition(".")
    return without_addresses(stem, private, public) + dot + ending if stem else name


def without_addresses(text: str, private: Sequence[str], public: str) -> str:
    """Replace addresses that must not reach a customer by the one that may; `@domain` means all of a domain."""
    for address in filter(None, private):
        text = re.sub(_pattern(address), public, text, flags=re.IGNORECASE)
    return text
