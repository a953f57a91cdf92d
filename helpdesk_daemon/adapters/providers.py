"""Where the mail servers of an address are: known providers by a table, others by trying the usual names."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from helpdesk_daemon.adapters.trust import trust

PATIENCE = 4.0  # seconds for all names together
PORTS = {"imaps": 993, "smtps": 465, "smtp": 587}
GREETINGS = {"imaps": b"* ", "smtps": b"220", "smtp": b"220"}
APP_PASSWORD = "It wants an app password, made in the account's security settings; the usual password is refused."  # noqa: S105
OAUTH_ONLY = "It takes no passwords here, only OAuth: keep the answers, then see docs/sign-in.md."
IMAP_OFF = "IMAP has to be switched on in the account's settings first."


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider.

    Attributes:
        name: what a person calls it.
        domains: of addresses that are surely there.
        imap: URL of its IMAP server.
        smtp: URL of its submission server (RFC 6409, RFC 8314).
        note: what to know before signing in, empty for nothing.
    """

    name: str
    domains: tuple[str, ...]
    imap: str
    smtp: str
    note: str = ""


PROVIDERS = (
    Provider("gmail", ("gmail.com", "googlemail.com"), "imaps://imap.gmail.com", "smtps://smtp.gmail.com",
             APP_PASSWORD),
    Provider("microsoft", ("outlook.com", "hotmail.com", "live.com", "msn.com"), "imaps://outlook.office365.com",
             "smtp://smtp.office365.com", OAUTH_ONLY),
    Provider("fastmail", ("fastmail.com", "fastmail.fm"), "imaps://imap.fastmail.com", "smtps://smtp.fastmail.com",
             APP_PASSWORD),
    Provider("yahoo", ("yahoo.com", "ymail.com"), "imaps://imap.mail.yahoo.com", "smtps://smtp.mail.yahoo.com",
             APP_PASSWORD),
    Provider("aol", ("aol.com",), "imaps://imap.aol.com", "smtps://smtp.aol.com", APP_PASSWORD),
    Provider("icloud", ("icloud.com", "me.com", "mac.com"), "imaps://imap.mail.me.com", "smtp://smtp.mail.me.com",
             APP_PASSWORD),
    Provider("zoho", ("zohomail.com", "zoho.com"), "imaps://imap.zoho.com", "smtps://smtp.zoho.com", IMAP_OFF),
    Provider("gmx", ("gmx.de", "gmx.net", "gmx.at", "gmx.ch"), "imaps://imap.gmx.net", "smtps://mail.gmx.net",
             IMAP_OFF),
    Provider("gmx.com", ("gmx.com",), "imaps://imap.gmx.com", "smtps://mail.gmx.com", IMAP_OFF),
    Provider("web.de", ("web.de",), "imaps://imap.web.de", "smtp://smtp.web.de", IMAP_OFF),
    Provider("mailbox.org", ("mailbox.org",), "imaps://imap.mailbox.org", "smtps://smtp.mailbox.org"),
    Provider("posteo", ("posteo.de", "posteo.net"), "imaps://posteo.de", "smtps://posteo.de"),
)  # fmt: skip
NAMES = {"google": "gmail", "outlook": "microsoft", "office365": "microsoft", "exchange online": "microsoft"}


def provider_of(domain: str) -> Provider | None:
    """The provider that has all addresses of a domain; None when the table does not know."""
    return next((p for p in PROVIDERS if domain.lower() in p.domains), None)


def provider_named(name: str) -> Provider | None:
    """The provider a person means by a name; None for any other word."""
    wanted = NAMES.get(name.strip().lower(), name.strip().lower())
    return next((p for p in PROVIDERS if p.name == wanted), None)


def usual_imap(domain: str) -> list[str]:
    """URLs that an IMAP server of a domain usually has, likeliest first."""
    return [f"imaps://{host}" for host in (f"imap.{domain}", f"mail.{domain}", domain)]


def usual_smtp(domain: str) -> list[str]:
    """The same for a submission server."""
    hosts = (f"smtp.{domain}", f"mail.{domain}", domain)
    return [f"{scheme}://{host}" for scheme in ("smtps", "smtp") for host in hosts]


def first_answering(urls: Sequence[str], patience: float = PATIENCE) -> str:
    """The first URL in the list whose server answers as it should, certificate included; empty when none does.

    All are tried at once. A thread that hangs, in a name server for instance, is left behind.
    """
    answers: dict[str, bool] = {}
    threads = [threading.Thread(target=_try, args=(url, patience, answers), daemon=True) for url in urls]
    for thread in threads:
        thread.start()
    for url, thread in zip(urls, threads, strict=True):
        thread.join(patience)
        if answers.get(url):
            return url
    return next((url for url in urls if answers.get(url)), "")


def _try(url: str, patience: float, answers: dict[str, bool]) -> None:
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        with socket.create_connection((host, parts.port or PORTS[parts.scheme]), patience) as plain:
            plain.settimeout(patience)
            if parts.scheme == "smtp":
                answers[url] = plain.recv(3) == GREETINGS["smtp"]
                return
            with trust("").wrap_socket(plain, server_hostname=host) as secure:
                answers[url] = secure.recv(3).startswith(GREETINGS[parts.scheme])
    except (OSError, UnicodeError):
        answers[url] = False
