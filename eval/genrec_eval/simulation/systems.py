"""What is compared: a run's generator, or one of its baselines, answering one visit of many users at once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol, get_args

import numpy as np
import numpy.typing as npt

from genrec.data import Dataset
from genrec.decoding import Recommender
from genrec.errors import ArtifactError, UnknownNameError
from genrec.models.histories import Events
from genrec.runs import open_artifact
from genrec_eval.baselines.base import Baseline
from genrec_eval.baselines.kept import fit_or_reuse
from genrec_eval.config import BaselineName, EvaluateConfig
from genrec_eval.generator import open_generator
from genrec_eval.results import GENERATOR
from genrec_eval.simulation.arrays import Ints
from genrec_eval.simulation.config import AbConfig
from genrec_eval.simulation.log import DAY
from genrec_eval.simulation.past import Past, Visit, Words

BASELINES: tuple[BaselineName, ...] = get_args(BaselineName)


class System(Protocol):
    """Anything that fills the lists of a visit."""

    def lists(self, users: Ints, past: Past, length: int) -> Ints:
        """Return items for users whose past is given, int64 [users, length], best first; -1 after the last one."""
        ...


@dataclass(frozen=True)
class Named:
    """A system as it is named on the command line: ``RUN``, ``RUN:BASELINE``, or the folder of a generator.

    Args:
        folder: of the run or the generator.
        baseline: of the run; None for the generator.
    """

    folder: Path
    baseline: BaselineName | None = None

    @classmethod
    def read(cls, text: str) -> Named:
        """Read a name.

        Raises:
            UnknownNameError: if what stands after the colon is no baseline.
        """
        folder, colon, name = text.rpartition(":")
        if not colon or "/" in name:
            return cls(Path(text))
        if name not in BASELINES:
            raise UnknownNameError("baseline", name, BASELINES)
        return cls(Path(folder), next(known for known in BASELINES if known == name))

    def __str__(self) -> str:
        return f"{self.folder}:{self.baseline}" if self.baseline else str(self.folder)

    @property
    def generator(self) -> Path:
        """The folder of the generator: within a run, or the one that was named."""
        inside = self.folder / GENERATOR
        return self.folder if (self.folder / "manifest.json").is_file() and not inside.is_dir() else inside

    def digest(self) -> str:
        """Return what tells it from another system.

        Raises:
            ArtifactError: if there is no such generator, or no dataset for the baseline to learn from.
        """
        if self.baseline is None:
            return open_artifact(self.generator, GENERATOR).digest
        return f"{self.baseline} of {open_artifact(self.folder / 'dataset', 'dataset').digest}"

    def open(self, dataset: Dataset, words: Words, config: AbConfig, seed: int) -> System:
        """Load it, or fit it if it is a baseline that the run does not keep yet.

        Args:
            dataset: whose users and items are simulated.
            words: how simulated events are told to a generator that reads more than items.
            config: beams and batch size.
            seed: of a baseline that is trained.

        Raises:
            ArtifactError: if there is none, or it has other items than the dataset.
        """
        if self.baseline is None:
            recommender = open_generator(self.generator, dataset, config.batch_size)
            return GeneratorSystem(recommender, dataset, words, config.beams)
        own = Dataset.load(self.folder / "dataset")
        if own.item_ids != dataset.item_ids:
            raise ArtifactError(
                f"{self} recommends other items than {dataset.path} holds.",
                "Compare runs that were made from the same catalogue.",
            )
        fitted, _ = fit_or_reuse(self.baseline, own, EvaluateConfig(), seed)
        return BaselineSystem(fitted.baseline, own.user_ids == dataset.user_ids)


class BaselineSystem:
    """A fitted baseline.

    Args:
        baseline: what recommends.
        knows_users: whether its users are the simulation's, so that it may be told who asks.
    """

    def __init__(self, baseline: Baseline, knows_users: bool) -> None:
        self._baseline, self._knows_users = baseline, knows_users

    def lists(self, users: Ints, past: Past, length: int) -> Ints:
        """Return the best items that the users have not had."""
        histories = past.of_users(users)
        told = users if self._knows_users else None
        return self._baseline.recommend(histories, length, exclude=histories, users=told).items


class GeneratorSystem:
    """A generator: its best items, or a session made as a whole if it was trained on sessions that long.

    Args:
        recommender: the generator and its search.
        dataset: whose users are simulated.
        words: how simulated events are told.
        beams: width of the search; None: the recommender's own.
    """

    def __init__(self, recommender: Recommender, dataset: Dataset, words: Words, beams: int | None) -> None:
        self._recommender, self._beams = recommender, beams
        self._longest = int(getattr(recommender.generator.model.config, "session_length", 1))
        self.features = EventFeatures(recommender, dataset, words) if recommender.generator.features else None

    def lists(self, users: Ints, past: Past, length: int) -> Ints:
        """Return items that the users have not had."""
        exclude = past.of_users(users)
        histories = [self.features.events(user, past) for user in users] if self.features else exclude
        if 1 < length <= self._longest:
            return self._recommender.sessions(histories, length, beams=self._beams, exclude=exclude).items[:, 0]
        return self._recommender.recommend(histories, length, self._beams, exclude).items


class EventFeatures:
    """The features of every event of a history: the log's from the dataset, simulated ones encoded as they come."""

    def __init__(self, recommender: Recommender, dataset: Dataset, words: Words) -> None:
        features = recommender.generator.features
        assert features is not None
        self._coder, self._words, self._item_ids = features, words, dataset.item_ids
        table, offsets = features.table(dataset), dataset.sequences.offsets
        self._rows = [table[start:stop] for start, stop in pairwise(offsets)]
        self._last = [int(dataset.sequences.timestamps[stop - 1]) for stop in offsets[1:]]
        self._known = [0] * len(self._rows)

    def events(self, user: int, past: Past) -> Events:
        """Return a user's history with features."""
        for visit in past.visits[user][self._known[user] :]:
            self._rows[user] = np.concatenate([self._rows[user], self._encode(user, visit)])
        self._known[user] = len(past.visits[user])
        return Events(past.items[user], self._rows[user])

    def _encode(self, user: int, visit: Visit) -> npt.NDArray[np.int32]:
        """Return the features of one visit; the event before it stands in front, so that the first has a gap."""
        words, items = self._words, [self._item_ids[item] for item in visit.items]
        times: list[int | None] = [None] * (1 + len(items))
        if words.ends is not None:
            now = words.ends + round(visit.day * DAY)
            times, self._last[user] = [self._last[user], *[now] * len(items)], now
        kinds = [words.liked if liked else words.other for liked in visit.liked]
        values = [None if np.isnan(value) else float(value) for value in visit.values]
        coded = self._coder.encode(
            [items[0], *items], behaviors=[None, *kinds], values=[None, *values], timestamps=times
        )
        return coded[1:]
