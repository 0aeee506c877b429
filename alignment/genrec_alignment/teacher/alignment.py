"""The loss that draws a small model's user vectors towards the teacher's; nothing of it is kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from genrec.models.contrast import entity_infonce
from genrec.models.onerec.base import OneRecBase
from genrec_alignment.teacher.config import TeacherConfig

HEAD = "teacher_head"  # the model's attribute while it is trained, so that checkpoints have it


class TeacherAlignment:
    """InfoNCE between a projection of a user's pooled history and the teacher's vector of that user.

    The pooled history is the mean of the encoder's states over the events of a row. A user's other rows in the
    batch are no negatives, and rows without events or whose user the teacher does not know take no part.

    Args:
        model: the student; gets the projection, until :meth:`remove`.
        vectors: float32 [users, dim] by ``user_index``; zeros where the teacher knows nothing.
        owners: int64 [interactions], the user of each row of the log.
        config: how much and how sharp.
    """

    def __init__(
        self,
        model: OneRecBase,
        vectors: npt.NDArray[np.float32],
        owners: npt.NDArray[np.int64],
        config: TeacherConfig,
    ) -> None:
        self.config, self.owners = config, owners
        self.vectors = torch.from_numpy(vectors)
        self.known = self.vectors.any(dim=1)
        self._model, self._pooled = model, torch.zeros(0)
        setattr(model, HEAD, nn.Linear(model.norm.normalized_shape[0], vectors.shape[1]))
        self._hook = model.encoder.register_forward_hook(self._pool)
        self._sum, self._count = 0.0, 0

    def users(self, histories: list[npt.NDArray[np.int64]]) -> Tensor:
        """Return the user of each row of a batch, int64 [batch], from the rows of the log it reads; -1 for none."""
        return torch.tensor([int(self.owners[rows[0]]) if len(rows) else -1 for rows in histories])

    def total(self, loss: Tensor, users: Tensor, epoch: float, steps: int) -> Tensor:
        """Return the loss of a batch: first of alignment alone, then of recommendation with some alignment.

        Args:
            loss: of recommendation, as it goes into a step.
            users: from :meth:`users`, of the rows that the model has just read.
            epoch: epochs done.
            steps: the batches of a step, among which the alignment is shared.
        """
        alignment = self.loss(users) / steps
        if epoch < self.config.alignment_epochs:
            return 0 * loss + alignment  # every weight keeps a gradient, which several processes count on
        return loss + self.config.weight * alignment

    def loss(self, users: Tensor) -> Tensor:
        """Return the contrast of the rows that the model has just read; 0 where hardly any can be told apart."""
        where = self._pooled.device
        # Some rows may have no vector: they are cut out, and the sum of nothing still has a gradient.
        kept = (users >= 0) & self.known[users.clamp(min=0).cpu()].to(users.device)
        mine = getattr(self._model, HEAD)(self._pooled.float())[kept.to(where)]
        theirs = self.vectors[users[kept].cpu()].to(where)
        if len(mine) < 2:
            return mine.sum() * 0
        loss = entity_infonce(mine, theirs, self.config.temperature, users[kept].to(where))
        self._sum, self._count = self._sum + float(loss.detach()), self._count + 1
        return loss

    def figures(self) -> dict[str, float]:
        """Return the mean of the losses since the last call, for the log."""
        mean = self._sum / max(1, self._count)
        self._sum, self._count = 0.0, 0
        return {"alignment_loss": round(mean, 4)}

    def remove(self) -> None:
        """Take the projection and the hook off the model."""
        self._hook.remove()
        delattr(self._model, HEAD)

    def _pool(self, _: nn.Module, arguments: tuple[Any, ...], states: Tensor) -> None:
        events = arguments[1].clone()
        events[:, 0] = False  # the sink, which is no event
        share = events.to(states.dtype) / events.sum(dim=1, keepdim=True).clamp(min=1)
        self._pooled = (share[:, None] @ states).squeeze(1)
