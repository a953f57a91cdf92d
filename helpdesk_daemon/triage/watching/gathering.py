"""Crowds: mails that resemble each other and come more often than they used to.

One test for two things: a *burst* is mail about one thing within an hour, a *topic* is mail that is like no example
and alike among itself. Each new mail asks how many people wrote like it lately, and how many such mails came before.
Given both, the number of late ones is binomial with the share of mail that came lately (the conditional test of two
Poisson rates: Przyborowski and Wilenski 1940, Biometrika 31), so a busy hour alone is no crowd, nor is what people
always ask.

People tell of one incident in their own words: two such mails are less alike than each is to what all have in common.
So a mail that finds no crowd by itself asks again with the middle of itself and the late mails nearest to it (query
expansion by Rocchio 1971, with pseudo-relevance feedback). Those were chosen for being near, and do not count: counted,
they would make a crowd of any mails. How alike mails are to the middle depends on what people saw of the incident, so
several levels are tried, the closest first, and the chance is divided among them (Bonferroni).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from helpdesk_daemon.triage.nearest import Floats, Numbers, Vectors

Flags = npt.NDArray[np.bool_]
LONG = 1e12


@dataclass(frozen=True, slots=True)
class Rule:
    """What makes a crowd.

    Attributes:
        kind: `burst` or `topic`.
        alike: cosine from which on two mails are alike.
        around: cosines from which on a mail is alike to the middle of a few, each of which is tried, greatest first.
        joins: cosine to the middle of a crowd from which on a mail joins it.
        seconds: how long ago "lately" begins.
        mails: how many mails "lately" holds at most.
        least: different people who have to write.
        chance: at most so likely if nothing had changed, for mails alike to the new one. Each mail is a test of its
            own, so it is small; chosen by replaying real mail, as is the next (`scripts/watch_replay.py`).
        chance_around: the same for mails alike to the middle. It errs by far to the safe side, as those that made the
            middle, the nearest ones, do not count.
        times: at least so many times as often as before; less is no crowd, however sure it is.
        unlike: whether mails have to be more alike than each is to the examples, and less like these than is usual.
    """

    kind: str
    alike: float
    around: tuple[float, ...]
    joins: float
    seconds: float
    mails: int
    least: int
    chance: float
    chance_around: float
    times: float
    unlike: bool


BURST = Rule(
    "burst", alike=0.65, around=(0.7, 0.65, 0.6, 0.55, 0.5), joins=0.65, seconds=3_600.0, mails=1_000, least=5,
    chance=1e-6, chance_around=1e-3, times=3.0, unlike=False,
)  # fmt: skip
TOPIC = Rule(
    "topic", alike=0.4, around=(0.4,), joins=0.4, seconds=LONG, mails=600, least=8,
    chance=1e-5, chance_around=1e-3, times=1.0, unlike=True,
)  # fmt: skip
LEAST_BEFORE = 200  # mails to know what is usual
CORE = 4  # mails that make a middle; of 3, 4, 5 and 7 it told soonest


@dataclass(frozen=True, slots=True, eq=False)
class Recent:
    """The latest mails, oldest first.

    Attributes:
        at: shape (n,), float64: when each was received, seconds.
        people: shape (n,), int64: numbers of who wrote.
        scope: shape (n,), float64: mean cosine to the five nearest examples, -1 to 1.
        vectors: shape (n, d), float32, L2-normalised rows.
    """

    at: Floats
    people: Numbers
    scope: Floats
    vectors: Vectors


def gathered(recent: Recent, row: int, rule: Rule, cosines: Vectors | None = None) -> list[int]:
    """The rows that form a crowd with a mail, itself last; empty where they form none.

    Args:
        recent: the latest mails.
        row: which of them is new; what came after it is not looked at.
        rule: what makes a crowd.
        cosines: shape (row,), float32: of that mail to those before, where they are known already.
    """
    if rule.unlike and recent.scope[row] > np.median(recent.scope[:row] if row else recent.scope):
        return []
    lately = (recent.at[:row] > recent.at[row] - rule.seconds) & (recent.at[:row] <= recent.at[row])
    lately[: max(row - rule.mails, 0)] = False
    if row - int(lately.sum()) < LEAST_BEFORE:
        return []
    cosines = recent.vectors[:row] @ recent.vectors[row] if cosines is None else cosines
    near = cosines >= recent.scope[:row] if rule.unlike else np.ones(row, dtype=np.bool_)
    alike = near & (cosines >= _bound(recent, [row], rule, rule.alike))
    # People are counted, not mails: one who writes ten times is no crowd.
    late = len(set(recent.people[:row][alike & lately].tolist()) | {int(recent.people[row])})
    now, early = int(lately.sum()) + 1, int((alike & ~lately).sum())
    if late >= rule.least and _surges(late, now, early, row + 1 - now, rule, rule.chance):
        return [*np.flatnonzero(alike & lately).tolist(), row]
    may = np.flatnonzero(near & lately)
    return _around(recent, _core(recent, row, may[np.argsort(-cosines[may])]), lately, rule)


def _core(recent: Recent, row: int, nearest: Numbers) -> list[int]:
    """A mail and the `CORE` - 1 nearest of other people, each of another; fewer where there are none.

    Args:
        recent: the latest mails.
        row: the mail.
        nearest: shape (n,), int64: rows that may be chosen, the nearest first.
    """
    core, people = [row], {int(recent.people[row])}
    for other in nearest:
        if len(core) == CORE:
            break
        if int(recent.people[other]) not in people:
            core.append(int(other))
            people.add(int(recent.people[other]))
    return core


def _around(recent: Recent, core: list[int], lately: Flags, rule: Rule) -> list[int]:
    """The rows that form a crowd around the middle of a few mails, the new one last; empty where they form none.

    Args:
        recent: the latest mails.
        core: rows of those few, the new one first.
        lately: shape (core[0],): which mails came lately.
        rule: what makes a crowd.
    """
    if len(core) < CORE:
        return []
    row, middle, chance = core[0], centre(recent.vectors[core]), rule.chance_around / len(rule.around)
    late_rows = np.flatnonzero(lately)
    others = late_rows[(recent.people[late_rows][:, None] != recent.people[core]).all(axis=1)]
    now, before = len(others), row - len(late_rows)
    # Most mails have too few late ones around, even if there were no earlier ones: that is soon known.
    since = int(late_rows[0]) if now else row
    most = int((recent.vectors[since:row] @ middle >= rule.around[-1])[others - since].sum())
    if not most or surge(most, 0, now / (now + before)) > chance:
        return []
    cosines = recent.vectors[:row] @ middle
    near = cosines >= recent.scope[:row] if rule.unlike else np.ones(row, dtype=np.bool_)
    for level in rule.around:
        alike = near & (cosines >= _bound(recent, core, rule, level))
        late, early = len(set(recent.people[others[alike[others]]].tolist())), int((alike & ~lately).sum())
        if late + len(core) >= rule.least and _surges(late, now, early, before, rule, chance):
            return [*sorted({*np.flatnonzero(alike & lately).tolist(), *core[1:]}), row]
    return []


def _surges(late: int, now: int, early: int, before: int, rule: Rule, chance: float) -> bool:
    """Whether `late` alike mails of `now` are more than is usual, where `early` of `before` were alike."""
    return late / now >= rule.times * early / before and surge(late, early, now / (now + before)) <= chance


def _bound(recent: Recent, rows: list[int], rule: Rule, level: float) -> float:
    """Cosine from which on a mail is alike to another, or to the middle of several: `level` or more.

    Mails of a topic that the examples cover find nearer ones there, as these are many more than those that came lately
    (a nearest-neighbour test of two samples; Schilling 1986, JASA 81).
    """
    return max(level, float(recent.scope[rows].mean())) if rule.unlike else level


def surge(lately: int, before: int, part: float) -> float:
    """Chance of so many alike mails lately, if they came as often as before.

    Args:
        lately: alike mails that came lately.
        before: alike mails that came before; one is added, so that what was never seen is not taken for impossible.
        part: share of all mail that came lately, 0 to 1.
    """
    total = lately + before + 1
    if part >= 1.0:
        return 1.0
    logs = [
        math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1)
        + k * math.log(part) + (total - k) * math.log1p(-part)
        for k in range(lately, total + 1)
    ]  # fmt: skip
    return min(sum(map(math.exp, logs)), 1.0)


def centre(vectors: Vectors) -> Vectors:
    """The middle of a crowd, shape (d,), L2-normalised; `vectors` has shape (n, d)."""
    middle = vectors.mean(axis=0)
    return (middle / max(float(np.linalg.norm(middle)), 1e-9)).astype(np.float32)  # type: ignore[no-any-return]


def belongs(vector: Vectors, centres: Sequence[Vectors], alike: float) -> int:
    """Which crowd a mail belongs to: the number of the nearest centre that is alike, -1 for none.

    Args:
        vector: shape (d,), float32, L2-normalised.
        centres: middles of crowds, each shape (d,), float32, L2-normalised.
        alike: cosine from which on it belongs.
    """
    if not centres:
        return -1
    cosines = np.stack(centres) @ vector
    best = int(cosines.argmax())
    return best if cosines[best] >= alike else -1


@dataclass(frozen=True, slots=True, eq=False)
class Crowd:
    """A crowd that is open.

    Attributes:
        id: its number, 0 while it is new.
        kind: of its rule.
        centre: shape (d,), float32: middle of those it began with.
        first_at: when its first mail was received, seconds.
        last_at: when its latest was.
        last: row of its latest mail, counted over all mail there ever was.
        joined: rows of `Recent` that are new in it.
    """

    id: int
    kind: str
    centre: Vectors
    first_at: float
    last_at: float
    last: int
    joined: tuple[int, ...] = ()


def follow(
    recent: Recent, first: int, crowds: Sequence[Crowd], rule: Rule, offset: int = 0, taken: Collection[int] = ()
) -> list[Crowd]:
    """Crowds of one kind after new mails: each joins an open one, or may complete a new one.

    Args:
        recent: the latest mails.
        first: row of the first that is new.
        crowds: the open ones of the rule's kind.
        rule: what makes a crowd.
        offset: how many mails came before the first row of `recent`.
        taken: rows that belong elsewhere already.
    """
    found = list(crowds)
    cosines = recent.vectors[first:] @ recent.vectors.T  # in one product, four times as fast as mail by mail
    for row in range(first, len(recent.at)):
        vector, at = recent.vectors[row], float(recent.at[row])
        if row in taken:
            continue
        number = belongs(vector, [crowd.centre for crowd in found], _bound(recent, [row], rule, rule.joins))
        if number >= 0:
            crowd = found[number]
            found[number] = replace(
                crowd, last_at=max(at, crowd.last_at), last=offset + row, joined=(*crowd.joined, row)
            )
        elif rows := gathered(recent, row, rule, cosines[row - first, :row]):
            begun = float(recent.at[rows].min())
            middle = centre(recent.vectors[rows])
            if belongs(middle, [crowd.centre for crowd in found], rule.joins) >= 0:
                continue  # of an open one, in other words
            found.append(Crowd(0, rule.kind, middle, begun, at, offset + row, tuple(rows)))
    return found


def keeps(crowd: Crowd, rule: Rule) -> bool:
    """Whether a crowd keeps its mails to itself: one that goes on for longer than "lately" twice may be a topic too.

    A new topic often begins with a burst, which a mail an hour keeps open.
    """
    return crowd.last_at - crowd.first_at <= 2 * rule.seconds


def is_over(crowd: Crowd, rule: Rule, now: float, mails: int) -> bool:
    """Whether nothing joined a crowd for twice as long as it takes to form one.

    Args:
        crowd: an open one.
        rule: its rule.
        now: the present moment, seconds.
        mails: how many there ever were.
    """
    return now - crowd.last_at > 2 * rule.seconds or mails - crowd.last > 2 * rule.mails


def has_waned(crowd: Crowd, rule: Rule, recent: Recent) -> bool:
    """Whether mail like that of a crowd, which was more than usual, is no longer: over twice as long as "lately".

    Else a few mails a day, which people write anyway, would keep it open, and hide the next one like it.

    Args:
        crowd: an open one; a younger one has not.
        rule: its rule.
        recent: the latest mails.
    """
    since = float(recent.at[-1]) - 2 * rule.seconds
    before = recent.at < crowd.first_at
    if crowd.first_at > since or not before.any():
        return False
    alike = recent.vectors @ crowd.centre >= rule.joins
    return bool(alike[recent.at > since].mean() < rule.times * alike[before].mean())
