"""Expected routes, written beside the rules as small cases, and whether they hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from helpdesk_daemon.mail.message import Address, Attachment, Headers


@dataclass(frozen=True, slots=True)
class Written:
    """A mail as a case writes it; see `Readable`."""

    sender: Address
    recipients: tuple[str, ...] = ()
    subject: str = ""
    text: str = ""
    headers: Headers = field(default_factory=Headers)
    attachments: tuple[Attachment, ...] = ()
    language: str = ""


@dataclass(frozen=True, slots=True)
class RoutingCase:
    """One `[[case]]` of routing.toml.

    Attributes:
        name: what it shows.
        mail: the mail.
        category: what the classifier is taken to say, empty for nothing.
        confidence: how sure it is taken to be, 0 to 1.
        expected: what is looked at of the decision, by name, with its value.
    """

    name: str
    mail: Written
    category: str
    confidence: float
    expected: Mapping[str, object]
