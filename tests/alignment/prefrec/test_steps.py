"""The log, its sessions, pairs of segments, and the state of a user."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.errors import DataError
from genrec_alignment.prefrec.memory import Memory, states_of
from genrec_alignment.prefrec.pairs import pairs_by_return, pairs_from_file
from genrec_alignment.prefrec.steps import Steps

# User 0 comes on days 0, 1 and 3, user 1 on days 0 and 8; the log ends on day 10.
LOG = Steps(
    users=np.array([0, 0, 0, 0, 1, 1]),
    sessions=np.array([0, 0, 1, 2, 3, 4]),
    items=np.array([0, 1, 0, 1, 2, 2]),
    days=np.array([0.0, 0.0, 1.0, 3.0, 0.0, 8.0]),
    feedback=np.array([1, 0, 0, 1, 1, 0], dtype=np.float32),
    until=10.0,
)


def test_days_away_are_to_the_next_session_or_to_the_end_of_the_log() -> None:
    assert LOG.away.tolist() == [1, 2, 7, 8, 2]
    assert LOG.returned.tolist() == [True, True, False, True, False]
    assert LOG.session_rows.tolist() == [0, 2, 3, 4, 5, 6]
    assert LOG.following.tolist() == [1, 2, 3, -1, 5, -1]


@pytest.mark.parametrize(
    "change",
    [
        {"users": np.array([0, 0, 0, 0, 1, 0])},
        {"days": np.array([0.0, 0.0, 1.0, 0.5, 0.0, 8.0])},
        {"sessions": np.array([0, 0, 1, 3, 4, 5])},
        {"sessions": np.array([0, 0, 1, 2, 2, 3])},
        {"until": 5.0},
    ],
)
def test_an_unsorted_log_is_refused(change: dict) -> None:
    with pytest.raises(ValueError, match=r"sorted|numbered|later"):
        replace(LOG, **change)


def test_who_came_back_sooner_is_preferred_and_who_may_yet_come_back_never_wins() -> None:
    pairs = pairs_by_return(LOG, 1, 2000, np.random.default_rng(0))
    sessions = np.searchsorted(LOG.session_rows, np.stack([pairs.better[:, 0], pairs.worse[:, 0]], axis=1))
    found = set(map(tuple, sessions.tolist()))
    # Session 2 (7 days so far) and session 4 (2 so far) are not over: the latter loses to session 0 alone.
    assert found == {(0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (1, 3)}
    assert len(pairs) + pairs.incomparable == 2000


def test_segments_of_several_sessions_stay_with_one_user() -> None:
    pairs = pairs_by_return(LOG, 2, 200, np.random.default_rng(0))
    assert set(map(tuple, pairs.better.tolist())) == {(0, 3)}
    assert set(map(tuple, pairs.worse.tolist())) == {(2, 4), (4, 6)}


def test_a_log_too_short_for_segments_is_refused() -> None:
    with pytest.raises(ValueError, match="two are needed"):
        pairs_by_return(LOG, 3, 10, np.random.default_rng(0))


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".jsonl"])
def test_judged_pairs_are_read_from_a_file(tmp_path: Path, ending: str) -> None:
    row = {"better_user": "u", "better_first": 1, "better_last": 2, "worse_user": "v", "worse_first": 0}
    table, file = pl.DataFrame([row | {"worse_last": 0}]), tmp_path / f"pairs{ending}"
    {".parquet": table.write_parquet, ".csv": table.write_csv, ".jsonl": table.write_ndjson}[ending](file)
    pairs = pairs_from_file(file, LOG, ["u", "v"])
    assert pairs.better.tolist() == [[2, 4]]
    assert pairs.worse.tolist() == [[4, 5]]


def test_every_mistake_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    columns = ["better_user", "better_first", "better_last", "worse_user", "worse_first", "worse_last"]
    rows = [("u", 0, 0, "v", 0, 2), ("x", 0, 0, "v", 0, 0)]
    pl.DataFrame(rows, schema=columns, orient="row").write_csv(tmp_path / "pairs.csv")
    with pytest.raises(DataError, match=r"1 row\(s\) name a user .* as better, the first is row 2.*\n.*as worse"):
        pairs_from_file(tmp_path / "pairs.csv", LOG, ["u", "v"])
    pl.DataFrame(rows, schema=columns, orient="row").drop("worse_last").write_csv(tmp_path / "short.csv")
    with pytest.raises(DataError, match="lacks the column"):
        pairs_from_file(tmp_path / "short.csv", LOG, ["u", "v"])
    with pytest.raises(DataError, match="no file"):
        pairs_from_file(tmp_path / "none.csv", LOG, ["u", "v"])


def test_a_state_holds_what_came_before_halved_by_every_half_life() -> None:
    states = states_of(LOG, np.eye(3, dtype=np.float32), [2.0])
    assert states.shape == (6, 2 * 3 + 1)
    assert not states[0].any()
    # Before the third step: items 0 and 1 were shown a day ago, the first with a click.
    left = np.arcsinh(0.5**0.5)
    np.testing.assert_allclose(states[2], [left, left, 0, left, 0, 0, np.log(2)], rtol=1e-6)
    assert not states[4].any()  # another user's past is not in it


@given(st.lists(st.floats(0, 20), min_size=1, max_size=6), st.floats(0.1, 50))
def test_a_memory_is_a_sum_of_halvings(gaps: list[float], half_life: float) -> None:
    memory, days = Memory(np.ones((1, 1), dtype=np.float32), 1, [half_life]), np.cumsum(gaps)
    for day in days:
        memory.write(np.array([0]), np.array([0]), np.array([day]), np.ones(1, dtype=np.float32))
    expected = (0.5 ** ((days[-1] + 1 - days) / half_life)).sum()
    np.testing.assert_allclose(np.sinh(memory.read(np.array([0]), days[-1:] + 1)[0, 0]), expected, rtol=1e-4)
