"""The step of `genrec tune` against a bare TRL SFTTrainer with padding: the same rows, model and LoRA.

    python benchmarks/sft.py                     # SmolLM2-135M; for figures, on a machine that does nothing else
    python benchmarks/sft.py --quick --json      # a few steps, to see that it works
    python benchmarks/sft.py --base FOLDER       # another model

Both read the rows of an epoch of a mixture over made-up items and titles, of the lengths that Beauty's histories
have. A step of ours reads as many blocks of 1,024 tokens as it is told; a step of TRL's as many rows, in their
order, padded to the longest. Tokens a second are those of the rows, prompt and answer: padding does not count.
The trainers take turns, and what is printed is the median of the rounds and of the rounds' ratios. `floor` is what
the matrix products alone would allow: 4 floating-point operations for each weight and token (6 where all weights
learn), at the rate that this machine multiplies matrices of the model's width.

The bare trainer trains LoRA alone: TRL's fused head does not take peft's trainable token rows. Ours trains both.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset as Rows
from peft import LoraConfig, get_peft_model
from transformers.utils import logging
from trl import SFTConfig, SFTTrainer

from genrec.memory import keep_freed_memory
from genrec.models import Generator, LanguageConfig, build_generator
from genrec.semantic_ids import Catalogue
from genrec_alignment.sft.adapters import enter, hold_frozen_in
from genrec_alignment.sft.arguments import stage_arguments
from genrec_alignment.sft.config import LoraSettings, StageConfig, TuneConfig
from genrec_alignment.sft.trainer import TuneTrainer
from genrec_alignment.tasks import pack
from genrec_alignment.tasks.rows import Encoder
from genrec_alignment.tasks.task import TaskRow

SIZES, ITEMS, MEAN_LENGTH, HISTORY = (256, 256, 256), 5000, 8, 50
WORDS = "set of the blue hair cream oil brush care men women soap perfume spray nail polish kit dry skin".split()  # noqa: SIM905
LORA = LoraSettings(rank=8, alpha=16)


def main() -> None:
    """Measure and print."""
    options = _options()
    logging.set_verbosity_error()
    keep_freed_memory()  # as every command of genrec does; both trainers gain by it
    torch.set_num_threads(options.threads)
    catalogue = _catalogue()
    rows = _rows(options, catalogue)
    steppers = {
        "bare TRL, padded, float32": lambda: bare(options, catalogue, rows, torch.float32),
        "bare TRL, padded, bf16": lambda: bare(options, catalogue, rows, torch.bfloat16),
        "ours, float32": lambda: ours(options, catalogue, rows, "float32"),
        "ours, bf16": lambda: ours(options, catalogue, rows, "bfloat16"),
    }
    chosen = {name: stepper for name, stepper in steppers.items() if not options.only or options.only in name}
    speeds: dict[str, list[float]] = {name: [] for name in chosen}
    for _ in range(options.rounds):
        for name, stepper in chosen.items():
            speeds[name].append(stepper())
    report = {name: _row(each, next(iter(speeds.values()))) for name, each in speeds.items()}
    report["floor"] = floors(_generator(options, catalogue))
    print(json.dumps(report) if options.json else _table(report))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="smollm2")
    parser.add_argument("--rows", type=int, default=400, help="rows that both trainers read")
    parser.add_argument("--batch", type=int, default=16, help="rows of a step of the bare trainer")
    parser.add_argument("--blocks", type=int, default=2, help="blocks of a step of ours")
    parser.add_argument("--block-length", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--only", default="", help="trainers whose name holds this")
    parser.add_argument("--quick", action="store_true", help="40 rows, small blocks, one round")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.rows, options.batch, options.blocks, options.block_length, options.rounds = 40, 8, 1, 512, 1
    return options


def _catalogue() -> Catalogue:
    rng = np.random.default_rng(0)
    ids = rng.choice(256**3, size=ITEMS, replace=False)
    codes = np.stack([ids >> 16, (ids >> 8) & 255, ids & 255], axis=1).astype(np.int32)
    titles = [" ".join(rng.choice(WORDS, 9)) for _ in range(ITEMS)]
    return Catalogue([str(at) for at in range(ITEMS)], codes, SIZES, titles)


def _generator(options: argparse.Namespace, catalogue: Catalogue) -> Generator:
    return build_generator(LanguageConfig(base=options.base), catalogue, HISTORY, dtype=torch.float32)


def _rows(options: argparse.Namespace, catalogue: Catalogue) -> Rows:
    """Return rows of the tasks of an alignment stage: six in ten histories, the rest titles to IDs and back."""
    from genrec.models.language.prompts import CONTINUATION

    rng = np.random.default_rng(0)
    language = _generator(options, catalogue).language
    assert language is not None
    encode = Encoder(language.chat)

    def rows() -> Iterator[dict[str, Any]]:
        for _ in range(options.rows):
            item = int(rng.integers(ITEMS))
            length = min(1 + rng.geometric(1 / MEAN_LENGTH), HISTORY)
            history = "".join(catalogue.sid(int(at)) for at in rng.integers(ITEMS, size=length))
            drawn = rng.random()
            if drawn < 0.6:
                row = TaskRow("", CONTINUATION, history)
            elif drawn < 0.8:
                row = TaskRow("", f"Which item is called {catalogue.titles[item]}?", catalogue.sid(item))
            else:
                row = TaskRow("", f"What is {catalogue.sid(item)} called?", catalogue.titles[item])
            ids, learned = encode(row)
            yield {"input_ids": ids.tolist(), "completion_mask": learned.tolist()}

    return Rows.from_list(list(rows()))


def bare(options: argparse.Namespace, catalogue: Catalogue, rows: Rows, dtype: torch.dtype) -> float:
    """Return the tokens a second of TRL's own trainer: padded batches, autocast for bfloat16.

    It trains LoRA alone: TRL's fused head does not take peft's trainable token rows. That is less work than ours.
    """
    generator = _generator(options, catalogue)
    assert generator.language is not None
    lora = LoraConfig(r=LORA.rank, lora_alpha=int(LORA.alpha), target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(generator.model, lora)
    with tempfile.TemporaryDirectory() as folder:
        arguments = SFTConfig(
            output_dir=folder,
            per_device_train_batch_size=options.batch,
            num_train_epochs=1,
            bf16=dtype == torch.bfloat16,
            completion_only_loss=True,
            gradient_checkpointing=False,
            max_length=None,
            save_strategy="no",
            report_to=[],
            use_cpu=not torch.cuda.is_available(),
            disable_tqdm=True,
            logging_strategy="no",
        )
        trainer = SFTTrainer(
            model,  # type: ignore[arg-type]
            args=arguments,
            train_dataset=rows,
            processing_class=generator.language.tokenizer,
        )
        return _measured(trainer.train, _tokens(rows))


def ours(options: argparse.Namespace, catalogue: Catalogue, rows: Rows, precision: str) -> float:
    """Return the tokens a second of the trainer of `genrec tune`."""
    generator = _generator(options, catalogue)
    stage = StageConfig(name="speed", steps=1)
    config = TuneConfig.model_validate({"precision": precision, "batch_size": options.blocks})
    model = enter(generator.model, "lora", LORA, generator.vocabulary)
    if precision == "bfloat16":
        hold_frozen_in(model, torch.bfloat16)
    blocks = pack(rows, options.block_length, seed=0)
    steps = -(-len(blocks) // options.blocks)
    with tempfile.TemporaryDirectory() as folder:
        arguments = stage_arguments(config, stage, steps, 0, Path(folder), None)
        arguments.save_strategy, arguments.disable_tqdm, arguments.logging_strategy = "no", True, "no"  # type: ignore[assignment]
        trainer = TuneTrainer(model, generator, None, config, args=arguments, train_dataset=blocks)
        return _measured(trainer.train, _tokens(rows))


def _measured(train: Callable[[], Any], tokens: int) -> float:
    started = time.perf_counter()
    with contextlib.redirect_stdout(None):
        train()
    return tokens / (time.perf_counter() - started)


def _tokens(rows: Rows) -> int:
    return sum(len(row["input_ids"]) for row in rows)


def floors(generator: Generator) -> dict[str, float]:
    """Return the tokens a second that the products alone would allow, by precision and by what learns."""
    weights = sum(weight.numel() for weight in generator.model.parameters())
    width = generator.model.config.hidden_size
    result = {}
    for name, dtype in (("float32", torch.float32), ("bf16", torch.bfloat16)):
        left, right = torch.randn(2048, width, dtype=dtype), torch.randn(width, 3 * width, dtype=dtype)
        times = []
        for _ in range(10):
            started = time.perf_counter()
            left @ right
            times.append(time.perf_counter() - started)
        rate = 2 * left.shape[0] * width * right.shape[1] / min(times)
        result |= {
            f"LoRA, {name}": round(rate / (4 * weights)),
            f"all weights, {name}": round(rate / (6 * weights)),
        }
    return result


def _row(speeds: list[float], reference: list[float]) -> dict[str, float]:
    ratios = [mine / theirs for mine, theirs in zip(speeds, reference, strict=True)]
    return {
        "tokens_per_second": round(statistics.median(speeds), 1),
        "ratio": round(statistics.median(ratios), 2),
        "lowest": round(min(ratios), 2),
        "highest": round(max(ratios), 2),
    }


def _table(report: dict[str, Any]) -> str:
    lines = ["| | tokens/s | ratio | lowest to highest |", "|---|---|---|---|"]
    for name, row in report.items():
        if name != "floor":
            lines.append(
                f"| {name} | {row['tokens_per_second']} | {row['ratio']} | {row['lowest']} to {row['highest']} |"
            )
    lines += [f"| floor: {name} | {rate} | | |" for name, rate in report["floor"].items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
