"""What a tuning on rationales adds to a generator: where they came from, and the word that it can think."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from genrec.decoding.think.form import thought_form
from genrec.models.generator import Generator
from genrec.runs import open_artifact
from genrec_alignment.reasoning.store import KIND

_TASK = "reason"


def rationale_inputs(run: Path, mixtures: Iterable[Mapping[str, float]]) -> dict[str, str]:
    """Return the digest of the run's rationales by name, where one of the mixtures learns from them.

    Args:
        run: the run folder.
        mixtures: the weights of each stage, by task.

    Raises:
        ArtifactError: if they are needed and missing.
    """
    return {KIND: open_artifact(run / KIND, KIND).digest} if _thinks(mixtures) else {}


def save_form(generator: Generator, mixtures: Iterable[Mapping[str, float]], folder: Path) -> None:
    """Write into a tuned generator's folder that it was trained to think, if it was."""
    if generator.language is not None and _thinks(mixtures):
        thought_form(generator.language.chat, generator.vocabulary).save(folder)


def _thinks(mixtures: Iterable[Mapping[str, float]]) -> bool:
    return any(weights.get(_TASK) for weights in mixtures)
