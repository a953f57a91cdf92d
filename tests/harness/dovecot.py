"""A real Dovecot on loopback, in a folder of its own, for one user and one password."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import imapclient

USER, PASSWORD = "support", "correct-horse"
# One megabyte for a user, told by GETQUOTAROOT.
QUOTA = """
mail_plugins = quota
protocol imap {
  mail_plugins = quota imap_quota
}
plugin {
  quota = count:User quota
  quota_rule = *:storage=1M
  quota_vsizes = yes
}
"""
CONFIG = """
protocols = imap
listen = 127.0.0.1
base_dir = {run}
state_dir = {run}
log_path = {log}
ssl = {ssl}
{certificate}
disable_plaintext_auth = no
auth_mechanisms = plain login {mechanisms}
first_valid_uid = 1
default_internal_user = {owner}
default_login_user = {owner}
default_internal_group = {group}
mail_location = {location}
mail_max_userip_connections = 50
mailbox_list_index = yes
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
  process_min_avail = 1
  service_count = 0
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
  }}
}}
service imap {{
  vsz_limit = 1G
}}
service stats {{
  chroot =
}}
{oauth}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={owner} gid={group} home={folder}/home/%u
}}
namespace inbox {{
  inbox = yes
  mailbox "Gesendete Objekte" {{
    special_use = \\Sent
  }}
}}
"""

OAUTH = """
auth_failure_delay = 0
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
passdb {{
  driver = oauth2
  mechanisms = {mechanisms}
  args = {args}
}}
"""
INTROSPECTION = """
introspection_mode = post
introspection_url = {url}/introspect
username_attribute = username
active_attribute = active
active_value = true
"""


def free_port() -> int:
    """A TCP port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Dovecot:
    """The server while the `with` block runs.

    Args:
        folder: for its log; its mail and sockets lie in a temporary folder that the mail user can reach.
        certificate: PEM file with key and certificate, for TLS; plain only without.
        token_server: URL that says which access tokens are good; the password stays good for the test's own access.
        mechanisms: sign-ins by access token that are offered.
        more: further lines of its configuration.
    """

    def __init__(
        self, folder: Path, certificate: Path | None = None, token_server: str = "",
        mechanisms: str = "xoauth2 oauthbearer", more: str = "",
    ) -> None:  # fmt: skip
        if shutil.which("dovecot") is None:
            raise RuntimeError("Dovecot is missing: apt-get install dovecot-imapd (make test does it when root)")
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "dovecot.log"
        self.folder = Path(tempfile.mkdtemp(prefix="dovecot-"))
        self.port, self.tls_port = free_port(), free_port() if certificate else 0
        self._certificate, self._token_server, self._more = certificate, token_server, more
        self._mechanisms = mechanisms if token_server else ""
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Dovecot:
        owner = "mail" if os.getuid() == 0 else getpass.getuser()
        account = pwd.getpwnam(owner)
        for path in (self.folder / "home", self.folder / "run"):
            path.mkdir(parents=True, exist_ok=True)
        if os.getuid() == 0:
            for path in (self.folder, self.folder / "home"):
                os.chown(path, account.pw_uid, account.pw_gid)
        tls = f"ssl_cert = <{self._certificate}\nssl_key = <{self._certificate}" if self._certificate else ""
        oauth = ""
        if self._token_server:
            args = self.folder / "oauth2.conf"
            args.write_text(INTROSPECTION.format(url=self._token_server))
            oauth = OAUTH.format(mechanisms=self._mechanisms, args=args)
        config = self.folder / "dovecot.conf"
        config.write_text(
            CONFIG.format(
                run=self.folder / "run", folder=self.folder, log=self.log, owner=owner,
                group="mail" if owner == "mail" else account.pw_gid,
                port=self.port, tls_port=self.tls_port, ssl="yes" if tls else "no", certificate=tls, password=PASSWORD,
                location="sdbox:~/mail", mechanisms=self._mechanisms, oauth=oauth,
            )
            + self._more
        )  # fmt: skip
        self.start()
        return self

    def start(self) -> None:
        """Start, or start again after `stop`, and wait until it answers."""
        self._process = subprocess.Popen(
            ["dovecot", "-F", "-c", str(self.folder / "dovecot.conf")], start_new_session=True
        )
        for _ in range(200):
            try:
                self.client().logout()
                return
            except imapclient.exceptions.LoginError:
                break
            except (OSError, imapclient.exceptions.IMAPClientError):
                if self._process.poll() is not None:
                    break
                time.sleep(0.05)
        raise RuntimeError(f"Dovecot does not answer: {self.log.read_text() if self.log.exists() else 'no log'}")

    def stop(self) -> None:
        """Kill it with all its children, connections included."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            self._process = None

    def __exit__(self, *_: object) -> None:
        if self._process is not None:  # its mail is thrown away, so nothing is worth the second an orderly end takes
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def client(self, user: str = USER) -> Any:
        """A signed-in client."""
        client = imapclient.IMAPClient("127.0.0.1", self.port, ssl=False, timeout=10)
        client.login(user, PASSWORD)
        return client

    def append(self, mails: Iterable[bytes], folder: str = "INBOX", user: str = USER) -> None:
        """Put mails into a folder."""
        client = self.client(user)
        if not client.folder_exists(folder):
            client.create_folder(folder)
        for mail in mails:
            client.append(folder, mail)
        client.logout()

    def recreate(self, folder: str) -> None:
        """Delete and make a folder, which gives it a new UIDVALIDITY."""
        client = self.client()
        before = client.folder_status(folder, ["UIDVALIDITY"])[b"UIDVALIDITY"]
        while True:
            client.delete_folder(folder)
            client.create_folder(folder)
            if client.folder_status(folder, ["UIDVALIDITY"])[b"UIDVALIDITY"] != before:
                break
            time.sleep(1)
        client.logout()

    @property
    def url(self) -> str:
        """The plain URL of INBOX."""
        return f"imap://127.0.0.1:{self.port}/INBOX"
