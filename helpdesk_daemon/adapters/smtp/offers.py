"""What an SMTP server would take, asked without sending anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from helpdesk_daemon.adapters.smtp.dialogue import size_limit
from helpdesk_daemon.adapters.smtp.transport import SmtpTransport
from helpdesk_daemon.errors import PermanentError, Unreachable
from helpdesk_daemon.mail.mime.headers import one_line


@dataclass(frozen=True, slots=True)
class Offers:
    """What a server said.

    Attributes:
        sign_in: it offers AUTH.
        size: bytes a mail may have (RFC 1870), 0 when it does not say.
        null_sender: it takes mail with a null reverse-path.
        refused: recipients it will never take, with its words.
    """

    sign_in: bool
    size: int
    null_sender: bool
    refused: dict[str, str]


async def ask(transport: SmtpTransport, sender: str, user: str, recipients: Sequence[str] = ()) -> Offers:
    """Connect, sign in, and ask; without a user, of a server that offers sign-in nothing more is asked.

    Args:
        transport: made for this.
        sender: our address.
        user: whom the transport signs in as, empty for nobody.
        recipients: addresses to ask for.

    Raises:
        Unreachable, SignInError: there is no connection.
        PermanentError: the server does not take our own address as sender.
    """
    import aiosmtplib

    async with transport.connected() as client:
        sign_in = "auth" in client.esmtp_extensions
        limit = size_limit(client.esmtp_extensions)
        if sign_in and not user:
            return Offers(sign_in, limit, True, {})
        try:
            null = (await client.execute_command(b"MAIL FROM:<>")).code // 100 == 2
            await client.rset()
            await client.mail(sender)
            refused = {}
            for recipient in recipients:
                reply = await client.execute_command(f"RCPT TO:<{recipient}>".encode())
                if reply.code // 100 == 5:
                    refused[recipient] = f"{reply.code} {one_line(reply.message)}"
            await client.rset()
        except aiosmtplib.SMTPResponseException as error:
            raise PermanentError(f"{sender} is refused as sender: {error.code} {one_line(error.message)}") from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Unreachable(f"{type(error).__name__}: {error}") from error
        return Offers(sign_in, limit, null, refused)
