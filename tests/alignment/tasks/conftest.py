"""A small shop of films, a log with ratings and users, and a tokenizer that knows bytes and SID tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from genrec.data import Dataset
from genrec.models.language import Chat
from genrec.runs import new_artifact
from genrec.semantic_ids import Catalogue
from genrec_alignment.tasks import MixtureConfig, TaskSource

TITLES = ["Red Sun", "Blue Moon", "The Red Moon", "", "Quiet Sea", "Last Sun"]
GENRES = ["Drama, War", "Comedy", "Drama", "Comedy", "", "Western"]
PLOTS = ["A war under a red sun.", "", "Somebody flies.", "", "", "A cowboy rides."]
TEMPLATE = (
    "{% for m in messages %}<|start|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)
# u0: items 0 1 2 1, then 3 and 4 held out; u1: one event; u2: 2 0 with item 5 in test, and nowhere else.
LOG = [
    ("u0", 0, "train", 5.0),
    ("u0", 1, "train", 1.0),
    ("u0", 2, "train", 4.0),
    ("u0", 1, "train", None),
    ("u0", 3, "valid", 5.0),
    ("u0", 4, "test", 1.0),
    ("u1", 2, "train", 3.0),
    ("u2", 0, "context", 2.0),
    ("u2", 2, "train", 3.0),
    ("u2", 0, "train", 3.0),
    ("u2", 5, "test", 5.0),
]


def write_dataset(folder: Path, items: pl.DataFrame, users: pl.DataFrame | None = None) -> Dataset:
    log = [(user, f"i{item}", at, split, value) for at, (user, item, split, value) in enumerate(LOG)]
    with new_artifact(folder, "dataset", {}) as draft:
        draft.details = {"time_unit": "ordinal"}
        items.write_parquet(draft.path / "items.parquet")
        columns = ["user_id", "item_id", "timestamp", "split", "value"]
        pl.DataFrame(log, schema=columns, orient="row").write_parquet(draft.path / "interactions.parquet")
        if users is not None:
            users.write_parquet(draft.path / "users.parquet")
    return Dataset.load(folder)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    items = {"item_id": [f"i{at}" for at in range(6)], "title": TITLES, "genres": GENRES, "plot": PLOTS}
    users = {"user_id": ["u0", "u1", "u2"], "age": ["30", None, "41"], "gender": ["F", None, None]}
    return write_dataset(tmp_path / "dataset", pl.DataFrame(items), pl.DataFrame(users))


@pytest.fixture
def catalogue(dataset: Dataset) -> Catalogue:
    codes = np.stack([np.arange(6) // 3, np.arange(6) % 3], axis=1).astype(np.int32)
    return Catalogue(dataset.item_ids, codes, (2, 3), dataset.titles)


@pytest.fixture
def source(dataset: Dataset, catalogue: Catalogue) -> TaskSource:
    return TaskSource.of(dataset, catalogue, MixtureConfig(), history_length=3)


@pytest.fixture(scope="session")
def chat() -> Chat:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<|pad|>", "<|start|>", "<|end|>"]
    words = {word: at for at, word in enumerate([*special, *alphabet])}
    backend = Tokenizer(models.BPE(vocab=words, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="<|pad|>",
        eos_token="<|end|>",
        additional_special_tokens=["<|start|>"],
        chat_template=TEMPLATE,
    )
    tokenizer.add_tokens([f"<a_{code}>" for code in range(2)] + [f"<b_{code}>" for code in range(3)])
    return Chat(tokenizer)
