"""Rationales as they lie beside a run: written once, read by the task in every epoch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from genrec.errors import ArtifactError
from genrec.runs import open_artifact

KIND, FILE = "rationales", "rationales.parquet"
SCHEMA = pl.Schema(
    {"event": pl.Int64(), "item_id": pl.String(), "near": pl.List(pl.String), "rationale": pl.String()}
)


@dataclass(frozen=True)
class Rationales:
    """One text for each explained event of the training part.

    Args:
        events: int64 [rationales], rows of ``TaskSource.items``, ascending.
        item_ids: what came next in each.
        texts: why.
    """

    events: npt.NDArray[np.int64]
    item_ids: list[str]
    texts: list[str]

    @classmethod
    def load(cls, folder: Path, dataset_digest: str | None = None) -> Rationales:
        """Read ``run/rationales``.

        Args:
            folder: the artefact.
            dataset_digest: of the dataset they must be of; None: not checked.

        Raises:
            ArtifactError: if there is none, or it was made from another dataset.
        """
        manifest = open_artifact(folder, KIND)
        if dataset_digest not in (None, manifest.inputs.get("dataset")):
            raise ArtifactError(
                f"{folder} was made from another dataset.",
                f"Make it again: genrec think rationales --run {folder.parent}",
            )
        table = pl.read_parquet(folder / FILE)
        return cls(table["event"].to_numpy(), table["item_id"].to_list(), table["rationale"].to_list())
