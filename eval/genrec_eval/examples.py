"""Examples for people: what someone did, what came next, and what a model would have recommended."""

from __future__ import annotations

from typing import Any

import numpy as np

from genrec.data import Dataset
from genrec.semantic_ids import Catalogue
from genrec_eval.baselines.validation import sample_examples
from genrec_eval.config import EvaluateConfig
from genrec_eval.measure import AnyExamples, Recommend

_HISTORY_SHOWN = 10


def describe(
    model: str,
    recommend: Recommend,
    examples: AnyExamples,
    dataset: Dataset,
    config: EvaluateConfig,
    seed: int,
    length: int = 10,
    catalogue: Catalogue | None = None,
) -> list[dict[str, Any]]:
    """Return a random few of the examples with titles, for ``examples.json``.

    They are drawn without looking at whether the model was right.

    Args:
        model: the name of the model that ``recommend`` belongs to.
        recommend: maps examples, k and exclusions to a ranking.
        examples: the prediction tasks.
        dataset: where the titles come from.
        config: how many examples, and whether seen items are excluded.
        seed: the seed of the draw.
        length: items of the list.
        catalogue: adds the semantic ID of every recommended item.
    """
    if not config.examples:
        return []
    few = sample_examples(examples, config.examples, seed)
    ranking = recommend(few, length, few.histories if config.exclude_seen else None)
    titles, rows = dataset.titles, []
    for row, (user, target, history) in enumerate(zip(few.users, few.targets, few.histories, strict=True)):
        wanted = np.atleast_1d(target).tolist()
        items = [
            {
                "item_id": dataset.item_ids[item],
                "title": titles[item],
                "score": round(float(score), 4),
                "semantic_id": catalogue.sid(int(item)) if catalogue else None,
                "hit": int(item) in wanted,
            }
            for item, score in zip(ranking.items[row], ranking.scores[row], strict=True)
            if item >= 0
        ]
        rows.append(
            {
                "model": model,
                "user_id": dataset.user_ids[user],
                "history_length": len(history),
                "history": [titles[item] for item in history[-_HISTORY_SHOWN:]],
                "targets": [{"item_id": dataset.item_ids[item], "title": titles[item]} for item in wanted],
                "items": items,
            }
        )
    return rows
