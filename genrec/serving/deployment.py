"""One version of the catalogue, ready to serve, and the reference that is swapped when another comes."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from genrec.console import remark
from genrec.decoding.new_items import NewItemSearch
from genrec.decoding.recommender import Recommender
from genrec.decoding.think.form import ThoughtForm
from genrec.decoding.think.recommender import ThinkingRecommender
from genrec.decoding.titles import TitleMatch, match_titles
from genrec.errors import ArtifactError, GenrecError
from genrec.models.generator import Generator
from genrec.semantic_ids import Catalogue, CatalogueStore

Domains = Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Deployment:
    """A model with one version of the catalogue. Item indices of one deployment mean nothing in another.

    Args:
        name: what requests call the model.
        recommender: with this version's catalogue; nobody calls its ``use``.
        model: the digest of the generator's artefact.
        number: the catalogue's version.
        domains: the ``item_id`` of each domain's items; empty where the dataset has no domains.
        form: how a model that was trained to think is asked; None for others.
    """

    name: str
    recommender: Recommender
    model: str
    number: int
    domains: Domains
    form: ThoughtForm | None = None

    @property
    def generator(self) -> Generator:
        """The model with this version's catalogue."""
        return self.recommender.generator

    @property
    def catalogue(self) -> Catalogue:
        """This version's items."""
        return self.recommender.catalogue

    @cached_property
    def searches(self) -> dict[str, NewItemSearch]:
        """A search of each domain's items alone."""
        index = self.catalogue.index_of
        rows = {
            name: sorted(index[item] for item in items if item in index) for name, items in self.domains.items()
        }
        engine = self.recommender.engine
        return {name: NewItemSearch(self.generator, np.array(own), engine) for name, own in rows.items() if own}

    @cached_property
    def thinking(self) -> ThinkingRecommender | None:
        """What writes a thought before it recommends; None where the model was not trained to."""
        return ThinkingRecommender(self.generator, form=self.form) if self.form is not None else None

    @cached_property
    def search_texts(self) -> list[str]:
        """What people may type to find an item: its id and its title, in lower case."""
        pairs = zip(self.catalogue.item_ids, self.catalogue.titles, strict=True)
        return [f"{item} {title}".casefold() for item, title in pairs]

    @cached_property
    def by_prefix(self) -> dict[tuple[int, ...], list[int]]:
        """The items below each beginning of an ID, as ``item_index``."""
        found: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for row, codes in enumerate(self.catalogue.codes.tolist()):
            for length in range(1, len(codes)):
                found[tuple(codes[:length])].append(row)
        return dict(found)

    def rows(self, item_ids: Iterable[str]) -> tuple[npt.NDArray[np.int64], list[str]]:
        """Return the ``item_index`` of each id that the catalogue has, and the ids that it has not."""
        index = self.catalogue.index_of
        rows: list[int] = []
        unknown: list[str] = []
        for item in item_ids:
            row = index.get(item)
            if row is None:
                unknown.append(item)
            else:
                rows.append(row)
        return np.array(rows, dtype=np.int64), unknown

    def titles(self, given: list[str]) -> list[TitleMatch]:
        """Return the item that each title means."""
        return match_titles(given, self.catalogue)


class Live:
    """The deployment in use, and the watch for a newer version of the catalogue.

    A version is built aside by whoever calls :meth:`check` and then put in place by one assignment: requests that
    hold the old deployment finish with it.

    Args:
        name: what requests call the model.
        recommender: the model with the catalogue that it was trained on.
        model: the digest of the generator's artefact.
        ids: the digest of the ``semantic_ids`` that the generator was trained on.
        run: whose catalogue's versions are served; None for a generator alone.
        domains, form: see :class:`Deployment`.

    Raises:
        ArtifactError: if the catalogue's versions cannot be read or do not fit the generator.
    """

    def __init__(
        self,
        name: str,
        recommender: Recommender,
        model: str,
        ids: str | None = None,
        run: Path | None = None,
        domains: Domains | None = None,
        form: ThoughtForm | None = None,
    ) -> None:
        self._ids, self._store = ids, CatalogueStore(run) if run is not None else None
        self.current = _built(Deployment(name, recommender, model, 1, domains or {}, form))
        self.swaps, self.problem = 0, ""
        self._lock = threading.Lock()
        self.take_latest()

    def take_latest(self) -> bool:
        """Build and put in place the latest version, unless it is there already; say whether it was not.

        Raises:
            ArtifactError: if it cannot be read, or holds other IDs.
        """
        with self._lock:
            if self._store is None or self._store.source is None:
                return False
            self._refuse_other_ids(self._store)
            if self._store.latest == self.current.number and self.swaps:
                return False
            snapshot = self._store.snapshot()
            recommender = self.current.recommender.pinned()
            recommender.use(snapshot.catalogue)
            fresh = replace(self.current, recommender=recommender, number=snapshot.version.number)
            self.current, self.swaps = _built(fresh), self.swaps + 1
            return True

    def check(self) -> bool:
        """As :meth:`take_latest`, but a version that cannot be served is told once, and the old one stays."""
        try:
            taken = self.take_latest()
        except (GenrecError, OSError, ValueError) as error:
            if str(error) != self.problem:
                remark(f"{self.current.name}: the catalogue's latest version is not served: {error}")
            self.problem = str(error)
            return False
        self.problem = ""
        if taken:
            items = f"{len(self.current.catalogue):,} items"
            remark(f"{self.current.name}: catalogue version {self.current.number}, {items}.")
        return taken

    def _refuse_other_ids(self, store: CatalogueStore) -> None:
        if store.source != self._ids:
            raise ArtifactError(
                f"The catalogue's versions in {store.folder} hold other IDs than this generator was trained on.",
                "Train it again, or move that folder away to serve the catalogue that it was trained on.",
            )


def _built(deployment: Deployment) -> Deployment:
    """Return a deployment with what its first requests would otherwise wait for."""
    _ = deployment.searches, deployment.thinking, deployment.catalogue.index_of, deployment.catalogue.digest
    return deployment
