"""Try settings of `genrec train` quickly: on a GPU a whole training step is one CUDA graph, which is replayed.

    python benchmarks/probe.py runs/beauty --config alignment/recipes/beauty-decoder.yaml train.dropout=.4
    python benchmarks/probe.py runs/beauty --steps 10 --users 50                       # does it work?

The run folder holds a dataset and semantic IDs. Small models keep a GPU waiting for Python: `genrec train` takes 40
steps a second there, a graph some hundreds, and several probes share a GPU well under NVIDIA's MPS. In return every
window is padded to its full length, and nothing is saved: what does well here is then trained with `genrec train`,
whose model, loss, schedule, averaging and validation these are. Not for features of events, sparse experts,
teachers, sessions as targets, and histories that are read as a whole.

Prints one JSON object: the settings, validation figures, and test figures of the best validation (20 beams).
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel, Trainer, set_seed

from genrec.config import load_settings
from genrec.data import Dataset
from genrec.decoding import Recommender
from genrec.models import DecoderConfig, Events, Generator, build_generator
from genrec.models.histories import HistoryBatch
from genrec.models.history_model import IGNORED
from genrec.models.onerec.base import OneRecBase
from genrec.semantic_ids import Catalogue
from genrec_alignment.pretraining.config import TrainConfig
from genrec_alignment.pretraining.dropout import add_dropout
from genrec_alignment.pretraining.rows import reads_causally
from genrec_alignment.pretraining.unseen import blank_unseen_items
from genrec_alignment.pretraining.validation import ItemValidation, validation_of

Loss = Callable[
    [Tensor, Tensor], Tensor
]  # item indices [batch, items], -1 on padding; bool [batch], cut at the leftFigures = dict[str, Any]
BEAMS = 20


def main() -> None:
    """Train once and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("overrides", nargs="*", metavar="train.KEY=VALUE")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, help="steps of an epoch, at most")
    parser.add_argument("--users", type=int, help="users validated and tested on, at most")
    options = parser.parse_args()
    settings = load_settings({"train": TrainConfig}, options.config, options.overrides)
    print(
        json.dumps(
            probe(options.run, settings.section("train", TrainConfig), options.seed, options.steps, options.users)
        )
    )


def probe(
    run: Path, config: TrainConfig, seed: int, most_steps: int | None, most_users: int | None
) -> dict[str, Any]:
    """Return the settings and the figures of one training."""
    dataset, catalogue = Dataset.load(run / "dataset"), Catalogue.load(run / "semantic_ids")
    set_seed(seed)
    generator = build_generator(config.model, catalogue, config.history_length, dropout=config.dropout)
    if not reads_causally(config.model) or config.target != "item" or config.teacher or config.average == 0:
        raise SystemExit("Not for a probe: see the text at the top of the file.")
    blank_unseen_items(generator, dataset)
    if isinstance(config.model, DecoderConfig):
        add_dropout(generator.model, config.dropout)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = generator.model.to(device).train()
    windows = Windows(dataset, config, seed, device)
    steps = min(most_steps or windows.steps, windows.steps)
    training = Training(model, _loss(generator, config, device), config, steps * config.epochs)
    validation = validation_of(dataset, most_users or config.validation_users, seed)
    log: list[dict[str, float]] = []
    best, started = (-1.0, training.averages), time.monotonic()
    for epoch in range(1, config.epochs + 1):
        loss = 0.0
        for items, cut in windows.batches(steps):
            loss += training.step(items, cut) / steps
        if epoch % config.validate_every and epoch < config.epochs:
            continue
        figures = training.evaluate(generator, validation)
        log.append({"epoch": epoch, "loss": float(loss), "seconds": time.monotonic() - started} | figures)
        if figures["ndcg@10"] > best[0]:
            best = figures["ndcg@10"], [average.clone() for average in training.averages]
    training.averages = best[1]
    test = dataset.examples("test")[: most_users or None]
    found = ItemValidation([Events(history) for history in test.histories], test.targets[:, None])
    figures = training.evaluate(generator, found)
    return {"train": config.model_dump(mode="json"), "seed": seed, "validation": log, "test": figures}


class Windows:
    """Stretches of the training histories: those of `genrec train`, all made at once for each epoch."""

    def __init__(self, dataset: Dataset, config: TrainConfig, seed: int, device: torch.device) -> None:
        stock = isinstance(config.model, DecoderConfig)
        histories = [history for history in dataset.sequences.part("train") if len(history)]
        self.length = config.history_length + (0 if stock else 1)  # others read all but the last item
        self.noise, self.size, self.device = config.order_noise, config.batch_size, device
        self.items, self.rng = np.concatenate(histories).astype(np.int64), np.random.default_rng(seed)
        counts = np.array([len(history) for history in histories])
        visits = np.maximum(1, -(-(counts - (0 if stock else 1)) // config.history_length))
        self.counts, self.first = np.repeat(counts, visits), np.repeat(np.cumsum(counts) - counts, visits)

    @property
    def steps(self) -> int:
        """Full batches of an epoch."""
        return len(self.counts) // self.size

    def batches(self, most: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield an epoch's batches: items int64 [batch, length], and whether each window was cut at the left."""
        starts = (self.rng.random(len(self.counts)) * np.maximum(1, self.counts - self.length + 1)).astype(np.int64)
        places = np.arange(self.length)
        real = places < np.minimum(self.counts, self.length)[:, None]
        rows = self.items[np.where(real, self.first[:, None] + starts[:, None] + places, 0)]
        if self.noise:
            moved = np.where(real, places + self.rng.uniform(0, self.noise, rows.shape), np.inf)
            rows = np.take_along_axis(rows, np.argsort(moved, axis=1, kind="stable"), axis=1)
        order = self.rng.permutation(len(rows))
        items = torch.from_numpy(np.where(real, rows, -1)[order]).to(self.device)
        cut = torch.from_numpy((starts > 0)[order]).to(self.device)
        for at in range(0, most * self.size, self.size):
            yield items[at : at + self.size], cut[at : at + self.size]


class Training:
    """AdamW with a running average of the weights; on a GPU the whole step is captured once and replayed."""

    def __init__(self, model: PreTrainedModel, loss: Loss, config: TrainConfig, steps: int) -> None:
        self.model, self.loss, self.config, self.steps, self.done = model, loss, config, steps, 0
        self.weights = list(model.parameters())
        self.averages = [weight.detach().clone() for weight in self.weights]
        device = self.weights[0].device
        self.rate, self.share = torch.zeros((), device=device), torch.zeros((), device=device)
        decayed = set(Trainer.get_decay_parameter_names(None, model))  # type: ignore[arg-type]
        groups = [
            {
                "params": [w for name, w in model.named_parameters() if (name in decayed) == decays],
                "weight_decay": rate,
            }
            for decays, rate in ((True, config.weight_decay), (False, 0.0))
        ]
        on_gpu = device.type == "cuda"
        self.optimizer = torch.optim.AdamW(groups, lr=self.rate, betas=(0.9, 0.98), fused=on_gpu, capturable=on_gpu)
        self.graph: torch.cuda.CUDAGraph | None = None

    def step(self, items: Tensor, cut: Tensor) -> Tensor:
        """Take a step, and return its loss."""
        if self.graph is None and items.is_cuda:
            self._capture(items, cut)
        self.done += 1
        warm, config = self.config.warmup_steps, self.config
        turned = math.pi * (self.done - warm) / max(1, self.steps - warm)
        self.rate.fill_(
            config.learning_rate * min(self.done / max(1, warm), 0.5 * (1 + math.cos(max(0.0, turned))))
        )
        self.share.fill_(1 - min(config.average, (1 + self.done) / (10 + self.done)))
        if self.graph is None:
            return self._step(items, cut)
        self.items.copy_(items)
        self.cut.copy_(cut)
        self.graph.replay()
        return self.last.clone()

    def _step(self, items: Tensor, cut: Tensor) -> Tensor:
        self.optimizer.zero_grad(set_to_none=False)
        loss = self.loss(items, cut)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.weights, self.config.max_grad_norm)
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_mul_(self.averages, 1 - self.share)
            torch._foreach_add_(self.averages, torch._foreach_mul(self.weights, self.share))
        return loss.detach()

    def _capture(self, items: Tensor, cut: Tensor) -> None:
        """Record a step, and undo the ones that recording needs."""
        self.items, self.cut = items.clone(), cut.clone()
        before = [weight.detach().clone() for weight in self.weights]
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):
                self._step(self.items, self.cut)
        torch.cuda.current_stream().wait_stream(aside)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.last = self._step(self.items, self.cut)
        with torch.no_grad():
            for weight, average, kept in zip(self.weights, self.averages, before, strict=True):
                weight.copy_(kept)
                average.copy_(kept)
            for state in self.optimizer.state.values():
                for value in state.values():
                    value.zero_()

    def evaluate(self, generator: Generator, examples: Any) -> dict[str, float]:
        """Return the metrics of the averaged weights."""
        with torch.no_grad():
            kept = [weight.detach().clone() for weight in self.weights]
            torch._foreach_copy_(self.weights, self.averages)
            recommender = Recommender(replace(generator, model=self.model.eval()), batch_size=256)
            found = examples.metrics(examples.recommend(recommender, BEAMS, self.config.exclude_seen))
            torch._foreach_copy_(self.weights, kept)
        self.model.train()
        return {name: round(float(value), 5) for name, value in found.items()}


def _loss(generator: Generator, config: TrainConfig, device: torch.device) -> Loss:
    codes = torch.from_numpy(np.asarray(generator.catalogue.codes)).long().to(device)
    if isinstance(generator.model, OneRecBase):
        return HistoryLoss(generator.model, codes, config.label_smoothing)
    return StockLoss(generator, config.label_smoothing, device)


class StockLoss:
    """Every token of a window, as a language model learns it."""

    def __init__(self, generator: Generator, smoothing: float, device: torch.device) -> None:
        self.model, self.smoothing = generator.model, smoothing
        self.tokens = torch.from_numpy(np.asarray(generator.catalogue.tokens)).long().to(device)
        self.bos, self.pad = generator.vocabulary.bos_id, generator.vocabulary.pad_id

    def __call__(self, items: Tensor, cut: Tensor) -> Tensor:
        """Return the mean over real tokens."""
        del cut
        real = (items >= 0)[..., None].expand(-1, -1, self.tokens.shape[1]).flatten(1)
        tokens = torch.where(real, self.tokens[items.clamp(min=0)].flatten(1), self.pad)
        read = functional.pad(tokens, (1, 0), value=self.bos)[:, :-1]
        places = torch.arange(read.shape[1], device=read.device)[None]
        # Padding stands at the right, so plain causal attention needs no mask; it would cost a synchronisation.
        no_mask = {"full_attention": None}
        states = self.model.model(input_ids=read, attention_mask=no_mask, position_ids=places, use_cache=False)
        logits = self.model.lm_head(states.last_hidden_state).float().flatten(0, 1)
        labels = torch.where(real, tokens, IGNORED).flatten()
        return functional.cross_entropy(logits, labels, label_smoothing=self.smoothing)


class HistoryLoss:
    """Every item of a window after those before it, with shapes that do not depend on the data."""

    def __init__(self, model: OneRecBase, codes: Tensor, smoothing: float) -> None:
        self.model, self.codes, self.smoothing = model, codes, smoothing
        # What each item's codes compete with, made once: 12,000 items and codebooks of 1,024 are 12 MB a level.
        self.legal = [None if mask is None else mask.clone() for mask in model.competitors(codes)]

    def __call__(self, items: Tensor, cut: Tensor) -> Tensor:
        """Return the mean over target items."""
        real, known = items >= 0, items.clamp(min=0)
        read, events = real[:, :-1], known[:, :-1]
        rows = (events + 1) * read if self.model.events.items is not None else read.long()
        no_features = torch.zeros(*events.shape, 0, dtype=torch.int64, device=items.device)
        history = HistoryBatch(self.codes[events] * read[..., None], rows, no_features, read)
        learned = real.clone()
        learned[:, 0] &= ~cut  # the first item of a window that was cut has a history that is not there
        targets = torch.where(learned[..., None], self.codes[known], IGNORED)[:, :, None]
        visible = torch.arange(items.shape[1], device=items.device).expand(len(items), -1)
        states = self.model.decode_targets(self.model.encode(history), targets, visible)[:, :, 0]
        levels = range(self.codes.shape[1])
        losses = torch.stack([(self._level(states, known, level) * learned).sum() for level in levels])
        return (losses.mean() if self.model.averages_codes else losses.sum()) / learned.sum()

    def _level(self, states: Tensor, items: Tensor, level: int) -> Tensor:
        scores, legal = self.model.logits(states[:, :, level], level).float(), self.legal[level]
        if legal is not None:
            scores = scores.masked_fill(~legal[items], -1e9)
        scores = scores.log_softmax(dim=-1)
        loss = -scores.gather(-1, self.codes[items][..., level, None])[..., 0]
        if not self.smoothing:
            return loss
        among = torch.ones_like(scores, dtype=torch.bool) if legal is None else legal[items]
        even = -scores.masked_fill(~among, 0).sum(dim=-1) / among.sum(dim=-1)
        return (1 - self.smoothing) * loss + self.smoothing * even


if __name__ == "__main__":
    main()
