"""A run's state is the same whatever the order, and however often, its events arrive."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.openlineage.states import RunState, effective_status, fold, join, lost_after, state_reported

SIX = datetime(2026, 3, 2, 6, tzinfo=UTC)
EVENT_TYPES = ["START", "RUNNING", "COMPLETE", "FAIL", "ABORT", "OTHER"]
STATUSES = ["queued", "running", "skipped", "success", "aborted", "failed"]

# few distinct minutes, so that ties are common
minutes = st.integers(0, 4).map(lambda minute: SIX + timedelta(minutes=minute))
event_lists = st.lists(st.tuples(st.sampled_from(EVENT_TYPES), minutes), max_size=7)
states = st.builds(RunState, st.sampled_from(STATUSES), st.none() | minutes, st.none() | minutes) | event_lists.map(
    lambda events: state_after(*events)
)


def state_after(*events: tuple[str, datetime]) -> RunState:
    state = RunState()
    for event_type, at in events:
        state = fold(state, event_type, at)
    return state


def at(minute: int) -> datetime:
    return SIX + timedelta(minutes=minute)


def test_a_run_starts_and_succeeds():
    state = state_after(("START", at(0)), ("RUNNING", at(1)), ("COMPLETE", at(2)))
    assert state == RunState("success", reported_at=at(2), started_at=at(0))
    assert state.finished_at == at(2)
    assert state.duration_seconds == 120


@pytest.mark.parametrize(
    ("event_type", "status"),
    [
        ("START", "running"),
        ("RUNNING", "running"),
        ("COMPLETE", "success"),
        ("FAIL", "failed"),
        ("ABORT", "aborted"),
        ("OTHER", "queued"),
    ],
)
def test_each_event_type_has_its_status(event_type, status):
    assert state_after((event_type, SIX)).reported_status == status


def test_the_end_with_the_latest_time_counts():
    assert state_after(("FAIL", at(5)), ("COMPLETE", at(3))).reported_status == "failed"
    assert state_after(("FAIL", at(3)), ("COMPLETE", at(5))).reported_status == "success"


def test_of_ends_at_one_instant_the_worse_counts():
    assert state_after(("COMPLETE", SIX), ("ABORT", SIX)).reported_status == "aborted"
    assert state_after(("FAIL", SIX), ("ABORT", SIX), ("COMPLETE", SIX)).reported_status == "failed"


def test_a_late_start_never_reopens_a_run():
    state = state_after(("COMPLETE", at(1)), ("START", at(9)), ("RUNNING", at(9)))
    assert state.reported_status == "success"
    assert state.finished_at == at(1)


def test_a_start_that_arrives_after_the_end_still_gives_the_duration():
    assert state_after(("COMPLETE", at(3)), ("START", at(1))).duration_seconds == 120


def test_a_duration_is_never_negative():
    assert state_after(("COMPLETE", at(1)), ("START", at(2))).duration_seconds == 0


def test_an_open_run_has_neither_end_nor_duration():
    state = state_after(("START", SIX))
    assert (state.finished_at, state.duration_seconds) == (None, None)


@given(event_lists.flatmap(lambda events: st.tuples(st.just(events), st.permutations(events))))
def test_the_order_of_arrival_does_not_matter(orders):
    events, permuted = orders
    assert state_after(*events) == state_after(*permuted)


@given(event_lists)
def test_replays_change_nothing(events):
    assert state_after(*events, *events) == state_after(*events)


@given(event_lists, event_lists)
def test_joining_what_two_heard_equals_hearing_all(ours, theirs):
    assert join(state_after(*ours), state_after(*theirs)) == state_after(*ours, *theirs)


@given(states, states, states)
def test_joining_knows_no_order_and_no_repetition(one, other, third):
    assert join(one, other) == join(other, one)
    assert join(join(one, other), third) == join(one, join(other, third))
    assert join(one, join(one, other)) == join(one, other)


def test_native_reports_join_with_events():
    reported = state_reported("failed", at=at(9), started_at=at(1), finished_at=at(4))
    assert join(reported, state_after(("START", at(0)))) == RunState("failed", at(4), at(0))
    assert state_reported("running", at=at(2)) == RunState("running", None, at(2))
    assert state_reported("queued", at=at(2)) == RunState()
    assert state_reported("skipped", at=at(2)) == RunState("skipped", at(2))


def test_without_anything_else_the_report_is_the_status():
    for status in STATUSES:
        assert effective_status(status) == (status, None)


@pytest.mark.parametrize("reported", ["queued", "running", "skipped", "success", "aborted"])
def test_a_failed_error_check_fails_the_run(reported):
    assert effective_status(reported, has_failed_error_check=True) == ("failed", "check")


def test_a_reported_failure_needs_no_check():
    assert effective_status("failed", has_failed_error_check=True) == ("failed", None)


def test_a_run_ends_with_its_parent_until_its_own_end_comes():
    assert effective_status("running", parent_ended_at=SIX) == ("aborted", "parent ended")
    assert effective_status("success", parent_ended_at=SIX) == ("success", None)


def test_a_run_without_an_end_is_lost_until_something_is_heard():
    assert effective_status("running", lost=True) == ("lost", None)
    assert effective_status("success", lost=True) == ("success", None)


def test_a_check_goes_before_the_parent_and_the_parent_before_silence():
    everything = {"has_failed_error_check": True, "parent_ended_at": SIX, "lost": True}
    assert effective_status("running", **everything) == ("failed", "check")
    assert effective_status("running", **everything | {"has_failed_error_check": False})[0] == "aborted"


def test_a_run_is_lost_after_a_day_or_five_medians():
    assert lost_after(SIX, None) == SIX + timedelta(hours=24)
    assert lost_after(SIX, 3_600) == SIX + timedelta(hours=24)
    assert lost_after(SIX, 36_000) == SIX + timedelta(hours=50)
