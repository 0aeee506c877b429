"""The history that a person asks about: a user of the run's dataset, or item ids or titles typed in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from genrec.console import remark
from genrec.errors import suggest

if TYPE_CHECKING:
    from genrec.decoding.titles import TitleMatch
    from genrec.models import Events, Generator

_SHOWN = 5


class Titled(NamedTuple):
    """A history given as titles.

    Args:
        events: the items of the catalogue among them.
        matches: what each title was taken for, as plain data; ``item_id`` and ``title`` are None of unknown ones.
        prompt: what a language model reads of all of them; None where it reads the items' IDs.
    """

    events: Events
    matches: list[dict[str, Any]]
    prompt: list[int] | None


def history_of_user(user: str, run: Path, generator: Generator) -> Events:
    """Return everything a user of the run's dataset did, with the features that the generator reads.

    Raises:
        UnknownNameError: if there is no such user.
    """
    from genrec.data import Dataset

    dataset = Dataset.load(run / "dataset")
    items = dataset.history(user)
    features = None
    if generator.features is not None:
        first = dataset.sequences.offsets[dataset.user_index_of[user]]
        features = generator.features.table(dataset)[first : first + len(items)]
    return _known([dataset.item_ids[item] for item in items], features, generator)


def typed_history(text: str, generator: Generator) -> Events:
    """Return a history of item ids separated by commas; of such events nothing else is known."""
    return _typed([part.strip() for part in text.split(",") if part.strip()], generator)


def _typed(names: list[str], generator: Generator) -> Events:
    return _known(names, generator.features.encode(names) if generator.features is not None else None, generator)


def titled_history(text: str, generator: Generator, as_text: bool = True) -> Titled:
    """Return a history of titles separated by semicolons, and say what was taken for what.

    Titles that the catalogue does not have are left out, but for a language model: it reads all of them as text.

    Args:
        text: as it was typed.
        generator: what will read it.
        as_text: whether unknown titles may be read as text.
    """
    from genrec.decoding.titles import match_titles

    catalogue = generator.catalogue
    matches = match_titles([part.strip() for part in text.split(";") if part.strip()], catalogue)
    items = [match.item for match in matches if match.item is not None]
    prompt = None
    if as_text and generator.language is not None and len(items) < len(matches):
        from genrec.models.language import title_prompt

        prompt = title_prompt(generator.language.chat, [match.title for match in matches])
    _tell(matches, prompt is not None)
    rows = [_match_row(match, generator) for match in matches]
    return Titled(_typed([catalogue.item_ids[item] for item in items], generator), rows, prompt)


def _tell(matches: list[TitleMatch], as_text: bool) -> None:
    for match in matches:
        if match.item is not None and match.given != match.title:
            remark(f"{match.given!r} was taken for {match.title!r}.")
    unknown = [match.given for match in matches if match.item is None]
    if unknown:
        what = "given to the model as text" if as_text else "left out"
        remark(f"Not in the catalogue and {what}: {len(unknown)} of {len(matches)} titles: {_some(unknown)}.")


def _match_row(match: TitleMatch, generator: Generator) -> dict[str, Any]:
    if match.item is None:
        return {"given": match.given, "item_id": None, "title": None}
    return {"given": match.given, "item_id": generator.catalogue.item_ids[match.item], "title": match.title}


def _some(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")


def _known(names: list[str], features: np.ndarray | None, generator: Generator) -> Events:
    """Return the events whose items the catalogue has; say how many it has not."""
    from genrec.models import Events

    catalogue = generator.catalogue
    known = np.array([name in catalogue.index_of for name in names], dtype=bool)
    unknown = [name for name, there in zip(names, known, strict=True) if not there]
    if unknown:
        close = suggest(unknown[0], catalogue.item_ids).split(" Available:")[0]
        remark(f"Not in the catalogue and left out: {len(unknown)} of {len(names)} items: {_some(unknown)}.{close}")
    items = catalogue.indices(name for name, there in zip(names, known, strict=True) if there)
    return Events(items, None if features is None else features[known])
