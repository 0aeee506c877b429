from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from genrec.data import Dataset
from genrec.data.config import DataConfig, Sessions, Split
from genrec.data.dataset import SPLITS
from genrec.data.make import write_dataset
from genrec.data.sessions import session_numbers
from genrec.data.splits import SplitPlan, assign, plan_split
from genrec.errors import DataError

LOGS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 20)), min_size=1, max_size=120)
PROTOCOLS = st.sampled_from(["leave_one_out", "temporal", "by_user"])
SHARES = st.tuples(st.floats(0.05, 0.45), st.floats(0.05, 0.45))


def divided(rows: list[tuple[int, int]], split: Split, seed: int = 0) -> pl.DataFrame:
    """Rows of (user, time), sorted as an import sorts them, with their split."""
    frame = pl.DataFrame(rows, schema=["user", "timestamp"], orient="row").sort(
        "user", "timestamp", maintain_order=True
    )
    frame = frame.with_columns(user_id=pl.col("user").cast(pl.String))
    frame = frame.with_columns(user_index=pl.col("user_id").rle_id().cast(pl.Int64))
    plan = plan_split(split, frame["timestamp"].to_numpy(), frame["user_id"].n_unique(), "ms", seed)
    return frame.with_columns(split=assign(frame, plan))


def possible(rows: list[tuple[int, int]], by: str, shares: tuple[float, float]) -> pl.DataFrame:
    try:
        return divided(rows, Split.model_validate({"by": by, "valid": shares[0], "test": shares[1]}))
    except DataError:  # too few users or moments for these shares
        assume(False)
        raise


def by_user(frame: pl.DataFrame) -> list[pl.DataFrame]:
    return frame.partition_by("user_id", maintain_order=True)


@given(LOGS, PROTOCOLS, SHARES)
def test_nothing_is_learned_after_a_target_of_its_user(rows: list, by: str, shares: tuple[float, float]) -> None:
    for user in by_user(possible(rows, by, shares)):
        place = {name: [n for n, split in enumerate(user["split"]) if split == name] for name in SPLITS}
        targets = place["valid"] + place["test"]
        if targets and place["train"]:
            assert max(place["train"]) < min(targets)
        if place["valid"] and place["test"]:
            assert max(place["valid"]) < min(place["test"])


@given(LOGS, PROTOCOLS, SHARES)
def test_every_row_has_one_split_and_every_target_a_history(
    rows: list, by: str, shares: tuple[float, float]
) -> None:
    frame = possible(rows, by, shares)
    assert len(frame) == len(rows)
    assert set(frame["split"]) <= set(SPLITS)
    assert all(user["split"][0] in ("train", "context") for user in by_user(frame))


@given(LOGS, SHARES)
def test_temporal_time_never_runs_back_and_ties_stay_together(rows: list, shares: tuple[float, float]) -> None:
    frame = possible(rows, "temporal", shares)
    times = {name: frame.filter(split=name)["timestamp"].to_list() for name in ("train", "valid", "test")}
    assert times["train"]
    for earlier, later in (("train", "valid"), ("valid", "test"), ("train", "test")):
        if times[later]:
            assert max(times[earlier], default=-1) < min(times[later])
    context = frame.filter(split="context")
    assert context["timestamp"].to_list() == [] or context["timestamp"].min() > max(times["train"])


@given(LOGS, SHARES)
def test_by_user_nobody_is_both_learned_from_and_tested(rows: list, shares: tuple[float, float]) -> None:
    seen = set()
    for user in by_user(possible(rows, "by_user", shares)):
        splits = user["split"].to_list()
        seen |= set(splits)
        learned = set(splits) == {"train"}
        held_out = splits[-1] in ("valid", "test") and set(splits[:-1]) == {"context"}
        assert learned or held_out or splits == ["context"]
    assert "train" in seen


@given(LOGS)
def test_leave_one_out_gives_each_long_user_one_target_of_each_kind(rows: list) -> None:
    for user in by_user(divided(rows, Split())):
        size = len(user)
        expected = ["train"] * size if size < 3 else ["train"] * (size - 2) + ["valid", "test"]
        assert user["split"].to_list() == expected


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=60))
def test_leave_one_session_out_learns_nothing_after_a_target(rows: list[tuple[int, int]]) -> None:
    """Sessions may overlap: a row is (user, session), in any order."""
    frame = pl.DataFrame(rows, schema=["user", "request_id"], orient="row").sort("user", maintain_order=True)
    frame = frame.with_columns(pl.col("request_id").cast(pl.String), user_id=pl.col("user").cast(pl.String))
    frame = frame.with_columns(session=session_numbers(frame, Sessions(by="request")))
    frame = frame.with_columns(split=assign(frame, SplitPlan("leave_one_session_out")))
    for user in by_user(frame):
        began = user["session"].unique(maintain_order=True).to_list()
        if len(began) < 3:
            assert set(user["split"]) == {"train"}
            continue
        for place, session in enumerate(began):
            name = {len(began) - 1: "test", len(began) - 2: "valid"}.get(place, "train")
            splits = user.filter(session=session)["split"].to_list()
            assert splits[0] == name
            assert set(splits) <= {name, "context"}
        ranks = [SPLITS.index(split) for split in user["split"] if split != "context"]
        assert ranks == sorted(ranks)


def test_sessions_that_overlap_by_hand() -> None:
    frame = pl.DataFrame({"user_id": ["u"] * 6, "session": [0, 1, 0, 2, 1, 2]})
    splits = assign(frame, SplitPlan("leave_one_session_out")).to_list()
    assert splits == ["train", "valid", "context", "test", "context", "test"]


def test_leaving_sessions_out_needs_sessions() -> None:
    with pytest.raises(ValueError, match=r"set sessions\.by to request, gap or count"):
        DataConfig(split=Split(by="leave_one_session_out"))


def test_temporal_cuts_eight_to_one_to_one() -> None:
    frame = divided([(user, time) for time in range(100) for user in (0, 1)], Split(by="temporal"))
    assert dict(frame["split"].value_counts().iter_rows()) == {"train": 160, "valid": 20, "test": 20}


def test_the_seed_decides_who_is_held_out() -> None:
    rows = [(user, time) for user in range(50) for time in range(3)]
    first, same, other = (divided(rows, Split(by="by_user"), seed)["split"].to_list() for seed in (0, 0, 1))
    assert first == same
    assert first != other


@pytest.mark.parametrize(
    ("split", "frame", "message"),
    [
        ({"by": "temporal"}, {"user_id": ["u"] * 5, "item_id": list("abcde")}, "the log has no times"),
        (
            {"by": "temporal"},
            {"user_id": ["u"] * 3, "item_id": list("abc"), "timestamp": [1.7e9] * 3},
            "three moments",
        ),
        ({"by": "by_user"}, {"user_id": ["u", "v"], "item_id": ["a", "b"]}, "too few to hold out"),
    ],
)
def test_an_impossible_split_says_so(tmp_path: Path, split: dict, frame: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        write_dataset(tmp_path / "d", None, pl.DataFrame(frame), DataConfig(split=Split.model_validate(split)))


def test_a_given_split_is_taken_as_it_is_but_for_targets_without_history(tmp_path: Path) -> None:
    splits = ["test", "train", "valid", "test"]
    frame = pl.DataFrame({"user_id": "u", "item_id": list("abcd"), "split": splits})
    write_dataset(tmp_path / "d", None, frame)
    assert Dataset.load(tmp_path / "d").interactions["split"].to_list() == ["context", "train", "valid", "test"]


def test_a_wrong_name_of_a_split_is_an_error(tmp_path: Path) -> None:
    frame = pl.DataFrame({"user_id": "u", "item_id": list("ab"), "split": ["train", "eval"]})
    with pytest.raises(
        DataError, match=r"1 rows whose split is none of train, valid, test, context: row 2 \('eval'\)"
    ):
        write_dataset(tmp_path / "d", None, frame)


def test_the_manifest_counts_what_the_split_made(tmp_path: Path) -> None:
    frame = pl.DataFrame({"user_id": list("uuuuvv"), "item_id": list("abcdab")})
    split = write_dataset(tmp_path / "d", None, frame).details["split"]
    assert {name: split[name] for name in SPLITS} == {"train": 4, "valid": 1, "test": 1, "context": 0}
    assert split["users_too_short"] == 1
    assert split["targets_never_seen_in_train"] == 2


def test_shares_must_leave_something_to_train_on() -> None:
    with pytest.raises(ValueError, match="something to train on"):
        Split(valid=0.5, test=0.5)
    assert np.isclose(Split().valid, 0.1)
