"""Several processes on one piece of work, as torchrun or ``accelerate launch`` start them.

On CPUs ``accelerate launch`` starts a single process unless there is MPI; torchrun starts as many as it is told.
"""

from __future__ import annotations

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
