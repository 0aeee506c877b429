"""Several processes on one piece of work, as torchrun or ``accelerate launch`` start them.

On CPUs ``accelerate launch`` starts a single process unless there is MPI; torchrun starts as many as it is told.
Besides: how a process that computes for long treats its memory.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys

# mallopt's parameters, from glibc's malloc.h, and the most it takes
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_MOST = 2**31 - 1
_AT_ONCE = 64 * 2**20  # bytes


def process_share() -> tuple[int, int]:
    """Return this process's number and how many there are; (0, 1) outside ``accelerate launch`` and torchrun."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return 0, 1  # without importing accelerate, and with it torch
    import torch
    from accelerate import PartialState

    state = PartialState(cpu=not torch.accelerator.is_available())  # without the flag it takes itself for alone
    return state.process_index, state.num_processes


def is_main_process() -> bool:
    """Say whether this process is the one that writes artefacts."""
    return process_share()[0] == 0


def wait_for_all() -> None:
    """Go on once every process has come here; at once if there is only this one."""
    if process_share()[1] > 1:
        from accelerate import PartialState

        PartialState().wait_for_everyone()


def spare_the_collector() -> None:
    """Take what is there by now from the garbage collector, which would go through all of it again and again.

    With torch those are so many objects that a full collection stops the process for .3 s. It is rare, but a
    service is there for long. For a process that is about to answer requests, once all is loaded.
    """
    gc.collect()
    gc.freeze()


def keep_freed_memory() -> None:
    """Let the C library keep memory that is freed, and give it to what is allocated next.

    glibc takes large tensors from the system one by one and gives each back when it is freed; the system clears
    every page of it again and again. Training on CPUs takes a tenth to a third less time without that
    (docs/experiments.md), with as large a peak. Nothing happens where the C library is another one.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for name, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _MOST), (_TOP_PAD, _AT_ONCE)):
            mallopt(name, value)
