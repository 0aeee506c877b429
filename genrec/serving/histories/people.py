"""Who did what: the dataset's interactions, and after them the feedback that came since."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from genrec.data.dataset import Dataset
from genrec.data.events import USER
from genrec.data.features import Features
from genrec.serving.histories.base import HistoryStore, StoredEvent

Codes = npt.NDArray[np.int32]


class Past(NamedTuple):
    """What is known of a user.

    Args:
        item_ids: oldest first, whether the catalogue has them or not.
        features: int32 [events, features], as the generator reads them; None where it reads none.
    """

    item_ids: list[str]
    features: Codes | None


class People:
    """Looks users up.

    An event of the feedback that the dataset has too (same item, same time) counts once, so that a dataset made
    with the feedback in it can be served beside the same store.

    Args:
        store: the feedback.
        dataset: what came before; None where there is none.
        features: what the generator reads of an event besides its item; None if nothing.
    """

    def __init__(self, store: HistoryStore, dataset: Dataset | None, features: Features | None) -> None:
        self.store, self._dataset, self._features = store, dataset, features
        self._table = None if features is None or dataset is None else features.table(dataset)
        if dataset is not None:
            _ = dataset.sequences, dataset.user_index_of  # read now and not within the first request

    def past(self, user_id: str, stored: Sequence[StoredEvent] | None = None) -> Past | None:
        """Return what a user did; None if nothing is known of such a user. An ``item_id`` may occur again.

        Args:
            user_id: who.
            stored: the feedback of that user, if it has been read already.
        """
        before, times, known = self._before(user_id)
        seen = set(zip(before, times, strict=True))
        events = self.store.history(user_id) if stored is None else stored
        since = [event for event in events if (event.item_id, event.timestamp) not in seen]
        if not before and not since:
            return None
        features = None if self._features is None else self._with(self._features, known, before, times, since)
        return Past([*before, *(event.item_id for event in since)], features)

    def users(self, text: str, most: int) -> list[str]:
        """Return at most ``most`` users whose id holds a text without regard to case; exact ones first."""
        wanted = text.casefold()
        found = set(self.store.users(text, most))
        for user in self._dataset.user_ids if self._dataset is not None else []:
            if wanted in user.casefold():
                found.add(user)
        return sorted(found, key=lambda user: (user.casefold() != wanted, len(user), user))[:most]

    def _before(self, user_id: str) -> tuple[list[str], list[int], Codes | None]:
        """Return the items, times and features of what the dataset knows."""
        data = self._dataset
        if data is None or user_id not in data.user_index_of:
            return [], [], None
        user, offsets = data.user_index_of[user_id], data.sequences.offsets
        rows = slice(offsets[user], offsets[user + 1])
        items = [data.item_ids[item] for item in data.sequences.items[rows]]
        features = None if self._table is None else self._table[rows]
        return items, data.sequences.timestamps[rows].tolist(), features

    def _with(
        self,
        features: Features,
        known: Codes | None,
        before: Sequence[str],
        times: Sequence[int],
        since: Sequence[StoredEvent],
    ) -> Codes:
        """Return the features of all events; who the user is, is what the dataset says."""
        has_times = self._dataset is not None and self._dataset.manifest.details["time_unit"] == "ms"
        last = [StoredEvent("", before[-1], times[-1])] if before and has_times else []  # the first gap hangs on it
        events = [*last, *since]
        codes = features.encode(
            [event.item_id for event in events],
            behaviors=[event.behavior for event in events],
            values=[event.value for event in events],
            timestamps=[event.timestamp for event in events],
            domains=[event.domain for event in events],
        )[len(last) :]
        if known is None or not len(known):
            return codes
        of_user = [at for at, name in enumerate(features.names) if name.startswith(USER)]
        codes[:, of_user] = known[-1, of_user]
        return np.concatenate([known, codes])
