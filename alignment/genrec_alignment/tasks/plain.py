"""Plain text that a model goes on reading while it learns items, so that it does not forget how to write."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources
from pathlib import Path

from genrec.errors import DataError

PASSAGE = 1200  # characters of a passage, about; a longer paragraph is cut between its words
_HELD_OUT = 10  # one passage in so many is never learned
_REMEDY = "Give a .txt file, a .jsonl file whose objects have 'text', or a folder of such files."


def plain_texts(path: Path | None = None, *, held_out: bool = False) -> list[str]:
    """Return passages of plain text, either those to learn or those held out to measure perplexity on.

    Which side a passage is on depends on its words alone, so that text that occurs twice is on one side.

    Args:
        path: a file or a folder; None: the documentation that comes with Python and scikit-learn.
        held_out: the tenth that is not learned, in place of the rest.

    Raises:
        DataError: if there is no text to read.
    """
    passages = _bundled() if path is None else tuple(_passages(_read(path)))
    chosen = [text for text in passages if (zlib.crc32(text.encode()) % _HELD_OUT == 0) == held_out]
    if not chosen:
        raise DataError(f"{path} holds too little plain text: no passage is left.", _REMEDY)
    return chosen


@cache
def _bundled() -> tuple[str, ...]:
    """Return the prose of Python's language reference (PSF licence) and scikit-learn's data descriptions (BSD)."""
    from pydoc_data.topics import topics

    folder = resources.files("sklearn.datasets.descr")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".rst")), key=lambda file: file.name)
    documents = [*topics.values(), *(file.read_text(encoding="utf-8") for file in files)]
    return tuple(_passages("\n\n".join(filter(_is_prose, re.split(r"\n\s*\n", text))) for text in documents))


def _is_prose(paragraph: str) -> bool:
    """Say whether a paragraph is made of sentences: not indented, of some length, mostly letters and spaces."""
    letters = sum(character.isalpha() or character.isspace() for character in paragraph)
    return len(paragraph) > 100 and paragraph[0].isalpha() and letters > 0.9 * len(paragraph)


def _read(path: Path) -> Iterator[str]:
    if not path.exists():
        raise DataError(f"There is no plain text at {path}.", _REMEDY)
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    for file in files:
        if file.suffix == ".txt":
            yield file.read_text(encoding="utf-8", errors="replace")
        elif file.suffix == ".jsonl":
            yield from _json_texts(file)


def _json_texts(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield str(json.loads(line)["text"])
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(f"{file}, line {number}: no JSON object with 'text'.", _REMEDY) from error


def _passages(documents: Iterable[str]) -> Iterator[str]:
    """Join the paragraphs of each document to passages of about equal length."""
    for document in documents:
        passage = ""
        for paragraph in re.split(r"\n\s*\n", document):
            for text in _pieces(" ".join(paragraph.split())):
                if passage and len(passage) + len(text) > PASSAGE:
                    yield passage
                    passage = ""
                passage = f"{passage}\n{text}" if passage else text
        if passage:
            yield passage


def _pieces(paragraph: str) -> Iterator[str]:
    while len(paragraph) > PASSAGE:
        at = paragraph.rfind(" ", 1, PASSAGE)
        at = at if at > 0 else PASSAGE
        yield paragraph[:at]
        paragraph = paragraph[at:].strip()
    if paragraph:
        yield paragraph
