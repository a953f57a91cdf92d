"""Rules that can never set anything because earlier ones always come first, as far as that can be proven.

All proofs err on one side: what is called unreachable is; some unreachable rules are not found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from helpdesk_daemon.triage.rehearsal.findings import Finding, Kind
from helpdesk_daemon.triage.rules import THINGS, Conditions, Pattern, Rule

PLAIN = re.compile(r"[^\\.^$*+?{}\[\]|()]+")  # a pattern that means its own characters


def shadows(rules: Sequence[Rule]) -> list[Finding]:
    """Rules, or parts of them, that have no effect whatever mail comes."""
    return [finding for n, rule in enumerate(rules) if (finding := _shadow(rules[:n], rule))]


def _shadow(before: Sequence[Rule], rule: Rule) -> Finding | None:
    if _impossible(rule.when):
        problem = f"rule {rule.name!r} can never hold: its confidence would have to be both"
        return Finding(Kind.UNREACHABLE, rule.key, problem, "Mend confidence_below or confidence_at_least")
    wider = [earlier for n, earlier in enumerate(before) if _always_first(before[n:], earlier, rule)]
    if ignoring := _ignoring(before, wider):
        problem = f"rule {rule.name!r} never sets anything: {ignoring.name!r} ignores all its mail"
        return Finding(Kind.UNREACHABLE, rule.key, problem, "Move it up, or delete it")
    wanted = _things(rule)
    taken = {thing: first for thing in wanted for first in wider[::-1] if thing in _things(first)}
    if not taken:
        return None
    names = ", ".join(dict.fromkeys(repr(first.name) for first in taken.values()))
    if len(taken) == len(wanted):
        problem = f"rule {rule.name!r} never sets anything: whenever it holds, {names} set it first"
        return Finding(Kind.UNREACHABLE, rule.key, problem, "Move it up, narrow the earlier rule, or delete it")
    problem = f"rule {rule.name!r} never sets {', '.join(taken)}: whenever it holds, {names} set it first"
    return Finding(Kind.PARTLY, rule.key, problem, "Move it up, or take that out of it")


def _always_first(between: Sequence[Rule], earlier: Rule, later: Rule) -> bool:
    """Whether an earlier rule holds whenever a later one does; `between` begins with the earlier one."""
    if earlier.when.category and any(rule.then.category for rule in between):
        return False  # the later rule may see another category
    return implies(later.when, earlier.when)


def _ignoring(before: Sequence[Rule], wider: Sequence[Rule]) -> Rule | None:
    """The rule that keeps every mail of a later one from becoming a ticket."""
    for rule in before:
        if rule.then.action == "ignore" and rule in wider:
            return rule
        if rule.then.action is not None and rule.then.action != "ignore":
            return None
    return None


def _things(rule: Rule) -> list[str]:
    named = [thing for thing in THINGS if getattr(rule.then, thing) is not None]
    return named + [f"tag {tag}" for tag in rule.then.tags]


def _impossible(when: Conditions) -> bool:
    low, high = when.confidence_at_least, when.confidence_below
    return low is not None and high is not None and low >= high


def implies(narrow: Conditions, wide: Conditions) -> bool:
    """Whether it is certain that one holds whenever the other does.

    Args:
        narrow: holds.
        wide: then holds as well, if this is true.
    """
    return (
        _each(narrow.category, wide.category, str.__eq__)
        and _each(narrow.language, wide.language, str.__eq__)
        and _confidence(narrow, wide)
        and _each(narrow.sender, wide.sender, _glob_within)
        and (not wide.domain or _each(narrow.domain, wide.domain, _glob_within) or _domains(narrow, wide))
        and _each(narrow.recipient, wide.recipient, _glob_within)
        and _each(narrow.attachment, wide.attachment, _glob_within)
        and _patterns(narrow.subject, wide.subject)
        and _patterns(narrow.body, wide.body)
        and _headers(narrow, wide)
    )


def _each(narrow: Sequence[str], wide: Sequence[str], within: Callable[[str, str], bool]) -> bool:
    """Whether every word of one condition lies within some word of another, which asks nothing when it is empty."""
    return not wide or (bool(narrow) and all(any(within(n, w) for w in wide) for n in narrow))


def _glob_within(narrow: str, wide: str) -> bool:
    """Whether all that one glob matches is matched by another.

    Where the wide one knows only `*`, a match of the narrow one's own text, its `*` taken as a letter, proves it:
    whatever stands for that `*` lies under a `*` of the wide one.
    """
    narrow, wide = narrow.lower(), wide.lower()
    if narrow == wide:
        return True
    return not any(sign in wide for sign in "?[") and "[" not in narrow and fnmatchcase(narrow, wide)


def _domains(narrow: Conditions, wide: Conditions) -> bool:
    """Whether a condition on senders proves one on their domains."""
    if not narrow.sender or not all("@" in sender for sender in narrow.sender):
        return False
    return _each([sender.rpartition("@")[2] for sender in narrow.sender], wide.domain, _glob_within)


def _pattern_within(narrow: Pattern, wide: Pattern) -> bool:
    """Whether a pattern is found wherever another one is: they are the same, or plain words, one within the other."""
    if narrow.pattern == wide.pattern:
        return True
    if not all(PLAIN.fullmatch(p.pattern) and len(p.pattern.lower()) == len(p.pattern) for p in (narrow, wide)):
        return False
    return wide.pattern.lower() in narrow.pattern.lower()


def _patterns(narrow: Sequence[Pattern], wide: Sequence[Pattern]) -> bool:
    return not wide or (bool(narrow) and all(any(_pattern_within(n, w) for w in wide) for n in narrow))


def _headers(narrow: Conditions, wide: Conditions) -> bool:
    mine = {name.lower(): patterns for name, patterns in narrow.header.items()}
    return all(_patterns(mine.get(name.lower(), ()), patterns) for name, patterns in wide.header.items())


def _confidence(narrow: Conditions, wide: Conditions) -> bool:
    below, least = wide.confidence_below, wide.confidence_at_least
    return (below is None or (narrow.confidence_below is not None and narrow.confidence_below <= below)) and (
        least is None or (narrow.confidence_at_least is not None and narrow.confidence_at_least >= least)
    )
