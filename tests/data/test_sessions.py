from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.data import Dataset
from genrec.data.config import DataConfig, Sessions
from genrec.data.make import write_dataset
from genrec.data.sessions import session_numbers
from genrec.errors import DataError

MINUTE = 60_000


def frame(users: str, **columns: list[object]) -> pl.DataFrame:
    return pl.DataFrame({"user_id": list(users), **columns})


def test_a_pause_longer_than_the_gap_starts_a_session() -> None:
    times = [0, 30 * MINUTE, 60 * MINUTE + 1, 61 * MINUTE, 61 * MINUTE]
    log = frame("uuuuv", timestamp=times)
    assert session_numbers(log, Sessions(by="gap")).to_list() == [0, 0, 1, 1, 2]


def test_a_request_is_a_session_wherever_its_rows_stand() -> None:
    log = frame("uuuuuv", request_id=["r", "s", "r", None, None, "r"])
    assert session_numbers(log, Sessions(by="request"), first=7).to_list() == [7, 8, 7, 9, 10, 11]


def test_sessions_of_a_number_of_interactions() -> None:
    assert session_numbers(frame("uuuuuvv"), Sessions(by="count", size=2)).to_list() == [0, 0, 1, 1, 2, 3, 3]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), min_size=1), st.sampled_from(["gap", "count"])
)
def test_no_session_has_two_users_and_numbers_never_fall(rows: list[tuple[str, int]], by: str) -> None:
    rows.sort()
    log = pl.DataFrame(rows, schema=["user_id", "timestamp"], orient="row")
    config = Sessions.model_validate({"by": by, "gap_minutes": 2 / 60_000, "size": 3})
    numbers = session_numbers(log, config)
    assert numbers.is_sorted()
    assert set(numbers) == set(range(numbers.n_unique()))
    assert (
        log.with_columns(session=numbers).group_by("session").agg(pl.col("user_id").n_unique())["user_id"].max()
        == 1
    )


def test_the_artefact_holds_the_session_and_the_manifest_the_rule(tmp_path: Path) -> None:
    log = pl.DataFrame({"user_id": list("uuv"), "item_id": list("aba")})
    manifest = write_dataset(tmp_path / "d", None, log, DataConfig(sessions=Sessions(by="count", size=1)))
    assert Dataset.load(tmp_path / "d").interactions["session"].to_list() == [0, 1, 2]
    assert manifest.details["sessions"] == {"by": "count", "size": 1, "sessions": 3, "mean_length": 1.0}


@pytest.mark.parametrize(("by", "message"), [("request", "no request_id"), ("gap", "no times")])
def test_a_way_of_cutting_that_the_log_does_not_allow(tmp_path: Path, by: str, message: str) -> None:
    log = pl.DataFrame({"user_id": list("uu"), "item_id": list("ab")})
    with pytest.raises(DataError, match=message):
        write_dataset(tmp_path / "d", None, log, DataConfig(sessions=Sessions.model_validate({"by": by})))
