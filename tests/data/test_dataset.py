"""The artefact: what is written is what was given, in the promised order, whatever the size of the chunks."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.data import Dataset, chunks
from genrec.data.config import DataConfig, Filters, Sessions, Split
from genrec.data.dataset import SPLITS
from genrec.data.make import write_dataset
from genrec.errors import UnknownNameError

ROWS = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 5)), min_size=1, max_size=40, unique=True
)
START = 1_700_000_000_000


def frame_of(rows: list[tuple[int, int, int]]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    return frame.with_columns(pl.col("timestamp") + START)


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_sequences_equal_a_naive_computation(rows: list[tuple[int, int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_dataset(Path(folder) / "d", None, frame_of(rows))
        data = Dataset.load(Path(folder) / "d")
    users = sorted({str(user) for user, _, _ in rows})
    items = sorted({str(item) for _, item, _ in rows})
    assert (data.user_ids, data.item_ids) == (users, items)
    sequences = data.sequences
    for index, user in enumerate(users):
        own = sorted((row for row in rows if str(row[0]) == user), key=lambda row: row[2])
        part = slice(sequences.offsets[index], sequences.offsets[index + 1])
        assert [items[item] for item in sequences.items[part]] == [str(item) for _, item, _ in own]
        assert sequences.timestamps[part].tolist() == [time + START for _, _, time in own]
        expected = ["train"] * len(own) if len(own) < 3 else ["train"] * (len(own) - 2) + ["valid", "test"]
        assert [SPLITS[code] for code in sequences.splits[part]] == expected
    examples = data.examples("test")
    for user_index, target, history in zip(examples.users, examples.targets, examples.histories, strict=True):
        sequence = sequences.items[sequences.offsets[user_index] : sequences.offsets[user_index + 1]]
        assert [*history, target] == sequence.tolist()


@pytest.mark.parametrize("by", ["leave_one_out", "temporal", "by_user"])
def test_the_size_of_the_chunks_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator, by: str
) -> None:
    log = pl.DataFrame(
        {
            "user_id": rng.integers(0, 60, 900),
            "item_id": rng.integers(0, 80, 900),
            "timestamp": START + rng.integers(0, 500, 900),
        }
    )
    config = DataConfig(
        split=Split.model_validate({"by": by}),
        filters=Filters(min_user_interactions=9, min_item_interactions=9),
        sessions=Sessions(by="count", size=3),
    )
    whole = write_dataset(tmp_path / "whole", None, log, config)
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 70)
    parts = write_dataset(tmp_path / "parts", None, log, config)
    assert whole.details == parts.details
    assert 0 < whole.details["counts"]["interactions"] < 900
    first, second = (Dataset.load(tmp_path / name) for name in ("whole", "parts"))
    assert first.items.equals(second.items)
    assert first.interactions.equals(second.interactions)


def test_rows_of_one_moment_keep_the_order_of_the_log_unless_they_have_positions(tmp_path: Path) -> None:
    log = pl.DataFrame({"user_id": "u", "item_id": list("cab"), "timestamp": START})
    write_dataset(tmp_path / "log", None, log)
    assert Dataset.load(tmp_path / "log").interactions["item_id"].to_list() == list("cab")
    write_dataset(tmp_path / "position", None, log.with_columns(position=pl.Series([2, 3, 1])))
    assert Dataset.load(tmp_path / "position").interactions["item_id"].to_list() == list("bca")


def test_without_times_the_order_of_the_rows_is_the_time(tmp_path: Path) -> None:
    log = pl.DataFrame({"user_id": list("vuvuv"), "item_id": list("zyxwz")})
    manifest = write_dataset(tmp_path / "d", None, log)
    data = Dataset.load(tmp_path / "d")
    assert data.interactions.select("user_id", "item_id", "timestamp").rows() == [
        ("u", "y", 0), ("u", "w", 1), ("v", "z", 0), ("v", "x", 1), ("v", "z", 2)
    ]  # fmt: skip
    assert manifest.details["time_unit"] == "ordinal"
    assert manifest.details["counts"]["interactions"] == 5


def test_all_optional_columns_arrive_typed_and_in_order(tmp_path: Path) -> None:
    log = pl.DataFrame(
        {
            "position": ["1"], "user_id": ["u"], "value": ["4.5"], "item_id": ["a"], "behavior": ["like"],
            "domain": ["books"], "request_id": ["r"], "timestamp": ["1700000000"], "surplus": ["gone"],
        }
    )  # fmt: skip
    write_dataset(tmp_path / "d", None, log)
    assert Dataset.load(tmp_path / "d").interactions.schema == {
        "user_id": pl.String, "item_id": pl.String, "timestamp": pl.Int64, "split": pl.String,
        "behavior": pl.String, "value": pl.Float64, "domain": pl.String, "request_id": pl.String,
        "position": pl.Int64,
    }  # fmt: skip


def test_unseen_items_stay_only_if_asked_for(tmp_path: Path) -> None:
    log = pl.DataFrame({"user_id": "u", "item_id": ["b", "a"]})
    items = pl.DataFrame({"item_id": ["c", "b", "a"], "title": ["C", None, "A"], "plot": ["x", "y", "z"]})
    write_dataset(tmp_path / "seen", items, log)
    seen = Dataset.load(tmp_path / "seen")
    assert seen.items.rows() == [("a", "A", "z"), ("b", None, "y")]
    assert seen.titles == ["A", "b"]
    write_dataset(tmp_path / "all", items, log, DataConfig(keep_unseen_items=True))
    assert Dataset.load(tmp_path / "all").item_ids == ["a", "b", "c"]


def test_an_unknown_user_gets_a_suggestion(tmp_path: Path) -> None:
    write_dataset(tmp_path / "d", None, pl.DataFrame({"user_id": ["alice"], "item_id": ["a"]}))
    with pytest.raises(UnknownNameError, match="Did you mean 'alice'"):
        Dataset.load(tmp_path / "d").history("alise")


def test_the_artefact_holds_nothing_but_its_files(tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path / "d", None, pl.DataFrame({"user_id": ["u"], "item_id": ["a"]}))
    assert sorted(manifest.files) == ["interactions.parquet", "items.parquet"]
    assert sorted(file.name for file in (tmp_path / "d").iterdir()) == [*sorted(manifest.files), "manifest.json"]
