"""`SentFolder`: one suite over Dovecot and files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from helpdesk_daemon.adapters.imap import ImapMailbox
from helpdesk_daemon.adapters.imap_session import Server
from helpdesk_daemon.adapters.sent import ImapSent, MaildirSent
from helpdesk_daemon.errors import PermanentError, TransientError
from helpdesk_daemon.ports import Copy, SentFolder
from tests.contract.rows import START, Hands
from tests.harness.dovecot import PASSWORD, Dovecot, free_port


@dataclass
class Site:
    """A Sent folder, what makes another one on the same account, and what lies there: bytes and whether read."""

    make: Callable[[str], SentFolder]
    there: Callable[[str], list[tuple[bytes, bool]]]


def copy(number: int = 1) -> Copy:
    mime = f"Message-ID: <{number}@helpdesk.example>\r\nSubject: Zoë\r\n\r\nbody {number}\r\n".encode()
    return Copy(number, "HD-00000001", f"<{number}@helpdesk.example>", mime, START, 0)


def imap(port: int, folder: str, user: str = "desk") -> ImapSent:
    server = Server("127.0.0.1", port, "none", user, lambda: PASSWORD, timeout=5)
    return ImapSent(ImapMailbox("support", server, Hands()), folder)


@pytest.fixture(scope="module")
def dovecot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dovecot]:
    with Dovecot(tmp_path_factory.mktemp("dovecot")) as server:
        yield server


@pytest.fixture(params=["imap", "maildir"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    if request.param == "maildir":

        def files(folder: str) -> list[tuple[bytes, bool]]:
            found = sorted((tmp_path / f".{folder}" / "cur").glob("*"))
            return [(file.read_bytes(), file.name.endswith(":2,S")) for file in found]

        return Site(lambda folder: MaildirSent("support", tmp_path, folder), files)
    server: Dovecot = request.getfixturevalue("dovecot")
    user = "".join(filter(str.isalnum, request.node.name))

    def mails(folder: str) -> list[tuple[bytes, bool]]:
        client = server.client(user)
        client.select_folder(folder, readonly=True)
        found = client.fetch(client.search(), ["BODY.PEEK[]", "FLAGS"])
        client.logout()
        return [(f[b"BODY[]"], rb"\Seen" in f[b"FLAGS"]) for f in found.values()]

    return Site(lambda folder: imap(server.port, folder, user), mails)


@pytest.mark.parametrize(("named", "folder"), [("Sent", "Sent"), ("auto", "Sent"), ("Gesendet ä", "Gesendet ä")])
def test_a_copy_is_filed_as_it_left_and_read(site: Site, named: str, folder: str) -> None:
    sent = site.make(named)
    assert sent.mailbox == "support"
    assert sent.file(copy()) is True
    sent.close()
    assert site.there(folder) == [(copy().mime, True)]


def test_what_is_there_is_not_filed_again(site: Site) -> None:
    for made in (site.make("Sent"), site.make("Sent")):
        made.file(copy(1))
        assert made.file(copy(1)) is False
        made.file(copy(2))
        made.close()
    assert len(site.there("Sent")) == 2


def test_it_goes_on_after_a_close(site: Site) -> None:
    sent = site.make("Sent")
    for number in (1, 2):
        sent.file(copy(number))
        sent.close()
    assert len(site.there("Sent")) == 2


def test_the_folder_that_the_server_marks_as_sent_is_found(dovecot: Dovecot) -> None:
    client = dovecot.client("special")
    client.create_folder("Gesendete Objekte")
    sent = imap(dovecot.port, "auto", "special")
    sent.file(copy())
    sent.close()
    assert client.folder_status("Gesendete Objekte", ["MESSAGES"])[b"MESSAGES"] == 1
    client.logout()


def test_a_folder_that_is_made_is_subscribed_to(dovecot: Dovecot) -> None:
    sent = imap(dovecot.port, "Sent", "fresh")
    sent.file(copy())
    sent.close()
    client = dovecot.client("fresh")
    assert "Sent" in [name for _, _, name in client.list_sub_folders()]
    client.logout()


def test_a_name_that_the_server_refuses_is_permanent(dovecot: Dovecot) -> None:
    with pytest.raises(PermanentError, match="support"):
        imap(dovecot.port, "a/../../b", "refused").file(copy())


def test_a_server_that_is_not_there_is_transient() -> None:
    with pytest.raises(TransientError):
        imap(free_port(), "Sent").file(copy())


def test_a_file_in_the_way_of_the_folder_is_transient(tmp_path: Path) -> None:
    (tmp_path / ".Sent").write_text("")
    with pytest.raises(TransientError):
        MaildirSent("support", tmp_path, "Sent").file(copy())
