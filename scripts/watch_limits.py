"""How the limits of watching were chosen: `python -m scripts.watch_limits`. Made-up streams, a few seconds.

Control charts: the share of quiet streams of 5,000 verdicts in which the level reaches a limit, and how many verdicts
it takes to reach it once the odds of a mistake are what the chart is made for. Chances of a mistake are drawn from two
beta distributions, of mean 0.2 and 0.05; for charts that are held to their own record they are 1.6 times what
confidence said.

Mix of categories: the share of quiet streams of 5,000 mails with an alarm, over six categories of unlike size, drawn
anew each time, where each block of 50 has its own mix or not; and in how many mails a category that doubles is told.

Mail like no example: the share of quiet streams of 5,000 mails with an alarm, by share of mail that counts as unlike
and by odds; and in how many mails it is told that one mail in twelve is.

Limits of crowds come from real texts: see `scripts/watch_replay.py`.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from rich.console import Console
from rich.table import Table

from helpdesk_daemon.triage.nearest import Floats
from helpdesk_daemon.triage.watching import chart, mix, novelty
from helpdesk_daemon.triage.watching.gathering import Flags

STREAMS, VERDICTS, QUIET = 400, 5_000, 1_000
LIMITS = (6.0, 8.0, 9.0, 10.0, 12.0)


def _levels(rule: chart.Rule, said: Floats, wrong: Floats) -> Floats:
    """Levels of charts without a limit, shape (streams, verdicts), from arrays of that shape; see `chart.step`."""
    level, seen, expected = (np.zeros(len(said)) for _ in range(3))
    found = np.zeros_like(said)
    for t in range(said.shape[1]):
        ratio = (seen + chart.PRIOR) / (expected + chart.PRIOR) if rule.own else 1.0
        chance = np.clip(said[:, t] * ratio, chart.FLOOR, chart.CEILING)
        level = np.maximum(level + wrong[:, t] * math.log(rule.odds) - np.log(1 - chance + rule.odds * chance), 0.0)
        seen, expected = seen + wrong[:, t], expected + said[:, t]
        found[:, t] = level if t >= rule.least else 0.0
    return found


def _charts(rng: np.random.Generator) -> Table:
    heads = [f"limit {limit:g}" for limit in LIMITS]
    table = Table("chart", "mean chance", *heads, title="False alarms, verdicts until told")
    for name, rule in (("calibration", chart.CALIBRATION), ("department", chart.DEPARTMENT)):
        for shape in ((2, 8), (1, 19)):
            said = rng.beta(*shape, (STREAMS, VERDICTS))
            chance = np.clip(said * (1.6 if rule.own else 1.0), 0.0, chart.CEILING)
            quiet = _levels(rule, said, (rng.random(said.shape) < chance).astype(float)).max(axis=1)
            odds = rule.odds * chance / (1 - chance)
            worse = np.where(np.arange(VERDICTS) < QUIET, chance, odds / (1 + odds))
            levels = _levels(rule, said, (rng.random(said.shape) < worse).astype(float))[:, QUIET:]
            cells = [
                f"{(quiet >= limit).mean():.1%}, {np.median((levels >= limit).argmax(axis=1)):.0f}" for limit in LIMITS
            ]
            table.add_row(name, f"{chance.mean():.2f}", *cells)
    return table


def _mix(rng: np.random.Generator) -> Table:
    table = Table("mix", "quiet streams with an alarm", "mails until told", title="Mix of categories")
    for name, spread in (("the same all the time", 0.0), ("another each 50 mails", 60.0)):
        false, delays = 0, []
        for _ in range(60):
            shares = rng.dirichlet(np.full(6, 2.0))
            state, alarmed = mix.Mix(), False
            for _ in range(VERDICTS // mix.BLOCK):
                state = _block(rng, state, rng.dirichlet(shares * spread) if spread else shares)
                alarmed = alarmed or state.alarmed
            false += alarmed
            if not state.alarmed:
                delays.append(_until(rng, state, shares, spread))
        told = [delay for delay in delays if delay is not None]
        median = f"{np.median(told):.0f}, within 1,000 in {len(told)} of {len(delays)}" if told else "never"
        table.add_row(name, f"{false} of 60", median)
    return table


def _block(rng: np.random.Generator, state: mix.Mix, shares: Floats) -> mix.Mix:
    for category in rng.choice(len(shares), mix.BLOCK, p=shares):
        state = mix.step(state, f"category {category}")
    return state


def _until(rng: np.random.Generator, state: mix.Mix, shares: Floats, spread: float) -> int | None:
    """Mails until it is told that the largest category doubled, 1,000 at most."""
    moved = shares.copy()
    moved[shares.argmax()] *= 2
    moved /= moved.sum()
    for block in range(1, 21):
        state = _block(rng, state, rng.dirichlet(moved * spread) if spread else moved)
        if state.alarmed:
            return block * mix.BLOCK
    return None


def _unlike(rng: np.random.Generator) -> Table:
    table = Table("unlike", "odds", "limit", "quiet streams with an alarm", "mails until told", title="Like no example")
    for share in (0.01, novelty.SHARE, 0.05):
        for odds in (3.0, novelty.RULE.odds):
            for limit in (8.0, novelty.RULE.limit):
                rule = replace(novelty.RULE, odds=odds, limit=limit)
                quiet = [_alarmed(rule, rng.random(VERDICTS) < share, share) for _ in range(STREAMS)]
                more = share + (1 - share) / 12
                told = [_alarmed(rule, rng.random(VERDICTS) < more, share) or VERDICTS for _ in range(100)]
                false = sum(at is not None for at in quiet)
                table.add_row(
                    f"{share:.0%}", f"{odds:g}", f"{limit:g}", f"{false} of {STREAMS}", f"{np.median(told):.0f}"
                )
    return table


def _alarmed(rule: chart.Rule, unlike: Flags, share: float) -> int | None:
    """After how many mails a chart alarms, by whether each is unlike, shape (mails,); None when it does not."""
    whole, rest = math.log(rule.odds), math.log(1 - share + rule.odds * share)
    moved = np.cumsum(np.where(unlike, whole, 0.0) - rest)
    reached = moved - np.minimum(np.minimum.accumulate(moved), 0.0) >= rule.limit
    return int(reached.argmax()) + 1 if reached.any() else None


def main() -> None:
    """Print the tables."""
    rng, console = np.random.default_rng(1), Console(width=150)
    console.print(_charts(rng))
    console.print(_mix(rng))
    console.print(_unlike(rng))


if __name__ == "__main__":
    main()
