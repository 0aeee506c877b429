"""Evaluation against sessions: what is measured, how the generator answers, what it reads, what people see."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from genrec.cli.evaluate import _table
from genrec.data import Dataset
from genrec.decoding import Ranking
from genrec.decoding.ranking import Sessions
from genrec.errors import DataError
from genrec.models.build import build_generator
from genrec.models.histories import Events
from genrec.models.onerec.config import EncoderDecoderConfig
from genrec.runs import new_artifact
from genrec.semantic_ids import Catalogue
from genrec_eval import generator as under_test
from genrec_eval.config import EvaluateConfig
from genrec_eval.make import make_evaluation
from genrec_eval.report import write_report
from tests.eval.conftest import MakeDataset, write_sessions

ITEMS = 12
CONFIG = EvaluateConfig(target="session", ks=(2, 10), baselines=("popularity",), examples=3, batch_size=4)


@pytest.fixture
def dataset(tmp_path: Path, rng: np.random.Generator) -> Dataset:
    users = [[rng.permutation(ITEMS)[:3].tolist() for _ in range(rng.integers(3, 6))] for _ in range(9)]
    return write_sessions([*users, [[0], [1]]], ITEMS, run=tmp_path / "run")


def codes() -> np.ndarray:
    return np.stack(np.divmod(np.arange(ITEMS), 4), axis=1).astype(np.int32)


def results_of(run: Path) -> dict[str, Any]:
    return json.loads((run / "evaluation" / "results.json").read_text())


class Stub:
    """Stands in for the recommender: lists begin with item 1, sessions with item 2; it keeps what it was given."""

    calls: list[tuple[str, Any]]

    def __init__(self, dataset: Dataset, session_length: int = 1, features: Any = None) -> None:
        self.calls = []
        self.catalogue = Catalogue(dataset.item_ids, codes(), (3, 4), dataset.titles)
        config = SimpleNamespace(session_length=session_length)
        self.generator = SimpleNamespace(features=features, model=SimpleNamespace(config=config))

    def recommend(self, histories: Any, k: int, beams: Any, exclude: Any) -> Ranking:
        self.calls.append(("list", (histories, k, beams, exclude)))
        items = np.tile(np.arange(1, k + 1), (len(histories), 1))
        return Ranking(items, np.zeros(items.shape, np.float32))

    def sessions(self, histories: Any, length: int, k: int = 1, beams: Any = None, exclude: Any = None) -> Sessions:
        self.calls.append(("session", (histories, length, beams, exclude)))
        items = np.tile(np.arange(2, length + 2), (len(histories), k, 1))
        return Sessions(items, np.zeros((len(histories), k), np.float32), np.zeros(items.shape, np.float32))


def put_generator(run: Path, stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    with new_artifact(run / "generator", "generator", {}) as draft:
        (draft.path / "config.json").write_text("{}")
    monkeypatch.setattr(under_test, "open_generator", lambda *_: stub)
    monkeypatch.setattr("genrec_eval.make.open_generator", lambda *_: stub)


def test_baselines_alone(dataset: Dataset) -> None:
    run = dataset.path.parent
    make_evaluation(CONFIG, run, seed=0)
    results, sessions = results_of(run), dataset.session_examples("test")
    assert (results["target"], results["examples"], results["session_length"], results["generate"]) == (
        "session", 9, 5, None
    )  # fmt: skip
    assert set(results["metrics"]["popularity"]) == {
        f"{name}@{k}" for name in ("recall", "ndcg", "map", "hit", "coverage", "repeats", "seen") for k in (2, 5)
    }
    in_history = [np.isin(*pair).sum() for pair in zip(sessions.targets, sessions.histories, strict=True)]
    assert results["unreachable"] == sum(in_history) > 0
    assert results["metrics"]["popularity"]["seen@5"] == 0
    ranks = pl.read_parquet(run / "evaluation" / "ranks.parquet")
    assert ranks["item_id"].to_list() == [[f"i{item:03}" for item in target] for target in sessions.targets]
    shares = [np.mean([0 < rank <= 2 for rank in row]) for row in ranks["popularity"]]
    assert results["metrics"]["popularity"]["recall@2"] == pytest.approx(np.mean(shares))
    shown = json.loads((run / "evaluation" / "examples.json").read_text())
    assert all(len(example["targets"]) == 3 and len(example["items"]) == 5 for example in shown)


def test_diversity_comes_with_semantic_ids(dataset: Dataset) -> None:
    run = dataset.path.parent
    make_evaluation(CONFIG, run, seed=0)
    assert "diversity@5" not in results_of(run)["metrics"]["popularity"]
    with new_artifact(run / "semantic_ids", "semantic_ids", {}) as draft:
        Catalogue(dataset.item_ids, codes(), (3, 4), dataset.titles).save(draft.path)
    make_evaluation(CONFIG, run, seed=0)
    assert 0.5 <= results_of(run)["metrics"]["popularity"]["diversity@5"] <= 1


@pytest.mark.parametrize(
    ("trained", "generate", "way"),
    [(1, None, "list"), (4, None, "session"), (4, "list", "list"), (1, "session", "session")],
)
def test_how_the_generator_answers(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, trained: int, generate: str | None, way: str
) -> None:
    run, stub = dataset.path.parent, Stub(dataset, session_length=trained)
    put_generator(run, stub, monkeypatch)
    make_evaluation(
        CONFIG.model_copy(update={"generate": generate, "beams": 7, "exclude_seen": False}), run, seed=0
    )
    results, length = results_of(run), 4 if trained == 4 else 5
    assert {name for name, _ in stub.calls} == {way}
    assert (results["generate"], results["session_length"]) == (way, length)
    assert stub.calls[0][1][1:] == (length, 7, None)
    # Sessions begin with item 2 and lists with item 1, so the two ways give different hits.
    first = 2 if way == "session" else 1
    sessions = dataset.session_examples("test")
    hits = np.mean([np.isin(target, [first, first + 1]).mean() for target in sessions.targets])
    assert results["metrics"]["generator"]["recall@2"] == pytest.approx(hits)
    assert results["metrics"]["generator"]["diversity@2"] > 0
    assert results["invalid_share"] == 0


@pytest.mark.parametrize("target", ["item", "session"])
def test_a_generator_that_reads_features_gets_those_of_the_history(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    """The feature of an event is the number of its row, so that what is read can be told."""
    rows = len(dataset.sequences.items)
    features = SimpleNamespace(table=lambda _: np.arange(rows, dtype=np.int32)[:, None])
    stub = Stub(dataset, features=features)
    put_generator(dataset.path.parent, stub, monkeypatch)
    make_evaluation(CONFIG.model_copy(update={"target": target, "examples": 0}), dataset.path.parent, seed=0)
    given = [events for _, (histories, *_) in stub.calls for events in histories]
    examples = dataset.examples("test") if target == "item" else dataset.session_examples("test")
    assert len(given) == len(examples) > 0
    for events, start, stop in zip(given, examples.starts, examples.stops, strict=True):  # type: ignore[arg-type]
        assert isinstance(events, Events)
        assert events.features is not None
        assert events.features[:, 0].tolist() == list(range(start, stop))
        assert events.items.tolist() == dataset.sequences.items[start:stop].tolist()


def test_a_session_wise_generator_from_its_folder(dataset: Dataset) -> None:
    run = dataset.path.parent
    shape = EncoderDecoderConfig(hidden_size=16, intermediate_size=16, heads=2, encoder_layers=1, decoder_layers=1)
    catalogue = Catalogue(dataset.item_ids, codes(), (3, 4), dataset.titles)
    with new_artifact(run / "generator", "generator", {}) as draft:
        build_generator(shape, catalogue, history_length=6, session_length=3).save_pretrained(draft.path)
    make_evaluation(CONFIG.model_copy(update={"exclude_seen": False}), run, seed=0)
    results = results_of(run)
    assert (results["generate"], results["session_length"], results["invalid_share"]) == ("session", 3, 0)
    assert results["metrics"]["generator"]["repeats@3"] == 0


def test_no_sessions_no_evaluation(make_dataset: MakeDataset) -> None:
    run = make_dataset([[0, 1, 2, 3]], 4).path.parent
    with pytest.raises(DataError, match=r"no sessions[^.]*\.\n.*data\.sessions\.by"):
        make_evaluation(CONFIG, run, seed=0)


def test_settings_of_sessions_are_for_sessions() -> None:
    with pytest.raises(ValueError, match="session_length and generate: only for target: session"):
        EvaluateConfig(session_length=4, generate="list")


def test_the_table_and_the_page(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    run = dataset.path.parent
    put_generator(run, Stub(dataset, session_length=3), monkeypatch)
    make_evaluation(CONFIG, run, seed=0)
    table = _table(results_of(run), run)
    assert "9 sessions (lists of 3 items, the generator's generated as a whole) of the split test" in table
    assert all(name in table for name in ("recall@3", "hit@3", "diversity@3", "repeats@3", "seen@3"))
    page = write_report(run).read_text(encoding="utf-8")
    assert "one session generated as a whole" in page
    assert "cannot be read" not in page
    assert "Recall at every cut-off" in page
    assert '<th scope="col">diversity@3</th>' in page
