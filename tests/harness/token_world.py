"""settings.toml for a daemon that signs in with access tokens, for mailbox and SMTP alike."""

from __future__ import annotations

from pathlib import Path

from tests.harness.token_server import CLIENT, FIRST, SECRET, TokenServer
from tests.harness.world import LIMITS


def oauth_table(server: TokenServer, more: str = "") -> str:
    """The lines that name the token server; secrets lie in files beside the settings."""
    inside = f'token_url = "{server.url}/token", client_id = "{CLIENT}", client_secret_file = "client-secret"{more}'
    return f'user = "{server.user}"\nauth = "xoauth2"\noauth = {{ {inside} }}\n'


def write_token_settings(
    folder: Path, mailbox_url: str, smtp_port: int, server: TokenServer, seed: str = FIRST, more: str = ""
) -> Path:
    """settings.toml and its secrets.

    Args:
        folder: where it is written.
        mailbox_url: of INBOX.
        smtp_port: on loopback.
        server: gives the tokens.
        seed: the refresh token the operator gives; none when empty.
        more: further keys of the oauth table, each behind a comma.
    """
    for name, secret in (("client-secret", SECRET), ("refresh-token", seed)):
        (folder / name).write_text(secret + "\n")
        (folder / name).chmod(0o600)
    account = oauth_table(server, (', refresh_token_file = "refresh-token"' if seed else "") + more)
    path = folder / "settings.toml"
    path.write_text(
        f'data_dir = "data"\noperator = "operator@helpdesk.example"\n'
        f'[identity]\nname = "Example Support"\naddress = "support@helpdesk.example"\n'
        f'[[mailbox]]\nurl = "{mailbox_url}"\nstart = "all"\ntimeout = 5\npoll_seconds = 1\n{account}'
        f'[smtp]\nurl = "smtp://127.0.0.1:{smtp_port}"\n{account}{LIMITS}\n[log]\nformat = "json"\n'
    )
    return path
