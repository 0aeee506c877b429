"""A saved generator together with the engine that runs it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from genrec.decoding.engines.base import Engine, check_engine
from genrec.decoding.prefix_cache import CacheFigures, PrefixCache
from genrec.decoding.tree_beam import TreeBeamSearch
from genrec.decoding.trie import Trie
from genrec.errors import ArtifactError
from genrec.models.generator import Generator, local_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from transformers import PreTrainedModel


class TreeEngine:
    """The tree-attention search in this process.

    Args:
        model: any model that :class:`~genrec.decoding.TreeBeamSearch` takes; where something is kept, its weights
            must stay as they are.
        cache_mb: megabytes of keys and values kept of earlier prompts; 0: none.
    """

    def __init__(self, model: PreTrainedModel, cache_mb: float = 0) -> None:
        self.model = model
        self._kept = PrefixCache(int(cache_mb * 1e6)) if cache_mb else None

    def search(self, trie: Trie, level_offsets: Sequence[int] | npt.NDArray) -> TreeBeamSearch:
        """Return the search of a catalogue; see :class:`~genrec.decoding.engines.Engine`."""
        return TreeBeamSearch(self.model, trie, level_offsets, self._kept)

    def cache_figures(self) -> CacheFigures:
        """Return how the cache of earlier prompts fares; zeros where there is none."""
        return CacheFigures() if self._kept is None else self._kept.figures

    def close(self) -> None:
        """Do nothing: it all runs in this process."""


def open_engine(
    name: str,
    source: str | Path,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    apart: bool = False,
    cache_mb: float = 0,
) -> tuple[Generator, Engine]:
    """Load a saved generator and the engine that will run it.

    Args:
        name: one of ``ENGINES``.
        source: the generator's folder, or its id on the Hugging Face hub.
        device: as for :meth:`genrec.models.Generator.from_pretrained`; vLLM chooses for itself.
        dtype: of the weights; float32 unless told.
        apart: whether the engine gets a process of its own.
        cache_mb: megabytes of keys and values that the engine ``tree`` keeps of earlier prompts, for those that
            begin alike; 0: none. A model that reads a history as a whole keeps nothing.

    Returns:
        The generator and its engine. vLLM, and an engine that is apart, has the weights to itself: the generator's
        own are on the device "meta".

    Raises:
        UnknownNameError: if there is no such engine.
        MissingPackageError: if vLLM is wanted and not installed.
        ArtifactError: if the generator cannot be loaded, or not be run by this engine.
    """
    check_engine(name)
    folder = local_folder(source)
    generator = Generator.from_pretrained(folder, "meta" if name == "vllm" or apart else device, dtype)
    if apart:
        from genrec.decoding.engines.process import ProcessEngine

        shares = name != "vllm"  # which lays out its threads itself
        return generator, ProcessEngine(name, folder, shares, device=device, dtype=dtype, cache_mb=cache_mb)
    if name == "tree":
        return generator, TreeEngine(generator.model, cache_mb)
    if generator.reads_events:
        raise ArtifactError(
            f"{folder} holds {type(generator.model).__name__}, a OneRec model. The engine {name} runs "
            "decoder-only language models alone.",
            "Take the engine tree, which runs every generator.",
        )
    if name == "hf":
        from genrec.decoding.engines.generate import GenerateEngine

        return generator, GenerateEngine(generator.model)
    from genrec.decoding.engines.vllm import VllmEngine

    return generator, VllmEngine(folder, generator, dtype or torch.float32)
