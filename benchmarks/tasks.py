"""How fast alignment rows are made and packed, and how full the blocks are: the table in docs/alignment-tasks.md.

python benchmarks/tasks.py --run runs/demo
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import torch
import yaml
from datasets import disable_progress_bars

from genrec.data import Dataset
from genrec.errors import DataError
from genrec.models.language import Chat, LanguageConfig, load_base
from genrec.semantic_ids import Catalogue
from genrec_alignment.tasks import Mixture, MixtureConfig, TaskSource, measure_fill, pack, stream_rows

HISTORY_LENGTH = 50
PAPERS = ("lc-rec", "minionerec", "onerec-think")
COLUMNS = ("mixture", "rows an epoch", "rows/s", "tokens/s", "learned", "blocks filled")


def mixtures(folder: Path) -> dict[str, MixtureConfig]:
    """Return the default mixture, the serving task alone, and those of the papers' recipes."""
    found: dict[str, MixtureConfig] = {
        "default": MixtureConfig(),
        "continue_history": MixtureConfig(weights={"continue_history": 1}),
    }
    for name in PAPERS:
        recipe = yaml.safe_load((folder / f"llm-{name}.yaml").read_text(encoding="utf-8"))
        found[name] = MixtureConfig.model_validate(recipe["tune"]["stages"][-1]["tasks"])
    return found


def measure(mixture: Mixture, chat: Chat, rows: int, length: int) -> list[str]:
    """Return the figures of the first rows of an epoch; rates are by CPU time, so other work does not slow them."""
    stream = stream_rows(mixture, chat, epoch=0).take(rows)
    started = time.process_time()
    made = list(stream)
    seconds = time.process_time() - started
    blocks: Any = list(pack(stream, length, seed=0))
    fill = measure_fill(stream, blocks, length)
    learned = sum(sum(row["completion_mask"]) for row in made) / fill.tokens
    rates = [f"{len(made) / seconds:,.0f}", f"{fill.tokens / seconds:,.0f}"]
    return [f"{len(mixture):,}", *rates, f"{learned:.0%}", f"{fill.rate:.1%}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="a run folder with a dataset and semantic IDs")
    parser.add_argument("--base", default="smollm2", help="whose tokenizer reads the rows")
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--length", type=int, default=1024, help="tokens of a block")
    arguments = parser.parse_args()
    disable_progress_bars()
    dataset, catalogue = Dataset.load(arguments.run / "dataset"), Catalogue.load(arguments.run / "semantic_ids")
    _, tokenizer = load_base(LanguageConfig(base=arguments.base), torch.bfloat16)
    tokenizer.add_tokens(catalogue.vocabulary.tokens())
    print("| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|")
    for name, config in mixtures(Path(__file__).parents[1] / "alignment" / "recipes").items():
        try:
            mixture = Mixture.of(config, TaskSource.of(dataset, catalogue, config, HISTORY_LENGTH), seed=0)
        except DataError as error:
            print(f"{name} is left out. {error.problems[0]}", file=sys.stderr)
            continue
        figures = measure(mixture, Chat(tokenizer), arguments.rows, arguments.length)
        print(f"| {name} | " + " | ".join(figures) + " |", flush=True)


if __name__ == "__main__":
    main()
