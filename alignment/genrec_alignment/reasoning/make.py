"""Make the rationales of a run: one for each chosen event of the training part, written once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from genrec.console import remark, track
from genrec.data import Dataset
from genrec.errors import DataError
from genrec.runs import Manifest, is_current, new_artifact, open_artifact
from genrec.runs.parts import Parts
from genrec.semantic_ids import Catalogue
from genrec_alignment.reasoning.config import RationaleConfig
from genrec_alignment.reasoning.pruning import item_vectors, pruned
from genrec_alignment.reasoning.store import FILE, KIND, SCHEMA
from genrec_alignment.reasoning.template import from_categories
from genrec_alignment.tasks.config import MixtureConfig
from genrec_alignment.tasks.source import TaskSource

_TEMPLATES_AT_ONCE = 2048

Explain = Callable[[list[npt.NDArray[np.int64]], list[int], list[int]], list[str | None]]


def make_rationales(
    config: RationaleConfig, run: Path, seed: int, *, resume: bool = False, force: bool = False
) -> Manifest:
    """Write ``run/rationales`` for targets of the training part alone.

    Args:
        config: who writes, how much of a history is looked at, how many targets.
        run: the run folder, with dataset and semantic IDs.
        seed: of the targets, the phrasings and a model's sampling.
        resume: go on with what was interrupted.
        force: make them again even if they are current.

    Raises:
        ArtifactError: if something of the run is missing or does not belong together.
        DataError: if no event has a history, or nothing is known of any target.
    """
    inputs = {name: open_artifact(run / name, name).digest for name in ("dataset", "semantic_ids")}
    if config.writer == "model":
        inputs["generator"] = open_artifact(config.generator or run / "generator", "generator").digest
    target, settings = run / KIND, config.model_dump(mode="json") | {"seed": seed}
    if not force and is_current(target, KIND, settings, inputs):
        remark(f"{target} is up to date.")
        return open_artifact(target, KIND)
    work = _Work(config, run, seed)
    parts = Parts(run / f"{KIND}.partial", settings | inputs, resume)
    for at in track(range(0, len(work.units), work.size), "rationales"):
        if at not in parts:
            parts.write(at, work.part(at))
    table = parts.table()
    if not len(table):
        raise DataError(
            "Nothing is known of the targets that a rationale could be made of.",
            "Import the items with categories or titles (docs/data.md), or use think.rationales.writer=model.",
        )
    with new_artifact(target, KIND, settings, inputs, seed) as draft:
        table.write_parquet(draft.path / FILE)
        draft.details = {"rationales": len(table), "targets": len(work.units)}
    parts.remove()
    return open_artifact(target, KIND)


class _Work:
    """Everything that a part is made of."""

    def __init__(self, config: RationaleConfig, run: Path, seed: int) -> None:
        dataset, catalogue = Dataset.load(run / "dataset"), Catalogue.load(run / "semantic_ids")
        mixture = MixtureConfig(categories=config.categories)
        self.source = TaskSource.of(dataset, catalogue, mixture, config.history_length)
        self.units = self.source.later_events()
        if not len(self.units):
            raise DataError("The training part has no events to explain: it needs users with two of them or more.")
        self.vectors = item_vectors(run / "semantic_ids", len(catalogue))
        self.config, self.seed = config, seed
        if config.rows is not None and config.rows < len(self.units):
            rng = np.random.default_rng([seed, 0])
            self.units = np.sort(rng.choice(self.units, config.rows, replace=False))
        self.size = config.batch_size if config.writer == "model" else _TEMPLATES_AT_ONCE
        self._explain = self._writer(run) if config.writer == "model" else self._from_categories

    def part(self, at: int) -> pl.DataFrame:
        """Return the rationales of one part of the units; a target of which nothing is known has none."""
        units = self.units[at : at + self.size]
        examples = [self.source.example(int(unit)) for unit in units]
        near = [pruned(self.vectors, history, target, self.config.items) for history, target in examples]
        texts = self._explain(near, [target for _, target in examples], [self.seed, 1, at])
        names = self.source.catalogue.item_ids
        rows = [
            (int(unit), names[target], [names[item] for item in items], text)
            for unit, (_, target), items, text in zip(units, examples, near, texts, strict=True)
            if text
        ]
        return pl.DataFrame(rows, schema=SCHEMA, orient="row")

    def _from_categories(
        self, near: list[npt.NDArray[np.int64]], targets: list[int], seed: list[int]
    ) -> list[str | None]:
        rng = np.random.default_rng(seed)
        return [from_categories(self.source.texts, *pair, rng) for pair in zip(near, targets, strict=True)]

    def _writer(self, run: Path) -> Explain:
        from genrec.models.generator import Generator
        from genrec_alignment.reasoning.written import Writer

        writer = Writer(Generator.from_pretrained(self.config.generator or run / "generator"), self.config)
        return lambda near, targets, seed: list(writer(near, targets, seed))
