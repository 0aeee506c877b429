"""Every quantizer on the same vectors of real items: what its codes keep, how evenly they are used, what collides.

    python benchmarks/semantic_ids.py beauty --path DATA/amazon2014/Beauty.seq.txt
    python benchmarks/semantic_ids.py posters --path DATA/movielens_latest_small \\
        --items DATA/movielens_posters/items.csv
    python benchmarks/semantic_ids.py beauty --path … --kinds residual_kmeans rqvae --json

Vectors are made once: text and behaviour in the training part, for the posters also the image. Then each kind is
fitted with its default settings and codebooks of one size. No generator is trained.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from genrec.data import Dataset
from genrec.data.config import DataConfig
from genrec.data.make import make_dataset
from genrec_tokenizers.collisions import resolve
from genrec_tokenizers.config import CollisionsConfig, EncodersConfig, QuantizerConfig
from genrec_tokenizers.encoders import BehaviorEncoder, make_encoders
from genrec_tokenizers.fusion import Concatenation
from genrec_tokenizers.make import train_popularity
from genrec_tokenizers.quality import quality
from genrec_tokenizers.quantizers import KINDS, make_quantizer

SHAPES = {"beauty": (3, 256), "posters": (2, 32)}
COLUMNS = {
    "seconds": "{:.1f}",
    "error left": "{:.1%}",
    "used": "{}",
    "entropy": "{}",
    "same codes": "{:.1%}",
    "neighbours": "{:.1%}",
    "in behaviour": "{:.1%}",
}


def data_config(name: str, path: Path, items: Path | None) -> DataConfig:
    """Return the import of one of the two catalogues."""
    if name == "beauty":
        return DataConfig(source="sequences", path=path)
    return DataConfig.model_validate(
        {
            "source": "table",
            "path": path / "ratings.csv",
            "items": items,
            "columns": {"user_id": "userId", "item_id": "movieId", "timestamp": "timestamp", "value": "rating"},
            "item_columns": {
                "item_id": "movieId",
                "title": "title",
                "text": ["genres", "plot"],
                "image": "img/{movieId}.jpg",
            },
            "problems": {"unknown_items": "drop", "broken_images": "drop"},
        }
    )


def vectors_of(dataset: Dataset, images: bool, seed: int) -> np.ndarray:
    """Return the fused vectors, float32 [items, dim], of all sources equally weighted."""
    config = EncodersConfig.model_validate({"image": {"weight": 1.0 if images else 0.0}})
    encoders = make_encoders(config, seed)
    sources = [encoder.encode(dataset) for encoder, _ in encoders]
    return Concatenation([weight for _, weight in encoders]).fit_transform(sources)


def measure(kind: str, levels: int, size: int, dataset: Dataset, vectors: np.ndarray, seed: int) -> dict[str, Any]:
    """Return the row of one kind of quantizer."""
    config = TypeAdapter(QuantizerConfig).validate_python({"kind": kind, "levels": levels, "codebook_size": size})
    behavior = BehaviorEncoder(seed=seed).encode(dataset)
    quantizer = make_quantizer(config, seed)
    started = time.perf_counter()
    codes = quantizer.fit_encode(vectors, behavior.vectors)
    seconds = time.perf_counter() - started
    unique = resolve(CollisionsConfig(), quantizer, vectors, codes, train_popularity(dataset), dataset.titles)
    figures = quality(quantizer, vectors, codes, unique, dataset.items, behavior, seed)
    by_level = figures["levels"]
    return {
        "kind": kind,
        "seconds": seconds,
        "error left": by_level[-1]["reconstruction_error"],
        "used": " / ".join(f"{level['utilisation']:.0%}" for level in by_level),
        "entropy": " / ".join(f"{level['entropy']:.2f}" for level in by_level),
        "same codes": figures["collisions"]["share_before"],
        "largest": figures["collisions"]["largest_group"],
        "neighbours": by_level[0]["neighbors"]["hit_rate"],
        "in behaviour": by_level[0]["behavior_neighbors"]["hit_rate"],
        **{f"same {name}": f"{levels[0]['purity']:.1%}" for name, levels in figures["purity"].items()},
    }


def lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the table in Markdown."""
    names = [name for name in rows[0] if name != "kind"]
    yield "| kind | " + " | ".join(names) + " |"
    yield "|---|" + "---:|" * len(names)
    for row in rows:
        yield f"| {row['kind']} | " + " | ".join(COLUMNS.get(name, "{}").format(row[name]) for name in names) + " |"


def main() -> None:
    """Run the comparison and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=SHAPES)
    parser.add_argument("--path", type=Path, required=True, help="the log: a file or a folder")
    parser.add_argument("--items", type=Path, help="the catalogue of the posters")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--levels", type=int)
    parser.add_argument("--codes", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    options = parser.parse_args()
    levels, size = SHAPES[options.data]
    levels, size = options.levels or levels, options.codes or size
    with tempfile.TemporaryDirectory() as run:
        make_dataset(data_config(options.data, options.path, options.items), Path(run), options.seed)
        dataset = Dataset.load(Path(run) / "dataset")
        vectors = vectors_of(dataset, options.data == "posters", options.seed)
        print(f"{len(vectors):,} items × {vectors.shape[1]}, {levels} levels × {size} codes, seed {options.seed}\n")
        rows = [measure(kind, levels, size, dataset, vectors, options.seed) for kind in options.kinds]
    print("\n".join(lines(rows)))
    if options.json:
        print(json.dumps({"items": len(vectors), "levels": levels, "codes": size, "rows": rows}))


if __name__ == "__main__":
    main()
