"""Prove, mail by mail, that the ledger has all that a folder holds; fetch again what it lacks.

What can be proven: a folder's mails by their UIDs, as long as its UIDVALIDITY is the one the ledger knows. Mail
that was moved away once kept has a new UID there; it is known by its Message-ID, and where that does not settle it, by
its digest. Of mail that people deleted nothing is left to compare.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import Engine

from helpdesk_daemon.adapters.store.upkeep import reconcile as ledger
from helpdesk_daemon.adapters.store.upkeep.operate import OPERATOR
from helpdesk_daemon.adapters.store.upkeep.reconcile import MOST, Finding
from helpdesk_daemon.adapters.survey import Reached, Survey, Verdict, chunks
from helpdesk_daemon.errors import TransientError
from helpdesk_daemon.mail.digest import digest, message_id_of
from helpdesk_daemon.ports import Fetched

BATCH = 500  # UIDs compared at a time
Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Account:
    """What became of every mail of one folder; the numbers add up to `mails`.

    Attributes:
        mailbox: its name.
        folder: as the server calls it.
        uidvalidity: of the folder now.
        mails: how many it holds.
        states: how many the ledger has, by state.
        left: how many the start rule leaves.
        waiting: how many the next poll will take.
        gone: how many vanished while they were looked at.
        lost: UIDs of mails the ledger should have and has not.
        findings: about the lost ones, the first `MOST` of them.
        note: what limits the proof, empty when nothing does.
    """

    mailbox: str
    folder: str
    uidvalidity: int = 0
    mails: int = 0
    states: Counter[str] = field(default_factory=Counter)
    left: int = 0
    waiting: int = 0
    gone: int = 0
    lost: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    note: str = ""


def account(engine: Engine, survey: Survey, progress: Progress) -> Account:
    """Compare a folder with the ledger by UID.

    The cursor is read before the folder, the ledger's rows after it: what the running daemon takes meanwhile is
    waiting or known, never lost.

    Args:
        engine: the database, read only.
        survey: the folder.
        progress: told how many UIDs of how many were compared.
    """
    cursor = ledger.position(engine, survey.name, survey.folder)
    found = Account(survey.name, survey.folder)
    found.uidvalidity, uids = survey.look()
    found.mails = len(uids)
    if cursor is None:
        found.note = "this folder was never read: the daemon has not run with it"
    elif cursor.uidvalidity != found.uidvalidity:
        found.note = (
            f"the folder was recreated (UIDVALIDITY {cursor.uidvalidity}, now {found.uidvalidity}) and not read since: "
            "the next poll reads all of it, and knows by their digests the mails it has"
        )
    if cursor is None or found.note:
        found.waiting = found.mails
        return found
    reached = Reached(cursor, *ledger.history(engine, survey.name, survey.folder, found.uidvalidity))
    done = 0
    for batch in chunks(uids, BATCH):
        known = ledger.states(engine, survey.name, survey.folder, found.uidvalidity, batch)
        found.states.update(known.values())
        unknown = [uid for uid in batch if uid not in known]
        verdicts = survey.judge(unknown, reached)
        tally = Counter(verdicts.values())
        found.left += tally[Verdict.LEFT]
        found.waiting += tally[Verdict.WAITING]
        found.gone += len(unknown) - len(verdicts)
        _lose(found, survey, [uid for uid in unknown if verdicts.get(uid) == Verdict.LOST], "reading went past it")
        done += len(batch)
        progress(done, found.mails)
    return found


def account_moved(engine: Engine, survey: Survey, source: str, key: bytes, progress: Progress) -> Account:
    """Compare the folder that kept mail is moved to with the ledger, by Message-ID, then by digest.

    Args:
        engine: the database, read only.
        survey: the folder moved to.
        source: the folder that mail is read from.
        key: of mail digests.
        progress: told how many mails of how many were compared.
    """
    cursor = ledger.position(engine, survey.name, source)
    found = Account(survey.name, survey.folder)
    found.uidvalidity, uids = survey.look()
    found.mails = len(uids)
    since = cursor.since if cursor else None
    known = ledger.message_ids(engine, survey.name)
    done = 0
    for batch in chunks(uids, BATCH):
        unproven = []
        seen = survey.describe(batch)
        found.gone += len(batch) - len(seen)
        for uid, mail in seen.items():
            if mail.message_id and known[mail.message_id] > 0:
                known[mail.message_id] -= 1
                found.states["kept"] += 1
            elif since and mail.received_at < since:
                found.left += 1
            else:
                unproven.append(uid)
        lost = _unknown(engine, survey, unproven, key)
        found.states["kept"] += len(unproven) - len(lost)
        _lose(found, survey, lost, "it was moved as if it were kept, and the ledger does not have it")
        done += len(batch)
        progress(done, found.mails)
    return found


def _lose(found: Account, survey: Survey, uids: Sequence[str], problem: str) -> None:
    found.lost += uids
    for uid, mail in survey.describe(uids[: max(MOST - len(found.findings), 0)]).items():
        found.findings.append(
            Finding("lost", problem, found.mailbox, found.folder, uid, at=mail.received_at, sender=mail.sender,
                    subject=mail.subject)
        )  # fmt: skip


def _unknown(engine: Engine, survey: Survey, uids: Sequence[str], key: bytes) -> list[str]:
    """Those of some mails whose digest the ledger does not have."""
    lost = []
    for mails in _fetched(survey, uids):
        digests = {mail.uid: digest(mail.raw, key) for mail in mails}
        known = ledger.known_digests(engine, list(digests.values()))
        lost += [uid for uid, value in digests.items() if value not in known]
    return lost


def _fetched(survey: Survey, uids: Sequence[str]) -> Iterator[list[Fetched]]:
    """Mails in batches that the mailbox bounds in count and bytes; those that are gone are left out."""
    left = list(uids)
    while left:
        mails, settled = survey.fetch(left)
        if not settled:
            raise TransientError("the server answered a fetch with nothing")
        gone = set(settled)
        left = [uid for uid in left if uid not in gone]
        yield mails


def repair(engine: Engine, survey: Survey, found: Account, key: bytes) -> int:
    """Fetch lost mails again and put them into the ledger, where the daemon decides them.

    Returns:
        How many were taken.
    """
    taken = 0
    for mails in _fetched(survey, found.lost):
        keyed = [(mail, digest(mail.raw, key), message_id_of(mail.raw)) for mail in mails]
        now = datetime.now(UTC)
        taken += ledger.take_back(engine, found.mailbox, found.folder, found.uidvalidity, keyed, now, OPERATOR)
    return taken
