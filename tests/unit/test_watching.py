"""Statistics that watch decisions: they stay quiet while nothing changes, and tell of what does."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk_daemon.triage.watching import chart, gathering, mix, novelty
from helpdesk_daemon.triage.watching.estimates import Judged, accuracy, calibration_error, untouched, wilson
from helpdesk_daemon.triage.watching.trust import sources_of
from helpdesk_daemon.triage.watching.words import common_words

DIMENSION = 96


def test_wilsons_interval_is_as_published() -> None:
    # 81 of 263: Newcombe 1998, Statistics in Medicine 17, table I, method 3.
    share = wilson(81, 263)
    assert (round(share.low, 4), round(share.high, 4)) == (0.2553, 0.3662)
    assert (wilson(0, 20).low, round(wilson(0, 20).high, 4)) == (0.0, 0.1611)


@given(st.integers(1, 500), st.data())
def test_an_interval_holds_its_share(of: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, of))
    share = wilson(hits, of)
    assert share.value is not None
    assert 0 <= share.low <= share.value + 1e-12
    assert share.value <= share.high + 1e-12 <= 1 + 2e-12


def test_accuracy_of_corrections_alone_is_nothing_and_silence_counts_as_told() -> None:
    assert accuracy(Judged()).value is None
    assert accuracy(Judged(corrected=5)).value == 0.0
    believed, half = accuracy(Judged(10, 5, 85)), accuracy(Judged(10, 5, 85), weight=0.5)
    assert believed.value == pytest.approx(0.9)
    assert half.value == pytest.approx((5 + 42.5) / 57.5)
    assert believed.of == 100
    assert half.of == pytest.approx(57.5**2 / (15 + 0.25 * 85))
    assert half.high - half.low > believed.high - believed.low
    assert untouched(10, 1000).value == 0.99


def test_calibration_error_is_the_gap_between_said_and_was() -> None:
    right = [i % 10 < 6 for i in range(1000)]
    assert calibration_error([0.9] * 1000, right, [1.0] * 1000) == pytest.approx(0.3)
    assert calibration_error([0.6] * 1000, right, [1.0] * 1000) < 0.01
    assert calibration_error([], [], []) == 0.0
    assert calibration_error([0.9, 0.9], [False, True], [0.0, 1.0]) == pytest.approx(0.1)


def _verdicts(seed: int, count: int, odds: float = 1.0) -> list[tuple[float, bool]]:
    """Confidences and verdicts where the odds of a mistake are so many times what they should be."""
    rng = np.random.default_rng(seed)
    wrong = rng.beta(2, 12, count)
    truly = odds * wrong / (1 - wrong + odds * wrong)
    return [(float(1 - p), bool(rng.random() >= q)) for p, q in zip(wrong, truly, strict=True)]


def _run(rule: chart.Rule, verdicts: list[tuple[float, bool]], start: chart.Chart | None = None) -> list[chart.Chart]:
    charts = [start or chart.Chart()]
    for confidence, right in verdicts:
        charts.append(chart.step(charts[-1], rule, confidence, right))
    return charts[1:]


@pytest.mark.parametrize("rule", [chart.CALIBRATION, chart.DEPARTMENT])
def test_a_quiet_stream_raises_nothing(rule: chart.Rule) -> None:
    false = sum(any(c.alarmed for c in _run(rule, _verdicts(seed, 2000))) for seed in range(10))
    assert false <= 1


@pytest.mark.parametrize("rule", [chart.CALIBRATION, chart.DEPARTMENT])
@pytest.mark.parametrize("seed", range(5))
def test_worse_decisions_alarm_soon_and_good_ones_end_it(rule: chart.Rule, seed: int) -> None:
    quiet = _run(rule, _verdicts(seed, 400))[-1]
    worse = _run(rule, _verdicts(seed + 100, 150, odds=8.0), quiet)
    assert worse[-1].alarmed
    after = _run(rule, _verdicts(seed + 200, 400), worse[-1])
    assert not after[-1].alarmed


def test_a_department_is_held_to_its_own_record() -> None:
    stream = _verdicts(1, 3000, odds=2.0)
    assert not any(c.alarmed for c in _run(chart.DEPARTMENT, stream))
    assert any(c.alarmed for c in _run(chart.CALIBRATION, stream))


def test_where_people_only_correct_nothing_is_said() -> None:
    assert not any(c.alarmed for c in _run(chart.CALIBRATION, [(0.9, False)] * 200))


def test_a_verdict_of_no_weight_changes_nothing_but_the_count() -> None:
    after = chart.step(chart.Chart(level=2.0), chart.CALIBRATION, 0.9, False, weight=0.0)
    assert (after.level, after.wrong, after.verdicts) == (2.0, 0.0, 1)


def _mixed(shares: dict[str, float], count: int, seed: int, start: mix.Mix | None = None) -> list[mix.Mix]:
    names, weights = list(shares), np.array(list(shares.values()))
    drawn = np.random.default_rng(seed).choice(names, count, p=weights / weights.sum())
    found = [start or mix.Mix()]
    for name in drawn:
        found.append(mix.step(found[-1], str(name)))
    return found[1:]


BEFORE = {"Billing": 40.0, "Login": 30.0, "Setup": 20.0, "Other": 10.0}


def test_the_same_mix_raises_nothing() -> None:
    assert not any(m.alarmed for seed in range(10) for m in _mixed(BEFORE, 2500, seed))


def test_another_mix_is_told_named_and_over_when_it_is_usual() -> None:
    quiet = _mixed(BEFORE, 1200, 1)[-1]
    moved = _mixed(BEFORE | {"Setup": 90.0}, 2600, 2, quiet)
    first = next(n for n, m in enumerate(moved) if m.alarmed)
    assert first < 200
    shift = mix.compare(moved[first])
    assert shift is not None
    assert shift.changes[0][0] == "Setup"
    assert shift.changes[0][1] < shift.changes[0][2]
    assert not moved[-1].alarmed
    assert len(moved[-1].blocks) == mix.NOW + mix.BEFORE, "no more is kept"


def test_weekends_are_no_change() -> None:
    """Blocks that differ among each other, but no more now than before."""
    state, alarms = mix.Mix(), 0
    for day in range(120):
        share = 20.0 if day % 7 < 5 else 120.0
        for each in _mixed(BEFORE | {"Setup": share}, 50, day, state):
            alarms += each.alarmed and not state.alarmed
            state = each
    assert alarms == 0


@pytest.mark.parametrize(("value", "free", "tail"), [(3.841, 1, 0.05), (18.307, 10, 0.05), (29.588, 10, 0.001),
                                                     (44.26, 9, 1.264e-6)])  # fmt: skip
def test_the_tail_of_chi_square(value: float, free: int, tail: float) -> None:
    assert mix.chi_square_tail(value, free) == pytest.approx(tail, rel=0.6)


def test_the_chance_of_a_surge_is_binomial() -> None:
    assert gathering.surge(3, 0, 0.1) == pytest.approx(4 * 0.1**3 * 0.9 + 0.1**4)
    assert gathering.surge(5, 5, 1.0) == 1.0
    assert gathering.surge(8, 0, 0.01) < 1e-12
    assert gathering.surge(20, 180, 0.1) > 0.4


Make = Callable[..., gathering.Recent]


def _recent(count: int, planted: int, close: float = 0.9, scope: float = 0.5, people: int | None = None,
            gap: float = 60.0) -> gathering.Recent:  # fmt: skip
    """Mails of no common topic, a minute apart, and at the end some that are alike by `close`, ten seconds apart."""
    rng = np.random.default_rng(7)
    rows = rng.standard_normal((count + planted, DIMENSION))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    middle = np.eye(1, DIMENSION)[0]
    for row in range(count, count + planted):
        aside = rows[row] - rows[row][0] * middle
        rows[row] = math.sqrt(close) * middle + math.sqrt(1 - close) * aside / np.linalg.norm(aside)
    at = np.r_[np.arange(count) * gap, count * gap + np.arange(planted) * gap / 6]
    who = np.r_[np.arange(count), count + np.arange(planted) % (people or planted or 1)].astype(np.int64)
    scopes = np.r_[np.full(count, 0.7), np.full(planted, scope)]
    return gathering.Recent(at, who, scopes, rows.astype(np.float32))


@pytest.mark.parametrize("rule", [gathering.BURST, gathering.TOPIC])
def test_mails_of_all_kinds_are_no_crowd(rule: gathering.Rule) -> None:
    assert gathering.follow(_recent(1500, 0), 0, [], rule) == []


@pytest.mark.parametrize("rule", [gathering.BURST, gathering.TOPIC])
def test_alike_mails_are_one_crowd_that_others_join(rule: gathering.Rule) -> None:
    (crowd,) = gathering.follow(_recent(1200, 30), 1200, [], rule)
    assert crowd.joined == tuple(range(1200, 1230))
    assert (crowd.kind, crowd.first_at, crowd.last) == (rule.kind, 72_000.0, 1229)
    soon = gathering.follow(_recent(3600, rule.least + 5), 3600, [], rule)
    assert len(soon) == 1, "a few more than it takes people are enough"


def test_a_mail_joins_what_is_open() -> None:
    recent = _recent(1200, 31)
    (open_,) = gathering.follow(gathering.Recent(recent.at[:-1], recent.people[:-1], recent.scope[:-1],
                                                 recent.vectors[:-1]), 1200, [], gathering.BURST)  # fmt: skip
    known = gathering.Crowd(9, "burst", open_.centre, open_.first_at, open_.last_at, open_.last)
    (after,) = gathering.follow(recent, 1230, [known], gathering.BURST)
    assert (after.id, after.joined, after.last) == (9, (1230,), 1230)


def test_one_person_is_no_crowd() -> None:
    recent = _recent(1200, 30, people=4)
    assert gathering.follow(recent, 1200, [], gathering.BURST) == []


@pytest.mark.parametrize(("close", "told"), [(0.7, True), (0.4, True), (0.15, False)])
def test_mails_of_an_incident_need_not_be_near_duplicates(close: float, told: bool) -> None:
    assert bool(gathering.follow(_recent(1200, 30, close=close), 1200, [], gathering.BURST)) == told


@pytest.mark.parametrize(("share", "told"), [(0.05, True), (0.2, False)])
def test_twice_as_often_is_no_burst(share: float, told: bool) -> None:
    """Of an hour's 900 mails 300, and that share of the others, are about what the share of all mail always was about.

    Twice as often is beyond chance in so much mail, but no incident.
    """
    recent = _recent(2000, 300)
    often = np.random.default_rng(3).random(2000) < share
    recent.vectors[:2000][often] = _recent(0, int(often.sum())).vectors
    order = np.r_[np.arange(1400), np.random.default_rng(4).permutation(np.arange(1400, 2300))]
    at = np.r_[np.arange(1400) * 60.0, 84_000.0 + np.arange(900) * 4.0]
    found = gathering.Recent(at, np.arange(2300), recent.scope, recent.vectors[order])
    assert bool(gathering.follow(found, 1400, [], gathering.BURST)) == told


@pytest.mark.parametrize("close", [0.9, 0.4])
@pytest.mark.parametrize(("people", "told"), [(30, True), (6, False)])
def test_people_are_counted_not_their_mails(people: int, told: bool, close: float) -> None:
    """Of what is asked now and then, thirty mails an hour are a burst, but not when six people write them all."""
    recent = _recent(1200, 30, close=close, people=people)
    recent.vectors[:1200:40] = _recent(0, 30, close=close).vectors
    assert bool(gathering.follow(recent, 1200, [], gathering.BURST)) == told


def test_near_duplicates_need_no_more_people_than_the_rule_says() -> None:
    for rule in (gathering.BURST, gathering.TOPIC):
        assert gathering.follow(_recent(3600, rule.least), 3600, [], rule)
        assert gathering.follow(_recent(3600, rule.least - 1), 3600, [], rule) == []


def test_more_people_than_are_needed_may_be_asked_for() -> None:
    asked = replace(gathering.BURST, least=40)
    assert gathering.follow(_recent(1200, 30, close=0.4), 1200, [], asked) == []


@pytest.mark.parametrize(("people", "told"), [(1, True), (4, False)])
def test_who_writes_often_does_not_choose_what_others_are_compared_with(people: int, told: bool) -> None:
    """Twelve tell of one thing in their own words, then four mails say one thing word for word.

    Of one person they are one of the four in the middle; of four people they are the middle.
    """
    recent = _recent(1200, 16, close=0.4)
    recent.vectors[1212:1215] = recent.vectors[1215]
    recent.people[1212:1216] = 1212 + np.arange(4) % people
    assert bool(gathering.gathered(recent, 1215, gathering.BURST)) == told


@pytest.mark.parametrize("close", [0.9, 0.4])
def test_other_mails_of_the_hour_tell_of_no_second_crowd(close: float) -> None:
    """What is near to nothing still has nearest mails, and these are of the burst."""
    burst, other = _recent(1200, 30, close=close), _recent(1300, 0)
    vectors = np.concatenate([burst.vectors, other.vectors[-60:]])
    at = np.r_[burst.at, burst.at[-1] + np.arange(1, 61) * 10.0]
    recent = gathering.Recent(at, np.arange(1290), np.full(1290, 0.7), vectors)
    assert len(gathering.follow(recent, 1200, [], gathering.BURST)) == 1


def test_mails_that_are_chosen_for_being_near_do_not_count() -> None:
    """Seven a little alike, of which four make the middle: with these counted they would be a crowd beyond chance."""
    recent = _recent(3600, 7, close=0.4)
    late, before = 7, 3600 - 60
    assert gathering.surge(late, 0, 66 / (66 + before)) < gathering.BURST.chance_around / 1e4
    assert gathering.gathered(recent, 3604, gathering.BURST) == []


@pytest.mark.parametrize(("levels", "told"), [(1, True), (10_000, False)])
def test_the_chance_is_divided_among_levels(levels: int, told: bool) -> None:
    rule = replace(gathering.BURST, alike=1.1, around=(0.5,) * levels)
    assert bool(gathering.follow(_recent(3600, 8), 3600, [], rule)) == told


@pytest.mark.parametrize(("scope", "told"), [(0.25, True), (0.5, False)])
def test_mails_of_a_topic_are_more_alike_to_their_middle_than_to_examples(scope: float, told: bool) -> None:
    recent = _recent(1200, 30, close=0.35, scope=scope)
    assert bool(gathering.follow(recent, 1200, [], gathering.TOPIC)) == told


@pytest.mark.parametrize(("loose", "tight", "told"), [(0.2, 0.3, True), (0.2, 0.69, False), (0.65, 0.3, False)])
def test_neither_the_middle_of_a_topic_nor_what_is_around_is_covered(loose: float, tight: float, told: bool) -> None:
    """Twenty mails are half alike to four near duplicates; either are nearer to examples, or neither."""
    recent, few = _recent(1200, 24, close=0.25, scope=loose), _recent(1200, 24, close=0.97, scope=tight)
    recent.vectors[1220:], recent.scope[1220:] = few.vectors[1220:], tight
    assert bool(gathering.gathered(recent, 1223, gathering.TOPIC)) == told


@pytest.mark.parametrize(("scope", "told"), [(0.69, True), (0.71, False)])
def test_mails_of_a_topic_are_less_like_examples_than_is_usual(scope: float, told: bool) -> None:
    assert bool(gathering.follow(_recent(1200, 30, close=0.97, scope=scope), 1200, [], gathering.TOPIC)) == told


def test_a_burst_that_goes_on_may_be_a_topic() -> None:
    crowd = gathering.Crowd(1, "burst", np.zeros(3, dtype=np.float32), 0.0, 7_200.0, 50)
    assert gathering.keeps(crowd, gathering.BURST)
    assert not gathering.keeps(replace(crowd, last_at=7_201.0), gathering.BURST)
    assert gathering.keeps(replace(crowd, last_at=1e9), gathering.TOPIC)


@pytest.mark.parametrize(("later", "waned"), [(4, False), (5, True)])
def test_a_burst_is_over_when_no_more_than_three_times_the_usual_comes(later: int, waned: bool) -> None:
    """One mail in twelve is usual; then one in four is just enough to go on."""
    recent = _recent(1200, 440, gap=60.0)
    recent.at[1200:] = recent.at[1199] + np.arange(1, 441) * 20.0
    recent.vectors[:1200:12] = _recent(0, 100).vectors
    aside = _recent(440, 0).vectors
    recent.vectors[1200:] = np.where((np.arange(440) % later == 0)[:, None], recent.vectors[1200:], aside)
    middle = np.eye(1, DIMENSION, dtype=np.float32)[0]
    crowd = gathering.Crowd(1, "burst", middle, float(recent.at[1200]), float(recent.at[-1]), 1639)
    assert gathering.has_waned(crowd, gathering.BURST, recent) == waned
    young = replace(crowd, first_at=float(recent.at[-1]) - 7_000)
    assert not gathering.has_waned(young, gathering.BURST, recent), "it may have been told a moment ago"
    assert not gathering.has_waned(replace(crowd, first_at=-1.0), gathering.BURST, recent), "nothing is from before it"
    assert not gathering.has_waned(crowd, gathering.TOPIC, recent)


def test_what_is_always_asked_is_no_burst() -> None:
    """Alike mails all the time, as many by the hour as ever."""
    recent = _recent(0, 1200, gap=360.0)
    assert gathering.follow(recent, 0, [], gathering.BURST) == []


def test_a_topic_that_examples_cover_is_not_new() -> None:
    recent = _recent(1200, 30, scope=0.95)
    assert gathering.follow(recent, 1200, [], gathering.TOPIC) == []
    assert gathering.follow(recent, 1200, [], gathering.BURST) != []


def test_nothing_is_said_before_it_is_known_what_is_usual() -> None:
    recent = _recent(150, 30)
    assert gathering.follow(recent, 150, [], gathering.BURST) == []


def test_a_crowd_ends_when_nobody_joins() -> None:
    crowd = gathering.Crowd(1, "burst", np.zeros(3, dtype=np.float32), 0.0, 1000.0, 50)
    assert not gathering.is_over(crowd, gathering.BURST, 8_000.0, 60)
    assert gathering.is_over(crowd, gathering.BURST, 8_201.0, 60)
    topic = gathering.Crowd(1, "topic", np.zeros(3, dtype=np.float32), 0.0, 1000.0, 50)
    assert not gathering.is_over(topic, gathering.TOPIC, 1e9, 1_250)
    assert gathering.is_over(topic, gathering.TOPIC, 1e9, 1_251)


def test_words_are_those_that_several_subjects_share() -> None:
    subjects = ["Re: VPN down again", "vpn is down!", "No VPN, Frau Özdemir waits", "The printer of Özdemir"]
    assert common_words(subjects) == ("vpn",)
    assert common_words([*subjects, "vpn down"]) == ("vpn", "down")
    assert common_words([]) == ()


def test_a_source_that_labels_against_its_neighbours_is_doubtful() -> None:
    rng = np.random.default_rng(3)
    middles = np.eye(4, 24, dtype=np.float32)
    truth = rng.integers(0, 4, 400)
    rows = middles[truth] * 3 + rng.standard_normal((400, 24)).astype(np.float32) / 4
    vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    names = np.array(["seed"] * 250 + ["ann"] * 100 + ["bob"] * 50)
    said = np.where((names == "bob") & (rng.random(400) < 0.5), (truth + 1) % 4, truth)
    found = sources_of(names.tolist(), [f"c{n}" for n in said], vectors, {"ann": 25})
    by = {source.name: source for source in found}
    assert [source.name for source in found] == ["seed", "ann", "bob"]
    assert (by["bob"].doubtful, by["ann"].doubtful, by["seed"].doubtful) == (True, False, False)
    assert by["bob"].contradicted.value == pytest.approx(0.5, abs=0.15)
    assert by["ann"].replaced.value == 0.2
    assert sources_of([], [], np.zeros((0, 0), dtype=np.float32), {}) == []


# --- mail like no example ------------------------------------------------------------------------


def _ranked(count: int, unlike: float = 0.0, after: int = 1000, people: int | None = None) -> gathering.Recent:
    """Mails of which, from some on, a share is less like the examples than any before."""
    rng = np.random.default_rng(3)
    scope = rng.uniform(0.4, 0.9, count)
    strange = (np.arange(count) >= after) & (rng.random(count) < unlike)
    scope[strange] = rng.uniform(0.1, 0.2, int(strange.sum()))
    who = np.where(strange, np.arange(count) % people, np.arange(count)) if people else np.arange(count)
    return gathering.Recent(
        np.arange(count, dtype=np.float64) * 60.0, who, scope, np.zeros((count, 2), dtype=np.float32)
    )


def _novelty(recent: gathering.Recent, first: int = 0, **passed: Any) -> novelty.Novelty:
    names = [f"HD-{row}" for row in range(len(recent.at))]
    return novelty.follow(novelty.Novelty(), recent, first, names, **passed)


@pytest.mark.parametrize("seed", range(2))
def test_mail_that_is_as_like_the_examples_as_ever_is_no_news(seed: int) -> None:
    rng = np.random.default_rng(seed)
    recent = replace(_ranked(5000), scope=rng.beta(8, 3, 5000))
    assert not _novelty(recent).chart.alarmed


def test_more_mail_than_usual_that_is_like_no_example_is_told_with_its_latest_tickets() -> None:
    recent = _ranked(1200, unlike=1 / 12)
    found = _novelty(recent)
    assert found.chart.alarmed
    assert found.tickets == tuple(f"HD-{row}" for row in np.flatnonzero(recent.scope < 0.3)[-8:])


def test_what_was_seen_counts_on_when_more_comes() -> None:
    whole, names = _ranked(1200, unlike=1 / 12), [f"HD-{row}" for row in range(1200)]
    kept = novelty.Novelty()
    for end in range(600, 1201, 50):
        part = gathering.Recent(whole.at[:end], whole.people[:end], whole.scope[:end], whole.vectors[:end])
        kept = novelty.follow(kept, part, end - 50 if end > 600 else 0, names[:end])
    assert kept == _novelty(whole)


def test_it_is_over_when_such_mail_is_usual_or_has_ended() -> None:
    assert not _novelty(_ranked(7000, unlike=1 / 12)).chart.alarmed
    ended = _ranked(1600, unlike=1 / 12)
    ended.scope[1300:] = 0.7
    assert not _novelty(ended).chart.alarmed


@pytest.mark.parametrize(("people", "told"), [(400, True), (3, False)])
def test_few_who_write_often_are_no_news(people: int, told: bool) -> None:
    assert _novelty(_ranked(1300, unlike=1 / 8, people=people)).chart.alarmed == told


def test_what_is_told_of_as_a_crowd_or_came_long_ago_does_not_count() -> None:
    recent = _ranked(1300, unlike=1 / 8)
    assert _novelty(recent).chart.alarmed
    assert not _novelty(recent, told=set(np.flatnonzero(recent.scope < 0.3).tolist())).chart.alarmed
    assert not _novelty(recent, since=float(recent.at[-1])).chart.alarmed


def test_nothing_is_unlike_before_there_is_enough_to_rank_among() -> None:
    early = _ranked(novelty.LEAST, unlike=0.5, after=200)
    assert _novelty(early) == novelty.Novelty()
