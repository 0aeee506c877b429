"""The offline half of Think-Ahead serving: for each user the prefixes that the thoughts of a slow model lead to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from genrec.console import remark, track
from genrec.data import Dataset
from genrec.decoding.think.config import AheadConfig
from genrec.decoding.think.form import ThoughtForm
from genrec.decoding.think.merging import union
from genrec.decoding.think.prepared import COUNTS, KIND, PreparedPrefixes
from genrec.decoding.think.recommender import ThinkingRecommender
from genrec.decoding.tree_beam import TreeBeamSearch
from genrec.decoding.trie import Trie
from genrec.errors import ArtifactError
from genrec.models.generator import Generator
from genrec.runs import Manifest, is_current, new_artifact, open_artifact
from genrec.runs.parts import Parts

History = npt.NDArray[np.integer]


def prepare_ahead(
    config: AheadConfig,
    run: Path,
    seed: int,
    *,
    generator: Path | None = None,
    resume: bool = False,
    force: bool = False,
) -> Manifest:
    """Write ``run/think_ahead``: for every user of ``run``'s dataset the prefixes worth searching.

    Args:
        config: how many thoughts and prefixes.
        run: the run folder.
        seed: of the thoughts.
        generator: the folder of the model that thinks; the run's generator unless told.
        resume: go on with what was interrupted; users that are done are not asked about again.
        force: prepare again even if it is current.

    Raises:
        ArtifactError: if the dataset or the generator is missing, or they do not belong together.
    """
    folder = generator or run / "generator"
    inputs = {name: open_artifact(run / name, name).digest for name in ("dataset", "semantic_ids")}
    inputs["generator"] = open_artifact(folder, "generator").digest
    target, settings = run / KIND, config.model_dump(mode="json") | {"seed": seed}
    if not force and is_current(target, KIND, settings, inputs):
        remark(f"{target} is up to date.")
        return open_artifact(target, KIND)
    dataset, thinker = _open(config, run, folder)
    parts = Parts(run / f"{KIND}.partial", settings | inputs, resume)
    users = dataset.user_ids[: config.users]
    for at in track(range(0, len(users), config.batch_size), "thinking ahead"):
        if at not in parts:
            parts.write(at, _part(thinker, dataset, users[at : at + config.batch_size], [seed, at]))
    with new_artifact(target, KIND, settings, inputs, seed) as draft:
        draft.details = PreparedPrefixes.write(draft.path, parts.table(), thinker.thinker.catalogue.codebook_sizes)
    parts.remove()
    return open_artifact(target, KIND)


class AheadThinker:
    """Thinks about histories, and returns prefixes in place of items.

    Args:
        generator: the slow model.
        config: how many thoughts and prefixes.
        form: how it is asked.
    """

    def __init__(self, generator: Generator, config: AheadConfig, form: ThoughtForm | None = None) -> None:
        self.thinker = ThinkingRecommender(generator, config, form)
        self._config = config
        codes, sizes = generator.catalogue.codes[:, :-1], generator.catalogue.codebook_sizes[:-1]
        if not sizes:
            raise ArtifactError(
                "IDs of one code have no prefix to think ahead to.",
                "Make IDs of two codes or more: genrec tokenize",
            )
        self._codes, self._prefix_of = np.unique(codes, axis=0, return_inverse=True)
        self._items_of = np.bincount(self._prefix_of)
        trie = Trie.build(self._codes, sizes)
        self._search = TreeBeamSearch(generator.model, trie, generator.vocabulary.offsets[:-1])

    def __call__(self, histories: Sequence[History], seed: list[int]) -> list[dict[str, Any]]:
        """Return for each history its ``thoughts`` and the ``prefixes`` int32 [prefixes, levels - 1], best first.

        Prefixes all of whose items are in the history are left out.
        """
        prompts, texts = self.thinker.think(histories, seed)
        count, wanted = self._config.thoughts, self._config.prefixes
        used_up = [self._used_up(history) for history in histories for _ in range(count)]
        found = self._search(prompts, beams=wanted, exclude=used_up)
        ranking, _ = union(found, count, count * wanted)
        return [
            {"thoughts": texts[row * count : (row + 1) * count], "prefixes": self._codes[items[items >= 0]]}
            for row, items in enumerate(ranking.items)
        ]

    def _used_up(self, history: History) -> npt.NDArray[np.int64]:
        seen = np.bincount(self._prefix_of[np.unique(history)], minlength=len(self._codes))
        return np.flatnonzero(seen == self._items_of)


def _open(config: AheadConfig, run: Path, folder: Path) -> tuple[Dataset, AheadThinker]:
    dataset, model = Dataset.load(run / "dataset"), Generator.from_pretrained(folder)
    if model.catalogue.item_ids != dataset.item_ids:
        raise ArtifactError(
            f"{folder} was made from other items than {dataset.path} holds.",
            f"Train again: genrec tune --run {run}",
        )
    form = ThoughtForm.load(folder)
    if form is None:
        remark(f"{folder} was not trained to think; its thoughts are what its base makes of the question.")
    return dataset, AheadThinker(model, config, form)


def _part(thinker: AheadThinker, dataset: Dataset, users: list[str], seed: list[int]) -> pl.DataFrame:
    """Return one row a user: ``user_id``, ``thoughts``, ``prefixes`` (codes one after another), ``count``."""
    histories = [dataset.history(user) for user in users]
    done = thinker(histories, seed)
    return pl.DataFrame(
        {
            "user_id": users,
            "thoughts": [one["thoughts"] for one in done],
            "prefixes": [one["prefixes"].ravel().tolist() for one in done],
            COUNTS: [len(one["prefixes"]) for one in done],
        },
        schema_overrides={"prefixes": pl.List(pl.Int32), "thoughts": pl.List(pl.String)},
    )
