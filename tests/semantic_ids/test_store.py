"""Versions of a catalogue: nothing moves, nothing is lost, and a killed or second writer does no harm."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genrec.errors import ArtifactError, DataError, UnknownNameError
from genrec.runs import digest_files, new_artifact, open_artifact
from genrec.runs.swap import lock
from genrec.semantic_ids import Catalogue, CatalogueStore, Snapshot, store
from genrec.semantic_ids.catalogue import rows_in

WRITER = Path(__file__).with_name("store_writer.py")
ROUNDS = 6
SIZES = (4, 3)


def catalogue_of(items: dict[str, tuple[int, int]]) -> Catalogue:
    codes = np.array(list(items.values()), dtype=np.int32).reshape(-1, len(SIZES))
    return Catalogue(list(items), codes, SIZES, [f"The {item}" for item in items])


FIRST = catalogue_of({"a": (0, 0), "b": (0, 1), "c": (1, 0), "d": (3, 2)})


def write_ids(run: Path, catalogue: Catalogue = FIRST) -> CatalogueStore:
    with new_artifact(run / "semantic_ids", "semantic_ids", {}) as draft:
        catalogue.save(draft.path)
    return CatalogueStore(run)


@pytest.fixture
def versions(tmp_path: Path) -> CatalogueStore:
    return write_ids(tmp_path / "run")


def adding(**items: tuple[int, int]) -> Callable[[Snapshot], Catalogue]:
    return lambda before: before.catalogue.extended(catalogue_of(items))


def pairs(catalogue: Catalogue) -> dict[str, tuple[int, ...]]:
    return dict(zip(catalogue.item_ids, map(tuple, catalogue.codes.tolist()), strict=True))


def test_before_any_change_the_semantic_ids_are_version_1_and_nothing_is_written(versions: CatalogueStore) -> None:
    [only] = versions.history()
    assert (only.number, only.action, only.items, only.retired) == (1, "tokenize", 4, 0)
    assert versions.snapshot().catalogue.digest == only.digest == FIRST.digest
    assert versions.source is None
    assert [place.name for place in versions.run.iterdir()] == ["semantic_ids"]


def test_every_change_is_a_version_that_says_what_was_done(versions: CatalogueStore) -> None:
    versions.remove(["b", "d"], note="out of print")
    versions.change("add", adding(e=(2, 2)))
    versions.rollback(1)
    told = [(v.number, v.action, v.note, v.items, v.added, v.removed, v.retired) for v in versions.history()]
    assert told == [
        (1, "tokenize", "", 4, 4, 0, 0),
        (2, "remove", "out of print", 2, 0, 2, 2),
        (3, "add", "", 3, 1, 0, 2),
        (4, "rollback to 1", "", 4, 2, 1, 1),
    ]
    digests = [version.digest for version in versions.history()]
    assert digests[0] == digests[3]
    assert len(set(digests)) == 3
    assert [version.parent for version in versions.history()] == ["", *digests[:3]]
    ids = open_artifact(versions.run / "semantic_ids", "semantic_ids").digest
    for version in versions.history():
        manifest = open_artifact(version.folder, "catalogue")
        assert manifest.inputs["semantic_ids"] == ids == versions.source
        assert manifest.files == digest_files(version.folder)


def test_rows_stay_in_order_and_any_version_can_be_read(versions: CatalogueStore) -> None:
    versions.remove(["b"])
    versions.change("add", adding(e=(2, 2), f=(2, 0)))
    assert versions.snapshot().catalogue.item_ids == ["a", "c", "d", "e", "f"]
    assert versions.snapshot().catalogue.titles[-1] == "The f"
    assert versions.snapshot(2).catalogue.item_ids == ["a", "c", "d"]
    assert pairs(versions.snapshot(1).catalogue) == pairs(FIRST)


def test_ids_are_retired_when_nobody_has_them_and_only_then(versions: CatalogueStore) -> None:
    versions.remove(["b", "d"])
    assert pairs(versions.snapshot().retired) == {"b": (0, 1), "d": (3, 2)}
    versions.change("add", adding(d=(3, 2), e=(0, 1)))  # d is back; e is given b's ID
    assert pairs(versions.snapshot().retired) == {}
    versions.remove(["e"])
    assert pairs(versions.snapshot().retired) == {"e": (0, 1)}
    versions.rollback(2)
    assert pairs(versions.snapshot().retired) == {"e": (0, 1), "d": (3, 2)}
    versions.rollback(1)
    assert pairs(versions.snapshot().retired) == {}


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(["add", "remove", "rollback"]), st.integers(0, 10**6)), max_size=6))
def test_after_any_changes_every_id_ever_given_is_somebodys_or_retired(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, int]]
) -> None:
    versions, given_ids = write_ids(tmp_path_factory.mktemp("any") / "run"), set(pairs(FIRST).values())
    for step, (action, draw) in enumerate(changes):
        now = versions.snapshot()
        if action == "rollback":
            versions.rollback(1 + draw % now.version.number)
        elif action == "remove" and len(now.catalogue) > 1:
            versions.remove([now.catalogue.item_ids[draw % len(now.catalogue)]])
        elif action == "add":
            codes = (draw % 4, draw // 4 % 3)
            if codes not in pairs(now.catalogue).values():
                versions.change("add", adding(**{f"new{step}": codes}))
        after = versions.snapshot()
        used, retired = set(pairs(after.catalogue).values()), [tuple(row) for row in after.retired.codes.tolist()]
        given_ids |= used
        assert used | set(retired) == given_ids
        assert not used & set(retired)
        assert len(set(retired)) == len(retired) == after.version.retired
        assert after.catalogue.digest == after.version.digest


def test_a_rollback_restores_the_contents_bit_for_bit(versions: CatalogueStore) -> None:
    versions.remove(["a"])
    versions.change("add", adding(e=(2, 2)))
    again = versions.rollback(2)
    for name in ("codes.safetensors", "items.parquet", "vocabulary.json"):
        assert (again.folder / name).read_bytes() == (versions.snapshot(2).version.folder / name).read_bytes()


def test_new_ids_in_the_run_end_the_history_with_a_remedy(versions: CatalogueStore) -> None:
    versions.remove(["a"])
    write_ids(versions.run, catalogue_of({"a": (1, 1), "b": (0, 0)}))
    with pytest.raises(ArtifactError, match=r"made anew since[\s\S]*Move .*catalogue away"):
        versions.remove(["b"])
    assert versions.snapshot().version.number == 2


def test_mistakes_leave_no_trace(versions: CatalogueStore) -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown item 'x'\.[\s\S]*Unknown item 'y'"):
        versions.remove(["a", "x", "y"])
    with pytest.raises(DataError, match="No item would be left"):
        versions.remove(["a", "b", "c", "d"])
    with pytest.raises(UnknownNameError, match="Unknown version '7'"):
        versions.rollback(7)
    with pytest.raises(ValueError, match="same item_id or the same ID"):
        versions.change("add", adding(e=(0, 0)))
    with pytest.raises(ValueError, match="same item_id or the same ID"):
        versions.change("add", adding(a=(2, 0)))
    with pytest.raises(ValueError, match="sizes do not change"):
        versions.change("add", lambda _: Catalogue(["a"], np.zeros((1, 1), np.int32), (4,), ["a"]))
    assert [place.name for place in versions.run.iterdir()] == ["semantic_ids"]


def test_without_ids_the_verb_that_makes_them_is_named(tmp_path: Path) -> None:
    for action in (CatalogueStore(tmp_path).history, lambda: CatalogueStore(tmp_path).remove(["a"])):
        with pytest.raises(ArtifactError, match="genrec tokenize"):
            action()


def test_a_version_that_was_tampered_with_is_not_served(versions: CatalogueStore) -> None:
    folder = versions.remove(["a"]).folder
    catalogue_of({"a": (0, 2), "b": (0, 1), "c": (1, 0)}).save(folder)
    with pytest.raises(ArtifactError, match="does not hold what it held"):
        versions.snapshot()
    assert versions.snapshot(1).version.number == 1


def test_a_second_writer_waits_and_then_gives_up(versions: CatalogueStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_PATIENCE", 0.05)
    with lock(versions.folder), pytest.raises(ArtifactError, match=r"Another process is writing .*catalogue"):
        versions.remove(["a"])
    assert versions.remove(["a"]).number == 2


def test_a_first_change_that_dies_after_version_1_leaves_the_semantic_ids_current(
    versions: CatalogueStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, made = store.new_artifact, []

    def failing(path: Path, *how: object) -> object:
        if made:
            raise OSError("the disk is full")
        made.append(path)
        return make(path, *how)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(store, "new_artifact", failing)
        with pytest.raises(OSError, match="the disk is full"):
            versions.remove(["a"])
    [only] = versions.history()
    assert (only.number, only.digest, only.folder.name) == (1, FIRST.digest, "00001")
    assert versions.remove(["a"]).number == 2
    assert check_chain(versions) == 2


def start_writer(run: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, str(WRITER), str(run)], stdout=subprocess.PIPE, text=True)


def check_chain(versions: CatalogueStore) -> int:
    """Check every version's files and the chain of digests; return the number of the current one."""
    history = versions.history()
    assert [version.number for version in history] == list(range(1, len(history) + 1))
    for version in history:
        assert open_artifact(version.folder, "catalogue").files == digest_files(version.folder)
        assert versions.snapshot(version.number).catalogue.digest == version.digest
    assert [version.parent for version in history[1:]] == [version.digest for version in history[:-1]]
    return history[-1].number


def check_all(versions: CatalogueStore) -> int:
    """Check the chain, and that each version turned the catalogue once; return the current one's number."""
    number = check_chain(versions)
    turned = np.roll(np.arange(len(FIRST)), -(number - 1))
    assert versions.snapshot().catalogue.item_ids == FIRST.take(turned).item_ids
    return number


def test_killed_at_any_moment_a_writer_leaves_whole_versions(
    versions: CatalogueStore, rng: np.random.Generator
) -> None:
    versions.change("turn", lambda before: before.catalogue.take(np.array([1, 2, 3, 0])))
    seen = 2
    for delay in rng.uniform(0, 0.08, ROUNDS):
        writer = start_writer(versions.run)
        assert writer.stdout is not None
        reported = [writer.stdout.readline()]
        time.sleep(float(delay))
        os.kill(writer.pid, signal.SIGKILL)
        rest, _ = writer.communicate()
        complete = [int(line) for line in [*reported, *rest.splitlines(keepends=True)] if line.endswith("\n")]
        number = check_all(versions)
        assert number >= complete[-1] > seen
        seen = number


def test_two_writers_and_a_reader_at_once(versions: CatalogueStore) -> None:
    versions.change("turn", lambda before: before.catalogue.take(np.array([1, 2, 3, 0])))
    writers = [start_writer(versions.run) for _ in range(2)]
    numbers: list[list[int]] = []
    try:
        for writer in writers:
            assert writer.stdout is not None
            writer.stdout.readline()
        began, deadline = versions.snapshot().version.number, time.monotonic() + 30
        while versions.snapshot().version.number < began + 8 and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        for writer in writers:
            writer.kill()
            rest, _ = writer.communicate()
            numbers.append([int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n")])
    assert check_all(versions) >= began + 8
    assert all(numbers)
    assert not set(numbers[0]) & set(numbers[1])


def test_rows_in(rng: np.random.Generator) -> None:
    codes, others = rng.integers(0, 4, (50, 3)), rng.integers(0, 4, (20, 3))
    expected = [row in others.tolist() for row in codes.tolist()]
    assert rows_in(codes, others).tolist() == expected
    assert 0 < sum(expected) < 50
    assert rows_in(codes, others[:0]).tolist() == [False] * 50
