"""A control chart of mistakes: alarms when they become likelier than was said, and says when that is over.

The risk-adjusted CUSUM of Steiner, Cook, Farewell and Treasure (2000, Biostatistics 1:441-452): each verdict moves the
level by the log likelihood ratio of "the odds of a mistake are `odds` times what they should be" against "they are as
they should be", and the level never falls below 0. Among all tests with as few false alarms it finds a lasting change
soonest (Moustakides 1986, Annals of Statistics 14).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

FLOOR, CEILING = 0.005, 0.9  # chance of a mistake that any decision has at least and at most
PRIOR = 5.0  # expected mistakes after which a department's own record counts as much as what confidences say


@dataclass(frozen=True, slots=True)
class Rule:
    """What a chart looks for.

    Attributes:
        odds: by how much the odds of a mistake grow in the change it is made for.
        limit: level at which it alarms; chosen by simulation (`scripts/watch_limits.py`).
        least: verdicts before it may alarm, half of which have to be "right": where people only ever correct, every
            verdict is a mistake, and nothing can be said.
        own: whether "as it should be" is what this stream was like so far rather than what confidences say.
    """

    odds: float
    limit: float
    least: int
    own: bool


# Confidence is to be believed for all mail together; a department is held to its own record, as calibration holds for
# all mail together and not for each department.
CALIBRATION = Rule(odds=2.0, limit=9.0, least=50, own=False)
DEPARTMENT = Rule(odds=3.0, limit=10.0, least=30, own=True)


@dataclass(frozen=True, slots=True)
class Chart:
    """Where a chart stands; all that has to be kept.

    Attributes:
        level: evidence for the change, in natural logarithms, 0 or more.
        verdicts: how many were seen.
        right: how many of them were "right".
        wrong: mistakes, weighed, while there was no alarm.
        expected: mistakes that confidences announced meanwhile, weighed.
        alarmed: whether it alarms.
    """

    level: float = 0.0
    verdicts: int = 0
    right: int = 0
    wrong: float = 0.0
    expected: float = 0.0
    alarmed: bool = False


def step(chart: Chart, rule: Rule, confidence: float, right: bool, weight: float = 1.0) -> Chart:
    """The chart after one more verdict.

    An alarm holds until the level is back at 0; as the level stays at the limit at most, that takes about as long as
    routing needs to be good again. While it holds, the record is not learnt from.

    Args:
        chart: as it stands.
        rule: what it looks for.
        confidence: what the decision said, 0 to 1.
        right: the verdict.
        weight: of the verdict, 0 to 1.
    """
    said = 1.0 - confidence
    chance = min(max(said * _ratio(chart) if rule.own else said, FLOOR), CEILING)
    moved = (0.0 if right else math.log(rule.odds)) - math.log(1.0 - chance + rule.odds * chance)
    level = min(max(chart.level + weight * moved, 0.0), rule.limit)
    seen, fine = chart.verdicts + 1, chart.right + right
    enough = seen >= rule.least and 2 * fine >= rule.least
    alarmed = (chart.alarmed and level > 0.0) or (level >= rule.limit and enough)
    after = replace(chart, level=level, verdicts=seen, right=fine, alarmed=alarmed)
    if alarmed:
        return after
    return replace(after, wrong=chart.wrong + weight * (not right), expected=chart.expected + weight * said)


def _ratio(chart: Chart) -> float:
    """Mistakes by those announced, drawn towards 1 while there are few (indirect standardisation)."""
    return (chart.wrong + PRIOR) / (chart.expected + PRIOR)
