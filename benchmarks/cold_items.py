"""Recall of items that no one had used when the generator was trained, by how they got their IDs.

    python benchmarks/cold_items.py                        # text and behaviour; ten minutes of one core
    python benchmarks/cold_items.py --encoders text --json # text alone; one JSON object as the last line

A fixed random 15 % of the items, the cold ones, are taken out of MovieLens-100k with all their interactions. Of
every user the first 80 % of the interactions are trained on (the last of these validates), and the later ones are
only history. The settings of tokenizing and training are those of ``genrec demo``. Then the cold items are added
under frozen codebooks as ``genrec catalogue add`` does, and each interaction with a cold item in a user's last
20 % is an example: its history is everything the user did with the other items before.

    semantic ids     the nearest codes of the item's text, and the smallest free number
    random codes     random codes, and the smallest free number: what the codes' meaning is worth
    random ids       any free ID
    text neighbours  no generator: cosine of the item's vector and the mean of the latest ten items' vectors
    chance           a random order

``all``: the cold items are ranked among all items of the catalogue, seen ones left out. ``cold``: among each other;
its Recall@1 and @5 are also what lists of 10 and 50 come to when a tenth of their places is kept for new items.
Both rankings are exact: the search keeps more beams than there are prefixes. What the folder holds is used again.
"""

from __future__ import annotations

import argparse
import importlib.resources
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import yaml
from safetensors.numpy import load_file

from genrec.data import Dataset
from genrec.data.config import DataConfig
from genrec.data.make import make_dataset, write_dataset
from genrec.decoding import Recommender
from genrec.semantic_ids import Catalogue, CatalogueStore
from genrec_alignment.pretraining.config import TrainConfig
from genrec_alignment.pretraining.make import make_generator
from genrec_tokenizers.config import TokenizeConfig
from genrec_tokenizers.lifecycle import add_items
from genrec_tokenizers.lifecycle.free_ids import FreeIDs
from genrec_tokenizers.make import make_semantic_ids
from genrec_tokenizers.tokenizer import ItemTokenizer

COLD_SHARE, LATE_SHARE, LATEST, BEAMS = 0.15, 0.2, 10, 2048
COLUMNS = tuple(f"{name}@{k}" for name, ks in (("all", (10, 50)), ("cold", (1, 5, 10, 50))) for k in ks)
LONGEST = 50


class Work(NamedTuple):
    """The cold items and the examples whose targets they are.

    items: the rows of ``items.parquet`` of the cold items, sorted by item_id.
    histories: item_id of the other items each user did before, oldest first.
    targets: item_id of a cold item for each history.
    """

    items: pl.DataFrame
    histories: list[list[str]]
    targets: list[str]


def prepare(folder: Path, run: Path, examples: int, seed: int) -> Work:
    """Write the dataset without the cold items into ``run`` and return what was held back."""
    make_dataset(DataConfig(), folder / "whole", seed)
    whole = Dataset.load(folder / "whole" / "dataset")
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(len(whole.items), int(COLD_SHARE * len(whole.items)), replace=False))
    items = whole.items[chosen]
    place, length = pl.int_range(pl.len()).over("user_id"), pl.len().over("user_id")
    log = whole.interactions.select(
        "user_id",
        "item_id",
        "timestamp",
        late=place >= (1 - LATE_SHARE) * length,
        cold=pl.col("item_id").is_in(items["item_id"].implode()),
    )
    warm = log.filter(~pl.col("cold")).with_columns(
        last=(~pl.col("late")) & (pl.col("late").shift(-1).over("user_id").fill_null(True))
    )
    split = pl.when("late").then(pl.lit("context")).when("last").then(pl.lit("valid")).otherwise(pl.lit("train"))
    rows = warm.select("user_id", "item_id", "timestamp", split=split)
    write_dataset(run / "dataset", whole.items.filter(~pl.col("item_id").is_in(items["item_id"].implode())), rows)
    return _examples(log, items, examples, rng)


def _examples(log: pl.DataFrame, items: pl.DataFrame, most: int, rng: np.random.Generator) -> Work:
    histories, targets = [], []
    for part in log.partition_by("user_id", maintain_order=True):
        past: list[str] = []
        for item, late, cold in part.select("item_id", "late", "cold").iter_rows():
            if late and cold and past:
                histories.append(list(past))
                targets.append(item)
            if not cold:
                past.append(item)
    kept = np.sort(rng.choice(len(targets), min(most, len(targets)), replace=False))
    return Work(items, [histories[row] for row in kept], [targets[row] for row in kept])


def train(run: Path, encoders: str, epochs: int | None, seed: int) -> float:
    """Tokenize and train with the demo's settings, unless that is done; return the seconds it took."""
    recipe = yaml.safe_load((importlib.resources.files("genrec") / "recipes" / "demo.yaml").read_text("utf-8"))
    if encoders == "text":
        recipe["tokenize"]["encoders"]["behavior"] = {"weight": 0}
    if epochs:
        recipe["train"]["epochs"] = epochs
    started = time.monotonic()
    make_semantic_ids(TokenizeConfig.model_validate(recipe["tokenize"]), run, seed)
    make_generator(TrainConfig.model_validate(recipe["train"]), run, seed)
    return time.monotonic() - started


def random_ids(warm: Catalogue, items: int, levels: int, rng: np.random.Generator) -> npt.NDArray[np.int32]:
    """Return free IDs drawn from all there are, int32 [items, levels of the catalogue]."""
    del levels
    taken = np.ravel_multi_index(warm.codes.T, warm.codebook_sizes)
    free = np.setdiff1d(np.arange(np.prod(warm.codebook_sizes)), taken)
    drawn = rng.choice(free, items, replace=False)
    return np.stack(np.unravel_index(drawn, warm.codebook_sizes), axis=1).astype(np.int32)


def random_codes(warm: Catalogue, items: int, levels: int, rng: np.random.Generator) -> npt.NDArray[np.int32]:
    """Return the smallest free number below random codes, int32 [items, levels of the catalogue]."""
    free = FreeIDs(set(map(tuple, warm.codes.tolist())), warm.codebook_sizes, levels)
    chosen: list[tuple[int, ...]] = []
    while len(chosen) < items:
        if claimed := free.claim(tuple(rng.integers(warm.codebook_sizes[:levels]).tolist())):
            chosen.append(claimed)
    return np.array(chosen, dtype=np.int32)


def recall(recommender: Recommender, warm: Catalogue, cold: Catalogue, work: Work) -> dict[str, float]:
    """Return Recall of each of ``COLUMNS``."""
    recommender.use(warm.extended(cold))
    index = recommender.catalogue.index_of
    histories = [recommender.catalogue.indices(history) for history in work.histories]
    targets = np.array([index[item] for item in work.targets])
    everything = [np.arange(len(warm))] * len(histories)
    ranks = {}
    for name, exclude in (("all", histories), ("cold", everything)):
        found = recommender.recommend(histories, LONGEST, BEAMS, exclude).items == targets[:, None]
        ranks[name] = np.where(found.any(axis=1), found.argmax(axis=1), LONGEST)
    return _recall_of(ranks)


def _recall_of(ranks: dict[str, npt.NDArray[np.int64]]) -> dict[str, float]:
    """Return the share of ranks, counted from 0, that are within the cut-off of each column."""
    cuts = {column: column.partition("@") for column in COLUMNS}
    return {column: float((ranks[name] < int(k)).mean()) for column, (name, _, k) in cuts.items()}


def neighbours(run: Path, warm: Catalogue, work: Work) -> dict[str, float]:
    """Return Recall of cold items ranked by cosine to the mean of the latest items' vectors."""
    vectors = load_file(run / "semantic_ids" / "embeddings.safetensors")["embeddings"]
    vectors = np.concatenate([vectors, ItemTokenizer.from_pretrained(run / "semantic_ids").embed(work.items)])
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
    place = {item: row for row, item in enumerate(warm.item_ids + work.items["item_id"].to_list())}
    ranks: dict[str, list[int]] = {"all": [], "cold": []}
    for history, item in zip(work.histories, work.targets, strict=True):
        past = [place[other] for other in history]
        scores = vectors @ vectors[past[-LATEST:]].mean(axis=0)
        scores[past] = -np.inf
        better = scores > scores[place[item]]
        ranks["all"].append(int(better.sum()))
        ranks["cold"].append(int(better[len(warm) :].sum()))
    return _recall_of({name: np.array(rank) for name, rank in ranks.items()})


def measure(run: Path, work: Work, seeds: int) -> dict[str, dict[str, Any]]:
    """Return the figures of every way to an ID; the random ones' are means, with deviations, over seeds."""
    recommender = Recommender.from_pretrained(run / "generator")
    warm = CatalogueStore(run).snapshot(1).catalogue
    levels = ItemTokenizer.from_pretrained(run / "semantic_ids").quantizer.levels
    added = add_items(run, work.items, dry_run=True).items
    results: dict[str, dict[str, Any]] = {"semantic ids": recall(recommender, warm, added, work)}
    for name, draw in (("random codes", random_codes), ("random ids", random_ids)):
        runs = []
        for seed in range(seeds):
            codes = draw(warm, len(added), levels, np.random.default_rng(seed))
            drawn = Catalogue(added.item_ids, codes, added.codebook_sizes, added.titles)
            runs.append(recall(recommender, warm, drawn, work))
        results[name] = {key: float(np.mean([one[key] for one in runs])) for key in runs[0]}
        results[name]["deviation"] = {key: float(np.std([one[key] for one in runs])) for key in runs[0]}
    results["text neighbours"] = neighbours(run, warm, work)
    unseen = len(warm) + len(added) - float(np.mean([len(set(history)) for history in work.histories]))
    of = {"all": unseen, "cold": len(added)}
    results["chance"] = {column: int(column.split("@")[1]) / of[column.split("@")[0]] for column in COLUMNS}
    return results


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs/cold_items"))
    parser.add_argument("--encoders", choices=("both", "text"), default="both")
    parser.add_argument("--epochs", type=int, help="instead of the demo's")
    parser.add_argument("--examples", type=int, default=600, help="targets drawn, at most")
    parser.add_argument("--seeds", type=int, default=3, help="random assignments that the figures are means of")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    options = parser.parse_args()
    run = options.folder / options.encoders
    work = prepare(options.folder, run, options.examples, seed=0)
    seconds = train(run, options.encoders, options.epochs, seed=0)
    results = measure(run, work, options.seeds)
    about = {"encoders": options.encoders, "cold_items": len(work.items), "examples": len(work.targets)}
    print(f"{about} training {seconds:.0f} s")
    print(" " * 16 + "".join(f"{column:>10}" for column in COLUMNS))
    for name, figures in results.items():
        print(f"{name:<16}" + "".join(f"{figures[column]:>10.4f}" for column in COLUMNS))
    if options.json:
        print(json.dumps(about | {"recall": results}))


if __name__ == "__main__":
    main()
