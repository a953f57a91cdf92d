"""A file with rules that may be saved at any moment, in place or by an editor that puts another file there."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from helpdesk_daemon.adapters.rules.file import read_rules
from helpdesk_daemon.errors import ConfigError, UnusableRules
from helpdesk_daemon.tomlfile import read_file
from helpdesk_daemon.triage.rehearsal.findings import Finding
from helpdesk_daemon.triage.rules import Routing

Stamp = tuple[int, int, int, int]
UNSEEN: Stamp = (0, 0, 0, 0)


class RulesSource:
    """See `ports.RulesSource`.

    Args:
        path: the file.
        mailboxes: names of those that it is for.
        polled: addresses whose mail we poll.
        version: digest of the rules in use.
    """

    def __init__(self, path: Path, mailboxes: Sequence[str], polled: frozenset[str], version: str) -> None:
        self.name, self.mailboxes = str(path), tuple(mailboxes)
        self._path, self._polled, self._version = path, polled, version
        self._settled: Stamp | None = UNSEEN
        self._seen: Stamp | None = UNSEEN

    def changed(self) -> bool:
        """See `ports.RulesSource.changed`.

        Asked twice before it is believed: an editor that writes in place leaves half a file for a moment.
        """
        stamp = self._stamp()
        steady, self._seen = stamp == self._seen, stamp
        if steady and stamp != self._settled:
            self._settled = stamp
            return True
        return False

    def load(self) -> Routing | None:
        """See `ports.RulesSource.load`."""
        try:
            content = read_file(self._path)
        except ConfigError as error:
            raise UnusableRules(f"{error}.", error.problem) from error
        if hashlib.sha256(content).hexdigest() == self._version:
            return None
        found = read_rules(content, self.name, self._polled)
        if isinstance(found, Routing):
            return found
        raise UnusableRules(_words(found), f"line {found[0].line}: {found[0].key}")

    def use(self, routing: Routing) -> None:
        """See `ports.RulesSource.use`."""
        self._version = routing.version

    def again(self) -> None:
        """See `ports.RulesSource.again`."""
        self._settled = UNSEEN

    def _stamp(self) -> Stamp | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size


def _words(findings: Sequence[Finding]) -> str:
    first = findings[0]
    place = f"line {first.line}, {first.quote[:200]!r}: " if first.line else ""
    more = f" And {len(findings) - 1} more." if len(findings) > 1 else ""
    return f"{place}{first.key + ': ' if first.key else ''}{first.problem}. {first.mend}.{more}"
