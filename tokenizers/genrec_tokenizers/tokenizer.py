"""The item tokenizer of a run: from an item's text, image and use to its codes, with everything frozen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from genrec.errors import ArtifactError
from genrec.runs import Manifest, open_artifact
from genrec_tokenizers.config import TokenizeConfig
from genrec_tokenizers.encoders import Encoder, ItemVectors, make_encoders
from genrec_tokenizers.fusion import Fusion, load_fusion
from genrec_tokenizers.make import KIND
from genrec_tokenizers.quantizers import Quantizer, load_quantizer


@dataclass(frozen=True)
class ItemTokenizer:
    """Encoders, fusion and quantizer of one run, for items that come after they were fitted.

    Nothing is known of how such items are used: the behaviour part of their vectors says "unknown".

    Args:
        encoders: the sources, in the order in which the fusion takes them.
        fusion: makes one vector of what they say.
        quantizer: turns it into codes.
    """

    encoders: Sequence[Encoder]
    fusion: Fusion
    quantizer: Quantizer

    @classmethod
    def from_pretrained(cls, folder: Path) -> ItemTokenizer:
        """Read what ``genrec tokenize`` wrote, such as ``runs/demo/semantic_ids``.

        Raises:
            ArtifactError: if it is none, a part is broken, or an encoder is not the one it was made with.
        """
        folder = Path(folder)
        manifest = open_artifact(folder, KIND)
        settings = {name: value for name, value in manifest.config.items() if name != "seed"}
        config = TokenizeConfig.model_validate(settings)
        encoders = [encoder for encoder, _ in make_encoders(config.encoders, int(manifest.config["seed"]))]
        _refuse_changed(encoders, manifest, folder)
        for encoder in encoders:
            encoder.restore(folder)
        return cls(encoders, load_fusion(folder), load_quantizer(folder))

    def sources(self, items: pl.DataFrame) -> list[ItemVectors]:
        """Return what each encoder says about new items.

        Args:
            items: ``item_id``, ``title`` and the other columns of the dataset's ``items.parquet``, as text.
        """
        return [encoder.encode_new(items) for encoder in self.encoders]

    def embed(self, items: pl.DataFrame) -> npt.NDArray[np.float32]:
        """Return the fused vectors of new items, float32 [items, dim]; see :meth:`sources`."""
        return self.fusion.transform(self.sources(items))

    def encode(self, items: pl.DataFrame) -> npt.NDArray[np.int32]:
        """Return the nearest codes of new items, int32 [items, levels], without an appended level.

        They may be somebody's already: :func:`genrec_tokenizers.lifecycle.add_items` gives free IDs.
        """
        return self.quantizer.encode(self.embed(items))


def _refuse_changed(encoders: Sequence[Encoder], manifest: Manifest, folder: Path) -> None:
    for encoder in encoders:
        made_with = manifest.inputs.get(f"{encoder.name}_encoder", "")
        if encoder.fingerprint() != made_with:
            raise ArtifactError(
                f"The {encoder.name} encoder's weights are not those that {folder} was made with.",
                "Put the earlier weights back, or make the IDs again: genrec tokenize "
                f"--run {folder.parent} (then train again).",
            )
