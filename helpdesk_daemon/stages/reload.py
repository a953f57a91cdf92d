"""Follows the files with rules: takes what was saved, and keeps the last good rules when that cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from helpdesk_daemon.errors import StoreError, TransientError, UnusableRules
from helpdesk_daemon.lanes import Lane
from helpdesk_daemon.ports.rules import KeepRules, RulesSource
from helpdesk_daemon.stages.looking import Looking
from helpdesk_daemon.triage.rules import Routing


class Reload(Looking):
    """Looks twice a second.

    Args:
        sources: the files.
        keep: writes down the text of rules before they are used.
        version: of the rules in use at a mailbox.
        use: puts rules into use for some mailboxes.
        db: the database's thread.
        files: a thread for looking at files: one on a share that hangs must not hold up the mail.
    """

    name = "reload"
    pause = 0.5

    def __init__(
        self, sources: Sequence[RulesSource], keep: KeepRules, version: Callable[[str], str],
        use: Callable[[Sequence[str], Routing], None], db: Lane, files: Lane,
    ) -> None:  # fmt: skip
        self._sources, self._keep, self._version, self._use = list(sources), keep, version, use
        self._db, self._files = db, files
        self.failing: dict[str, str] = {}
        super().__init__()

    async def _see(self) -> None:
        """Take every file that was saved."""
        for source in self._sources:
            if await self._files(source.changed):
                await self._take(source)

    async def _take(self, source: RulesSource) -> None:
        try:
            routing = await self._files(source.load)
            self.failing.pop(source.name, None)
            if routing is None:
                return
            before = self._version(source.mailboxes[0])
            await self._db(self._keep, routing, source.name, before)
        except UnusableRules as error:
            self.failing[source.name] = str(error)
            self._log.error("rules.refused", file=source.name, where=error.where)  # what it quotes may name people
        except TransientError as error:  # the database is held by another: they are used a moment later
            source.again()
            self._log.warning("rules.delayed", file=source.name, error=str(error))
        except StoreError:
            raise
        except Exception as error:  # a bug in reading rules must not stop the mail
            self.failing[source.name] = repr(error)
            self._log.error("rules.failed", file=source.name, error=repr(error))
        else:
            self._use(source.mailboxes, routing)
            source.use(routing)
            self._log.info("rules.loaded", file=source.name, version=routing.version[:12], before=before[:12])
