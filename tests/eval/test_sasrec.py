"""SASRec: causal, deterministic, and able to learn what can be learned."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from genrec.models.sasrec import SasrecConfig, next_item
from genrec.models.sasrec.network import SasrecModel
from genrec.models.sasrec.training import windows
from genrec_eval.baselines.sasrec import Sasrec
from genrec_eval.metrics import accuracy
from tests.eval.conftest import MakeDataset

SMALL = SasrecConfig(embedding_size=16, layers=1, history_length=8, learning_rate=0.01, batch_size=16, epochs=20)


def test_later_items_do_not_change_earlier_states() -> None:
    model = SasrecModel(20, SMALL).eval()
    first = torch.randint(0, 20, (3, 8))
    second = first.clone()
    second[:, 5:] = torch.randint(0, 20, (3, 3))
    with torch.no_grad():
        before, after = model(first), model(second)
        padded = model(torch.cat([first[:, :5], torch.full((3, 3), 20)], dim=1))
    torch.testing.assert_close(before[:, :5], after[:, :5])
    torch.testing.assert_close(before[:, :5], padded[:, :5])
    assert not torch.allclose(before[:, 5:], after[:, 5:])


def test_the_loss_in_pieces_is_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    model = SasrecModel(20, SMALL).eval()
    batch = torch.randint(0, 21, (4, 9))
    gradients = []
    for at_once in (1 << 20, 60):  # all positions together, then three at a time
        monkeypatch.setattr(next_item, "_LOGITS_AT_ONCE", at_once)
        model.zero_grad()
        loss = model.loss(batch)
        loss.backward()
        assert model.embedding.weight.grad is not None
        gradients.append((loss.detach(), model.embedding.weight.grad.clone()))
    torch.testing.assert_close(gradients[0], gradients[1])


def test_every_item_but_the_first_is_a_target_once() -> None:
    train = [np.arange(length, dtype=np.int32) for length in (2, 5, 8, 9, 10, 31)]
    padding = 99
    batches = list(windows(train, 8, 4, padding, np.random.default_rng(0)))
    targets = torch.cat([batch[:, 1:][batch[:, 1:] != padding] for batch in batches])
    expected = sorted(item for sequence in train for item in sequence[1:].tolist())
    assert sorted(targets.tolist()) == expected
    assert max(batch.shape[1] for batch in batches) <= 9


def test_it_learns_a_planted_sequence(make_dataset: MakeDataset, rng: np.random.Generator) -> None:
    # Users walk round one of two circles; where the circles share an item, only the item before tells which.
    items, circles = 9, ([0, 1, 2, 3, 4], [0, 5, 2, 6, 7, 8])
    sequences = []
    for user in range(150):
        circle = circles[user % 2]
        start = int(rng.integers(len(circle)))
        sequences.append([circle[(start + at) % len(circle)] for at in range(14)])
    dataset = make_dataset(sequences, items)
    test = dataset.examples("test")
    model = Sasrec(SMALL, exclude_seen=False).fit(dataset, seed=0)
    assert accuracy(model.recommend(test.histories, 1).items, test.targets, ks=(1,))["recall@1"] > 0.9
    again = Sasrec(SMALL, exclude_seen=False).fit(dataset, seed=0)
    torch.testing.assert_close(model.model.state_dict(), again.model.state_dict())


def test_test_rows_do_not_reach_it(make_dataset: MakeDataset, rng: np.random.Generator) -> None:
    sequences = [rng.integers(0, 9, 7).tolist() for _ in range(20)]
    changed = [[*items[:-1], 0] for items in sequences]
    config = SMALL.model_copy(update={"epochs": 2})
    first = Sasrec(config).fit(make_dataset(sequences, 9)).model.state_dict()
    second = Sasrec(config).fit(make_dataset(changed, 9)).model.state_dict()
    torch.testing.assert_close(first, second)


def test_an_empty_history_and_exclusions(make_dataset: MakeDataset, rng: np.random.Generator) -> None:
    config = SMALL.model_copy(update={"epochs": 1})
    model = Sasrec(config).fit(make_dataset([rng.integers(0, 9, 7).tolist() for _ in range(20)], 9))
    histories = [np.array([], np.int32), np.arange(8, dtype=np.int32)]
    found = model.recommend(histories, 9, exclude=histories).items
    assert sorted(found[0].tolist()) == list(range(9))
    assert found[1].tolist() == [8] + [-1] * 8
