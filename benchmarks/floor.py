"""The least that a computation could cost here: its products of matrices, at the rate of a large one."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def product_rate(dtype: torch.dtype = torch.float32) -> float:
    """Return the operations a second of one large product of matrices, with as many threads as torch has."""
    side, times = 1536, []
    left = torch.randn(side, side, dtype=dtype)
    for _ in range(5):
        started = time.perf_counter()
        left @ left
        times.append(time.perf_counter() - started)
    return float(2 * side**3 / min(times))


def product_flops(work: Callable[[], object]) -> int:
    """Return the operations of the matrix products, attention included, that a call runs through torch."""
    # torch's counter does not know the fused attention of CPUs; the unfused one has the same products.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()
