"""A text about a user with items inside it: who they are, what they like and what they chose."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from genrec_alignment.tasks.source import TaskSource
from genrec_alignment.tasks.task import Task, TaskRow, listed, pick
from genrec_alignment.tasks.texts import top_terms

_OPENINGS = ("About a user", "User portrait", "A person in this catalogue", "Customer notes")
_LIKED = ("Rated highest", "Liked best", "Favourites")
_DISLIKED = ("Rated lowest", "Liked least", "Not for them")
_RECENT = ("Most recently", "The latest choices, oldest first", "Last chosen")
_MOST_TERMS, _MOST_RATED, _MOST_RECENT = 4, 3, 5


class Persona(Task):
    """Plain text about one user, all of it learned (OneRec-Think's interleaved persona, arXiv:2510.11639).

    The paper's is made of profiles, searches, comments and more; ours says what the dataset's users and the
    training part of its log say: profile columns, frequent terms, items of the user's highest and lowest value,
    recent items.
    """

    name = "persona"
    needs = "users with two events or more in the training part"

    def __init__(self, source: TaskSource) -> None:
        super().__init__(source)
        self._users = np.flatnonzero(np.diff(source.offsets) >= 2)

    def __len__(self) -> int:
        return len(self._users)

    def row(self, unit: int, rng: np.random.Generator) -> TaskRow:
        """Write about a unit's user. How many recent items are told differs from row to row."""
        user = int(self._users[unit])
        events = self.source.events(user)
        items = self.source.items[events]
        profile = self.source.profiles[user]
        recent = items[-int(rng.integers(2, _MOST_RECENT + 1)) :]
        parts = [
            f"{pick(rng, _OPENINGS)}: {profile}." if profile else f"{pick(rng, _OPENINGS)}.",
            *self._terms(items),
            *self._rated(events, rng),
            f"{pick(rng, _RECENT)}: {self._named(recent)}.",
        ]
        return TaskRow(self.name, None, " ".join(parts))

    def _terms(self, items: npt.NDArray[np.int32]) -> list[str]:
        terms = top_terms([self.source.texts.terms[item] for item in items], _MOST_TERMS)
        return [f"Often chooses {listed(terms)}."] if terms else []

    def _rated(self, events: slice, rng: np.random.Generator) -> list[str]:
        """Return sentences on the items of the user's highest and of the lowest value, if these differ."""
        if self.source.values is None:
            return []
        values = self.source.values[events]
        known = values[~np.isnan(values)]
        if not len(known) or known.min() == known.max():
            return []
        ends = ((known.max(), pick(rng, _LIKED)), (known.min(), pick(rng, _DISLIKED)))
        return [f"{label}: {self._named(self.source.items[events][values == end], rng)}." for end, label in ends]

    def _named(self, items: npt.NDArray[np.int32], rng: np.random.Generator | None = None) -> str:
        """Return items as title and semantic ID: all of them, or some drawn by ``rng``, in their order."""
        if rng is not None and len(items) > _MOST_RATED:
            items = items[np.sort(rng.choice(len(items), _MOST_RATED, replace=False))]
        titles, sid = self.source.texts.titles, self.source.catalogue.sid
        return ", ".join(f"{titles[item]} {sid(int(item))}".strip() for item in items)
