"""The re-ranker as an ONNX file: onnxruntime gives the numbers of the numpy forward pass."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from genrec.errors import ArtifactError, MissingPackageError
from genrec.reranking.marks import Past, mark
from genrec.reranking.onnx import OnnxScorer
from genrec.reranking.scorer import ListScorer, Scorer, Shape
from genrec.reranking.session import LiveSession, SearchSettings
from genrec_alignment.reranking.network import ScorerNetwork
from genrec_alignment.reranking.onnx import export_onnx
from genrec_alignment.reranking.training import to_scorer

SHAPE = Shape(dims=5, features=("score", "count"), hidden=8, heads=2, experts=3, past=4)

pytest.importorskip("onnxruntime", reason="there is no onnxruntime: pip install 'genrec[onnx]'")
pytest.importorskip("onnxscript", reason="there is no onnxscript: pip install 'genrec[onnx]'")


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return to_scorer(network())


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("onnx") / "made" / "reranker.onnx"
    export_onnx(network(), file)
    assert [path.name for path in file.parent.iterdir()] == ["reranker.onnx"]
    return file


def network() -> ScorerNetwork:
    """Return a network whose every weight matters, the same each time."""
    rng = np.random.default_rng(0)
    made = ScorerNetwork(SHAPE, np.array([1, 2], np.float32), np.array([3, 0.5], np.float32))
    for parameter in made.parameters():
        parameter.data.copy_(parameter.data.new_tensor(rng.normal(size=parameter.shape)))
    return made


def some_past(events: int) -> Past:
    rng = np.random.default_rng(events)
    marks = np.stack([mark(bool(rng.integers(2)), bool(rng.integers(2))) for _ in range(events)])
    return Past(rng.normal(size=(events, SHAPE.dims)).astype(np.float32), marks)


@pytest.mark.parametrize("events", [0, 1, 4, 9])
@pytest.mark.parametrize(("orders", "depth"), [(1, 0), (1, 1), (3, 2), (2, 6)])
def test_the_same_probabilities(scorer: Scorer, file: Path, events: int, orders: int, depth: int) -> None:
    """Without a past, with one longer than is read, with all of the list placed but one item."""
    rng = np.random.default_rng(1)
    vectors, features = (rng.normal(size=(7, width)).astype(np.float32) for width in (SHAPE.dims, 2))
    past = some_past(events) if events else Past.empty(SHAPE.dims)
    placed = np.stack([rng.permutation(7)[:depth] for _ in range(orders)])
    expected = scorer.outcomes(past, vectors, features, placed)
    found = OnnxScorer(file).outcomes(past, vectors, features, placed)
    assert expected.std() > 0.01
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_session_shows_the_same_items(scorer: Scorer, file: Path) -> None:
    def shown(by: ListScorer) -> list[str]:
        rng = np.random.default_rng(2)
        session = LiveSession(by, some_past(3), search=SearchSettings(stability=2.0))
        vectors, features = rng.normal(size=(8, 5)).astype(np.float32), rng.normal(size=(8, 2)).astype(np.float32)
        session.offer([str(item) for item in range(8)], vectors, features)
        items = []
        while (item := session.next()) is not None:
            session.on_feedback(item, viewed=bool(rng.integers(2)), liked=bool(rng.integers(2)))
            items.append(item)
        return items

    found = shown(OnnxScorer(file))
    assert sorted(found) == sorted(map(str, range(8)))
    assert found != sorted(found)
    assert found == shown(scorer)


def test_what_is_no_such_file_is_refused(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="There is no file"):
        OnnxScorer(tmp_path / "nothing.onnx")
    (tmp_path / "broken.onnx").write_bytes(file.read_bytes()[:100])
    with pytest.raises(ArtifactError, match=r"broken\.onnx is no re-ranker"):
        OnnxScorer(tmp_path / "broken.onnx")


def test_without_the_packages(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingPackageError, match=r"genrec\[onnx\]"):
        OnnxScorer(file)
    with pytest.raises(MissingPackageError, match=r"genrec\[onnx\]"):
        export_onnx(network(), tmp_path / "a.onnx")
