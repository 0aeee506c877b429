"""What Think-Ahead serving reads: the prefixes prepared for each user."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from safetensors.numpy import load_file, save_file

from genrec.errors import ArtifactError
from genrec.runs import open_artifact
from genrec.semantic_ids import Catalogue

KIND, COUNTS = "think_ahead", "count"
_PREFIXES, _USERS = "prefixes.safetensors", "users.parquet"


@dataclass(frozen=True)
class PreparedPrefixes:
    """The prefixes of all users, as flat arrays.

    Args:
        user_ids: of the log.
        codes: int32 [prefixes, levels - 1], each user's best first.
        offsets: int64 [users + 1]; user u has ``codes[offsets[u]:offsets[u + 1]]``.
        codebook_sizes: of the catalogue they are prefixes of.
        semantic_ids: the digest of the IDs they are prefixes of.
    """

    user_ids: list[str]
    codes: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    codebook_sizes: tuple[int, ...]
    semantic_ids: str | None = None

    def of(self, user_id: str) -> npt.NDArray[np.int32] | None:
        """Return a user's prefixes; None for a user that nothing was prepared for."""
        at = self._index_of.get(user_id)
        return None if at is None else self.codes[self.offsets[at] : self.offsets[at + 1]]

    @cached_property
    def _index_of(self) -> dict[str, int]:
        return {user: at for at, user in enumerate(self.user_ids)}

    def check(self, catalogue: Catalogue) -> None:
        """Check that the prefixes can be those of a catalogue.

        Raises:
            ArtifactError: if its codebooks have other sizes.
        """
        if self.codebook_sizes != catalogue.codebook_sizes:
            raise ArtifactError(
                f"The prefixes were prepared for codebooks of {self.codebook_sizes} codes, but the generator's "
                f"catalogue has {catalogue.codebook_sizes}.",
                "Prepare them again: genrec think ahead",
            )

    @staticmethod
    def write(folder: Path, table: pl.DataFrame, codebook_sizes: tuple[int, ...]) -> dict[str, Any]:
        """Write a table of users as ``prepare_ahead`` makes it, and return its figures."""
        flat = table["prefixes"].explode().drop_nulls().to_numpy().astype(np.int32)
        codes = np.ascontiguousarray(flat.reshape(-1, len(codebook_sizes) - 1))
        offsets = np.concatenate([[0], np.cumsum(table[COUNTS].to_numpy())]).astype(np.int64)
        sizes = np.asarray(codebook_sizes, dtype=np.int64)
        save_file({"codes": codes, "offsets": offsets, "codebook_sizes": sizes}, folder / _PREFIXES)
        table.select("user_id", "thoughts").write_parquet(folder / _USERS)
        return {"users": len(table), "prefixes": len(codes), "prefixes_per_user": len(codes) / max(1, len(table))}

    @classmethod
    def load(cls, folder: Path) -> PreparedPrefixes:
        """Read what :meth:`write` wrote into an artefact.

        Raises:
            ArtifactError: if there is none.
        """
        manifest = open_artifact(folder, KIND)
        arrays, users = load_file(folder / _PREFIXES), pl.read_parquet(folder / _USERS, columns=["user_id"])
        sizes = tuple(arrays["codebook_sizes"].tolist())
        ids = manifest.inputs.get("semantic_ids")
        return cls(users["user_id"].to_list(), arrays["codes"], arrays["offsets"], sizes, ids)
