"""Text vectors: an item's text fields through a sentence encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from genrec.data.dataset import Dataset
from genrec.errors import DataError, UnknownNameError
from genrec.processes import process_share
from genrec_tokenizers.encoders.base import Encoder, ItemVectors, unknown
from genrec_tokenizers.encoders.cache import cache_folder, encode_all
from genrec_tokenizers.encoders.passages import encode_passages
from genrec_tokenizers.encoders.text_model import Dtype, TextModel, locate

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from genrec_tokenizers.alignment.lora import Adapter


class TextEncoder(Encoder):
    """A sentence-transformers model over the text fields of an item; vectors are cached by content.

    Fields given as a list are joined into one text, cut where the model's input ends. Fields given with weights are
    encoded each on its own, long ones in passages whose vectors are averaged, and an item's vector is the weighted
    mean over the fields it has. An item without any text is not ``known``. Equal texts get equal vectors.

    With ``lora_rank``, adapters of the model are first trained on item pairs of the training part
    (:mod:`genrec_tokenizers.alignment`), so that texts of items that are used together come nearer.

    Args:
        model: ``minilm``, a folder, or a Hugging Face id.
        fields: the text columns to read, in order, or the weight of each; empty means all, joined.
        max_tokens: texts, or passages, end here; None means the model's own limit.
        batch_size: texts encoded at once.
        dtype: what the model computes in; vectors are float32 in any case.
        lora_rank: rank of the adapters; 0 leaves the model as it is.
        seed: of the adapters and their training.
        cache: folder of cached vectors; None means the user's cache folder.
    """

    name = "text"

    def __init__(
        self,
        model: str = "minilm",
        fields: Sequence[str] | Mapping[str, float] = (),
        max_tokens: int | None = None,
        batch_size: int = 64,
        dtype: Dtype = "float32",
        lora_rank: int = 0,
        seed: int = 0,
        cache: Path | None = None,
    ) -> None:
        self.fields = dict(fields) if isinstance(fields, Mapping) else tuple(fields)
        self.max_tokens = max_tokens
        self.batch_size = batch_size
        self.dtype = dtype
        self.lora_rank = lora_rank
        self.seed = seed
        self.cache = cache or cache_folder() / "text"
        self._located: TextModel = locate(model)
        self._loaded: SentenceTransformer | None = None  # loaded only when something is not cached
        self._adapter: Adapter | None = None
        self._dim: int | None = None

    def fingerprint(self) -> str:
        """Return the digest of the model's files, or its Hugging Face id and commit."""
        return self._located.fingerprint

    @property
    def dim(self) -> int:
        """Dimensions of the vectors; loads the model if nothing was encoded yet."""
        if self._dim is None:
            self._dim = int(self._model().get_embedding_dimension() or 0)
        return self._dim

    def encode(self, dataset: Dataset) -> ItemVectors:
        """Return float32 [items, dim of the model].

        Raises:
            UnknownNameError: if a field is not a text column of the items.
            DataError: if no item has any text, the model cannot be loaded, or adapters cannot be trained.
        """
        texts = item_texts(dataset.items, tuple(self.fields))
        if not any(texts):
            raise DataError(
                "No item has any text, so there is nothing to encode.",
                "Give genrec data a catalogue with titles, or set tokenize.encoders.text.weight=0.",
            )
        if self.lora_rank:
            self._train_adapter(texts, dataset)
        return self.encode_new(dataset.items)

    def encode_new(self, items: pl.DataFrame) -> ItemVectors:
        """Return float32 [items, dim of the model]; items without text are unknown.

        Raises:
            UnknownNameError: if a field is not a text column of the items.
            DataError: if the model cannot be loaded.
        """
        fields = self.fields if isinstance(self.fields, dict) else {None: 1.0}
        columns = [item_texts(items, [name] if name else tuple(self.fields)) for name in fields]
        distinct = sorted({text for column in columns for text in column if text})
        if not distinct:
            return unknown(len(items), self.dim)
        encoded = self._encode(distinct)
        row_of = {text: row for row, text in enumerate(distinct)}
        sums = np.zeros((len(items), encoded.shape[1]), dtype=np.float32)
        weights = np.zeros(len(items), dtype=np.float32)
        for weight, column in zip(fields.values(), columns, strict=True):
            has = np.array([bool(text) for text in column])
            sums[has] += np.float32(weight) * encoded[[row_of[text] for text in column if text]]
            weights[has] += np.float32(weight)
        known = weights > 0
        sums[known] /= weights[known, None]
        return ItemVectors(sums, known)

    def save_pretrained(self, folder: Path) -> None:
        """Write the trained adapters, if there are any: ``text_adapter.safetensors``."""
        if self._adapter is not None:
            self._adapter.save(folder)

    def restore(self, folder: Path) -> None:
        """Read the trained adapters, if ``lora_rank`` asks for any.

        Raises:
            ArtifactError: if they are missing, broken, or of another rank.
        """
        if self.lora_rank:
            from genrec_tokenizers.alignment.lora import Adapter

            self._adapter, self._loaded = Adapter.load(folder, self.lora_rank), None

    def _encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the vectors of ``texts`` behind a progress bar, from the cache where it has them."""
        by_field = isinstance(self.fields, dict)

        def encode(part: Sequence[str]) -> npt.NDArray[np.float32]:
            if by_field:
                return encode_passages(self._model(), part, self.batch_size)
            return self._model().encode(list(part), batch_size=self.batch_size, show_progress_bar=False)

        adapter = self._adapter.digest if self._adapter else ""
        key = f"{self.fingerprint()}/{self.max_tokens}/{self.dtype}/{'passages' if by_field else 'cut'}/{adapter}"
        vectors = encode_all(texts, encode, key, self.cache, "texts", engine=self.engine)
        self._dim = vectors.shape[1]
        return vectors

    def _model(self) -> SentenceTransformer:
        if self._loaded is None:
            self._loaded = self._located.load(self.max_tokens, self.dtype, self._adapter)
        return self._loaded

    def _train_adapter(self, texts: Sequence[str], dataset: Dataset) -> None:
        if process_share()[1] > 1:
            raise DataError(
                "tokenize.encoders.text.lora_rank is trained by one process, and several were launched.",
                "Run genrec tokenize without accelerate launch, or set lora_rank=0.",
            )
        from genrec_tokenizers.alignment.lora import train_adapter

        model = self._located.load(self.max_tokens)
        self._adapter, self._loaded = train_adapter(model, texts, dataset, self.lora_rank, self.seed), None


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
