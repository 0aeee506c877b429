"""Preference rows: how fast their candidates come, and how fast a step learns from them.

    python benchmarks/preferences.py                  # about six minutes on two idle cores
    python benchmarks/preferences.py --quick --json   # smaller, one round; one JSON object as the last line

The model is a decoder of Qwen3's shape with random weights (7.4 M parameters), 10,000 items of 3 codes of 256,
prompts of 33 items (100 tokens). The methods take turns; figures are medians of the rounds and of their ratios.

candidates   64 beams a request, all different and none illegal: the tree search against transformers' ``generate``
             with a vectorised trie processor (the faster of its two ways in benchmarks/decoding.py). One request
             gives one row, so these are rows a second but for the reward model.
step         one DPO step (forward, backward, AdamW) on rows of a winner and a loser: TRL's own DPOTrainer, which
             reads prompt and candidate twice, against ours, which reads a prompt once with both candidates behind
             it. Both take reference log-probabilities that were computed before, start from the same weights and
             see the same rows; ``loss`` shows that they compute the same.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from decoding import ITEMS, SIZES, Bench, catalogue
from torch.utils.data import SequentialSampler
from transformers.utils import logging
from trl import DPOTrainer

from genrec.models import DecoderConfig, Generator, build_generator
from genrec.semantic_ids import Catalogue
from genrec_alignment.align.config import AlignConfig
from genrec_alignment.align.policy import PolicyModule
from genrec_alignment.align.trainer import RoundTrainer, round_arguments
from genrec_alignment.preference.logprobs import log_probabilities

BEAMS, HISTORY = 64, 33
SHAPE = DecoderConfig(hidden_size=384, intermediate_size=1152, layers=4, heads=6)
Rows = dict[str, np.ndarray]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=16, help="prompts that candidates are made for at once")
    parser.add_argument("--batch", type=int, default=32, help="preference rows of a step")
    parser.add_argument("--steps", type=int, default=6, help="steps that are timed, after one that is not")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    if options.quick:
        options.requests, options.batch, options.steps, options.rounds = 2, 8, 1, 1
    logging.set_verbosity_error()
    torch.manual_seed(0)
    names = [str(item) for item in range(ITEMS)]
    items = Catalogue(names, catalogue(ITEMS), SIZES, names)
    generator = build_generator(SHAPE, items, HISTORY)
    with torch.no_grad():  # spread out, so that no two items tie
        generator.model.lm_head.weight.mul_(5)
    generator.model.eval()
    report = {"candidates": candidates(generator, options), "step": steps(generator, options)}
    if options.json:
        print(json.dumps(report))
        return
    for name, row in report.items():
        print(name, *(f"  {key}: {value:.4g}" for key, value in row.items()), sep="\n")


def candidates(generator: Generator, options: argparse.Namespace) -> dict[str, float]:
    """Return requests per second of both searches, and the share of requests with the same beams from both."""
    rng = np.random.default_rng(1)
    prompts = torch.tensor(generator.prompts(list(rng.integers(ITEMS, size=(options.requests, HISTORY)))))
    bench = Bench(generator.model, generator.catalogue.codes, prompts, BEAMS)
    seconds: dict[str, list[float]] = {"tree": [], "processor": []}
    found = {}
    for _ in range(options.rounds):
        for method, taken in seconds.items():
            started = time.perf_counter()
            found[method] = bench.run(method, BEAMS)
            taken.append(time.perf_counter() - started)
    same = (np.sort(found["tree"]) == np.sort(found["processor"])).all(axis=1).mean()
    ratios = [theirs / ours for theirs, ours in zip(seconds["processor"], seconds["tree"], strict=True)]
    speeds = {name: options.requests / statistics.median(taken) for name, taken in seconds.items()}
    return {**speeds, "ratio": statistics.median(ratios), "same_candidates": float(same)}


def steps(generator: Generator, options: argparse.Namespace) -> dict[str, float]:
    """Return the rows per second that both trainers learn from, and the last loss of each."""
    rows = made_up(generator, options.batch * (options.steps + 1))
    speeds: dict[str, list[float]] = {"ours": [], "trl": []}
    losses: dict[str, list[float]] = {}
    for _ in range(options.rounds):
        for name, trainer in (("ours", Ours), ("trl", Theirs)):
            speed, losses[name] = timed(trainer, generator, rows, options)
            speeds[name].append(speed)
    ratios = [ours / theirs for ours, theirs in zip(speeds["ours"], speeds["trl"], strict=True)]
    apart = max(abs(one - other) for one, other in zip(losses["ours"], losses["trl"], strict=True))
    medians = {name: statistics.median(each) for name, each in speeds.items()}
    return {**medians, "ratio": statistics.median(ratios), "last_loss": losses["ours"][-1], "losses_apart": apart}


def made_up(generator: Generator, count: int) -> Rows:
    """Return histories int64 [rows, 33], pairs of items [rows, 2, 1] and their reference log-probabilities."""
    rng = np.random.default_rng(2)
    histories, pairs = rng.integers(ITEMS, size=(count, HISTORY)), rng.integers(ITEMS, size=(count, 2, 1))
    with torch.no_grad():
        parts = [
            log_probabilities(generator, list(histories[at : at + 32]), pairs[at : at + 32])
            for at in range(0, count, 32)
        ]
    return {"histories": histories, "pairs": pairs, "reference": torch.cat(parts).sum(dim=-1).numpy()}


def timed(
    kind: type[Ours] | type[Theirs], generator: Generator, rows: Rows, options: argparse.Namespace
) -> tuple[float, list[float]]:
    """Return rows per second and the losses of all steps of a trainer that begins with the generator's weights."""
    with tempfile.TemporaryDirectory() as folder:
        config = AlignConfig(batch_size=options.batch, learning_rate=1e-4)
        arguments = round_arguments(config, options.steps + 1, config.learning_rate, 0, Path(folder))
        arguments.save_strategy, arguments.logging_strategy, arguments.disable_tqdm = "no", "no", True  # type: ignore[assignment]
        trainer = kind.on(copy.deepcopy(generator), rows, config, arguments)
        with contextlib.redirect_stdout(None):  # of what the Trainer prints at its end
            trainer.train()
    return options.batch * options.steps / sum(trainer.seconds[1:]), trainer.losses


class Timed:
    """Notes each step's seconds and loss."""

    seconds: list[float]
    losses: list[float]

    def training_step(self, *arguments: Any) -> torch.Tensor:
        """Take the step, and note it; AdamW's part falls to the next one, as in the other trainer."""
        self.begun = getattr(self, "begun", time.perf_counter())
        loss: torch.Tensor = super().training_step(*arguments)  # type: ignore[misc]
        now = time.perf_counter()
        self.seconds = [*getattr(self, "seconds", []), now - self.begun]
        self.losses = [*getattr(self, "losses", []), float(loss)]
        self.begun = now
        return loss

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        return SequentialSampler(train_dataset)


class Ours(Timed, RoundTrainer):
    """The trainer of ``genrec align``, with preference rows alone."""

    @classmethod
    def on(cls, generator: Generator, rows: Rows, config: AlignConfig, arguments: Any) -> Ours:
        """Return it with its rows."""
        policy = PolicyModule(generator, generator.model)

        def collate(samples: list[dict[str, int]]) -> dict[str, Any]:
            chosen = [sample["row"] for sample in samples]
            batch = policy.inputs(list(rows["histories"][chosen]), rows["pairs"][chosen])
            return batch | {"reference": torch.from_numpy(rows["reference"][chosen])}

        numbers = datasets.Dataset.from_dict({"row": list(range(len(rows["pairs"])))})
        return cls(policy, config, numbers, collate, arguments)  # type: ignore[arg-type]

    def _compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool) -> Any:
        del return_outputs
        outputs = model(prompts=inputs["prompts"], codes=inputs["codes"])
        return self._preference_loss(outputs.log_probs, inputs)


class Theirs(Timed, DPOTrainer):
    """TRL's own, given token ids and reference log-probabilities."""

    @classmethod
    def on(cls, generator: Generator, rows: Rows, config: AlignConfig, arguments: Any) -> Theirs:
        """Return it with its rows."""
        del config
        tokens = generator.tokens[rows["pairs"][:, :, 0]]
        prompts = generator.prompts(list(rows["histories"]))
        assert isinstance(prompts, list)  # the model is a decoder
        table = {
            "prompt_ids": prompts,
            "chosen_ids": tokens[:, 0].tolist(),
            "rejected_ids": tokens[:, 1].tolist(),
            "ref_chosen_logps": rows["reference"][:, 0].tolist(),
            "ref_rejected_logps": rows["reference"][:, 1].tolist(),
        }
        tokenizer = generator.catalogue.vocabulary.to_tokenizer()
        data = datasets.Dataset.from_dict(table)
        return cls(model=generator.model, args=arguments, train_dataset=data, processing_class=tokenizer)

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        return dataset  # token ids already

    def _precompute_ref_logps(self, dataset: Any, *_: Any, **__: Any) -> Any:
        return dataset  # they are there


if __name__ == "__main__":
    main()
