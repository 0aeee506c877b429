"""Image vectors: an item's picture through a vision model."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from genrec.console import remark
from genrec.data.dataset import Dataset
from genrec.errors import DataError
from genrec.processes import is_main_process
from genrec_tokenizers.encoders.base import Encoder, ItemVectors, unknown
from genrec_tokenizers.encoders.cache import cache_folder, encode_all
from genrec_tokenizers.encoders.image_model import Embed, locate_image_model
from genrec_tokenizers.encoders.text_model import Dtype

if TYPE_CHECKING:
    from PIL.Image import Image

_CHUNK = 128  # images a cache file: what a killed run may have to do again
_SHOWN = 5


class ImageEncoder(Encoder):
    """A vision model over the file that an item's ``image`` names; vectors are cached by the file's content.

    An item without an image, or whose image is missing or cannot be read, is not ``known``; such images are counted
    and the first of them named. Equal files get equal vectors.

    Args:
        model: ``efficientnet-lite0``, or a folder or Hugging Face id of a vision model, of CLIP, or of a
            sentence-transformers model that takes images.
        batch_size: images encoded at once.
        dtype: what the model computes in; vectors are float32 in any case.
        cache: folder of cached vectors; None means the user's cache folder.
    """

    name = "image"

    def __init__(
        self,
        model: str = "efficientnet-lite0",
        batch_size: int = 32,
        dtype: Dtype = "float32",
        cache: Path | None = None,
    ) -> None:
        self.batch_size = batch_size
        self.dtype = dtype
        self.cache = cache or cache_folder() / "image"
        self._located = locate_image_model(model)
        self._loaded: tuple[Embed, int] | None = None  # loaded only when something is not cached
        self._dim: int | None = None

    def fingerprint(self) -> str:
        """Return the digest of the model's files, or its Hugging Face id and commit."""
        return self._located.fingerprint

    @property
    def dim(self) -> int:
        """Dimensions of the vectors; loads the model if nothing was encoded yet."""
        if self._dim is None:
            self._dim = self._model()[1]
        return self._dim

    def encode(self, dataset: Dataset) -> ItemVectors:
        """Return float32 [items, dim of the model].

        Raises:
            DataError: if no item has an image that can be read, or the model cannot be loaded.
        """
        encoded = self.encode_new(dataset.items)
        if not encoded.known.any():
            raise DataError(
                "No item has an image that can be read, so there is nothing to encode.",
                "Give genrec data a catalogue with images (data.item_columns.image), or set "
                "tokenize.encoders.image.weight=0.",
            )
        return encoded

    def encode_new(self, items: pl.DataFrame) -> ItemVectors:
        """Return float32 [items, dim of the model]; items without a readable image are unknown.

        Raises:
            DataError: if the model cannot be loaded.
        """
        paths = items["image"].to_list() if "image" in items.columns else [None] * len(items)
        digests = [_digest(Path(path)) if path else None for path in paths]
        path_of = {digest: Path(path) for digest, path in zip(digests, paths, strict=True) if digest}
        if not path_of:
            _tell([path for path in paths if path])
            return unknown(len(items), self.dim)
        distinct = sorted(path_of)
        encoded = self._encode(distinct, path_of)
        row_of = {digest: row for row, digest in enumerate(distinct)}
        result = unknown(len(items), self.dim)
        for item, digest in enumerate(digests):
            if digest is not None and np.isfinite(vector := encoded[row_of[digest]]).all():
                result.vectors[item], result.known[item] = vector, True
        _tell([path for path, known in zip(paths, result.known, strict=True) if path and not known])
        return result

    def _encode(self, digests: Sequence[str], path_of: dict[str, Path]) -> npt.NDArray[np.float32]:
        """Return the vectors of distinct files, NaN for those that are no images; cached, behind a progress bar."""

        def encode(part: Sequence[str]) -> npt.NDArray[np.float32]:
            vectors = np.full((len(part), self.dim), np.nan, dtype=np.float32)
            for start in range(0, len(part), self.batch_size):
                images = [_open(path_of[digest]) for digest in part[start : start + self.batch_size]]
                rows = [start + row for row, image in enumerate(images) if image is not None]
                if rows:
                    vectors[rows] = self._model()[0]([image for image in images if image is not None])
            return vectors

        key = f"{self.fingerprint()}/{self.dtype}"
        vectors = encode_all(digests, encode, key, self.cache, "images", _CHUNK, self.engine)
        self._dim = vectors.shape[1]
        return vectors

    def _model(self) -> tuple[Embed, int]:
        if self._loaded is None:
            self._loaded = self._located.load(self.dtype)
        return self._loaded


def _digest(path: Path) -> str | None:
    """Return the digest of a file's content; None if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _open(path: Path) -> Image | None:
    """Return an image in RGB, upright, on white where it was transparent; None if it cannot be read."""
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore")  # about odd metadata; what cannot be read raises
            upright = ImageOps.exif_transpose(image)
            if not upright.has_transparency_data:
                return upright.convert("RGB")
            clear = upright.convert("RGBA")
            return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _tell(broken: Sequence[str]) -> None:
    if broken and is_main_process():
        shown = ", ".join(map(str, broken[:_SHOWN])) + (", …" if len(broken) > _SHOWN else "")
        remark(
            f"{len(broken):,} images are missing or cannot be read; their items count as having none: {shown}. "
            "Put the files right and run again."
        )
