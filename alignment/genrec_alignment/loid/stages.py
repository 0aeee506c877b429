"""The stages before the network, each an artefact of its own that is kept when a later one is cut off."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file

from genrec.console import remark
from genrec.data import Dataset
from genrec.errors import ConfigError
from genrec.models.language import LanguageConfig, load_base
from genrec.runs import is_current, new_artifact, open_artifact
from genrec_alignment.loid.adapters import (
    load_adapter,
    merge_adapters,
    new_adapter,
    save_adapter,
    save_merged,
    train_adapter,
)
from genrec_alignment.loid.config import LoidConfig
from genrec_alignment.loid.domains import draw_texts, item_texts
from genrec_alignment.loid.vectors import standardised, text_vectors

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

VECTORS_FILE = "vectors.safetensors"


@dataclass(frozen=True)
class Stages:
    """Makes adapters and vectors, or takes those that are there.

    Args:
        config: the ``loid`` section.
        folder: where each stage has a folder.
        seed: of texts, adapters, order and what DARE drops.
    """

    config: LoidConfig
    folder: Path
    seed: int

    def source(self, name: str, dataset: Dataset) -> Path:
        """Train a source domain's adapter; return its folder."""
        return self._adapter(f"sources/{name}", name, dataset, None)

    def merged(self, adapters: list[Path]) -> Path:
        """Merge the sources' adapters; return the folder of what came of it."""
        config, target = self.config, self.folder / "merged"
        rank = config.adapter.rank
        settings = {"merge": config.merge, "drop_rate": config.drop_rate, "rank": rank, **self._base_settings()}
        inputs = {adapter.name: open_artifact(adapter, "loid_adapter").digest for adapter in adapters}
        if is_current(target, "loid_adapter", settings, inputs):
            return target
        remark(f"Merging the adapters of {', '.join(inputs)} by {config.merge}, drop rate {config.drop_rate:g}.")
        base, _ = self._base()
        with new_artifact(target, "loid_adapter", settings, inputs, self.seed) as draft:
            save_merged(merge_adapters(base, adapters, config.merge, config.drop_rate, rank, self.seed), draft.path)
        return target

    def target(self, dataset: Dataset, start: Path | None) -> Path:
        """Train the target domain's adapter (Re-LoRA), from the merged one if there is one; return its folder."""
        return self._adapter("target", "the target", dataset, start)

    def vectors(self, dataset: Dataset, adapter: Path) -> torch.Tensor:
        """Return the items' standardised vectors, float32 [items, width], read with the target's adapter."""
        target, settings = self.folder / "vectors", self._base_settings()
        inputs = {"dataset": dataset.manifest.digest, "adapter": open_artifact(adapter, "loid_adapter").digest}
        if not is_current(target, "loid_vectors", settings, inputs):
            base, tokenizer = self._base()
            model = load_adapter(base, adapter)
            raw = text_vectors(model, tokenizer, item_texts(dataset), self.config.adapter.max_tokens)
            with new_artifact(target, "loid_vectors", settings, inputs, self.seed) as draft:
                save_file({"items": torch.from_numpy(standardised(raw))}, draft.path / VECTORS_FILE)
        return load_file(target / VECTORS_FILE)["items"]

    def details(self) -> dict[str, Any]:
        """Return the figures of every adapter that was trained, by its folder's name."""
        folders = [file.parent for file in sorted(self.folder.glob("**/adapter_config.json"))]
        found = {folder.name: open_artifact(folder, "loid_adapter").details for folder in folders}
        return {name: figures for name, figures in found.items() if figures}

    def _adapter(self, place: str, name: str, dataset: Dataset, start: Path | None) -> Path:
        target, config = self.folder / place, self.config.adapter
        settings = {"adapter": config.model_dump(mode="json"), **self._base_settings()}
        inputs = {"dataset": dataset.manifest.digest}
        if start is not None:
            inputs["start"] = open_artifact(start, "loid_adapter").digest
        if is_current(target, "loid_adapter", settings, inputs):
            return target
        texts = draw_texts(item_texts(dataset), config.texts, config.held_out, self.seed, name)
        remark(f"Training an adapter on {len(texts.train):,} texts of {name}.")
        base, tokenizer = self._base()
        model = new_adapter(base, config, self.seed) if start is None else load_adapter(base, start, trainable=True)
        with new_artifact(target, "loid_adapter", settings, inputs, self.seed) as draft:
            scratch = self.folder / "scratch"
            draft.details = train_adapter(model, tokenizer, texts, config, self.seed, scratch)
            save_adapter(model, draft.path)
        remark("Loss on held-out texts: {loss_before:.3f} before, {loss_after:.3f} after.".format(**draft.details))
        return target

    def _base_settings(self) -> dict[str, Any]:
        return {"base": self.config.base, "seed": self.seed, "max_tokens": self.config.adapter.max_tokens}

    def _base(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        model, tokenizer = load_base(LanguageConfig(base=self.config.base), torch.float32)
        model.to("cuda" if torch.cuda.is_available() else "cpu")  # type: ignore[arg-type]
        return model, tokenizer


def named_sources(config: LoidConfig) -> dict[str, Dataset]:
    """Return the source domains' datasets by the names of their run folders.

    Raises:
        ConfigError: if two have one name, or a merge of none is asked for.
        ArtifactError: if one has no dataset.
    """
    folders = [Path(source) for source in config.sources]
    names = [folder.resolve().name for folder in folders]
    problems = [
        f"loid.sources: two run folders are called {name!r}."
        for name in sorted(set(names))
        if names.count(name) > 1
    ]
    if config.semantic and config.merge != "none" and not names:
        problems.append(
            "loid.sources names no run folder, so there is nothing to merge; set loid.merge=none to go without."
        )
    if problems:
        raise ConfigError(problems)
    return {name: Dataset.load(folder / "dataset") for name, folder in zip(names, folders, strict=True)}
