"""When a trouble becomes an incident, and when it is over: a pure function of what was seen and the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from helpdesk_daemon.ports import Incident, Trouble
from helpdesk_daemon.stages.incidents import CALM, headline, judge, payload
from tests.unit.making import NOW

SMTP = Trouble("smtp.refused", "", "No sign-in", "Nothing leaves", "Mend it", timedelta(minutes=1))
FULL = Trouble("mailbox.full", "support", "Full", "It is full", "Empty it")
STEP = timedelta(seconds=30)


def looks(*seen: Sequence[Trouble], step: timedelta = STEP) -> list[list[Incident]]:
    """The incidents after each of some looks."""
    after: list[list[Incident]] = []
    known: list[Incident] = []
    for number, troubles in enumerate(seen):
        found = judge(known, troubles, (), NOW + number * step)
        kept = [replace(i, id=i.id or 100 * number + n) for n, i in enumerate(found, 1)]
        after.append(kept)
        known = [i for i in kept if not i.recovered_at]
    return after


def test_a_trouble_that_need_not_last_opens_at_once() -> None:
    ((found,),) = looks([FULL])
    assert (found.name, found.subject, found.opened_at, found.gone_at) == ("mailbox.full", "support", NOW, None)


def test_a_trouble_that_must_last_is_only_suspected_at_first() -> None:
    after = looks([SMTP], [SMTP], [SMTP])
    assert [found.opened_at for (found,) in after] == [None, None, NOW + 2 * STEP]
    assert after[2][0].seen_at == NOW


def test_a_suspicion_that_goes_away_is_forgotten() -> None:
    assert [len(found) for found in looks([SMTP], [], [SMTP], [], [SMTP], [])] == [1, 0, 1, 0, 1, 0]


def test_an_incident_is_over_when_it_stayed_gone() -> None:
    calm = int(CALM / STEP)
    after = looks([FULL], *[[]] * (calm + 1))
    assert after[1][0].gone_at == NOW + STEP
    assert [found.recovered_at for (found,) in after[:-1]] == [None] * (calm + 1)
    assert after[-1][0].recovered_at == NOW + (calm + 1) * STEP


def test_one_that_comes_and_goes_stays_one_incident() -> None:
    after = looks(*[[FULL], []] * 40)
    assert {found.id for (found,) in after} == {1}
    assert all(found.opened_at == NOW and not found.recovered_at for (found,) in after)


def test_what_cannot_be_measured_stays_as_it_is() -> None:
    (opened,) = judge([], [FULL], (), NOW)
    assert judge([opened], [], {"mailbox.full"}, NOW + timedelta(days=1)) == [opened]


def test_two_subjects_are_two_incidents() -> None:
    ((first, second),) = looks([FULL, replace(FULL, subject="sales")])
    assert (first.subject, second.subject) == ("support", "sales")


def test_words_are_those_of_the_moment_it_opened() -> None:
    later = replace(SMTP, problem="Still nothing leaves")
    after = looks([SMTP], [SMTP], [later], [SMTP])
    assert [found.problem for (found,) in after] == [SMTP.problem, SMTP.problem, later.problem, later.problem]


@given(st.lists(st.booleans(), max_size=60))
def test_whatever_comes_and_goes_openings_and_recoveries_alternate(seen: list[bool]) -> None:
    told = []
    known: list[Incident] = []
    for number, there in enumerate([*seen, *[False] * 12]):
        known = judge(known, [SMTP] if there else [], (), NOW + number * STEP)
        told += ["opened" for i in known if i.opened_at == NOW + number * STEP]
        told += ["over" for i in known if i.recovered_at]
        known = [i for i in known if not i.recovered_at]
    assert known == []
    assert told == ["opened", "over"] * (len(told) // 2)


def test_the_subject_names_what_began_before_what_is_over() -> None:
    ((full,),), ((sales,),) = looks([FULL]), looks([replace(FULL, title="Sales is full")])
    assert headline([full], [sales]) == "Alert: Full"
    assert headline([], [sales]) == "Over: Sales is full"
    assert headline([full] * 5, []) == "Alert: 5 problems: Full; Full; Full; …"


def test_the_webhook_gets_both_times_and_a_text_to_show() -> None:
    ((full,),) = looks([FULL])
    opened = payload(full, "mx1")
    assert (opened["event"], opened["opened_at"], opened["recovered_at"]) == ("opened", "2026-05-04T09:30:00Z", None)
    assert opened["text"] == "Alert: Full\nIt is full\nEmpty it\n(mx1)"
    over = payload(replace(full, recovered_at=NOW + timedelta(hours=1)), "mx1")
    assert (over["event"], over["recovered_at"]) == ("recovered", "2026-05-04T10:30:00Z")
    assert over["text"] == "Over: Full\n(mx1)"
