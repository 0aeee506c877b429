"""Divides a model among two processes as FSDP does, and gathers it again: exits with 0 if nothing was lost.

Not a test: test_history_training starts it under torchrun. On CPUs, where accelerate itself does not offer FSDP.
"""

import torch
from torch import distributed
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from genrec.models import build_generator
from genrec.models.onerec.config import LazyDecoderConfig
from genrec_alignment.pretraining.trainer import gathered
from tests.alignment.test_item_tasks import CATALOGUE

if __name__ == "__main__":
    mesh = init_device_mesh("cpu", (2,))
    torch.manual_seed(0)
    model = build_generator(LazyDecoderConfig(hidden_size=16, intermediate_size=32, heads=2), CATALOGUE, 5).model
    kind, before = type(model), {name: weight.clone() for name, weight in model.state_dict().items()}
    for layer in model.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    assert all(hasattr(weight, "full_tensor") for weight in model.parameters()), "nothing was divided"
    torch.manual_seed(1)  # what is gathered must not be what would be drawn anew
    after = gathered(model, kind, model.config).state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)
    distributed.destroy_process_group()
