"""Contrastive losses: against formulas written out, masks, mixing, and gradients."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.models.contrast import duplicates, infonce, symmetric_infonce
from genrec_tokenizers.alignment.losses import ContentIdContrast, Temperature, id_mixup_infonce, soft_labels

seeds = st.integers(0, 10_000)


def batch(seed: int, rows: int = 5, dim: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.randn(2, rows, dim, generator=generator, dtype=torch.float64)
    return first, second


def by_hand(z: torch.Tensor, other: torch.Tensor, tau: float, ignored: torch.Tensor | None = None) -> float:
    losses = []
    for i in range(len(z)):
        scores = {}
        for j in range(len(other)):
            if ignored is None or not ignored[i, j]:
                cosine = float(z[i] @ other[j] / (z[i].norm() * other[j].norm()))
                scores[j] = math.exp(cosine / tau)
        losses.append(-math.log(scores[i] / sum(scores.values())))
    return sum(losses) / len(losses)


@settings(deadline=None)
@given(seeds, st.floats(0.05, 2))
def test_infonce_is_its_formula(seed: int, tau: float) -> None:
    z, other = batch(seed)
    assert math.isclose(float(infonce(z, other, tau)), by_hand(z, other, tau), rel_tol=1e-6)
    both = (by_hand(z, other, tau) + by_hand(other, z, tau)) / 2
    assert math.isclose(float(symmetric_infonce(z, other, tau)), both, rel_tol=1e-6)


def test_orthogonal_pairs_have_a_known_loss() -> None:
    eye = torch.eye(3, dtype=torch.float64)
    assert math.isclose(float(infonce(eye, eye, 1.0)), -math.log(math.e / (math.e + 2)))
    assert math.isclose(float(infonce(eye, eye.roll(1, 0), 1.0)), -math.log(1 / (math.e + 2)))


def test_items_of_the_pair_itself_are_no_negatives() -> None:
    items, others = torch.tensor([1, 1, 3, 4]), torch.tensor([2, 5, 1, 2])
    ignored = duplicates(items, others)
    #            2      5      1      2      against the items of row i: its own two
    assert ignored.tolist() == [
        [False, False, True, True],  # 1 and 2
        [False, False, True, False],  # 1 and 5
        [False, False, False, False],  # 3 and 1
        [True, False, False, False],  # 4 and 2
    ]
    z, other = batch(0, rows=4)
    assert math.isclose(float(infonce(z, other, 0.3, ignored)), by_hand(z, other, 0.3, ignored), rel_tol=1e-6)
    assert infonce(z, other, 0.3, ignored) < infonce(z, other, 0.3)


@settings(deadline=None)
@given(seeds)
def test_mixup_with_a_share_of_one_is_infonce(seed: int) -> None:
    z, other = batch(seed)
    ignored = duplicates(torch.tensor([1, 2, 3, 1, 5]), torch.tensor([6, 7, 6, 9, 3]))
    permutation = torch.randperm(5)
    for mask in (None, ignored):
        exact = infonce(z, other, 0.2, mask)
        torch.testing.assert_close(id_mixup_infonce(z, other, 1.0, 0.2, permutation, mask), exact)
        ones = torch.ones(5, 1, dtype=torch.float64)
        torch.testing.assert_close(id_mixup_infonce(z, other, ones, 0.2, permutation, mask), exact)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=6, max_size=6), st.permutations(range(6)))
def test_soft_labels_sum_to_one(shares: list[float], order: list[int]) -> None:
    labels = soft_labels(torch.tensor(order), torch.tensor(shares)[:, None])
    torch.testing.assert_close(labels.sum(dim=1), torch.ones(6))
    assert (labels >= 0).all()


@settings(deadline=None)
@given(seeds, st.floats(0.1, 0.9))
def test_mixup_is_its_formula(seed: int, m: float) -> None:
    z, other = batch(seed)
    permutation = torch.tensor([1, 2, 0, 3, 4])  # two rows are mixed with themselves
    mixed = m * z + (1 - m) * z[permutation]
    cosine = torch.nn.functional.normalize(mixed) @ torch.nn.functional.normalize(other).T
    logs = (cosine / 0.5).log_softmax(dim=1)
    rows = torch.arange(5)
    expected = -(m * logs[rows, rows] + (1 - m) * logs[rows, permutation]).mean()
    torch.testing.assert_close(id_mixup_infonce(z, other, m, 0.5, permutation), expected, rtol=1e-6, atol=1e-6)


@settings(max_examples=10, deadline=None)
@given(seeds)
def test_gradients_are_those_of_the_formulas(seed: int) -> None:
    z, other = (side.requires_grad_() for side in batch(seed))
    permutation, tau = torch.tensor([1, 2, 0, 4, 3]), torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    ignored = duplicates(torch.tensor([1, 2, 3, 1, 5]), torch.tensor([6, 7, 6, 9, 3]))
    assert torch.autograd.gradcheck(lambda *given: infonce(*given, ignored), (z, other, tau))
    mixed = lambda z, other, tau: id_mixup_infonce(z, other, 0.7, tau, permutation, ignored)  # noqa: E731
    assert torch.autograd.gradcheck(mixed, (z, other, tau))


def test_a_learnt_temperature_moves_and_a_fixed_one_does_not() -> None:
    z, other = batch(3)
    fixed, learnt = Temperature(0.2), Temperature()
    assert math.isclose(fixed().item(), 0.2, rel_tol=1e-6)
    assert math.isclose(learnt().item(), 0.07, rel_tol=1e-6)
    infonce(z, other, learnt()).backward()
    assert learnt.log.grad is not None
    assert float(learnt.log.grad) != 0
    assert not fixed.log.requires_grad
    with torch.no_grad():
        learnt.log.fill_(-20)
    assert math.isclose(learnt().item(), 0.01, rel_tol=1e-6)


def test_content_id_contrast_is_infonce_of_two_linear_maps_and_reaches_both_sides() -> None:
    torch.manual_seed(0)
    loss = ContentIdContrast(4, 3, tau=0.5)
    content, identity, items = torch.randn(6, 4, requires_grad=True), torch.randn(6, 3), torch.arange(6)
    value = loss(content, identity, items)
    ours, theirs = (side.detach().double() for side in (loss.content(content), loss.identity(identity)))
    expected = (by_hand(ours, theirs, 0.5) + by_hand(theirs, ours, 0.5)) / 2
    assert math.isclose(value.item(), expected, rel_tol=1e-4)
    value.backward()
    for reached in (content.grad, loss.content.weight.grad, loss.identity.weight.grad):
        assert reached is not None
        assert reached.abs().sum() > 0


def test_an_item_twice_in_a_batch_is_no_negative_of_itself() -> None:
    torch.manual_seed(0)
    loss = ContentIdContrast(4, 3)
    content, identity = torch.randn(2, 4), torch.randn(2, 3)
    twice = loss(content, identity, torch.tensor([7, 7]))
    assert twice.item() == pytest.approx(0.0, abs=1e-6)
    assert loss(content, identity, torch.tensor([7, 8])).item() > 0.01
