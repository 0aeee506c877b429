"""Text vectors: an item's text fields through a sentence encoder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from genrec.console import progress_bar, remark
from genrec.data.dataset import Dataset
from genrec.errors import DataError, UnknownNameError
from genrec_tokenizers.encoders.base import ItemVectors
from genrec_tokenizers.encoders.cache import cache_folder, encode_cached
from genrec_tokenizers.encoders.text_model import TextModel, locate

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class TextEncoder:
    """A sentence-transformers model over all text fields of an item; vectors are cached by content.

    An item without any text is not ``known``. Equal texts get equal vectors.

    Args:
        model: ``minilm``, a folder, or a Hugging Face id.
        fields: the text columns to read, in order; empty means all.
        max_tokens: texts are cut here; None means the model's own limit.
        batch_size: texts encoded at once.
        cache: folder of cached vectors; None means the user's cache folder.
    """

    name = "text"

    def __init__(
        self,
        model: str = "minilm",
        fields: Sequence[str] = (),
        max_tokens: int | None = None,
        batch_size: int = 64,
        cache: Path | None = None,
    ) -> None:
        self.fields = tuple(fields)
        self.max_tokens = max_tokens
        self.batch_size = batch_size
        self.cache = cache or cache_folder() / "text"
        self._model: TextModel = locate(model)

    def fingerprint(self) -> str:
        """Return the digest of the model's files, or its Hugging Face id and commit."""
        return self._model.fingerprint

    def encode(self, dataset: Dataset) -> ItemVectors:
        """Return float32 [items, dim of the model].

        Raises:
            UnknownNameError: if a field is not a text column of the items.
            DataError: if no item has any text, or the model cannot be loaded.
        """
        texts = item_texts(dataset.items, self.fields)
        known = np.array([bool(text) for text in texts])
        if not known.any():
            raise DataError(
                "No item has any text, so there is nothing to encode.",
                "Give genrec data a catalogue with titles, or set tokenize.encoders.text.weight=0.",
            )
        distinct = sorted({text for text in texts if text})
        row_of = {text: row for row, text in enumerate(distinct)}
        encoded = self._encode(distinct)
        vectors = np.zeros((len(texts), encoded.shape[1]), dtype=np.float32)
        vectors[known] = encoded[[row_of[text] for text in texts if text]]
        return ItemVectors(vectors, known)

    def _encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the vectors of ``texts`` behind a progress bar, from the cache where it has them."""
        loaded: list[SentenceTransformer] = []  # the model is loaded only when a chunk is not cached

        def encode(part: Sequence[str]) -> npt.NDArray[np.float32]:
            if not loaded:
                loaded.append(self._model.load(self.max_tokens))
            return loaded[0].encode(list(part), batch_size=self.batch_size, show_progress_bar=False)

        started, cached, parts = time.monotonic(), 0, []
        key = f"{self._model.fingerprint}/{self.max_tokens}"
        with progress_bar() as bar:
            task = bar.add_task("Encoding texts", total=len(texts))
            for vectors, hit in encode_cached(texts, encode, key, self.cache):
                parts.append(vectors)
                cached += hit * len(vectors)
                fresh = bar.tasks[task].completed + len(vectors) - cached
                rate = f" ({fresh / (time.monotonic() - started):,.0f}/s)" if fresh else ""
                bar.update(task, advance=len(vectors), description=f"Encoding texts{rate}")
        if cached:
            remark(f"{cached:,} of {len(texts):,} texts were encoded before; their vectors come from {self.cache}.")
        return np.concatenate(parts)


def item_texts(items: pl.DataFrame, fields: Sequence[str] = ()) -> list[str]:
    """Return one text an item, such as ``Toy Story (1995). Animation, Comedy``; empty where it has none.

    Args:
        items: the dataset's items.
        fields: the columns to join, in order; empty means every text column except ``item_id`` and ``image``.

    Raises:
        UnknownNameError: if a field is not a text column of the items.
    """
    known = [name for name, kind in items.schema.items() if kind == pl.String and name not in ("item_id", "image")]
    for name in fields:
        if name not in known:
            raise UnknownNameError("text field", name, known)
    columns = [items[name].fill_null("").to_list() for name in fields or known]
    rows = zip(*columns, strict=True) if columns else ([] for _ in range(len(items)))
    return [". ".join(part for part in (text.strip().rstrip(".") for text in row) if part) for row in rows]
