"""Train a network over items so that items used together come nearer, and say whether it helped."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from genrec.console import track
from genrec.models.contrast import duplicates, infonce
from genrec_tokenizers.alignment.losses import ContentIdContrast, Temperature, id_mixup_infonce
from genrec_tokenizers.alignment.pairs import ItemPairs, Pairs

PATIENCE = 3  # epochs without a better hit rate of the held-out pairs before training stops
_ITEMS_AT_ONCE, _QUERIES_AT_ONCE = 128, 1024  # few items, since a text encoder pads them to the longest

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class AlignmentSettings:
    """How an alignment is trained.

    Args:
        epochs: passes over the pairs, at most.
        batch_size: pairs a step; each pair's negatives are the others of its batch.
        learning_rate: of AdamW.
        temperature: of InfoNCE; None learns it.
        mixup: alpha of the Beta(alpha, alpha) that mixing shares are drawn from (ID-MixGCL); 0 mixes nothing.
        cic: weight of EM3's contrast with the items' ID vectors; 0 leaves it out.
        seed: of the order, the mixing and dropout.
    """

    epochs: int = 20
    batch_size: int = 256
    learning_rate: float = 1e-3
    temperature: float | None = None
    mixup: float = 0.0
    cic: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Alignment:
    """What came of it: hit rates @10 of the held-out pairs, and the epochs that were run."""

    before: float
    after: float
    epochs: int


def align(network: nn.Module, items: int, pairs: ItemPairs, settings: AlignmentSettings) -> Alignment:
    """Train ``network`` by in-batch InfoNCE on item pairs, and leave it with its best weights, in evaluation mode.

    After every epoch the held-out pairs judge; the untrained network is judged as well and may win. The caller's
    random state is left alone.

    Args:
        network: turns item indices int64 [batch] into vectors [batch, dim]; its trainable parameters are trained.
        items: the number of items there are.
        pairs: what to learn from, and what to judge by.
        settings: how.
    """
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        loss = PairLoss(network, pairs, settings)
        trained = [parameter for parameter in loss.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=settings.learning_rate)
        rng = np.random.default_rng(settings.seed)
        before = best = hit_rate(all_vectors(network, items), pairs)
        best_state, waited, epochs = _trainable(network), 0, 0
        for epoch in track(range(1, settings.epochs + 1), "Alignment, epochs at most"):
            epochs = epoch
            network.train()
            for batch in _batches(pairs.train, settings.batch_size, rng):
                optimizer.zero_grad(set_to_none=True)
                loss(batch).backward()
                optimizer.step()
            score = hit_rate(all_vectors(network, items), pairs)
            waited = 0 if score > best else waited + 1
            if waited == 0:
                best, best_state = score, _trainable(network)
            if waited >= PATIENCE:
                break
    network.load_state_dict(best_state, strict=False)
    network.eval()
    return Alignment(before, best, epochs)


class PairLoss(nn.Module):
    """The loss of a batch of pairs: InfoNCE both ways, mixed if asked for, plus weighted CIC.

    Args:
        network: turns item indices into vectors.
        pairs: whose ID vectors CIC contrasts with.
        settings: which terms, and how strong.
    """

    def __init__(self, network: nn.Module, pairs: ItemPairs, settings: AlignmentSettings) -> None:
        super().__init__()
        self.network, self.settings = network, settings
        self.temperature = Temperature(settings.temperature)
        self.contrast: ContentIdContrast | None = None
        if settings.cic:
            self.ids, self.known = torch.from_numpy(pairs.ids.vectors), torch.from_numpy(pairs.ids.known)
            with torch.no_grad():
                dim = network(torch.arange(1)).shape[1]
            self.contrast = ContentIdContrast(dim, self.ids.shape[1])

    def forward(self, batch: Tensor) -> Tensor:
        """Return the loss of pairs int64 [batch, 2], a scalar."""
        left, right = batch.unbind(dim=1)
        vectors = self.network(batch.T.reshape(-1)).float().cpu()  # the rest is small, wherever the network is
        ours, theirs = vectors.chunk(2)
        total = (self._nearer(ours, theirs, left, right) + self._nearer(theirs, ours, right, left)) / 2
        if self.contrast is not None:
            known = self.known[left]
            if known.sum() > 1:
                contrast = self.contrast(ours[known], self.ids[left[known]], left[known])
                total = total + self.settings.cic * contrast
        return total

    def _nearer(self, z: Tensor, z_other: Tensor, items: Tensor, others: Tensor) -> Tensor:
        tau, ignored = self.temperature(), duplicates(items, others)
        if not self.settings.mixup:
            return infonce(z, z_other, tau, ignored)
        alpha = torch.tensor(self.settings.mixup)
        share = torch.distributions.Beta(alpha, alpha).sample((len(z), 1))
        return id_mixup_infonce(z, z_other, torch.maximum(share, 1 - share), tau, ignored=ignored)


def all_vectors(network: nn.Module, items: int) -> Vectors:
    """Return what ``network`` makes of every item, in evaluation mode, float32 [items, dim]."""
    network.eval()
    with torch.inference_mode():
        parts = [network(part).float().cpu() for part in torch.arange(items).split(_ITEMS_AT_ONCE)]
    return torch.cat(parts).numpy()


def hit_rate(vectors: Vectors, pairs: ItemPairs, k: int = 10) -> float:
    """Return the share of held-out pairs whose one item is among the k nearest (cosine) of the other.

    Each pair is asked both ways. An item's partners of the training pairs are taken out of its list, since those
    are what training put there. Ties are counted as misses.

    Args:
        vectors: float32 [items, dim].
        pairs: pairs of item indices.
        k: length of the lists.
    """
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    both = np.concatenate([pairs.held_out, pairs.held_out[:, ::-1]])
    partners = np.concatenate([pairs.train, pairs.train[:, ::-1]])
    partners = partners[np.argsort(partners[:, 0], kind="stable")]
    hits = 0
    for start in range(0, len(both), _QUERIES_AT_ONCE):
        query, wanted = both[start : start + _QUERIES_AT_ONCE].T
        scores = unit[query] @ unit.T
        first, last = (np.searchsorted(partners[:, 0], query, side=side) for side in ("left", "right"))
        rows = np.repeat(np.arange(len(query)), last - first)
        taken = np.concatenate([np.arange(*span) for span in zip(first, last, strict=True)]).astype(np.int64)
        goal = scores[np.arange(len(query)), wanted].copy()
        scores[rows, partners[taken, 1]] = -np.inf
        scores[np.arange(len(query)), query] = -np.inf
        scores[np.arange(len(query)), wanted] = -np.inf
        hits += int(((scores >= goal[:, None]).sum(axis=1) < k).sum())
    return hits / len(both)


def _batches(pairs: Pairs, size: int, rng: np.random.Generator) -> Iterator[Tensor]:
    """Yield shuffled batches of pairs, each turned round at random; a last batch of one pair has no negatives."""
    shuffled = rng.permuted(pairs[rng.permutation(len(pairs))], axis=1)
    for batch in torch.from_numpy(shuffled).split(size):
        if len(batch) > 1:
            yield batch


def _trainable(network: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the trainable weights alone: a frozen encoder need not be kept twice."""
    return {
        name: copy.deepcopy(weight.detach()) for name, weight in network.named_parameters() if weight.requires_grad
    }
