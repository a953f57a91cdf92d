"""Watches the daemon's own decisions: what people say of them, what mail is about, what comes in crowds.

It only finds out and writes down; the watcher reads that and tells people. A look costs as much as there is new, as
all it needs of the past is a few numbers and the latest 4,000 mails.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from helpdesk_daemon.lanes import Lane
from helpdesk_daemon.ports import Clock
from helpdesk_daemon.ports.watching import Findings, News, State, Verdict, WatchingStore
from helpdesk_daemon.stages.looking import Looking
from helpdesk_daemon.triage.watching import chart, gathering, mix, novelty

BATCH = 500  # mails, and verdicts, a look
CALIBRATION, MIX, UNLIKE, DEPARTMENT = "calibration", "mix", "unlike", "department:"
OLD = timedelta(days=1)  # mail that was received earlier is no news, however late it is decided


@dataclass(frozen=True, slots=True)
class Sense:
    """How sharply to look.

    Attributes:
        weight: what a ticket counts that was closed untouched, 0 to 1.
        burst: people who have to write alike within an hour; 0 for no such look.
        topic: people who have to write of what no example knows; 0 for no look at what no example knows.
    """

    weight: float = 1.0
    burst: int = gathering.BURST.least
    topic: int = gathering.TOPIC.least

    @property
    def rules(self) -> list[gathering.Rule]:
        """What makes a crowd, bursts first."""
        wanted = (gathering.BURST, self.burst), (gathering.TOPIC, self.topic)
        return [replace(rule, least=least) for rule, least in wanted if least]


def examine(news: News, now: datetime, sense: Sense) -> Findings:
    """What follows from what is new: a pure function.

    Args:
        news: since the last look.
        now: the present moment.
        sense: how sharply to look.
    """
    states = _charted(news.verdicts, news.states, now, sense.weight)
    if news.fresh:
        states = {**states, MIX: _mixed(news.categories[-news.fresh :], news.states.get(MIX), now)}
    grown: list[tuple[gathering.Crowd, Sequence[str]]] = []
    over: list[int] = []
    taken: set[int] = set()
    for rule in (gathering.BURST, gathering.TOPIC):
        known = [crowd for crowd in news.crowds if crowd.kind == rule.kind]
        here = [each for each in sense.rules if each.kind == rule.kind]
        found = _follow(news, known, here[0], taken) if here and news.recent else known
        for crowd in found:
            ended = gathering.is_over(crowd, rule, now.timestamp(), news.newest) or (
                news.recent is not None and gathering.has_waned(crowd, rule, news.recent)
            )
            if ended and crowd.id:
                over.append(crowd.id)
            # A crowd in mail that was received long ago, and is only decided now, is nobody's news.
            if crowd.joined and not (crowd.id == 0 and now.timestamp() - crowd.last_at > OLD.total_seconds()):
                grown.append((crowd, [news.tickets[row] for row in crowd.joined]))
                if gathering.keeps(crowd, rule):
                    taken.update(crowd.joined)
    if news.recent and sense.topic:
        told = {row for crowd, _ in grown for row in crowd.joined}
        states = {**states, UNLIKE: _unlike(news, news.recent, told, now)}
    return Findings(states, grown, over)


def _follow(
    news: News, known: Sequence[gathering.Crowd], rule: gathering.Rule, taken: set[int]
) -> list[gathering.Crowd]:
    assert news.recent is not None
    count = len(news.tickets)
    return gathering.follow(news.recent, count - news.fresh, known, rule, news.newest - count + 1, taken)


def _charted(
    verdicts: Sequence[Verdict], states: Mapping[str, State], now: datetime, weight: float
) -> dict[str, State]:
    """The control charts after new verdicts: one for all confidences, one for each department."""
    changed: dict[str, State] = {}
    for verdict in verdicts:
        names = [] if verdict.by_rule else [(CALIBRATION, chart.CALIBRATION)]
        if not verdict.needs_review:
            names.append((f"{DEPARTMENT}{verdict.department}", chart.DEPARTMENT))
        for name, rule in names:
            state = changed.get(name) or states.get(name)
            before = chart.Chart(**json.loads(state.text)) if state else chart.Chart()
            said = verdict.confidence
            after = chart.step(before, rule, said, verdict.right, weight if verdict.closing else 1.0)
            changed[name] = _state(asdict(after), after.alarmed, state, now)
    return changed


def _mixed(categories: Sequence[str], state: State | None, now: datetime) -> State:
    """The mix of categories after new mails."""
    kept = json.loads(state.text) if state else {}
    now_mixed = mix.Mix(tuple(kept.get("blocks", ())), bool(kept.get("alarmed")))
    for category in categories:
        now_mixed = mix.step(now_mixed, category)
    return _state(asdict(now_mixed), now_mixed.alarmed, state, now)


def _unlike(news: News, recent: gathering.Recent, told: Collection[int], now: datetime) -> State:
    """How much mail is like no example, after new mails."""
    state = news.states.get(UNLIKE)
    kept = json.loads(state.text) if state else {}
    before = novelty.Novelty(chart.Chart(**kept.get("chart", {})), tuple(kept.get("tickets", ())))
    first, since = len(news.tickets) - news.fresh, (now - OLD).timestamp()
    after = novelty.follow(before, recent, first, news.tickets, since, told)
    return _state(asdict(after), after.chart.alarmed, state, now)


def _state(values: Mapping[str, object], alarmed: bool, before: State | None, now: datetime) -> State:
    """What is kept, and since when it alarms."""
    since = (before.alarmed_at if before else None) or now
    return State(json.dumps(values, ensure_ascii=False), since if alarmed else None)


class Observe(Looking):
    """Looks whenever woken.

    Args:
        store: what is watched.
        sense: how sharply to look.
        clock: tells the time.
        db: the database's thread.
        work: a thread for the comparing.
    """

    name = "observe"

    def __init__(self, store: WatchingStore, sense: Sense, clock: Clock, db: Lane, work: Lane) -> None:
        self._store, self._sense, self._clock, self._db, self._work = store, sense, clock, db, work
        super().__init__()

    async def _see(self) -> None:
        """Look at everything that is new."""
        while not self._stopping and await self._step():
            pass

    async def _step(self) -> bool:
        """Look at some of it; whether there may be more."""
        news = await self._db(self._store.news, BATCH)
        findings = await self._work(examine, news, self._clock.now(), self._sense)
        if not (news.fresh or news.verdicts or findings.over):
            return False
        await self._db(self._store.keep, news, findings)
        for name, state in findings.states.items():
            if state.alarmed_at and not (name in news.states and news.states[name].alarmed_at):
                self._log.warning("alarm.raised", name=name)
        for crowd, joined in findings.crowds:
            self._log.info("crowd.grew", crowd=crowd.id, kind=crowd.kind, tickets=len(joined))
        return max(news.fresh, len(news.verdicts)) >= BATCH
