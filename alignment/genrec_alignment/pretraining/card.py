"""The model card of a generator: data, protocol, figures, and the lines that use it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from genrec import __version__
from genrec.models import Generator
from genrec_alignment.pretraining.progress import metric_title

_CARD = """---
library_name: transformers
tags:
- genrec
- recommendation
- semantic-ids
pipeline_tag: text-generation
---

# A generative recommender over {items:,} items

Made with genrec {version}. It continues a user's history item by item: every item is a semantic ID of
{levels} codes, and a beam search confined to the catalogue's IDs turns the model's next-token
probabilities into ranked items.

| | |
|---|---|
| architecture | {architecture}, {parameters:,} parameters |
| catalogue | {items:,} items, {levels} levels of {sizes} codes, for example `{example}` |
| history | the latest {history_length} items |
| training | {epochs:.0f} epochs, {steps:,} steps, {tokens:,} tokens read, seed {seed} |
| validation | {metric} {best} (best; full ranking on items, {beams} beams, seen items {seen}) |

Figures on the test part and against baselines are made by `genrec evaluate`; they stand in the run's
report. What made this folder (settings, digests of the data and of the semantic IDs, versions) is in
`manifest.json`.

## Use

```bash
genrec recommend --generator PATH --history {history}
```

```python
from genrec.decoding import Recommender

recommender = Recommender.from_pretrained("PATH")
history = recommender.catalogue.indices([{quoted}])
ranking = recommender.recommend([history], k=10, exclude=[history])
print([recommender.catalogue.titles[item] for item in ranking.items[0]])
```

`PATH` is this folder, or the id of its repository on the hub. Loading it runs no code of the repository.

## Limits

It knows the items of its catalogue and the taste of its training log, with that log's biases; nothing
was done to correct them. Recommendations for an empty history are what histories begin with.
"""


def write_card(folder: Path, generator: Generator, settings: dict[str, Any], details: dict[str, Any]) -> None:
    """Write ``README.md``, the card, into a generator's folder.

    Args:
        folder: the generator's folder.
        generator: what was saved there.
        settings: the ``train`` section and the seed.
        details: what training found out: parameters, steps, epochs, tokens, best validation.
    """
    catalogue = generator.catalogue
    some = catalogue.item_ids[:3]
    name, best = next(item for item in details.items() if item[0].startswith("best_validation_"))
    card = _CARD.format(
        version=__version__,
        architecture=type(generator.model).__name__,
        parameters=details["parameters"],
        items=len(catalogue),
        levels=catalogue.vocabulary.levels,
        sizes=" + ".join(str(size) for size in catalogue.codebook_sizes),
        example=catalogue.sid(0),
        history_length=generator.history_length,
        epochs=details["epochs"],
        steps=details["steps"],
        tokens=details["tokens"],
        seed=settings["seed"],
        metric=metric_title(name),
        best="not measured" if best is None else f"{best:.4f}",
        beams=settings["validation_beams"],
        seen="excluded" if settings["exclude_seen"] else "allowed",
        history=",".join(some),
        quoted=", ".join(repr(item) for item in some),
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
