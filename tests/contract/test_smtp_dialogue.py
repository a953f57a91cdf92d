"""What is said on an SMTP connection, and when: commands that go together, replies that nobody asked for, silence."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from helpdesk_daemon.adapters.smtp import dialogue
from helpdesk_daemon.adapters.smtp.transport import SmtpTransport
from helpdesk_daemon.errors import AmbiguousDelivery, PermanentError, TransientError, Unreachable
from tests.contract.test_transport import HEAD, THEM, US, relay
from tests.harness.mails import mail

EHLO = "250-server\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
ENVELOPE = [f"MAIL FROM:<{US}>", f"RCPT TO:<{THEM}>", "DATA"]


class Server:
    """One connection, as the server has it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def say(self, *lines: str) -> None:
        self.writer.write("".join(f"{line}\r\n" for line in lines).encode())

    async def hear(self, count: int = 1) -> list[str]:
        return [(await self.reader.readline()).decode().rstrip("\r\n") for _ in range(count)]

    async def content(self) -> bytes:
        return await self.reader.readuntil(b"\r\n.\r\n")

    async def more(self) -> bytes:
        """What comes without an answer to what came before."""
        try:
            return await asyncio.wait_for(self.reader.read(100), 0.05)
        except TimeoutError:
            return b""


Plot = Callable[[Server], Awaitable[None]]


def meet(plots: list[Plot], work: Callable[[SmtpTransport], Awaitable[None]], ehlo: str = EHLO) -> None:
    """Run some sends against a server that plays a plot on each connection; every plot must be played to its end."""

    async def run() -> None:
        left, played, failed = list(plots), list[Plot](), list[BaseException]()

        async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                plot, server = left.pop(0), Server(reader, writer)
                server.say("220 server")
                await server.hear()
                writer.write(ehlo.encode())
                await plot(server)
                played.append(plot)
            except BaseException as error:
                failed.append(error)
            finally:
                writer.close()

        server = await asyncio.start_server(session, "127.0.0.1", 0, limit=2**18)
        transport = SmtpTransport(relay(server.sockets[0].getsockname()[1]))
        try:
            await work(transport)
        finally:
            await transport.close()
            await asyncio.sleep(0.1)
            server.close()
        assert failed == []
        assert played == plots

    asyncio.run(asyncio.wait_for(run(), 30))


async def begun(server: Server) -> None:
    """Let one mail be begun: all commands before any answer."""
    assert await server.hear(3) == ENVELOPE
    server.say("250 ok", "250 ok", "354 go on")


async def taken(server: Server) -> None:
    """Take one mail."""
    await begun(server)
    await server.content()
    server.say("250 kept")


async def goodbye(server: Server) -> None:
    assert await server.hear() == ["QUIT"]
    server.say("221 bye")


async def well(transport: SmtpTransport) -> None:
    assert await transport.send(US, THEM, mail(1)) == "250 kept"


def test_a_server_that_takes_commands_together_gets_them_together() -> None:
    async def plot(server: Server) -> None:
        for _ in range(2):
            await taken(server)
        await goodbye(server)

    async def work(transport: SmtpTransport) -> None:
        await well(transport)
        await well(transport)

    meet([plot], work)


@pytest.mark.parametrize("size", ["SIZE", "SIZE 0", "SIZE plenty", "SIZE 10000000"])
def test_a_server_that_names_no_size_takes_any(size: str) -> None:
    async def plot(server: Server) -> None:
        (sender, recipient, data) = await server.hear(3)
        assert [sender.partition(" SIZE=")[0], recipient, data] == ENVELOPE
        server.say("250 ok", "252 perhaps", "354 go on")
        await server.content()
        server.say("250 kept")
        await goodbye(server)

    meet([plot], well, EHLO.replace("250 8BITMIME", f"250-8BITMIME\r\n250 {size}"))


def test_a_server_that_does_not_gets_each_after_its_answer() -> None:
    async def plot(server: Server) -> None:
        for command, answer in zip(ENVELOPE, ("250 ok", "250 ok", "354 go on"), strict=True):
            assert await server.hear() == [command]
            assert await server.more() == b""
            server.say(answer)
        await server.content()
        server.say("250-kept", "250 as number 7")
        await goodbye(server)

    async def work(transport: SmtpTransport) -> None:
        assert await transport.send(US, THEM, mail(1)) == "250 kept\nas number 7"

    meet([plot], work, "250-server\r\n250 8BITMIME\r\n")


def test_a_server_that_goes_on_after_a_refused_recipient_gets_no_content() -> None:
    """RFC 2920 section 3.1 allows 354 then; whatever came next would be the mail."""

    async def plot(server: Server) -> None:
        await server.hear(3)
        server.say("250 ok", "550 nobody", "354 go on")
        assert await server.reader.read() == b""

    async def after(server: Server) -> None:
        await taken(server)
        await goodbye(server)

    async def work(transport: SmtpTransport) -> None:
        with pytest.raises(PermanentError, match="550 nobody"):
            await transport.send(US, THEM, mail(1))
        await well(transport)

    meet([plot, after], work)


def test_a_server_that_refuses_and_hangs_up_has_refused() -> None:
    async def plot(server: Server) -> None:
        await server.hear(3)
        server.say("550 not from you")

    async def work(transport: SmtpTransport) -> None:
        with pytest.raises(PermanentError, match="550 not from you"):
            await transport.send(US, THEM, mail(1))

    meet([plot], work)


@pytest.mark.parametrize("unasked", ["421 idle for too long", "250 by the way"])
def test_a_kept_connection_on_which_the_server_speaks_up_is_replaced(unasked: str) -> None:
    async def plot(server: Server) -> None:
        await taken(server)
        server.say(unasked)
        assert await server.reader.read() == b""

    async def after(server: Server) -> None:
        await taken(server)
        await goodbye(server)

    async def work(transport: SmtpTransport) -> None:
        await well(transport)
        await asyncio.sleep(0.05)
        await well(transport)

    meet([plot, after], work)


def test_what_is_no_reply_ends_the_connection() -> None:
    async def plot(server: Server) -> None:
        await server.hear(3)
        server.say("welcome to the jungle")
        assert await server.reader.read() == b""

    async def work(transport: SmtpTransport) -> None:
        with pytest.raises(Unreachable, match="no SMTP reply"):
            await transport.send(US, THEM, mail(1))

    meet([plot], work)


def test_a_reply_without_end_is_not_kept() -> None:
    async def plot(server: Server) -> None:
        await server.hear(3)
        server.say(*["250-and more"] * 5_000)
        with contextlib.suppress(ConnectionError):  # we hang up without having read it all
            assert await server.reader.read() == b""

    async def work(transport: SmtpTransport) -> None:
        with pytest.raises(Unreachable):
            await transport.send(US, THEM, mail(1))

    meet([plot], work)


def test_a_server_that_stops_taking_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialogue, "BLOCK_TIMEOUT", 0.3)

    async def plot(server: Server) -> None:
        await begun(server)
        await asyncio.sleep(1)

    async def work(transport: SmtpTransport) -> None:
        with pytest.raises(TransientError, match="before the final dot"):
            await transport.send(US, THEM, HEAD + b"\r\n" + b"0123456789abcdef\r\n" * 1_500_000)
        await asyncio.sleep(1)

    meet([plot], work)


def test_a_server_that_is_slow_but_takes_all_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialogue, "BLOCK_TIMEOUT", 1.0)
    large = HEAD + b"\r\n" + b"0123456789abcdef\r\n" * 1_000_000
    came: list[int] = []

    async def plot(server: Server) -> None:
        await begun(server)
        rest = len(large) + 3
        while rest > 0:
            rest -= len(await server.reader.read(2**20))
            await asyncio.sleep(0.1)
        came.append(rest)
        server.say("250 kept")
        await goodbye(server)

    async def work(transport: SmtpTransport) -> None:
        assert await transport.send(US, THEM, large) == "250 kept"

    meet([plot], work)
    assert came == [0]


def test_silence_after_the_dot_is_ambiguous(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialogue, "FINAL_DOT_TIMEOUT", 0.2)

    async def plot(server: Server) -> None:
        await begun(server)
        await server.content()
        await asyncio.sleep(0.5)

    async def work(transport: SmtpTransport) -> None:
        with pytest.raises(AmbiguousDelivery, match="after the final dot"):
            await transport.send(US, THEM, mail(1))
        await asyncio.sleep(0.5)

    meet([plot], work)
