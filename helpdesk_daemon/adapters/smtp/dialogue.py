"""What is said on an open SMTP connection to hand over one mail (RFC 5321 section 3.3).

MAIL, RCPT and DATA go out together where the server takes that (RFC 2920): one round trip instead of three.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from helpdesk_daemon.adapters.smtp.wire import Reply, Wire
from helpdesk_daemon.errors import AmbiguousDelivery, PermanentError, TooLarge, TransientError, Unreachable

FINAL_DOT_TIMEOUT = 600.0  # RFC 5321 section 4.5.3.2.6: giving up early means sending twice
BLOCK_TIMEOUT = 180.0  # RFC 5321 section 4.5.3.2.5
BLOCK = 1 << 18
HANG_UP_GRACE = 0.005
DOT_LINE = re.compile(rb"(?m)^\.")
UNWRITABLE = re.compile(r"[\x00-\x20\x7f<>]")
DONE, GO_ON = 2, 3  # first digits of the replies that are no refusal (RFC 5321 section 4.2.1)

Asked = tuple[str, int]  # a command, and the first digit that means yes


class Gone(Unreachable):
    """The connection broke before anything was sent."""


class SignedOut(Gone):
    """The server no longer knows who we are."""


class Refused(TransientError):
    """The server said 4xx; the connection is still good."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who a mail is from and goes to (RFC 5321 section 2.3.1).

    Attributes:
        sender: empty for the null reverse-path.
        recipient: its only one.
        fallback: the sender where a server refuses the null reverse-path, empty for none.
    """

    sender: str
    recipient: str
    fallback: str = ""


class Dialogue:
    """An open connection on which mails are handed over, one after the other.

    Args:
        transport: connected and signed in; it is taken over.
        offers: EHLO keywords in lower case, with their parameters.
        host: the server's name, for errors.
        timeout: seconds for each answer but that to the final dot.
        signs_in: whether somebody is signed in, who may then be signed out.
        token: the access token that was used, if any.
    """

    def __init__(
        self, transport: asyncio.Transport, offers: Mapping[str, str], host: str, timeout: float,
        signs_in: bool = False, token: str = "",
    ) -> None:  # fmt: skip
        self.token = token
        self._offers, self._host, self._timeout, self._signs_in = offers, host, timeout, signs_in
        self._wire = Wire(transport)

    @property
    def is_open(self) -> bool:
        """Whether the server still listens, as far as is known, and has not spoken unasked."""
        return not self._wire.ended and not self._wire.said

    async def hand_over(self, envelope: Envelope, mime: bytes) -> str:
        """Send one mail.

        Returns:
            What the server said to the final dot.

        Raises:
            Gone: nothing was sent, and the connection is of no more use.
            TooLarge, PermanentError, TransientError: refused.
            AmbiguousDelivery: the connection broke after the final dot.
        """
        await self._open(envelope, mime)
        return await self._content(mime, careful=not envelope.sender)

    async def _open(self, envelope: Envelope, mime: bytes) -> None:
        """MAIL, RCPT and DATA up to the server's 354; no failure in here can have delivered anything."""
        limit = size_limit(self._offers)
        if limit and len(mime) > limit:
            raise TooLarge(f"the mail has {len(mime)} bytes, {self._host} takes {limit}", limit)
        try:
            asked, refusal = await self._say(self._commands(envelope.sender, envelope, mime))
            if asked == 0 and refusal and refusal.code // 100 == 5 and not envelope.sender and envelope.fallback:
                await self._say([("RSET", DONE)])
                asked, refusal = await self._say(self._commands(envelope.fallback, envelope, mime))
        except ValueError as error:
            raise PermanentError(f"{envelope.recipient!r} cannot be written in SMTP: {error}") from error
        except OSError as error:
            raise Gone(f"{self._host}: {type(error).__name__}: {error}") from error
        if refusal is None:
            return
        if asked == 0 and refusal.code == 421:
            raise Gone(f"{self._host}: {refusal}")
        if asked == 0 and refusal.code in (530, 535) and self._signs_in:  # RFC 4954 section 6; a token may have expired
            raise SignedOut(str(refusal))
        raise _error(refusal)

    def _commands(self, sender: str, envelope: Envelope, mime: bytes) -> list[Asked]:
        options = f" SIZE={len(mime)}" if "size" in self._offers else ""
        if "8bitmime" in self._offers and not mime.isascii():
            options += " BODY=8BITMIME"
        silent = " NOTIFY=NEVER" if not envelope.sender and "dsn" in self._offers else ""
        return [
            (f"MAIL FROM:{_path(sender)}{options}", DONE),
            (f"RCPT TO:{_path(envelope.recipient)}{silent}", DONE),
            ("DATA", GO_ON),
        ]

    async def _say(self, commands: Sequence[Asked]) -> tuple[int, Reply | None]:
        """Ask, all at once where the server takes that; which command was refused first, and how."""
        together = [commands] if "pipelining" in self._offers else [[command] for command in commands]
        number = 0
        for group in together:
            self._wire.write("".join(f"{line}\r\n" for line, _ in group).encode("ascii"))
            refused: tuple[int, Reply] | None = None
            for _, yes in group:
                try:
                    reply = await self._wire.reply(self._timeout)
                except OSError:
                    if refused is None:
                        raise
                    self.close()  # it refused, and then hung up or fell silent
                    break
                if refused is None and reply.code // 100 != yes:
                    refused = number, reply
                elif refused and reply.code // 100 == GO_ON:
                    self.close()  # what comes next would be taken for the mail (RFC 2920 section 3.1)
                number += 1
            if refused:
                return refused
        return number, None

    async def _content(self, mime: bytes, careful: bool) -> str:
        """The mail and its final dot; from the dot on, silence means that it is perhaps delivered."""
        content = DOT_LINE.sub(b"..", mime if mime.endswith(b"\r\n") else mime + b"\r\n")
        try:
            for start in range(0, len(content), BLOCK):
                self._wire.write(content[start : start + BLOCK])
                await self._wire.room(BLOCK_TIMEOUT)
            # A server that refuses in mid-content hangs up at once. Seeing that before the dot keeps a mail that
            # must not go twice from being left in doubt; the others are simply sent again.
            await asyncio.sleep(HANG_UP_GRACE if careful else 0)
            if self._wire.ended:
                raise TransientError(f"{self._host} hung up before the final dot")
        except OSError as error:
            raise TransientError(f"{self._host} hung up before the final dot: {error}") from error
        try:
            self._wire.write(b".\r\n")
            reply = await self._wire.reply(FINAL_DOT_TIMEOUT)
        except OSError as error:
            raise AmbiguousDelivery(f"{self._host} hung up after the final dot: {error}") from error
        if reply.code // 100 != 2:
            raise _error(reply)
        return str(reply)

    async def reset(self) -> bool:
        """Forget a mail that was refused; whether the connection can be used for another."""
        try:
            return not self._wire.ended and (await self._say([("RSET", DONE)]))[1] is None
        except OSError:
            return False

    async def quit(self) -> None:
        """Say goodbye, and close."""
        with contextlib.suppress(OSError):
            async with asyncio.timeout(2):
                await self._say([("QUIT", DONE)])
        self.close()

    def close(self) -> None:
        """Close without a word."""
        self._wire.close()


def size_limit(offers: Mapping[str, str]) -> int:
    """Bytes that a mail may have (RFC 1870), by EHLO keywords; 0 where the server does not say."""
    said = str(offers.get("size") or "")
    return int(said) if said.isdecimal() else 0


def _path(address: str) -> str:
    """An address as commands hold it; a ValueError where they cannot."""
    if found := UNWRITABLE.search(address):
        raise ValueError(f"{found.group()!r} in it")
    return f"<{address}>"


def _error(reply: Reply) -> PermanentError | TransientError:
    """A reply code as RFC 5321 section 4.2.1 means it; 421 closes the connection."""
    if reply.code // 100 == 5:
        return PermanentError(str(reply))
    return TransientError(str(reply)) if reply.code == 421 else Refused(str(reply))
