"""A trained network from its folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.torch import load_file

from genrec.data import Dataset
from genrec.errors import ArtifactError
from genrec_alignment.loid.config import NetworkConfig, TargetName
from genrec_alignment.loid.examples import Interactions
from genrec_alignment.loid.network import LoidNetwork
from genrec_alignment.loid.stages import VECTORS_FILE
from genrec_alignment.loid.training import predict, rank_items

SETTINGS_FILE, WEIGHTS_FILE = "loid.json", "network.safetensors"


@dataclass(frozen=True)
class Loid:
    """A trained network with what it has to know of its domain.

    Args:
        network: the network.
        target: ``rating`` or ``item``.
        users: ``user_id`` by row of its user table.
        items: ``item_id`` by row of its item table.
    """

    network: LoidNetwork
    target: TargetName
    users: list[str]
    items: list[str]

    @classmethod
    def from_pretrained(cls, folder: Path) -> Loid:
        """Read what ``genrec loid`` wrote.

        Raises:
            ArtifactError: if a file is missing or broken.
        """
        folder = Path(folder)
        try:
            settings = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
            vectors = load_file(folder / VECTORS_FILE)["items"] if (folder / VECTORS_FILE).is_file() else None
            config = NetworkConfig.model_validate(settings["network"])
            users, items = settings["users"], settings["items"]
            network = LoidNetwork(len(users), len(items), vectors, config, settings["mean"])
            network.load_state_dict(load_file(folder / WEIGHTS_FILE))
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise ArtifactError(f"{folder} is no readable LoID folder: {error}", "Make it: genrec loid") from error
        return cls(network.eval(), settings["target"], users, items)

    def interactions(self, dataset: Dataset) -> Interactions:
        """Return the interactions of the dataset that it was trained on.

        Raises:
            ArtifactError: if the dataset has other users or items.
        """
        if dataset.user_ids != self.users or dataset.item_ids != self.items:
            raise ArtifactError(f"{dataset.path} has other users or items than LoID was trained on.")
        return Interactions(dataset, self.target, self.network.config.history_length)

    def predict(self, interactions: Interactions, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Return what rows' users will think of their items (or the items' scores), float64 [rows]."""
        return predict(self.network, interactions, rows)

    def recommend(self, interactions: Interactions, rows: npt.NDArray[np.int64], k: int) -> npt.NDArray[np.int64]:
        """Return the best items for rows' users before those rows, int64 [rows, k]; -1 where items ran out."""
        return rank_items(self.network, interactions, rows, k)
