"""Every task on real films and ratings: MovieLens-100k of the package recbole."""

from __future__ import annotations

import importlib.util
import re

import numpy as np
import pytest

from genrec.data import Dataset
from genrec.data.config import DataConfig
from genrec.data.dataset import SPLITS
from genrec.models.language import Chat
from genrec.semantic_ids import Catalogue
from genrec_alignment.tasks import TASKS, Encoder, Mixture, MixtureConfig, TaskSource
from genrec_alignment.tasks.packing import measure_fill, pack
from genrec_alignment.tasks.rows import stream_rows

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("recbole") is None, reason="the package recbole is not installed"
)
NAMES = [name for name in TASKS if name != "reason"]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    from genrec.data.make import make_dataset

    run = tmp_path_factory.mktemp("films")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENREC_CACHE", str(run / "cache"))
        make_dataset(DataConfig(), run, seed=0)
    return Dataset.load(run / "dataset")


@pytest.fixture(scope="module")
def film_ids(films: Dataset) -> Catalogue:
    codes = np.stack(np.divmod(np.arange(len(films.items)), 42), axis=1).astype(np.int32)
    return Catalogue(films.item_ids, codes, (int(codes[:, 0].max()) + 1, 42), films.titles)


def test_every_task_has_rows(films: Dataset, film_ids: Catalogue, chat: Chat) -> None:
    config = MixtureConfig(weights=dict.fromkeys(NAMES, 1.0), rows=10 * len(NAMES))
    mixed = Mixture.of(config, TaskSource.of(films, film_ids, config, 50), seed=0)
    assert set(mixed.counts.values()) == {10}
    kinds, units = mixed.plan(0)
    encode = Encoder(chat)
    for place, (kind, unit) in enumerate(zip(kinds, units, strict=True)):
        row = mixed.row(NAMES[kind], int(unit), 0, place)
        assert row.completion.strip()
        assert "  " not in row.completion
        assert encode(row)[1].sum() > 0


@pytest.mark.parametrize("name", ["continue_history", "next_item", "preference_to_sid"])
def test_no_user_is_told_a_film_that_is_held_out(films: Dataset, film_ids: Catalogue, name: str) -> None:
    source = TaskSource.of(films, film_ids, MixtureConfig(), 50)
    sequences, item_of = films.sequences, {film_ids.sid(item): item for item in range(len(film_ids))}
    train = sequences.splits == SPLITS.index("train")
    pairs = np.repeat(np.arange(len(sequences)), np.diff(sequences.offsets)) * len(film_ids) + sequences.items
    task, seen = TASKS[name](source), []
    rng = np.random.default_rng(0)
    for unit in rng.choice(len(task), 200, replace=False).tolist():
        row = task.row(unit, rng)
        items = [item_of[sid] for sid in re.findall(r"<a_\d+><b_\d+>", f"{row.prompt}{row.given}{row.completion}")]
        user = unit_user(source, name, unit)
        seen += [user * len(film_ids) + item for item in items]
    assert len(seen) >= 200
    assert set(seen) <= set(pairs[train].tolist())
    assert not set(seen) & set(pairs[~train].tolist())  # in MovieLens nobody rates a film twice


def unit_user(source: TaskSource, name: str, unit: int) -> int:
    """Return the user of a unit, counted without the task."""
    counts = np.diff(source.offsets)
    units = -(-counts // 51) if name == "continue_history" else np.maximum(counts - 1, 0)
    return int(np.searchsorted(np.cumsum(units), unit, side="right"))


def test_blocks_of_the_default_mixture_are_nearly_full(films: Dataset, film_ids: Catalogue, chat: Chat) -> None:
    config = MixtureConfig(rows=500)
    rows = stream_rows(Mixture.of(config, TaskSource.of(films, film_ids, config, 20), 0), chat, 0)
    fill = measure_fill(rows, pack(rows, 2048, seed=0), 2048)
    assert fill.rows == 500
    assert fill.rate > 0.9
    assert fill.cut == 0
