"""Crowds: mails that resemble each other and come more often than they used to.

One test for two things: a *burst* is mail about one thing within an hour, a *topic* is mail that is like no example
and alike among itself. Each new mail asks how many people wrote like it lately, and how many such mails came before.
Given both, the number of late ones is binomial with the share of mail that came lately (the conditional test of two
Poisson rates: Przyborowski and Wilenski 1940, Biometrika 31), so a busy hour alone is no crowd, nor is what people
always ask. How alike the mails of an incident are depends on what people saw of it, so several levels are tried, the
closest first, and the chance is divided among them (Bonferroni).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from helpdesk_daemon.triage.nearest import Floats, Numbers, Vectors

LONG = 1e12


@dataclass(frozen=True, slots=True)
class Rule:
    """What makes a crowd.

    Attributes:
        kind: `burst` or `topic`.
        alike: cosines from which on two mails are alike, each of which is tried.
        joins: cosine to the middle of a crowd from which on a mail joins it.
        seconds: how long ago "lately" begins.
        mails: how many mails "lately" holds at most.
        least: different people who have to write.
        chance: at most so likely if nothing had changed; chosen by simulation (`scripts/watch_limits.py`).
        times: at least so many times as often as before; less is no crowd, however sure it is.
        unlike: whether mails have to be more alike than each is to the examples, and less like these than is usual.
    """

    kind: str
    alike: tuple[float, ...]
    joins: float
    seconds: float
    mails: int
    least: int
    chance: float
    times: float
    unlike: bool


BURST = Rule(
    "burst", alike=(0.65, 0.55, 0.45), joins=0.65, seconds=3_600.0, mails=1_000, least=5, chance=1e-5, times=3.0,
    unlike=False,
)  # fmt: skip
TOPIC = Rule("topic", alike=(0.4,), joins=0.4, seconds=LONG, mails=600, least=8, chance=1e-5, times=1.0, unlike=True)
LEAST_BEFORE = 200  # mails to know what is usual


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


def gathered(recent: Recent, row: int, rule: Rule) -> list[int]:
    """The rows that form a crowd with a mail, itself last; empty where they form none.

    Args:
        recent: the latest mails.
        row: which of them is new; what came after it is not looked at.
        rule: what makes a crowd.
    """
    if rule.unlike and recent.scope[row] > np.median(recent.scope[:row] if row else recent.scope):
        return []
    lately = (recent.at[:row] > recent.at[row] - rule.seconds) & (recent.at[:row] <= recent.at[row])
    lately[: max(row - rule.mails, 0)] = False
    now, before = int(lately.sum()) + 1, row - int(lately.sum())
    if before < LEAST_BEFORE:
        return []
    cosines = recent.vectors[:row] @ recent.vectors[row]
    for level in rule.alike:
        alike = cosines >= _bound(recent, row, rule, level)
        if rule.unlike:
            alike &= cosines >= recent.scope[:row]
        members = np.flatnonzero(alike & lately)
        # People are counted, not mails: one who writes ten times is no crowd.
        late = len(set(recent.people[members].tolist()) | {int(recent.people[row])})
        early = int((alike & ~lately).sum())
        if late < rule.least or late / now < rule.times * early / before:
            continue
        if surge(late, early, now / (now + before)) <= rule.chance / len(rule.alike):
            return [*members.tolist(), row]
    return []


def _bound(recent: Recent, row: int, rule: Rule, level: float) -> float:
    """Cosine from which on a mail is alike to another, `level` or more.

    Mails of a topic that the examples cover find nearer ones there, as these are many more than those that came lately
    (a nearest-neighbour test of two samples; Schilling 1986, JASA 81).
    """
    return max(level, float(recent.scope[row])) if rule.unlike else level


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
    for row in range(first, len(recent.at)):
        vector, at = recent.vectors[row], float(recent.at[row])
        if row in taken:
            continue
        number = belongs(vector, [crowd.centre for crowd in found], _bound(recent, row, rule, rule.joins))
        if number >= 0:
            crowd = found[number]
            found[number] = replace(
                crowd, last_at=max(at, crowd.last_at), last=offset + row, joined=(*crowd.joined, row)
            )
        elif rows := gathered(recent, row, rule):
            begun = float(recent.at[rows].min())
            middle = centre(recent.vectors[rows])
            found.append(Crowd(0, rule.kind, middle, begun, at, offset + row, tuple(rows)))
    return found


def is_over(crowd: Crowd, rule: Rule, now: float, mails: int) -> bool:
    """Whether nothing joined a crowd for twice as long as it takes to form one.

    Args:
        crowd: an open one.
        rule: its rule.
        now: the present moment, seconds.
        mails: how many there ever were.
    """
    return now - crowd.last_at > 2 * rule.seconds or mails - crowd.last > 2 * rule.mails
