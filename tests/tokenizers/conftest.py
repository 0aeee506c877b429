"""A small dataset artefact and a tiny sentence encoder, both made on the fly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from genrec.data import Dataset
from genrec.runs import new_artifact

# (user, item, split), oldest first
Rows = Sequence[tuple[str, str, str]]
WriteDataset = Callable[..., Dataset]


@pytest.fixture
def write_dataset(tmp_path: Path) -> WriteDataset:
    """Write a dataset artefact into a run folder and open it."""

    def write(rows: Rows, titles: dict[str, str], run: Path | None = None, **columns: Sequence[str]) -> Dataset:
        folder = (run or tmp_path / "run") / "dataset"
        items = pl.DataFrame({"item_id": list(titles), "title": list(titles.values()), **columns})
        users, chosen, splits = zip(*rows, strict=True)
        log = pl.DataFrame({"user_id": users, "item_id": chosen, "timestamp": range(len(rows)), "split": splits})
        with new_artifact(folder, "dataset", {}) as draft:
            items.sort("item_id", maintain_order=True).write_parquet(draft.path / "items.parquet")
            log.sort("user_id", "timestamp").write_parquet(draft.path / "interactions.parquet")
        return Dataset.load(folder)

    return write


def random_log(rng: np.random.Generator, users: int = 60, items: int = 40, length: int = 14) -> Rows:
    """Users who move about in one half of the catalogue; the last two of each are valid and test."""
    rows = []
    for user in range(users):
        half = rng.permutation(items // 2)[:length] + (user % 2) * (items // 2)
        splits = ["train"] * (length - 2) + ["valid", "test"]
        rows += [(f"u{user:03}", item_name(item), split) for item, split in zip(half, splits, strict=True)]
    return rows


def item_name(item: int) -> str:
    return f"i{item:03}"


def item_titles(items: int = 40) -> dict[str, str]:
    """Titles of two kinds, one for each half of the catalogue."""
    return {item_name(item): f"{'red fish' if item < items // 2 else 'old stone'} {item}" for item in range(items)}


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random one-layer BERT that sentence-transformers can load."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("encoder")
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = {word: index for index, word in enumerate(words)}
    BertTokenizerFast(vocab=vocabulary, model_max_length=64).save_pretrained(folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(words), **shape)).eval().save_pretrained(folder)
    return folder
