"""Sessions as training rows: nothing of their own moment or of the test part; labels; sampled negatives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from genrec.data import Dataset
from genrec.errors import DataError
from genrec_alignment.reward.config import RewardConfig
from genrec_alignment.reward.sessions import SessionLog
from tests.alignment.reward.worlds import ITEMS, LIKES, USERS, make_world, write


def load(run: Path, **settings: object) -> SessionLog:
    config = RewardConfig.model_validate({"objectives": LIKES, "session_length": 3} | settings)
    return SessionLog(Dataset.load(run / "dataset"), config)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.mark.parametrize("part", ["train", "valid"])
@pytest.mark.parametrize("seed", [None, 0, 1])
def test_pieces_hold_every_item_once_and_see_what_came_before(world: Path, part: str, seed: int | None) -> None:
    log = load(world)
    sequences = log.dataset.sequences
    rng = None if seed is None else np.random.default_rng(seed)
    pieces = log.pieces(part, np.arange(USERS), 3, rng)
    rows = pieces.rows[pieces.rows >= 0]
    code = {"train": 0, "valid": 1}[part]
    assert sorted(rows) == np.flatnonzero(sequences.splits == code).tolist()
    for number in range(len(pieces)):
        own = pieces.rows[number][pieces.rows[number] >= 0]
        history = log.kept[pieces.starts[number] : pieces.stops[number]]
        earlier = np.arange(sequences.offsets[pieces.users[number]], own[0])
        assert history.tolist() == earlier[sequences.splits[earlier] != 2].tolist()
        assert len(np.unique(sequences.sessions[own])) == 1
        values = sequences.values[own]
        np.testing.assert_allclose(pieces.labels[number], [(values >= 4).mean(), (values <= 2.5).mean()])


def test_rows_of_one_moment_are_not_each_others_history(tmp_path: Path) -> None:
    rows = [
        ("u0", f"i{item:02}", time, "train", 5.0 if item % 2 else 1.0, 0) for item, time in enumerate([1, 2, 2, 2])
    ]
    rows += [("u0", "i10", 0, "test", 5.0, 1)]
    columns = ["user_id", "item_id", "timestamp", "split", "value", "session"]
    write(tmp_path, pl.DataFrame(rows, schema=columns, orient="row").sort("timestamp", maintain_order=True))
    log = load(tmp_path)
    pieces = log.pieces("train", np.array([0]), 1)
    histories = [log.kept[start:stop].tolist() for start, stop in zip(pieces.starts, pieces.stops, strict=True)]
    assert histories == [[], [1], [1], [1]]  # row 0 is the test row


def test_any_item_makes_a_session_count(world: Path) -> None:
    share, some = (load(world, session_label=label).pieces("train", np.arange(9), 3) for label in ("share", "any"))
    np.testing.assert_array_equal(some.labels, share.labels > 0)
    assert set(np.unique(share.labels)) - {0.0, 1.0}


def test_sampled_items_are_strange_and_count_for_nothing(tmp_path: Path) -> None:
    make_world(tmp_path)
    log = pl.read_parquet(tmp_path / "dataset" / "interactions.parquet")
    write(tmp_path, log.filter(pl.col("value") > 4))  # a log of likes only
    with pytest.raises(DataError, match=r"every interaction(.|\n)*no interaction(.|\n)*sampled"):
        load(tmp_path)
    sampled = load(tmp_path, negatives="sampled", objectives=LIKES[:1])
    before = sampled.pieces("train", np.arange(USERS), 3)
    both = sampled.with_sampled(before, np.random.default_rng(0))
    again = both[np.arange(len(before), len(both))]
    replaced = (again.items >= 0) & (again.rows < 0)
    assert replaced.any(1).all()
    users = np.broadcast_to(again.users[:, None], again.items.shape)
    assert (again.items[replaced] % 2 != users[replaced] % 2).mean() > 0.9  # the other half was never met
    real = (again.items >= 0).sum(1)
    np.testing.assert_allclose(again.labels[:, 0], (again.rows >= 0).sum(1) / real)
    assert again.items.max() < ITEMS


def test_what_a_log_cannot_have_is_said_at_once(world: Path, tmp_path: Path) -> None:
    objectives = [{"name": "click", "behaviors": ["click"]}, {"name": "never", "min_value": 9}]
    with pytest.raises(DataError, match="no behavior 'click'"):
        load(world, objectives=objectives)
    with pytest.raises(DataError, match="'never': no interaction"):
        load(world, objectives=objectives[1:])
    with pytest.raises(DataError, match="but the log has none"):
        load(make_world(tmp_path / "a", values=False))
    with pytest.raises(DataError, match="has no sessions"):
        load(make_world(tmp_path / "b", sessions=False))
