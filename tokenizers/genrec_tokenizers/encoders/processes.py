"""Several processes on one catalogue, as torchrun or ``accelerate launch`` start them: who does what, and waiting.

On a CPU use torchrun: ``accelerate launch --cpu --num_processes 2`` was seen to start a single process.
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
