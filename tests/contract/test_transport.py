"""What every transport does: a folder of Maildirs, and SMTP against servers that keep, refuse and hang up."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiosmtpd.controller import Controller

from helpdesk_daemon.adapters.maildir import MaildirTransport
from helpdesk_daemon.adapters.smtp.transport import Relay, SmtpTransport
from helpdesk_daemon.errors import (
    AmbiguousDelivery,
    HelpdeskError,
    PermanentError,
    SignInError,
    TooLarge,
    TransientError,
    Unreachable,
)
from helpdesk_daemon.ports import Transport
from tests.contract.scripted import Scripted
from tests.contract.tls import certificate_of, self_signed
from tests.harness.dovecot import free_port
from tests.harness.mails import mail
from tests.harness.sink import Sink

R = TypeVar("R")
US, THEM = "support@helpdesk.example", "zoe@customer.example"
HEAD = b"From: support@helpdesk.example\r\nTo: zoe@customer.example\r\nSubject: bytes\r\n"
BYTES = {
    "plain": HEAD + b"\r\nhello\r\n",
    "dot lines": HEAD + b"\r\n.\r\n..\r\n...three\r\n.hidden\r\nend.\r\n.\r\n",
    "first line of the text is a dot": HEAD + b"\r\n.",
    "no line end at the end": HEAD + b"\r\nno end",
    "eight bits": HEAD + b"Content-Type: text/plain; charset=latin-1\r\n\r\nGr\xfc\xdfe \xe4\xf6\r\n",
    "utf-8": HEAD + "\r\nhéllo ☃\r\n".encode(),
    "long line": HEAD + b"\r\n" + b"x" * 5_000 + b"\r\n",
    "empty text": HEAD + b"\r\n",
    "blank lines at the end": HEAD + b"\r\ntext\r\n\r\n\r\n",
    "attachment": mail(10),
}


def ended(mime: bytes) -> bytes:
    """A mail as SMTP can carry it: its last line has an end."""
    return mime if mime.endswith(b"\r\n") else mime + b"\r\n"


def relay(port: int, **options: Any) -> Relay:
    plain: dict[str, Any] = {
        "host": "127.0.0.1", "port": port, "security": "none", "user": "", "password": lambda: "", "timeout": 10.0,
        "fallback_sender": US,
    }  # fmt: skip
    return Relay(**(plain | options))


def with_transport(work: Callable[[Transport], Awaitable[R]], transport: Callable[[], Transport]) -> R:
    """Run some sends on one transport, which is closed at the end."""

    async def run() -> R:
        made = transport()
        try:
            return await work(made)
        finally:
            await made.close()
            await asyncio.sleep(0.01)  # asyncio closes the sockets of a failed handshake at its next turns

    async def bounded() -> R:
        return await asyncio.wait_for(run(), 60)

    return asyncio.run(bounded())


def smtp(port: int, **options: Any) -> Callable[[], Transport]:
    return lambda: SmtpTransport(relay(port, **options))


def one(mime: bytes = BYTES["plain"], sender: str = US, recipient: str = THEM) -> Callable[[Transport], Awaitable[str]]:
    """Send one mail."""
    return lambda transport: transport.send(sender, recipient, mime)


class Post:
    """A transport and what it delivered: (envelope sender, mail) by recipient."""

    def __init__(self, make: Callable[[], Transport], received: Callable[[str], list[tuple[str, bytes]]]) -> None:
        self.make, self.received = make, received


@pytest.fixture(params=["maildir", "smtp"])
def post(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Post]:
    if request.param == "maildir":

        def filed(recipient: str) -> list[tuple[str, bytes]]:
            found = []
            for file in sorted((tmp_path / "out" / recipient / "new").iterdir()):
                first, _, rest = file.read_bytes().partition(b"\r\n")
                assert first.startswith(b"Return-Path: <")
                found.append((first[14:-1].decode(), rest))
            return found

        yield Post(lambda: MaildirTransport(tmp_path / "out"), filed)
        return
    with Sink() as sink:
        yield Post(smtp(sink.port), lambda to: [(m.sender, m.content) for m in sink.mails if m.recipient == to])


@pytest.fixture(autouse=True, params=["one command at a time", "pipelining"])
def pipelining(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything holds for both kinds of server."""
    monkeypatch.setattr(Sink, "pipelining", request.param == "pipelining")


# --- every transport -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", BYTES)
def test_a_mail_arrives_byte_for_byte(post: Post, name: str) -> None:
    assert with_transport(one(BYTES[name]), post.make) != ""
    ((sender, content),) = post.received(THEM)
    assert sender == US
    assert content in (BYTES[name], ended(BYTES[name]))


def test_the_null_sender_stays_null(post: Post) -> None:
    with_transport(one(sender=""), post.make)
    assert post.received(THEM) == [("", BYTES["plain"])]


def test_each_mail_goes_to_its_recipient(post: Post) -> None:
    async def work(transport: Transport) -> None:
        for number in range(5):
            await transport.send(US, f"c{number}@customer.example", mail(number + 1))

    with_transport(work, post.make)
    for number in range(5):
        assert post.received(f"c{number}@customer.example") == [(US, mail(number + 1))]


def test_mails_sent_at_once_all_arrive(post: Post) -> None:
    async def work(transport: Transport) -> list[str]:
        return await asyncio.gather(*(transport.send(US, THEM, mail(number)) for number in range(1, 31)))

    replies = with_transport(work, post.make)
    assert len(replies) == 30
    assert sorted(content for _, content in post.received(THEM)) == sorted(mail(number) for number in range(1, 31))


def test_after_close_a_transport_sends_again(post: Post) -> None:
    async def work(transport: Transport) -> None:
        await transport.send(US, THEM, mail(1))
        await transport.close()
        await transport.close()
        await transport.send(US, THEM, mail(2))

    with_transport(work, post.make)
    assert [content for _, content in post.received(THEM)] == [mail(1), mail(2)]


def test_a_recipient_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    for recipient in ("../evil@customer.example", "/etc/evil@customer.example", "..", "a/../../b@customer.example"):
        with_transport(one(recipient=recipient), lambda: MaildirTransport(tmp_path / "out"))
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert len(list((tmp_path / "out").glob("*/new/*"))) == 4


def test_a_folder_that_cannot_be_written_is_transient(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(TransientError):
        with_transport(one(), lambda: MaildirTransport(tmp_path / "out"))


# --- what an SMTP server may say -----------------------------------------------------------------


@pytest.mark.parametrize("moment", ["mail", "rcpt", "data", "dot"])
@pytest.mark.parametrize(("reply", "kind"), [("451 4.3.0 later", TransientError), ("550 5.1.1 never", PermanentError)])
def test_a_refusal_means_what_its_code_says(moment: str, reply: str, kind: type[HelpdeskError]) -> None:
    with Sink(fault=lambda at, number: reply if at == moment and number == 1 else None) as sink:

        async def work(transport: Transport) -> None:
            with pytest.raises(kind, match=reply[4:]):
                await transport.send(US, THEM, mail(1))
            await transport.send(US, THEM, mail(2))

        with_transport(work, smtp(sink.port))
        assert [m.content for m in sink.mails] == [mail(2)]
        assert sink.sessions == 1, "a refusal leaves the connection good"


@pytest.mark.parametrize("moment", ["mail", "rcpt", "data", "dot"])
def test_a_server_that_shuts_down_is_transient_and_its_connection_is_left(moment: str) -> None:
    with Sink(fault=lambda at, number: "421 4.3.2 shutting down" if at == moment and number == 1 else None) as sink:

        async def work(transport: Transport) -> None:
            with pytest.raises(TransientError):
                await transport.send(US, THEM, mail(1))
            await transport.send(US, THEM, mail(2))

        with_transport(work, smtp(sink.port))
        assert [m.content for m in sink.mails] == [mail(2)]
        assert sink.sessions == 2


@pytest.mark.parametrize("moment", ["mail", "rcpt", "data"])
def test_a_connection_that_breaks_before_the_content_is_transient(moment: str) -> None:
    with Sink(fault=lambda at, number: "drop" if at == moment and number == 1 else None) as sink:

        async def work(transport: Transport) -> None:
            with pytest.raises(TransientError):
                await transport.send(US, THEM, mail(1))
            await transport.send(US, THEM, mail(2))

        with_transport(work, smtp(sink.port))
        assert [m.content for m in sink.mails] == [mail(2)]


def test_a_connection_that_breaks_in_the_middle_of_the_content_is_transient() -> None:
    large = HEAD + b"\r\n" + b"0123456789abcdef\r\n" * 500_000  # 9 MB: no socket swallows that at once
    with Sink(fault=lambda at, number: "drop" if at == "half" and number == 1 else None) as sink:

        async def work(transport: Transport) -> None:
            with pytest.raises(TransientError):
                await transport.send(US, THEM, large)
            await transport.send(US, THEM, mail(2))

        with_transport(work, smtp(sink.port))
        assert [m.content for m in sink.mails] == [mail(2)]


@pytest.mark.parametrize(("moment", "kept"), [("dot", 0), ("after-dot", 1)])
def test_a_connection_that_breaks_after_the_final_dot_is_ambiguous(moment: str, kept: int) -> None:
    with Sink(fault=lambda at, number: "drop" if at == moment and number == 1 else None) as sink:

        async def work(transport: Transport) -> None:
            with pytest.raises(AmbiguousDelivery):
                await transport.send(US, THEM, mail(1))
            await transport.send(US, THEM, mail(2))

        with_transport(work, smtp(sink.port))
        assert len(sink.mails) == kept + 1
        assert sink.mails[-1].content == mail(2)


def test_nobody_listening_is_unreachable() -> None:
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1"):
        with_transport(one(), smtp(free_port()))


def test_a_server_that_wants_no_mail_is_unreachable() -> None:
    with Scripted(greeting="554 5.3.2 no service here") as server, pytest.raises(Unreachable):
        with_transport(one(), smtp(server.port))


def test_a_server_that_says_nothing_is_unreachable_in_time() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        transport = SmtpTransport(relay(server.sockets[0].getsockname()[1], timeout=0.3))
        try:
            with pytest.raises(Unreachable):
                await transport.send(US, THEM, mail(1))
        finally:
            await transport.close()
            server.close()

    asyncio.run(asyncio.wait_for(run(), 20))


# --- envelope ------------------------------------------------------------------------------------


def test_a_refused_null_sender_falls_back_to_the_support_address() -> None:
    with Sink(fault=lambda at, number: "550 5.7.1 no null" if (at, number) == ("mail", 1) else None) as sink:
        with_transport(one(sender=""), smtp(sink.port))
        assert [(m.sender, m.content) for m in sink.mails] == [(US, BYTES["plain"])]


def test_a_refused_null_sender_without_a_fallback_is_permanent() -> None:
    with Sink(fault=lambda at, number: "550 5.7.1 no null" if at == "mail" else None) as sink:
        with pytest.raises(PermanentError, match="no null"):
            with_transport(one(sender=""), smtp(sink.port, fallback_sender=""))
        assert sink.mails == []


def test_a_null_sender_refused_for_now_is_transient() -> None:
    with Sink(fault=lambda at, number: "451 4.7.1 greylisted" if at == "mail" else None) as sink:
        with pytest.raises(TransientError, match="greylisted"):
            with_transport(one(sender=""), smtp(sink.port))
        assert sink.mails == []


def test_another_refused_sender_does_not_fall_back() -> None:
    with Sink(fault=lambda at, number: "550 5.7.1 who" if (at, number) == ("mail", 1) else None) as sink:
        with pytest.raises(PermanentError):
            with_transport(one(sender="billing@helpdesk.example"), smtp(sink.port))
        assert sink.mails == []


def test_no_delivery_reports_are_asked_for_with_the_null_sender_only() -> None:
    with Scripted() as server:

        async def work(transport: Transport) -> None:
            await transport.send("", THEM, mail(1))
            await transport.send(US, THEM, mail(2))

        with_transport(work, smtp(server.port))
    recipients = [line for line in server.lines if line.upper().startswith("RCPT")]
    assert ["NOTIFY=NEVER" in line for line in recipients] == [True, False]


def test_no_delivery_option_is_named_where_the_server_offers_none() -> None:
    with Scripted(offers=()) as server:
        with_transport(one(BYTES["eight bits"], sender=""), smtp(server.port))
    assert [line for line in server.lines if "NOTIFY" in line or "BODY" in line or "SIZE" in line] == []


def test_eight_bit_mail_is_announced() -> None:
    with Scripted() as server:

        async def work(transport: Transport) -> None:
            await transport.send(US, THEM, BYTES["eight bits"])
            await transport.send(US, THEM, BYTES["plain"])

        with_transport(work, smtp(server.port))
    senders = [line for line in server.lines if line.upper().startswith("MAIL")]
    assert ["BODY=8BITMIME" in line for line in senders] == [True, False]


@pytest.mark.parametrize("recipient", ["two words@customer.example", "a@b.example>\r\nRCPT TO:<c@d.example", ""])
def test_an_address_that_cannot_be_written_reaches_nobody(recipient: str) -> None:
    def answer(verb: str, line: str) -> str | None:
        wrong = verb == "RCPT" and "<zoe@customer.example>" not in line
        return "501 5.1.3 bad address" if wrong else None

    with Scripted(answer) as server:

        async def work(transport: Transport) -> None:
            with pytest.raises(PermanentError):
                await transport.send(US, recipient, mail(1))
            await transport.send(US, THEM, mail(2))

        with_transport(work, smtp(server.port))
    assert len(server.contents) == 1
    assert not [line for line in server.lines if line.startswith("RCPT TO:<c@d.example")]


def test_a_mail_over_the_servers_size_is_too_large() -> None:
    with Sink(size=1_500) as sink:

        async def work(transport: Transport) -> int:
            with pytest.raises(TooLarge) as caught:
                await transport.send(US, THEM, mail(10))
            await transport.send(US, THEM, BYTES["plain"])
            return caught.value.limit

        assert with_transport(work, smtp(sink.port)) == 1_500
        assert [m.content for m in sink.mails] == [BYTES["plain"]]
        assert sink.sessions == 1


# --- connections ---------------------------------------------------------------------------------


def test_a_connection_is_used_for_several_mails() -> None:
    with Sink() as sink:

        async def work(transport: Transport) -> None:
            for number in range(1, 6):
                await transport.send(US, THEM, mail(number))

        with_transport(work, smtp(sink.port))
        assert len(sink.mails) == 5
        assert sink.sessions == 1


def test_a_kept_connection_that_went_stale_is_replaced() -> None:
    port = free_port()

    async def work(transport: Transport) -> None:
        with Sink(port=port) as first:
            await transport.send(US, THEM, mail(1))
            assert len(first.mails) == 1
        with Sink(port=port) as second:
            await transport.send(US, THEM, mail(2))
            assert [m.content for m in second.mails] == [mail(2)]

    with_transport(work, smtp(port))


def test_a_kept_connection_on_which_the_server_hangs_up_is_replaced() -> None:
    with Sink(fault=lambda at, number: "drop" if (at, number) == ("mail", 2) else None) as sink:

        async def work(transport: Transport) -> None:
            await transport.send(US, THEM, mail(1))
            await transport.send(US, THEM, mail(2))

        with_transport(work, smtp(sink.port))
        assert [m.content for m in sink.mails] == [mail(1), mail(2)]
        assert sink.sessions == 2


def test_a_kept_connection_that_the_server_has_timed_out_is_replaced() -> None:
    """RFC 5321 section 3.8: a server that gives up waiting says 421 to the next command."""
    with Sink(fault=lambda at, number: "421 4.4.2 timed out" if (at, number) == ("mail", 2) else None) as sink:

        async def work(transport: Transport) -> None:
            await transport.send(US, THEM, mail(1))
            await transport.send(US, THEM, mail(2))

        with_transport(work, smtp(sink.port))
        assert [m.content for m in sink.mails] == [mail(1), mail(2)]


@pytest.mark.parametrize("connections", [1, 3])
def test_connections_at_once_are_bounded(connections: int) -> None:
    with Scripted() as server:

        async def work(transport: Transport) -> None:
            await asyncio.gather(*(transport.send(US, THEM, mail(number)) for number in range(1, 13)))

        with_transport(work, smtp(server.port, connections=connections))
    assert server.most == connections
    assert len(server.contents) == 12


def test_a_failed_send_gives_its_place_back() -> None:
    with Sink(fault=lambda at, number: "drop" if at == "rcpt" and number <= 3 else None) as sink:

        async def work(transport: Transport) -> None:
            for _ in range(3):
                with pytest.raises(TransientError):
                    await transport.send(US, THEM, mail(1))
            await transport.send(US, THEM, mail(2))

        with_transport(work, smtp(sink.port, connections=1))
        assert len(sink.mails) == 1


# --- signing in ----------------------------------------------------------------------------------


def _guarded(code: str) -> Callable[[str, str], str | None]:
    return lambda verb, line: {"AUTH": code, "MAIL": "530 5.7.0 sign in first"}.get(verb)


def test_refused_credentials_are_a_sign_in_error() -> None:
    with Scripted(_guarded("535 5.7.8 bad credentials"), ("AUTH PLAIN",)) as server:
        with pytest.raises(SignInError, match="535") as caught:
            with_transport(one(), smtp(server.port, user=US, password=lambda: "wrong-horse"))
        assert "wrong-horse" not in str(caught.value)
    assert [line for line in server.lines if line.startswith("MAIL")] == []


def test_a_sign_in_that_is_not_possible_now_is_transient() -> None:
    with (
        Scripted(_guarded("454 4.7.0 later"), ("AUTH PLAIN",)) as server,
        pytest.raises(TransientError, match="454"),
    ):
        with_transport(one(), smtp(server.port, user=US, password=lambda: "correct-horse"))


def test_the_password_is_read_again_at_each_sign_in() -> None:
    tries: list[str] = []

    def answer(verb: str, line: str) -> str | None:
        if verb != "AUTH":
            return None
        tries.append(line)
        return "535 5.7.8 bad credentials" if len(tries) == 1 else "235 2.7.0 welcome"

    passwords = iter(["old", "new"])
    with Scripted(answer, ("AUTH PLAIN",)) as server:

        async def work(transport: Transport) -> None:
            with pytest.raises(SignInError):
                await transport.send(US, THEM, mail(1))
            await transport.send(US, THEM, mail(2))

        with_transport(work, smtp(server.port, user=US, password=lambda: next(passwords)))
    assert len(server.contents) == 1
    assert tries[0] != tries[1]


# --- encryption ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[Scripted]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with Scripted(context=context) as server:
        yield server


def test_a_trusted_certificate_is_accepted(tls_server: Scripted, certificate: Path) -> None:
    with_transport(one(), smtp(tls_server.port, security="tls", ca_file=str(certificate_of(certificate))))
    assert len(tls_server.contents) == 1


def test_an_untrusted_certificate_is_unreachable(tls_server: Scripted) -> None:
    with pytest.raises(Unreachable, match=r"(?i)certificate"):
        with_transport(one(), smtp(tls_server.port, security="tls"))
    assert tls_server.lines == []


def test_a_ca_file_is_trusted_besides_the_systems_certificates(
    tls_server: Scripted, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate_of(certificate)))  # stands for the system's
    other = certificate_of(self_signed(tmp_path, "other"))
    with_transport(one(), smtp(tls_server.port, security="tls", ca_file=str(other)))
    assert len(tls_server.contents) == 1


class Kept:
    """What an aiosmtpd server was given, and whether that came encrypted."""

    def __init__(self) -> None:
        self.mails: list[tuple[bytes, bool]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append((envelope.content, session.ssl is not None))
        return "250 kept"


def test_several_mails_go_out_after_starttls(certificate: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    kept, large = Kept(), HEAD + b"\r\n" + b"0123456789abcdef\r\n" * 200_000
    server = Controller(kept, "127.0.0.1", free_port(), tls_context=context, require_starttls=True)
    server.start()

    async def work(transport: Transport) -> None:
        for mime in (mail(1), large, mail(2)):
            await transport.send(US, THEM, mime)

    try:
        with_transport(work, smtp(server.port, security="starttls", ca_file=str(certificate_of(certificate))))
    finally:
        server.stop()
    assert kept.mails == [(mail(1), True), (large, True), (mail(2), True)]


def test_starttls_that_is_not_offered_sends_nothing() -> None:
    with Scripted() as server:
        with pytest.raises(HelpdeskError):
            with_transport(one(), smtp(server.port, security="starttls", user=US, password=lambda: "correct-horse"))
        assert [line for line in server.lines if line.startswith(("MAIL", "AUTH"))] == []


def test_a_missing_ca_file_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(HelpdeskError, match="nowhere"):
        with_transport(one(), smtp(free_port(), security="tls", ca_file=str(tmp_path / "nowhere.pem")))
