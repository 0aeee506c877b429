"""Sparse mixture of experts in place of a feed-forward block, with loss-free balancing of the experts' loads.

Tokens are sorted by expert, so that each expert reads one contiguous stretch of rows; all stretches go through one
grouped matrix product. A trainer calls :func:`update_balance` after every optimiser step and may log what
:func:`expert_loads` returns.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional

from genrec.models.onerec.feed_forward import FeedForward


class SparseMoE(nn.Module):
    """H' = Σ g_i · FFN_i(H) over the chosen experts (OneRec, arXiv:2502.18965); the caller adds H.

    g = softmax over ALL experts before the choice, and not normalised again after it: logits (2, 1, 0) with two
    active experts give the weights (.6652, .2447). The balancing bias (the technical report, arXiv:2506.13695;
    DeepSeek's arXiv:2408.15664) is added for the choice only: the gates are those of the plain softmax.

    Args:
        hidden_size: width of the residual stream.
        intermediate_size: width inside one expert (SwiGLU).
        experts: the number of experts.
        active: how many of them a token goes through.
        shared: experts that every token goes through besides, with weight 1.
        bias_update: the step of the bias at every :func:`update_balance`; 0 leaves the loads as they fall.
    """

    bias: Tensor

    def __init__(
        self,
        hidden_size: int,
        intermediate_size: int,
        experts: int,
        active: int,
        shared: int = 0,
        bias_update: float = 0.0,
    ) -> None:
        super().__init__()
        self.experts, self.active, self.bias_update = experts, active, bias_update
        self.router = nn.Linear(hidden_size, experts, bias=False)
        # Gate and up apart: the halves of one product would have to be put together again in the backward pass.
        self.gate = nn.Parameter(torch.empty(experts, hidden_size, intermediate_size))
        self.up = nn.Parameter(torch.empty(experts, hidden_size, intermediate_size))
        self.down = nn.Parameter(torch.empty(experts, intermediate_size, hidden_size))
        self.shared = FeedForward(hidden_size, shared * intermediate_size) if shared else None
        self.register_buffer("bias", torch.zeros(experts))
        # Not buffers: DistributedDataParallel would overwrite them with those of the first process, and they must
        # not be made on the meta device when a checkpoint is loaded.
        self.counted: Tensor | None = None  # int64 [experts], uses since the last update
        self.last_load: Tensor | None = None  # int64 [experts], uses of the last step in all processes
        self.initialise(0.02)

    def initialise(self, deviation: float) -> None:
        """Draw the experts' weights from a normal distribution."""
        for weight in (self.gate, self.up, self.down):
            nn.init.normal_(weight, std=deviation)

    def forward(self, states: Tensor, real: Tensor | None = None) -> Tensor:
        """Return [tokens…, hidden] for states of that shape.

        Args:
            states: [tokens…, hidden].
            real: bool [tokens…], False on padding, which goes through no expert, is not counted, and comes back
                as zeros; None: all are real.
        """
        rows = states.flatten(0, -2) if real is None else states[real]
        mixed = self._mix(rows, *self.route(rows))
        if self.shared is not None:
            mixed = mixed + self.shared(rows)
        if real is None:
            return mixed.view_as(states)
        whole = mixed.new_zeros(states.shape)
        whole[real] = mixed
        return whole

    def route(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return gates float32 [tokens, active] and experts int64 [tokens, active] for rows [tokens, hidden]."""
        # In half precision two experts of nearly equal weight change places at random.
        with torch.autocast(rows.device.type, enabled=False):
            scores = functional.linear(rows.float(), self.router.weight.float()).softmax(dim=-1)
        chosen = (scores.detach() + self.bias).topk(self.active, dim=-1).indices
        return scores.gather(-1, chosen), chosen

    def _mix(self, rows: Tensor, gates: Tensor, chosen: Tensor) -> Tensor:
        sorted_experts, order = chosen.flatten().sort()
        every = torch.arange(self.experts, device=rows.device)
        ends = torch.searchsorted(sorted_experts, every, right=True, out_int32=True)
        self._count(ends)
        # index_select and index_add are each other's derivatives, and much faster on a CPU than indexing.
        token = order // self.active
        taken = rows.index_select(0, token)
        gate, up = grouped_linear(taken, self.gate, ends), grouped_linear(taken, self.up, ends)
        out = grouped_linear(functional.silu(gate) * up, self.down, ends)
        out = out * gates.flatten().index_select(0, order)[:, None].to(out.dtype)
        return out.new_zeros(rows.shape).index_add(0, token, out)

    def _count(self, ends: Tensor) -> None:
        # Gradient checkpointing counts its second pass too: all loads double, and only their shares are used.
        if self.training:
            uses = torch.diff(ends.long(), prepend=ends.new_zeros(1).long())
            self.counted = uses if self.counted is None else self.counted + uses


def grouped_linear(rows: Tensor, weights: Tensor, ends: Tensor) -> Tensor:
    """Multiply stretches of rows by a matrix each.

    Args:
        rows: [rows, in], one stretch after another.
        weights: [stretches, in, out].
        ends: int32 [stretches], where each stretch ends; may be empty.

    Returns:
        [rows, out], in the data type of autocast where that is on.
    """
    kind = rows.device.type
    if torch.is_autocast_enabled(kind):
        rows, weights = rows.to(torch.get_autocast_dtype(kind)), weights.to(torch.get_autocast_dtype(kind))
    if hasattr(functional, "grouped_mm") and _aligned(weights):
        return functional.grouped_mm(rows, weights, offs=ends)
    sizes = torch.diff(ends, prepend=ends.new_zeros(1)).tolist()
    return torch.cat([part @ weight for part, weight in zip(rows.split(sizes), weights, strict=True)])


def _aligned(weights: Tensor) -> bool:
    """Whether every row of a matrix begins at a multiple of 16 bytes, as the grouped kernel wants it."""
    return all(size * weights.element_size() % 16 == 0 for size in weights.shape[1:])


class ExpertLoad(NamedTuple):
    """How evenly a block's experts were used in the last optimiser step.

    shares: float [experts], share of the uses; they sum to 1.
    entropy: of the shares, divided by that of even ones: 1 is even, 0 one expert for all.
    largest: the largest share times the experts: 1 is even.
    """

    shares: Tensor
    entropy: float
    largest: float


def update_balance(model: nn.Module) -> None:
    """Move the balancing biases by one step; call it after every optimiser step, in every process.

    b_i += bias_update · sign(mean load − load_i), from the tokens of all forward passes in training mode since the
    last call: those of all accumulated batches, summed over the processes.
    """
    blocks = [module for module in model.modules() if isinstance(module, SparseMoE)]
    if not blocks:
        return
    counted = [torch.zeros_like(b.bias, dtype=torch.int64) if b.counted is None else b.counted for b in blocks]
    loads = torch.cat(counted)
    if distributed.is_available() and distributed.is_initialized():
        distributed.all_reduce(loads)
    for block, load in zip(blocks, loads.split([block.experts for block in blocks]), strict=True):
        block.last_load, block.counted = load, None
        block.bias += block.bias_update * torch.sign(load.float().mean() - load)


def expert_loads(model: nn.Module) -> dict[str, ExpertLoad]:
    """Return the loads of the last step of every sparse block, by its name; none before the first step."""
    return {
        name: _load(module.last_load)
        for name, module in model.named_modules()
        if isinstance(module, SparseMoE) and module.last_load is not None
    }


def _load(uses: Tensor) -> ExpertLoad:
    shares = uses.double() / uses.sum().clamp(min=1)
    entropy = -torch.xlogy(shares, shares).sum() / torch.tensor(max(2, len(shares))).double().log()
    return ExpertLoad(shares.float(), float(entropy), float(shares.max() * len(shares)))
