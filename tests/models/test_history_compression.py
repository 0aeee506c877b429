"""KuaiFormer's compression: 256 events become 55 vectors, short histories stay as they are, padding is nothing."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.models.onerec.configuration import OneRecConfig
from genrec.models.onerec.history.compression import Compression

WIDTH = 8


def compression(groups: tuple[tuple[int, int], ...], raw: int) -> Compression:
    torch.manual_seed(0)
    return Compression(OneRecConfig(attn_implementation="sdpa"), WIDTH, 16, 2, groups, raw).eval()


def histories(*lengths: int) -> tuple[torch.Tensor, torch.Tensor]:
    mask = torch.arange(max(1, *lengths)) < torch.tensor(lengths)[:, None]
    return torch.randn(*mask.shape, WIDTH) * mask[..., None], mask


def test_the_papers_256_events_become_55_vectors() -> None:
    states, mask = histories(256)
    model = compression(((2, 64), (5, 16)), 48)
    vectors, real = model(states, mask)
    assert vectors.shape == (1, 55, WIDTH)
    assert real.all()
    assert torch.equal(vectors[:, -48:], states[:, -48:])


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_history_below_the_raw_part_is_untouched(length: int) -> None:
    states, mask = histories(length)
    vectors, real = compression(((1, 4), (2, 2)), 3)(states, mask)
    assert torch.equal(vectors, states)
    assert torch.equal(real, mask)


@pytest.mark.parametrize(
    ("length", "vectors"), [(0, 0), (3, 3), (4, 4), (5, 4), (6, 5), (7, 5), (8, 6), (10, 6), (11, 6), (20, 6)]
)
def test_groups_are_counted_from_the_newest(length: int, vectors: int) -> None:
    """One group of four, two of two, three raw: seven events fill the groups of two, the eighth begins the four."""
    states, mask = histories(length, 20)
    found, real = compression(((1, 4), (2, 2)), 3)(states, mask)
    assert real.sum(dim=1).tolist() == [vectors, 6]
    newest = found[0, : real[0].sum()][-3:]
    assert torch.equal(newest, states[0, max(0, length - 3) : length])


def test_a_group_is_the_mean_of_what_its_block_makes_of_it() -> None:
    states, mask = histories(5)
    model = compression(((1, 4),), 1)
    everything = torch.ones(1, 1, 1, 4, dtype=torch.bool)
    expected = model.blocks[0](states[:, :4], model.rotary(torch.arange(4)[None]), everything).mean(dim=1)
    assert torch.allclose(model(states, mask)[0][:, 0], expected, atol=1e-6)


def test_a_group_that_is_partly_filled_is_the_mean_of_its_real_events() -> None:
    states, mask = histories(3)
    model = compression(((1, 4),), 1)
    # The two oldest events have the last two places of their group.
    block = model.blocks[0](
        states[:, :2], model.rotary(torch.tensor([[2, 3]])), torch.ones(1, 1, 1, 2, dtype=torch.bool)
    )
    assert torch.allclose(model(states, mask)[0][:, 0], block.mean(dim=1), atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 14), min_size=1, max_size=4), st.integers(0, 5))
def test_what_a_history_becomes_does_not_depend_on_its_batch(lengths: list[int], padding: int) -> None:
    model = compression(((1, 4), (2, 2)), 3)
    states, mask = histories(*lengths)
    wide = torch.cat([states, torch.randn(len(lengths), padding, WIDTH)], dim=1)
    wide_mask = torch.cat([mask, mask.new_zeros(len(lengths), padding)], dim=1)
    together, real = model(wide, wide_mask)
    assert (real.long().diff(dim=1) <= 0).all()  # padding on the right
    for row, length in enumerate(lengths):
        alone, mine = model(states[row : row + 1, : max(1, length)], mask[row : row + 1, : max(1, length)])
        assert torch.allclose(together[row][real[row]], alone[mine], atol=1e-5)


def test_nothing_leaks_from_padding_into_gradients() -> None:
    model = compression(((1, 4), (2, 2)), 3)
    states, mask = histories(0, 5, 12)
    states.requires_grad_()
    vectors, real = model(states, mask)
    vectors[real].square().sum().backward()
    assert states.grad is not None
    assert torch.isfinite(states.grad).all()
    assert (states.grad[~mask] == 0).all()
    assert (states.grad[1, :5].abs().sum(dim=1) > 0).all()
    assert (states.grad[2, 1:].abs().sum(dim=1) > 0).all()  # eleven are read; the oldest is left out
    assert (states.grad[2, 0] == 0).all()
