"""Learns from groups as one of several processes, of which one has nothing to learn: ``FOLDER LOSS``.

Not a test: test_distributed starts it under torchrun and compares the processes' weights.
"""

import os
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from genrec_alignment.preference.candidates import Float32, Int64
from tests.alignment.grpo.worlds import even, make_trainer, tiny_policy, weights_of


def known_to_the_first(requests: Int64, items: Int64) -> Float32:
    """Even items are good, and to all processes but the first everything is alike."""
    return even(requests, items) if os.environ["RANK"] == "0" else np.ones(items.shape[:2], dtype=np.float32)


if __name__ == "__main__":
    folder, loss = Path(sys.argv[1]), sys.argv[2]
    policy = tiny_policy("decoder")
    trainer = make_trainer(policy, folder / "training", loss=loss, kl=1e-3, steps=3, reward=known_to_the_first)
    trainer.train()
    counts = {name: torch.tensor(count) for name, count in trainer.groups.items()}
    save_file({"weights": weights_of(policy), **counts}, folder / f"{os.environ['RANK']}.safetensors")
