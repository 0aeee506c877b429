"""Training on item pairs: how it is judged, what it reaches, and when it stops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from genrec_tokenizers.alignment.pairs import ItemPairs
from genrec_tokenizers.alignment.training import AlignmentSettings, PairLoss, align, all_vectors, hit_rate
from genrec_tokenizers.encoders import ItemVectors


def pairs_of(train: list[list[int]], held_out: list[list[int]], items: int = 12) -> ItemPairs:
    rng = np.random.default_rng(0)
    ids = ItemVectors(rng.normal(size=(items, 5)).astype(np.float32), np.arange(items) != 3)
    return ItemPairs(*(np.array(part, dtype=np.int64).reshape(-1, 2) for part in (train, held_out)), ids)


def test_hit_rate_by_hand() -> None:
    angles = np.deg2rad([0, 10, 25, 90, 180])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32) * [[1], [5], [1], [2], [3]]
    assert hit_rate(vectors, pairs_of([], [[0, 1]]), k=1) == 1.0  # each is the other's nearest
    assert hit_rate(vectors, pairs_of([], [[1, 2]]), k=1) == 0.5  # 2's nearest is 1, and 1's is 0
    assert hit_rate(vectors, pairs_of([[0, 1]], [[1, 2]]), k=1) == 1.0  # unless 0 is known to belong to 1
    assert hit_rate(vectors, pairs_of([], [[0, 4]]), k=3) == 0.0
    assert hit_rate(vectors, pairs_of([], [[0, 4]]), k=4) == 1.0


def test_equal_vectors_are_no_hits() -> None:
    assert hit_rate(np.ones((12, 3), dtype=np.float32), pairs_of([], [[0, 1]])) == 0.0


class Table(nn.Module):
    """A free vector an item."""

    def __init__(self, items: int = 12, dim: int = 4) -> None:
        super().__init__()
        self.vectors = nn.Embedding(items, dim)

    def forward(self, items: torch.Tensor) -> torch.Tensor:
        return self.vectors(items)


TWO_GROUPS = [[i, j] for i in range(12) for j in range(i + 1, 12) if (i < 6) == (j < 6)]


@pytest.mark.parametrize(
    "settings",
    [
        AlignmentSettings(),
        AlignmentSettings(temperature=0.2),
        AlignmentSettings(mixup=0.5),
        AlignmentSettings(cic=0.5),
    ],
    ids=["learnt", "fixed", "mixup", "cic"],
)
def test_every_term_reaches_the_network_and_is_finite(settings: AlignmentSettings) -> None:
    torch.manual_seed(0)
    network = Table()
    loss = PairLoss(network, pairs_of(TWO_GROUPS, [[0, 1]]), settings)
    value = loss(torch.tensor([[0, 1], [2, 4], [6, 7], [3, 5]]))
    assert torch.isfinite(value)
    value.backward()
    gradient = network.vectors.weight.grad
    assert gradient is not None
    assert torch.isfinite(gradient).all()
    assert (gradient[:8].abs().sum(dim=1) > 0).all()
    assert loss.temperature.log.requires_grad == (settings.temperature is None)


def test_cic_leaves_items_without_id_vectors_alone() -> None:
    loss = PairLoss(Table(), pairs_of(TWO_GROUPS, [[0, 1]]), AlignmentSettings(cic=1.0))
    batch = torch.tensor([[0, 1], [2, 4], [3, 5]])  # 3 has no ID vector
    before = loss(batch)
    loss.ids[3] = 99.0
    torch.testing.assert_close(loss(batch), before)


def settings(epochs: int, seed: int = 0) -> AlignmentSettings:
    return AlignmentSettings(epochs=epochs, batch_size=8, learning_rate=0.05, seed=seed)


def test_items_used_together_come_nearer_and_the_outcome_says_so() -> None:
    torch.manual_seed(1)
    four = [[i, j] for i in range(80) for j in range(i + 1, 80) if i % 4 == j % 4]
    network, pairs = Table(80, 8), pairs_of(four[::2], four[1::2])
    start = all_vectors(network, 80)
    outcome = align(network, 80, pairs, settings(15))
    assert hit_rate(start, pairs) == outcome.before < 0.4
    assert hit_rate(all_vectors(network, 80), pairs) == outcome.after > 0.8  # the best epoch's weights are back
    assert not network.training


def test_training_leaves_the_random_state_alone_and_repeats_itself() -> None:
    results = []
    for _ in range(2):
        torch.manual_seed(5)
        network = Table()
        state = torch.get_rng_state()
        align(network, 12, pairs_of(TWO_GROUPS[::2], TWO_GROUPS[1::2]), settings(3))
        assert torch.equal(state, torch.get_rng_state())
        results.append(all_vectors(network, 12))
    assert np.array_equal(*results)


def test_an_alignment_that_helps_nobody_leaves_the_network_as_it_was() -> None:
    torch.manual_seed(0)
    network = Table()
    start = all_vectors(network, 12)
    near = [[0, int(row)] for row in np.argsort(-(start @ start[0]) / np.linalg.norm(start, axis=1))[1:2]]
    outcome = align(network, 12, pairs_of(TWO_GROUPS, near), settings(20))
    assert (outcome.before, outcome.after, outcome.epochs) == (1.0, 1.0, 3)
    assert np.array_equal(all_vectors(network, 12), start)
