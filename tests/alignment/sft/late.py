"""The command line, whose second process reads the best checkpoint late: ``accelerate launch -m``'s module.

The first process removes the checkpoints when a stage is over, and may not do so before all have read theirs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from genrec.cli.app import main
from genrec.processes import is_main_process
from genrec_alignment.sft.checkpointing import TrainedWeightsCheckpoints

LATE_S = 2


def read_late(load: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return what loads the best checkpoint, after a while where the process is not the first."""

    def late(trainer: Any) -> None:
        if not is_main_process():
            time.sleep(LATE_S)
        load(trainer)

    return late


if __name__ == "__main__":
    trainers: Any = TrainedWeightsCheckpoints
    trainers._load_best_model = read_late(trainers._load_best_model)
    main()
