"""The versions of a run's catalogue: every change is a new folder, and nothing is ever changed or taken away.

    run/catalogue/00001   what ``genrec tokenize`` made, copied when the first change comes
    run/catalogue/00002   a whole catalogue, and in ``retired`` the IDs that were somebody's and are nobody's now
    …

The version with the largest number is the current one. A rollback is a new version as well, with the contents of
the older one, so that the order of events is never lost and one rename is all that a change comes down to: a
writer killed before it leaves the earlier version current. A reader takes a version as a whole and needs no
lock. Rows never move: items that leave are taken out, new ones come after the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from genrec.errors import ArtifactError, DataError, UnknownNameError
from genrec.runs import Manifest, new_artifact, open_artifact
from genrec.runs.swap import lock
from genrec.semantic_ids.catalogue import Catalogue, rows_in

FOLDER, KIND, RETIRED = "catalogue", "catalogue", "retired"
_SOURCE = "semantic_ids"
_PATIENCE = 60.0  # seconds to wait for another writer


@dataclass(frozen=True)
class Version:
    """One entry of a catalogue's history.

    Args:
        number: from 1 on.
        action: ``tokenize``, ``add``, ``remove`` or ``rollback to …``.
        note: what the person who made it said about it.
        created: when, as ISO 8601, UTC.
        items: how many items it has.
        added: how many of them the version before did not have.
        removed: how many items of the version before it does not have.
        retired: how many IDs nobody has any more.
        digest: of the catalogue: :attr:`Catalogue.digest`.
        parent: the digest of the version before; empty for the first.
        folder: where its files are.
    """

    number: int
    action: str
    note: str
    created: str
    items: int
    added: int
    removed: int
    retired: int
    digest: str
    parent: str
    folder: Path


@dataclass(frozen=True)
class Snapshot:
    """A version with its contents.

    Args:
        version: its entry in the history.
        catalogue: the items and their IDs.
        retired: the items whose IDs nobody has any more, each with that ID; an item may occur more than once,
            the latest last.
    """

    version: Version
    catalogue: Catalogue
    retired: Catalogue


class CatalogueStore:
    """Reads and adds versions of the catalogue of a run.

    Args:
        run: the run folder; its ``semantic_ids`` are version 1.
    """

    def __init__(self, run: Path) -> None:
        self.run = Path(run)
        self.folder = self.run / FOLDER

    @property
    def source(self) -> str | None:
        """The digest of the ``semantic_ids`` artefact that the history began with; None where none has begun."""
        numbers = self._numbers()
        return self._manifest(numbers[0]).inputs[_SOURCE] if numbers else None

    @property
    def latest(self) -> int:
        """The number of the current version; found without reading it."""
        return max(self._numbers(), default=1)

    def history(self) -> list[Version]:
        """Return all versions, the oldest first.

        Raises:
            ArtifactError: if there are no semantic IDs, or a version cannot be read.
        """
        return [self._version(number) for number in self._numbers()] or [self._unsaved().version]

    def snapshot(self, number: int | None = None) -> Snapshot:
        """Return a version with its contents: the current one unless a number is given.

        Raises:
            UnknownNameError: if there is no such version.
            ArtifactError: if it cannot be read, or there are no semantic IDs.
        """
        numbers = self._numbers()
        if number is not None and number not in (numbers or [1]):
            raise UnknownNameError("version", str(number), map(str, numbers or [1]))
        if not numbers:
            return self._unsaved()
        version = self._version(number or numbers[-1])
        snapshot = Snapshot(version, Catalogue.load(version.folder), Catalogue.load(version.folder / RETIRED))
        if snapshot.catalogue.digest != version.digest:
            problem = f"{version.folder} does not hold what it held when it was made."
            remedy = (
                "Put the folder back as it was. Moving it away makes the version before it current; IDs that were "
                "given since may then be given again."
            )
            raise ArtifactError(problem, remedy)
        return snapshot

    def change(self, action: str, make: Callable[[Snapshot], Catalogue], note: str = "") -> Version:
        """Add a version made from the current one.

        IDs that the new catalogue no longer has are retired, and IDs that it has again are not.

        Args:
            action: what is done, for the history.
            make: returns the new catalogue; called while no one else can write.
            note: why, for the history.

        Raises:
            ArtifactError: if someone else is writing, there are no semantic IDs, or ``genrec tokenize`` has made
                others since the history began.
            DataError: if no item would be left.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with lock(self.folder, _PATIENCE):
            self._refuse_other_ids()
            before = self.snapshot()
            after = make(before)
            _check(after, before.catalogue)
            if not self._numbers():
                self._write(before)
            return self._write(_next(before, after, action, note, self._path(before.version.number + 1)))

    def remove(self, item_ids: Iterable[str], note: str = "") -> Version:
        """Take items out and retire their IDs; see :meth:`change`.

        Raises:
            UnknownNameError: naming every id that is not in the catalogue.
        """
        wanted = list(item_ids)

        def without(snapshot: Snapshot) -> Catalogue:
            catalogue = snapshot.catalogue
            return catalogue.take(np.delete(np.arange(len(catalogue)), catalogue.indices(wanted)))

        return self.change("remove", without, note)

    def rollback(self, number: int, note: str = "") -> Version:
        """Make the contents of an earlier version current again, as a new version; see :meth:`change`.

        IDs given since are retired.
        """
        return self.change(f"rollback to {number}", lambda _: self.snapshot(number).catalogue, note)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:05}"

    def _numbers(self) -> list[int]:
        """Return the numbers of the versions there are; drafts have hidden names."""
        if not self.folder.is_dir():
            return []
        return sorted(int(place.name) for place in self.folder.iterdir() if re.fullmatch(r"\d{5,}", place.name))

    def _manifest(self, number: int) -> Manifest:
        try:
            return open_artifact(self._path(number), KIND)
        except ArtifactError as error:
            remedy = f"Put the folder back as it was, or move {self.folder} away to begin a new history."
            raise ArtifactError(error.problems, remedy) from error

    def _version(self, number: int) -> Version:
        return Version(**self._manifest(number).details, folder=self._path(number))

    def _unsaved(self) -> Snapshot:
        """Return the semantic IDs as version 1 of a history that has not begun."""
        folder = self.run / _SOURCE
        manifest, catalogue = open_artifact(folder, _SOURCE), Catalogue.load(folder)
        items, digest = len(catalogue), catalogue.digest
        version = Version(1, "tokenize", "", manifest.created, items, items, 0, 0, digest, "", folder)
        return Snapshot(version, catalogue, catalogue.take(np.arange(0)))

    def _write(self, snapshot: Snapshot) -> Version:
        version = replace(snapshot.version, folder=self._path(snapshot.version.number))
        details = {name: value for name, value in asdict(version).items() if name != "folder"}
        source = self.source or open_artifact(self.run / _SOURCE, _SOURCE).digest
        inputs = {_SOURCE: source} | ({"parent": version.parent} if version.parent else {})
        with new_artifact(version.folder, KIND, {"action": version.action, "note": version.note}, inputs) as draft:
            snapshot.catalogue.save(draft.path)
            snapshot.retired.save(draft.path / RETIRED)
            draft.details = details
        return version

    def _refuse_other_ids(self) -> None:
        if self.source not in (None, open_artifact(self.run / _SOURCE, _SOURCE).digest):
            raise ArtifactError(
                f"{self.run / _SOURCE} was made anew since the history in {self.folder} began: its versions hold "
                "other IDs.",
                f"Move {self.folder} away to begin a new history with the new IDs, and train a generator on them.",
            )


def _check(after: Catalogue, before: Catalogue) -> None:
    if not len(after):
        raise DataError("No item would be left in the catalogue.", "Keep at least one.")
    if after.codebook_sizes != before.codebook_sizes:
        raise ValueError("a catalogue's codebook sizes do not change: a generator's vocabulary hangs on them")
    if len(after.index_of) != len(after) or len(pl.DataFrame(after.codes).unique()) != len(after):
        raise ValueError("two items of a catalogue have the same item_id or the same ID")


def _next(before: Snapshot, after: Catalogue, action: str, note: str, folder: Path) -> Snapshot:
    """Return the snapshot that follows ``before``: an ID that was somebody's and is nobody's now is retired."""
    gone, still = (~rows_in(part.codes, after.codes) for part in (before.catalogue, before.retired))
    retired = before.retired.take(np.flatnonzero(still)).extended(before.catalogue.take(np.flatnonzero(gone)))
    earlier, later = set(before.catalogue.item_ids), set(after.item_ids)
    version = Version(
        number=before.version.number + 1,
        action=action,
        note=note,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        items=len(after),
        added=len(later - earlier),
        removed=len(earlier - later),
        retired=len(retired),
        digest=after.digest,
        parent=before.version.digest,
        folder=folder,
    )
    return Snapshot(version, after, retired)
