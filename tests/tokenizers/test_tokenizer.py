"""The item tokenizer of a run: the same codes in another process, and a refusal where a part has changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from genrec.errors import ArtifactError
from genrec.semantic_ids import Catalogue
from genrec_tokenizers import ItemTokenizer
from genrec_tokenizers.make import make_semantic_ids
from tests.tokenizers.conftest import WriteDataset, item_titles, random_log
from tests.tokenizers.test_make import settings

PROGRAM = """
import json, sys
from pathlib import Path
import polars as pl
from genrec_tokenizers import ItemTokenizer
tokenizer = ItemTokenizer.from_pretrained(Path(sys.argv[1]))
print(json.dumps(tokenizer.encode(pl.read_parquet(sys.argv[2])).tolist()))
"""


@pytest.fixture
def run(
    tmp_path: Path, write_dataset: WriteDataset, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A run folder with a dataset of 40 items."""
    monkeypatch.setenv("GENREC_CACHE", str(tmp_path / "cache"))
    write_dataset(random_log(rng), item_titles())
    return tmp_path / "run"


def new_items(count: int = 12) -> pl.DataFrame:
    titles = [f"{'red fish' if row % 2 else 'old stone'} of {row}" for row in range(count)]
    return pl.DataFrame({"item_id": [f"new{row}" for row in range(count)], "title": titles})


def test_it_round_trips_in_another_process_with_identical_codes(
    run: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    make_semantic_ids(settings(tiny_encoder), run, seed=0)
    items, file = new_items(), tmp_path / "new.parquet"
    items.write_parquet(file)
    here = ItemTokenizer.from_pretrained(run / "semantic_ids").encode(items)
    # With a cache of its own, so that it has to encode the texts itself.
    environment = {**os.environ, "GENREC_CACHE": str(tmp_path / "other"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", PROGRAM, str(run / "semantic_ids"), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == here.tolist()
    assert here.dtype == np.int32
    assert len(np.unique(here, axis=0)) > 1


def test_the_catalogues_own_items_get_their_own_codes_again(run: Path, tiny_encoder: Path) -> None:
    text_only = settings(tiny_encoder).model_dump()
    text_only["encoders"]["behavior"]["weight"] = 0
    make_semantic_ids(type(settings()).model_validate(text_only), run, seed=0)
    items = pl.read_parquet(run / "dataset" / "items.parquet")
    tokenizer = ItemTokenizer.from_pretrained(run / "semantic_ids")
    catalogue = Catalogue.load(run / "semantic_ids")
    assert np.array_equal(tokenizer.encode(items), catalogue.codes[:, :2])


def test_behaviour_says_nothing_about_new_items(run: Path, tiny_encoder: Path) -> None:
    make_semantic_ids(settings(tiny_encoder), run, seed=0)
    tokenizer = ItemTokenizer.from_pretrained(run / "semantic_ids")
    text, behavior = tokenizer.sources(new_items())
    assert text.known.all()
    assert not behavior.known.any()
    embeddings = tokenizer.embed(new_items())
    assert (embeddings.shape, embeddings.dtype) == ((12, 16 + 6), np.float32)
    assert not embeddings[:, 16:].any()
    assert np.linalg.norm(embeddings[:, :16], axis=1) == pytest.approx(1, abs=1e-5)


def test_an_encoder_with_other_weights_is_refused(run: Path, tiny_encoder: Path) -> None:
    make_semantic_ids(settings(tiny_encoder), run, seed=0)
    note = tiny_encoder / "note.txt"
    note.write_text("one file more")
    try:
        with pytest.raises(ArtifactError, match=r"text encoder's weights are not those[\s\S]*genrec tokenize"):
            ItemTokenizer.from_pretrained(run / "semantic_ids")
    finally:
        note.unlink()


def test_a_folder_without_ids_names_the_verb_that_makes_them(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="genrec tokenize"):
        ItemTokenizer.from_pretrained(tmp_path / "semantic_ids")
