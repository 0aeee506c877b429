"""Several processes on one piece of work, as torchrun or ``accelerate launch`` start them.

On CPUs ``accelerate launch`` starts a single process unless there is MPI; torchrun starts as many as it is told.
Besides: what a process does that is there for long.
"""

from __future__ import annotations

import gc
import os


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
