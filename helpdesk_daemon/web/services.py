"""What the API and the pages work with; made by the composition root."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from helpdesk_daemon.lanes import Lane
from helpdesk_daemon.mail.digest import digest, message_id_of
from helpdesk_daemon.mail.message import Attachment
from helpdesk_daemon.outgoing.form import write_form
from helpdesk_daemon.ports import Clock
from helpdesk_daemon.ports.web import Kept, Orders, Row, TokenReading, Typed, WebReading, WebWriting
from helpdesk_daemon.tickets.tracking import Party, Signer, new_tracking_id
from helpdesk_daemon.triage.rules import Routing
from helpdesk_daemon.web.console import Console
from helpdesk_daemon.web.gate import Gate
from helpdesk_daemon.web.live import Live

WAIT = 5.0  # seconds that a submission waits for its decision
LOOK = 0.05  # seconds between two looks


@dataclass(frozen=True, slots=True)
class Terms:
    """What the operator allows.

    Attributes:
        base_url: where customers reach the pages, empty when it is not said.
        open_submit: the API takes tickets without a token.
        submissions_hourly: forms from one address.
        requests_minutely: other requests from one address.
        token_requests_minutely: requests with one token.
        attachments: bytes of all files of one form.
    """

    base_url: str = ""
    open_submit: bool = False
    submissions_hourly: int = 20
    requests_minutely: int = 120
    token_requests_minutely: int = 600
    attachments: int = 20_000_000


@dataclass(frozen=True, slots=True)
class Form:
    """What somebody typed, checked."""

    name: str
    email: str
    subject: str
    text: str
    files: tuple[Attachment, ...] = ()

    @property
    def digest(self) -> str:
        """Equal for a repeat, different for another form."""
        files = [(f.name, hashlib.sha256(f.content).hexdigest()) for f in self.files]
        return hashlib.sha256(json.dumps([self.name, self.email, self.subject, self.text, files]).encode()).hexdigest()


@dataclass(slots=True)
class Services:
    """Everything below the API and the pages.

    Attributes:
        reading: the database, for looking.
        tokens: the same, for who calls.
        writing: the database, for keeping.
        look: the thread for looking.
        keep: the thread for keeping, which may wait for the daemon's transactions.
        clock: tells the time.
        signer: signs links, cookies and forms.
        key: of mail digests.
        routing: the present rules.
        addresses: our address by name of a mailbox; under an empty name, that of the first.
        name: how we call ourselves.
        wake: tells the decide stage that there is mail.
        orders: what people do to tickets.
        terms: what the operator allows.
        gate: how much each caller still may.
        console: what only people with an account reach.
        live: the dashboard, one for all who watch it.
    """

    reading: WebReading
    tokens: TokenReading
    writing: WebWriting
    look: Lane
    keep: Lane
    clock: Clock
    signer: Signer
    key: bytes
    routing: Callable[[], Routing]
    addresses: Mapping[str, str]
    name: str
    wake: Callable[[], None]
    orders: Orders
    terms: Terms
    gate: Gate
    console: Console
    live: Live

    def address(self, mailbox: str = "") -> str:
        """Our address as customers of a mailbox know it."""
        return self.addresses.get(mailbox) or self.addresses[""]

    async def submit(self, form: Form, caller: str, key: str = "") -> Kept:
        """Keep a form that is to become a ticket, and wake the stage that decides."""
        ticket = new_tracking_id()
        raw = write_form(form.name, form.email, self.address(), form.subject, form.text, self.clock.now(), ticket,
                         form.files)  # fmt: skip
        return await self._keep(raw, ticket, form, caller, key)

    async def add(self, ticket: Row, form: Form, caller: str, key: str = "") -> Kept:
        """Keep a customer's message on a ticket."""
        local, _, domain = self.address(ticket["mailbox"]).rpartition("@")
        to = f"{local}+{self.signer.token(ticket['id'], Party.CUSTOMER)}@{domain}"
        raw = write_form(form.name, form.email, to, form.subject, form.text, self.clock.now(), "", form.files)
        return await self._keep(raw, ticket["id"], form, caller, key)

    async def _keep(self, raw: bytes, ticket: str, form: Form, caller: str, key: str) -> Kept:
        typed = Typed(raw, digest(raw, self.key), message_id_of(raw), ticket, caller, key, form.digest)
        kept = await self.keep(self.writing.keep, typed)
        self.wake()
        return kept

    async def decided(self, ticket: str) -> Row | None:
        """A submitted ticket once the daemon has decided on it; None when that takes too long."""
        for _ in range(round(WAIT / LOOK)):
            if found := await self.look(self.reading.ticket, ticket):
                return found
            await asyncio.sleep(LOOK)
        return None

    async def close(self) -> None:
        """End the threads."""
        self.look.close()
        self.keep.close()
        self.console.close()
        self.live.close()
