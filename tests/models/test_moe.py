"""The sparse experts against a dense reference that runs every token through every expert."""

import multiprocessing
import sys
from multiprocessing import Queue
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, distributed
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from genrec.models.onerec.moe import SparseMoE, expert_loads, grouped_linear, update_balance


def dense_reference(block: SparseMoE, rows: Tensor) -> Tensor:
    """Every expert on every row; gates of those that are not chosen are 0."""
    scores = (rows @ block.router.weight.T).softmax(dim=-1)
    chosen = (scores + block.bias).topk(block.active, dim=-1).indices
    gates = scores * torch.zeros_like(scores).scatter(-1, chosen, 1.0)
    gate, up = (torch.einsum("td,edf->etf", rows, weight) for weight in (block.gate, block.up))
    out = torch.einsum("etf,efd->etd", functional.silu(gate) * up, block.down)
    mixed = torch.einsum("te,etd->td", gates, out)
    return mixed if block.shared is None else mixed + block.shared(rows)


def block_of(seed: int = 0, hidden: int = 8, inner: int = 4, **settings: float) -> SparseMoE:
    torch.manual_seed(seed)
    block = SparseMoE(hidden, inner, **{"experts": 4, "active": 2} | settings)
    block.initialise(0.5)
    return block


def gradients(output: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    weights = torch.linspace(-1, 1, output.numel()).view_as(output)
    return torch.autograd.grad((output * weights).sum(), inputs)


def test_gates_are_those_of_the_paper() -> None:
    block = SparseMoE(3, 2, experts=3, active=2)
    with torch.no_grad():
        block.router.weight.copy_(torch.eye(3))
    gates, chosen = block.route(torch.tensor([[2.0, 1.0, 0.0]]))
    assert chosen.tolist() == [[0, 1]]
    torch.testing.assert_close(gates, torch.tensor([[0.6652, 0.2447]]), atol=5e-5, rtol=0)
    assert gates.sum().item() == pytest.approx(0.9099, abs=1e-4)  # not normalised again


@settings(max_examples=40, deadline=None)
@given(
    tokens=st.integers(0, 12),
    experts=st.integers(1, 7),
    active=st.integers(1, 3),
    widths=st.sampled_from([(8, 4), (4, 8), (6, 3), (5, 2)]),  # the last two are not aligned for the kernel
    shared=st.integers(0, 2),
    skew=st.floats(0, 8),
    seed=st.integers(0, 99),
)
def test_dispatch_is_the_dense_mixture(
    tokens: int, experts: int, active: int, widths: tuple[int, int], shared: int, skew: float, seed: int
) -> None:
    hidden, inner = widths
    block = block_of(seed, hidden, inner, experts=experts, active=min(active, experts), shared=shared)
    block.bias[0] = skew  # a bias this large sends every token to the first expert and leaves others empty
    rows = torch.randn(tokens, hidden, requires_grad=True)
    ours, reference = block(rows), dense_reference(block, rows)
    torch.testing.assert_close(ours, reference)
    inputs = (rows, *block.parameters())
    for mine, theirs in zip(gradients(ours, *inputs), gradients(reference, *inputs), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_kernel_and_loop_agree_on_empty_stretches() -> None:
    torch.manual_seed(0)
    rows, weights = torch.randn(5, 8), torch.randn(4, 8, 4)
    ends = torch.tensor([0, 3, 3, 5], dtype=torch.int32)
    expected = torch.cat([rows[:3] @ weights[1], rows[3:] @ weights[3]])
    torch.testing.assert_close(grouped_linear(rows, weights, ends), expected)
    torch.testing.assert_close(
        grouped_linear(rows[:, :7], weights[:, :7], ends),
        rows[:, :7] @ torch.zeros(7, 4) + torch.cat([rows[:3, :7] @ weights[1, :7], rows[3:, :7] @ weights[3, :7]]),
    )


def test_leading_dimensions_and_padding() -> None:
    block = block_of()
    states = torch.randn(2, 3, 5, 8)
    real = torch.rand(2, 3, 5) < 0.6
    whole = block(states)
    assert whole.shape == states.shape
    torch.testing.assert_close(whole.flatten(0, 2), block(states.flatten(0, 2)))
    block.counted = None
    padded = block(states, real)
    torch.testing.assert_close(padded, whole * real[..., None])
    assert block.counted is not None
    assert block.counted.sum() == 2 * real.sum()


def test_bias_changes_the_choice_but_not_the_gates() -> None:
    block = block_of(experts=4, active=1)
    rows = torch.randn(6, 8)
    scores = (rows @ block.router.weight.T).softmax(dim=-1)
    block.bias[3] = 10.0
    gates, chosen = block.route(rows)
    assert chosen.unique().tolist() == [3]
    torch.testing.assert_close(gates[:, 0], scores[:, 3])


def test_balance_evens_out_a_skewed_router() -> None:
    block = block_of(experts=8, active=2, bias_update=0.02)
    torch.manual_seed(1)
    rows = torch.randn(512, 8)
    rows[:, 0] += 3.0  # all tokens alike in one direction, so that a few experts win
    block(rows)
    update_balance(block)
    before = expert_loads(block)[""]
    for _ in range(60):
        block(rows)
        update_balance(block)
    after = expert_loads(block)[""]
    assert before.largest > 2.5
    assert after.largest < 1.3
    assert after.entropy > 0.99 > before.entropy
    assert after.shares.sum().item() == pytest.approx(1.0)


def test_no_update_without_a_step_size() -> None:
    block = block_of()
    block(torch.randn(9, 8))
    update_balance(block)
    assert not block.bias.any()
    assert expert_loads(block)[""].shares.sum().item() == pytest.approx(1.0)


def test_accumulated_batches_count_as_one() -> None:
    whole, parts = block_of(bias_update=0.1), block_of(bias_update=0.1)
    rows = torch.randn(30, 8)
    whole(rows)
    for part in rows.split(7):
        parts(part)
    update_balance(whole)
    update_balance(parts)
    assert whole.bias.any()
    assert torch.equal(whole.bias, parts.bias)
    assert torch.equal(expert_loads(whole)[""].shares, expert_loads(parts)[""].shares)


def test_evaluation_is_not_counted_and_checkpointing_changes_nothing() -> None:
    block, again = block_of(bias_update=0.1), block_of(bias_update=0.1)
    rows = torch.randn(20, 8, requires_grad=True)
    block.eval()(rows)
    assert block.counted is None
    update_balance(block)
    assert not block.bias.any()  # nothing counted, nothing moved
    block.train()(rows).sum().backward()
    checkpoint(again, rows, use_reentrant=False).sum().backward()
    for module in (block, again):
        update_balance(module)
    assert torch.equal(block.bias, again.bias)
    assert torch.equal(expert_loads(block)[""].shares, expert_loads(again)[""].shares)


def test_bias_is_saved_and_counts_are_not() -> None:
    block = block_of(bias_update=0.1)
    block(torch.randn(20, 8))
    update_balance(block)
    other = block_of(seed=1)
    other.load_state_dict(block.state_dict())
    assert torch.equal(other.bias, block.bias)
    assert other.last_load is None
    assert set(block.state_dict()) == {"router.weight", "gate", "up", "down", "bias"}


def test_autocast_runs_the_experts_in_half_precision_and_the_router_in_full() -> None:
    block = block_of()
    rows = torch.randn(16, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert block.route(rows)[0].dtype == torch.float32
        half = block(rows)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), block(rows), atol=0.03, rtol=0.05)


def _balance_in_process(rank: int, store: Path, answers: Queue) -> None:
    torch.set_num_threads(1)  # OpenMP's threads do not survive a fork
    distributed.init_process_group("gloo", f"file://{store}", rank=rank, world_size=2)
    block = block_of(bias_update=0.1)
    block(torch.randn(30, 8)[rank * 11 : 22 + 8 * rank])  # rows 0 to 21 and 11 to 29
    update_balance(block)
    answers.put((block.bias.tolist(), block.last_load.tolist()))
    distributed.destroy_process_group()


@pytest.mark.skipif(sys.platform != "linux", reason="forks processes, which only Linux does safely")
def test_processes_agree_on_the_bias_of_all_their_tokens(tmp_path: Path) -> None:
    alone = block_of(bias_update=0.1)
    rows = torch.randn(30, 8)
    alone(rows[:22])
    alone(rows[11:])
    update_balance(alone)
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    workers = [
        context.Process(target=_balance_in_process, args=(rank, tmp_path / "store", answers)) for rank in (0, 1)
    ]
    for worker in workers:
        worker.start()
    assert [answers.get(timeout=60) for _ in workers] == [(alone.bias.tolist(), alone.last_load.tolist())] * 2
    for worker in workers:
        worker.join()
