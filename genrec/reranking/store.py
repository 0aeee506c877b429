"""A scorer as a folder: ``reranker.json`` with its sizes, ``reranker.safetensors`` with its weights."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from genrec.errors import ArtifactError
from genrec.reranking.marks import MARKS, OUTCOMES
from genrec.reranking.scorer import Scorer, Shape

_SIZES, _WEIGHTS = "reranker.json", "reranker.safetensors"
_HEADER = {"kind": "reranker", "format": 1, "marks": list(MARKS), "outcomes": list(OUTCOMES)}
_REMEDY = "Export it again with genrec_alignment.reranking.training.export (docs/reranking.md)."


def save_scorer(scorer: Scorer, folder: Path) -> None:
    """Write a scorer to a new or empty folder, or over the scorer that is there.

    Raises:
        ArtifactError: if the folder holds something else.
    """
    strangers = {file.name for file in folder.iterdir()} - {_SIZES, _WEIGHTS} if folder.is_dir() else set()
    if strangers:
        raise ArtifactError(
            f"{folder} holds {min(strangers)}, which is no part of a re-ranker.", "Name a new folder."
        )
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(array) for name, array in scorer.weights.items()}, folder / _WEIGHTS)
    (folder / _SIZES).write_text(json.dumps({**_HEADER, **asdict(scorer.shape)}, indent=1) + "\n", encoding="utf-8")


def load_scorer(folder: Path) -> Scorer:
    """Return the scorer of a folder.

    Raises:
        ArtifactError: if there is none, or its files are broken, of another format or do not belong together.
    """
    shape = _shape(folder / _SIZES)
    try:
        weights = load_file(folder / _WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"{folder / _WEIGHTS} cannot be read: {error}", _REMEDY) from error
    expected = shape.weights()
    wrong = [
        f"{name} is {weights[name].shape if name in weights else 'missing'}, not {size}."
        for name, size in expected.items()
        if name not in weights or weights[name].shape != size
    ]
    wrong += [f"{name} is no weight of it." for name in sorted(weights.keys() - expected)]
    wrong += [f"{name} is not finite float32." for name, array in sorted(weights.items()) if not _sound(array)]
    if wrong:
        raise ArtifactError([f"{folder / _WEIGHTS}: {line}" for line in wrong], _REMEDY)
    return Scorer(shape, weights)


def _sound(array: np.ndarray) -> bool:
    return array.dtype == np.float32 and bool(np.isfinite(array).all())


def _shape(file: Path) -> Shape:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        other = [name for name, value in _HEADER.items() if found.pop(name, None) != value]
        if other:
            raise ArtifactError(f"{file} has another {', '.join(other)} than this version reads.", _REMEDY)
        features = tuple(found.pop("features"))
        if not all(type(size) is int and size > 0 for size in found.values()):
            raise ValueError(f"sizes are positive whole numbers, not {found}")
        return Shape(features=features, **found)
    except FileNotFoundError as error:
        raise ArtifactError(f"There is no re-ranker in {file.parent}.", _REMEDY) from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ArtifactError(f"{file} is broken: {error}", _REMEDY) from error
