"""The log of a run folder, to train a re-ranker on: rated or judged interactions, cut into sessions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from genrec.data.dataset import Dataset, Sequences
from genrec.errors import ArtifactError, DataError
from genrec.reranking.marks import Float32, Float64
from genrec_alignment.reranking.log import SessionLog

FEATURES = ("mean value", "log count")


def log_of_run(run: Path, viewed: float, liked: float, dims: int = 16, train_share: float = 0.8) -> SessionLog:
    """Return what a run's users were shown, as far as the log says: what they gave a value.

    A value is an answer: *viewed* from one value on, *liked* from another. Who has a further interaction in the
    same session went on. The server's features are each item's mean value (drawn to the mean of all by five
    values) and the logarithm of its count, both of the first users alone. Vectors are the run's item embeddings,
    brought down to ``dims`` by their principal components and of length 1.

    Args:
        run: a run folder with ``dataset`` (with values and sessions) and ``semantic_ids``.
        viewed: least value of a view.
        liked: least value of a like.
        dims: of the vectors.
        train_share: of the users, in the log's order, whose values make the features.

    Raises:
        DataError: if the dataset has no values or no sessions.
        ArtifactError: if the run has no embeddings.
    """
    sequences = Dataset.load(run / "dataset").sequences
    if sequences.sessions is None or sequences.values is None:
        raise DataError(
            f"{run / 'dataset'} has no {'sessions' if sequences.sessions is None else 'values'}.",
            "A re-ranker learns from answers in sessions: give values, and data.sessions.by=gap (docs/data.md).",
        )
    kept = ~np.isnan(sequences.values)
    users = np.repeat(np.arange(len(sequences)), np.diff(sequences.offsets))[kept]
    sessions, items = sequences.sessions[kept], sequences.items[kept].astype(np.int64)
    values = sequences.values[kept]
    same = (np.diff(users) == 0) & (np.diff(sessions) == 0)
    outcomes = np.stack([np.append(same, False), values >= viewed, values >= liked], axis=1).astype(np.float32)
    vectors = _vectors(run / "semantic_ids" / "embeddings.safetensors", dims)
    features = _features(sequences, len(vectors), int(train_share * len(sequences)))[items]
    return SessionLog(users, sessions, items, outcomes, features, vectors, FEATURES)


def _features(sequences: Sequences, items: int, users: int) -> Float32:
    stop, values = sequences.offsets[users], sequences.values
    assert values is not None
    known: Float64 = values[:stop]
    shown = sequences.items[:stop][~np.isnan(known)]
    known = known[~np.isnan(known)]
    counts = np.bincount(shown, minlength=items)
    mean = (np.bincount(shown, known, items) + 5 * known.mean()) / (counts + 5)
    return np.stack([mean, np.log1p(counts)], axis=1).astype(np.float32)


def _vectors(file: Path, dims: int) -> Float32:
    if not file.is_file():
        raise ArtifactError(f"There is no {file}.", "Run genrec tokenize first.")
    embeddings = load_file(file)["embeddings"].astype(np.float32)
    centred = embeddings - embeddings.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    found = (left * sizes)[:, :dims]
    found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)
    return found.astype(np.float32)
