"""The log of a run folder, by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import save_file

from genrec.data.dataset import Dataset, Sequences
from genrec.errors import ArtifactError, DataError
from genrec_alignment.reranking.run import log_of_run

SEQUENCES = Sequences(
    offsets=np.array([0, 4, 6]),
    items=np.array([0, 1, 2, 0, 1, 2], np.int32),
    timestamps=np.arange(6),
    splits=np.zeros(6, np.uint8),
    sessions=np.array([0, 0, 0, 1, 0, 0]),
    values=np.array([5.0, 3.0, np.nan, 4.0, 1.0, 5.0]),
)


def use(sequences: Sequences, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Dataset, "load", lambda _: SimpleNamespace(sequences=sequences))


def test_answers_sessions_and_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(SEQUENCES, monkeypatch)
    with pytest.raises(ArtifactError, match="embeddings"):
        log_of_run(tmp_path, 4, 5)
    (tmp_path / "semantic_ids").mkdir()
    embeddings = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    save_file({"embeddings": embeddings}, tmp_path / "semantic_ids" / "embeddings.safetensors")
    log = log_of_run(tmp_path, 4, 5, dims=2, train_share=0.5)
    assert log.items.tolist() == [0, 1, 0, 1, 2]
    assert log.outcomes.tolist() == [[1, 1, 1], [0, 0, 0], [0, 1, 0], [1, 0, 0], [0, 1, 1]]
    np.testing.assert_allclose(log.features[:, 1], np.log1p([2, 1, 2, 1, 0]), rtol=1e-6)
    assert log.features[4, 0] == pytest.approx(4)  # never seen among the first users: their mean
    np.testing.assert_allclose(np.linalg.norm(log.vectors, axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("lacking", ["sessions", "values"])
def test_a_dataset_without_answers_in_sessions_is_refused(
    lacking: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(replace(SEQUENCES, **{lacking: None}), monkeypatch)
    with pytest.raises(DataError, match=f"no {lacking}"):
        log_of_run(tmp_path, 4, 5)
