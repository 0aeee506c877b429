"""The scorer, its folder and the session, with weights by chance."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from genrec.errors import ArtifactError, ConfigError, DataError, UnknownNameError
from genrec.reranking.marks import PENDING, VIEWED, Past, mark
from genrec.reranking.scorer import Scorer, Shape
from genrec.reranking.session import LiveSession, SearchSettings
from genrec.reranking.store import load_scorer, save_scorer

SHAPE = Shape(dims=3, features=("score",), hidden=8, heads=2, experts=2, past=4)


@pytest.fixture
def scorer() -> Scorer:
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(0, 0.7, size).astype(np.float32) for name, size in SHAPE.weights().items()}
    return Scorer(SHAPE, {**weights, "feature_scale": np.ones(1, np.float32)})


def a_list(items: int, seed: int = 0) -> tuple[list[str], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    vectors, features = rng.normal(size=(items, 3)), rng.normal(size=(items, 1))
    return [f"i{row}" for row in range(items)], vectors.astype(np.float32), features.astype(np.float32)


def test_a_session_shows_every_item_once_across_lists(scorer: Scorer) -> None:
    session = LiveSession(scorer)
    session.offer(*a_list(6))
    first = [session.next() for _ in range(3)]
    session.offer(*a_list(8))
    assert set(session.left).isdisjoint(first)
    rest = []
    while (item := session.next()) is not None:
        rest.append(item)
    assert sorted([*first, *rest]) == a_list(8)[0]


def test_feedback_changes_what_comes_next_and_not_the_given_past(scorer: Scorer) -> None:
    _, vectors, features = a_list(6)
    past = Past(vectors[:2], np.stack([mark(True, False), mark(False, False)]))
    kept = past.marks.copy()
    session = LiveSession(scorer, past)
    session.offer(*a_list(6))
    item = session.next()
    assert item is not None
    waiting, row = session._past, a_list(6)[0].index(item)
    assert waiting.marks[-1, PENDING] == 1
    asked = (vectors, features, np.zeros((1, 0), np.int64))
    before = scorer.outcomes(waiting, *asked)
    session.on_feedback(item, viewed=True, liked=True)
    assert waiting.marks[-1, VIEWED] == 1
    assert np.abs(scorer.outcomes(session._past, *asked) - before).max() > 1e-3
    np.testing.assert_array_equal(past.marks, kept)
    np.testing.assert_array_equal(waiting.vectors[-1], vectors[row])


def test_a_past_longer_than_the_window_is_cut(scorer: Scorer) -> None:
    _, vectors, features = a_list(9)
    marks = np.tile(mark(True, False), (9, 1))
    marks[:, 4] = 1
    asked = (vectors[:2], features[:2], np.zeros((1, 0), np.int64))
    whole, late = (scorer.outcomes(Past(vectors[at:], marks[at:]), *asked) for at in (0, 5))
    np.testing.assert_allclose(whole, late, atol=1e-6)


def test_what_a_person_can_get_wrong_is_said(scorer: Scorer) -> None:
    session, (items, vectors, features) = LiveSession(scorer), a_list(3)
    with pytest.raises(DataError, match="Twice in one list: i0"):
        session.offer(["i0", "i0", "i1"], vectors, features)
    with pytest.raises(DataError, match=r"\[items, 3\].*\n.*\[3, 1\] \(score\)"):
        session.offer(items, vectors[:, :2], features[:, :0])
    with pytest.raises(DataError, match="NaN"):
        session.offer(items, vectors * np.nan, features)
    with pytest.raises(DataError, match="2 items with 3 vectors"):
        session.offer(items[:2], vectors, features)
    with pytest.raises(UnknownNameError, match="i1"):
        session.on_feedback("i1", viewed=True)
    with pytest.raises(ConfigError, match="at least 1"):
        SearchSettings(depth=0)


def test_a_folder_holds_the_scorer(scorer: Scorer, tmp_path: Path) -> None:
    save_scorer(scorer, tmp_path / "r")
    save_scorer(scorer, tmp_path / "r")
    again = load_scorer(tmp_path / "r")
    _, vectors, features = a_list(4)
    asked = (Past.empty(3), vectors, features, np.array([[0, 2]]))
    np.testing.assert_array_equal(again.outcomes(*asked), scorer.outcomes(*asked))


def test_broken_folders_are_refused(scorer: Scorer, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no re-ranker"):
        load_scorer(tmp_path)
    (tmp_path / "other.txt").touch()
    with pytest.raises(ArtifactError, match=r"other\.txt"):
        save_scorer(scorer, tmp_path)
    folder = tmp_path / "r"
    save_scorer(scorer, folder)
    sizes = json.loads((folder / "reranker.json").read_text())
    for changed, said in (({"format": 2}, "another format"), ({"dims": 5}, "not"), ({"dims": None}, "broken")):
        (folder / "reranker.json").write_text(json.dumps({**sizes, **changed}))
        with pytest.raises(ArtifactError, match=said):
            load_scorer(folder)
    (folder / "reranker.json").write_text(json.dumps(sizes))
    (folder / "reranker.safetensors").write_bytes(b"cut off")
    with pytest.raises(ArtifactError, match="cannot be read"):
        load_scorer(folder)


def test_the_runtime_imports_no_torch(root: Path) -> None:
    program = (
        "import sys, genrec.reranking.onnx, genrec.reranking.session, genrec.reranking.store;"
        "print(sorted({'torch', 'transformers', 'pydantic', 'polars'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=root, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr
