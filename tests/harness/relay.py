"""A submission server that demands sign-in and puts mail for the support address into a Dovecot mailbox."""

from __future__ import annotations

import asyncio
import base64
import re

from tests.harness.dovecot import PASSWORD, USER, Dovecot
from tests.harness.sink import Mail, Sink

ADDRESS = "support@helpdesk.example"
SIGN_IN = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()


class Relay(Sink):
    """The server while the `with` block runs.

    Args:
        dovecot: where mail for `ADDRESS` goes.
        plus: ADDRESS with a plus-part is the same mailbox; else it is unknown.
        null_sender: mail with a null reverse-path is taken.
        bounces: an unknown plus-part is taken, and comes back as a bounce.

    Attributes:
        mails: what was taken.
        refused: recipients answered with 550.
    """

    def __init__(self, dovecot: Dovecot, plus: bool = True, null_sender: bool = True, bounces: bool = False) -> None:
        super().__init__()
        self._dovecot, self._plus, self._null, self._bounces = dovecot, plus, null_sender, bounces

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(*lines: str) -> None:
            writer.write("".join(f"{line}\r\n" for line in lines).encode())

        say("220 relay ESMTP")
        signed_in, sender, recipients = False, "", list[str]()
        while line := (await reader.readline()).decode("latin-1").strip():
            verb, _, rest = line.partition(" ")
            address = "".join(re.findall(r"<(.*?)>", rest)[:1])
            if verb == "EHLO":
                say("250-relay", "250-SIZE 26000000", "250-8BITMIME", "250 AUTH PLAIN")
            elif verb == "AUTH":
                signed_in = rest == f"PLAIN {SIGN_IN}"
                say("235 welcome" if signed_in else "535 5.7.8 wrong user name or password")
            elif verb == "MAIL":
                sender, recipients = address, []
                say(
                    "530 sign in first" if not signed_in else "250 ok" if sender or self._null else "550 no null sender"
                )
            elif verb == "RCPT":
                unknown = address in self.refused or ("+" in address and not self._plus and not self._bounces)
                recipients += [] if unknown else [address]
                say("550 5.1.1 no such mailbox" if unknown else "250 ok")
            elif verb == "DATA":
                say("354 go on")
                content = (await reader.readuntil(b"\r\n.\r\n"))[:-3].replace(b"\r\n..", b"\r\n.")
                await asyncio.get_running_loop().run_in_executor(None, self._take, sender, recipients, content)
                say("250 kept")
            elif verb == "QUIT":
                say("221 bye")
                return
            else:
                say("250 ok")

    def _take(self, sender: str, recipients: list[str], content: bytes) -> None:
        for recipient in recipients:
            self.mails.append(Mail(sender, recipient, content))
            local, _, domain = recipient.partition("@")
            if f"{local.partition('+')[0]}@{domain}" != ADDRESS:
                continue
            undelivered = b"From: mailer-daemon@helpdesk.example\r\nSubject: Undelivered\r\n\r\n"
            self._dovecot.append([content if "+" not in local or self._plus else undelivered + content])
