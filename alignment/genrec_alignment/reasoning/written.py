"""Rationales that a language generator writes itself, given the pruned history and the target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from genrec.decoding.think.form import END_OF_THOUGHT
from genrec.decoding.think.writing import decode, write
from genrec.errors import ArtifactError
from genrec.models.generator import Generator
from genrec_alignment.reasoning.config import RationaleConfig

WHY = (
    "A person chose these items before: {items}.\nThen the person chose {target}.\n"
    "Say in one or two sentences what in these items led to it."
)


class Writer:
    """Asks a model why a pruned history led to its target (OneRec-Think, stage 2).

    Args:
        generator: a language model that was aligned with the catalogue.
        config: how long and how freely it writes.

    Raises:
        ArtifactError: if the generator knows items only.
    """

    def __init__(self, generator: Generator, config: RationaleConfig) -> None:
        if generator.language is None:
            raise ArtifactError(
                "The run's generator knows items only and cannot write rationales.",
                "Tune a language model first (genrec tune), or use think.rationales.writer=categories.",
            )
        self._generator, self._language, self._config = generator, generator.language, config

    def __call__(
        self, pruned: Sequence[npt.NDArray[np.integer]], targets: Sequence[int], seed: list[int]
    ) -> list[str]:
        """Return the rationale of each target, on one line; empty where the model wrote nothing.

        Args:
            pruned: the items most similar to each target.
            targets: ``item_index``.
            seed: of the sampling.
        """
        chat = self._language.chat
        prompts = [
            chat.prompt(self._question(items, target)) for items, target in zip(pruned, targets, strict=True)
        ]
        texts = write(
            self._generator.model,
            self._language.tokenizer,
            prompts,
            tokens=self._config.tokens,
            temperature=self._config.temperature,
            seed=int(np.random.default_rng(seed).integers(2**31)),
            ends=sorted({chat.end[-1], chat.tokenizer.eos_token_id} - {None}),
        )
        return [tidy(text) for text in decode(self._language.tokenizer, texts)]

    def _question(self, items: npt.NDArray[np.integer], target: int) -> str:
        return WHY.format(items="; ".join(map(self._named, items)) or "none", target=self._named(target))

    def _named(self, item: int) -> str:
        catalogue = self._generator.catalogue
        return f"{catalogue.titles[item]} {catalogue.sid(int(item))}"


def tidy(text: str) -> str:
    """Return a text on one line, up to the mark that would end a thought, and without a last half sentence."""
    line = " ".join(text.partition(END_OF_THOUGHT.strip())[0].split())
    end = max(line.rfind(stop) for stop in ".!?")
    return line[: end + 1] if end > 0 else line
