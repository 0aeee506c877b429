"""Plain text: where it comes from, and what is held out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from genrec.errors import DataError
from genrec_alignment.tasks import plain_texts
from genrec_alignment.tasks.plain import PASSAGE


def test_the_text_that_python_comes_with_is_prose() -> None:
    learned, held_out = plain_texts(), plain_texts(held_out=True)
    assert len(learned) > 100
    assert 0.05 < len(held_out) / (len(learned) + len(held_out)) < 0.2
    assert not set(learned) & set(held_out)
    letters = [sum(c.isalpha() or c.isspace() for c in text) / len(text) for text in learned]
    assert min(letters) > 0.85
    assert all(len(text) <= 2 * PASSAGE for text in learned)


def test_files_and_folders_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("One line\nof text.\n\nAnother paragraph.", encoding="utf-8")
    rows = [{"text": f"Passage {at}."} for at in range(30)]
    (tmp_path / "b.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (tmp_path / "c.csv").write_text("not read", encoding="utf-8")
    everything = set(plain_texts(tmp_path)) | set(plain_texts(tmp_path, held_out=True))
    assert everything == {"One line of text.\nAnother paragraph.", *(row["text"] for row in rows)}
    one = set(plain_texts(tmp_path / "b.jsonl"))
    assert one < {row["text"] for row in rows}


def test_long_paragraphs_are_cut_between_words(tmp_path: Path) -> None:
    words = [f"word{at}" for at in range(2000)]
    (tmp_path / "long.txt").write_text(" ".join(words), encoding="utf-8")
    passages = plain_texts(tmp_path / "long.txt") + plain_texts(tmp_path / "long.txt", held_out=True)
    assert max(map(len, passages)) <= PASSAGE
    assert sorted(word for text in passages for word in text.split()) == sorted(words)


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no plain text at"):
        plain_texts(tmp_path / "missing")
    with pytest.raises(DataError, match="too little plain text"):
        plain_texts(tmp_path)
    (tmp_path / "x.jsonl").write_text('{"text": "a"}\n{"words": 1}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"x\.jsonl, line 2"):
        plain_texts(tmp_path)
