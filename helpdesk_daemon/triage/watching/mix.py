"""Whether mail is about other things than before: the mix of categories in the latest mails against those before."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

BLOCK = 50  # mails counted together
NOW, BEFORE = 4, 40  # blocks that are compared; more are forgotten
LEAST_BEFORE = 8
FEWEST = 5.0  # mails of a category to be expected in the latest blocks; rarer categories count together
SHIFT = 0.1  # population stability index from which on a change matters: the usual bound of a moderate one
CHANCE = 1e-4  # at most so likely if nothing had changed; chosen by simulation (`scripts/watch_limits.py`)
REST = ""


@dataclass(frozen=True, slots=True)
class Mix:
    """Categories of the latest mails; all that has to be kept.

    Attributes:
        blocks: counts by category of 50 mails each, oldest first, of which the last may be filling.
        alarmed: whether the mix changed.
    """

    blocks: tuple[Mapping[str, int], ...] = ()
    alarmed: bool = False


@dataclass(frozen=True, slots=True)
class Shift:
    """How far the latest mails are from those before.

    Attributes:
        index: population stability index, 0 for the same mix.
        chance: of a distance like that if nothing had changed, 0 to 1.
        changes: category to its share before and now, greatest change first; rare ones together under "".
    """

    index: float
    chance: float
    changes: Sequence[tuple[str, float, float]]


def step(mix: Mix, category: str) -> Mix:
    """The mix after one more mail; it is judged when a block is full."""
    blocks = mix.blocks
    if not blocks or sum(blocks[-1].values()) >= BLOCK:
        blocks = (*blocks, {})[-(NOW + BEFORE) :]
    last = dict(blocks[-1])
    last[category] = last.get(category, 0) + 1
    after = replace(mix, blocks=(*blocks[:-1], last))
    if sum(last.values()) < BLOCK:
        return after
    shift = compare(after)
    if shift is None:
        return after
    # Over when the change no longer matters: the blocks before have then become like the latest.
    alarmed = shift.index >= (SHIFT / 2 if mix.alarmed else SHIFT) and shift.chance <= (
        100 * CHANCE if mix.alarmed else CHANCE
    )
    return replace(after, alarmed=alarmed)


def compare(mix: Mix) -> Shift | None:
    """The latest 200 mails against at least 400 before; None where there are fewer.

    The chance is that of the likelihood ratio (G) test on two samples, divided by how much more the blocks before
    differ among each other than chance makes them, as Mondays are not Fridays (quasi-likelihood; McCullagh and Nelder
    1989, 4.5).
    """
    full = [block for block in mix.blocks if sum(block.values()) >= BLOCK]
    before, now = full[:-NOW], full[-NOW:]
    if len(before) < LEAST_BEFORE:
        return None
    names = _names(before, now)
    old, new = _counts(before, names), _counts(now, names)
    n_old, n_new = sum(old), sum(new)
    if len(names) < 2:
        return Shift(0.0, 1.0, ())
    g = index = 0.0
    for a, b in zip(old, new, strict=True):
        share = (a + b) / (n_old + n_new)
        g += 2 * sum(k * math.log(k / (n * share)) for k, n in ((a, n_old), (b, n_new)) if k)
        p, q = (a + 0.5) / (n_old + 0.5 * len(names)), (b + 0.5) / (n_new + 0.5 * len(names))
        index += (q - p) * math.log(q / p)
    free = len(names) - 1
    changes = [(name, a / n_old, b / n_new) for name, a, b in zip(names, old, new, strict=True)]
    ranked = sorted(changes, key=lambda change: -abs(change[2] - change[1]))
    return Shift(index, chi_square_tail(g / _dispersion(before, names), free), ranked)


def _names(before: Sequence[Mapping[str, int]], now: Sequence[Mapping[str, int]]) -> list[str]:
    """The categories that are frequent enough to stand alone, with the rest last."""
    total = _total([*before, *now])
    part = len(now) / (len(before) + len(now))
    names = sorted(name for name, count in total.items() if name and count * part >= FEWEST)
    return [*names, REST]


def _total(blocks: Sequence[Mapping[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for block in blocks:
        total.update(block)
    return total


def _counts(blocks: Sequence[Mapping[str, int]], names: Sequence[str]) -> list[int]:
    total = _total(blocks)
    alone = [total[name] for name in names[:-1]]
    return [*alone, sum(total.values()) - sum(alone)]


def _dispersion(blocks: Sequence[Mapping[str, int]], names: Sequence[str]) -> float:
    """Pearson's statistic of blocks among each other by its degrees of freedom, at least 1."""
    whole = _counts(blocks, names)
    total, found = sum(whole), 0.0
    for block in blocks:
        counts = _counts([block], names)
        size = sum(counts)
        expected = [size * count / total for count in whole]
        found += sum((k - e) ** 2 / e for k, e in zip(counts, expected, strict=True) if e)
    return max(found / ((len(blocks) - 1) * (len(names) - 1)), 1.0)


def chi_square_tail(value: float, free: int) -> float:
    """Chance that a chi-square variable exceeds a value, by the cube root's normality (Wilson and Hilferty 1931).

    Args:
        value: 0 or more.
        free: degrees of freedom, 1 or more.
    """
    spread = 2.0 / (9.0 * free)
    z = ((value / free) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)
    return 0.5 * math.erfc(z / math.sqrt(2))
