"""Trains one model after the other, alone or as one of several processes: ``RUN BATCH_SIZE ACCUMULATION``.

Not a test: test_history_training starts it, by itself and under torchrun, and compares the losses.
"""

import sys
from pathlib import Path

from genrec_alignment.pretraining.config import TrainConfig
from genrec_alignment.pretraining.make import make_generator
from tests.alignment.test_history_training import MODELS, QUICK

if __name__ == "__main__":
    where, batch_size, accumulation = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    for name, model in MODELS.items():
        batches = {"batch_size": batch_size, "gradient_accumulation": accumulation}
        make_generator(TrainConfig(**QUICK | {"model": model, "epochs": 3} | batches), where / name, seed=0)
