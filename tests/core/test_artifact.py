"""Artefacts: whole or not there, current or not, and never someone else's files."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from genrec.errors import ArtifactError
from genrec.runs import Manifest, digest_files, is_current, new_artifact, open_artifact
from genrec.runs.manifest import plain
from genrec.runs.swap import lock, new_path, old_path


def write(path: Path, text: str = "one", config: dict[str, object] | None = None) -> Manifest:
    with new_artifact(path, "dataset", config or {}, {"log": "abc"}, seed=3) as draft:
        (draft.path / "part.txt").write_text(text)
        draft.details["length"] = len(text)
    return open_artifact(path, "dataset")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "a" / "dataset"


def test_what_is_written_is_described(path: Path) -> None:
    manifest = write(path, config={"k": 5})
    assert (path / "part.txt").read_text() == "one"
    assert (manifest.kind, manifest.seed, manifest.config, manifest.inputs) == (
        "dataset",
        3,
        {"k": 5},
        {"log": "abc"},
    )
    assert manifest.details == {"length": 3}
    assert manifest.files == digest_files(path)
    assert set(manifest.files) == {"part.txt"}
    assert {"genrec", "python", "torch"} <= set(manifest.versions)
    assert sorted(os.listdir(path.parent)) == ["dataset"]  # noqa: PTH208  (hidden files count)


def test_the_digest_names_the_contents_and_nothing_else(path: Path) -> None:
    first, again, other = write(path), write(path, config={"other": 1}), write(path, "two")
    assert first.digest == again.digest != other.digest


def fail_halfway(path: Path, error: type[BaseException]) -> None:
    with new_artifact(path, "dataset", {}) as draft:
        (draft.path / "part.txt").write_text("two")
        raise error


def test_an_exception_leaves_the_earlier_artefact(path: Path) -> None:
    before = write(path)
    with pytest.raises(RuntimeError):
        fail_halfway(path, RuntimeError)
    assert open_artifact(path, "dataset") == before
    assert (path / "part.txt").read_text() == "one"
    assert os.listdir(path.parent) == ["dataset"]  # noqa: PTH208


def test_a_failed_first_write_leaves_nothing(path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        fail_halfway(path, KeyboardInterrupt)
    assert os.listdir(path.parent) == []  # noqa: PTH208


def test_details_and_config_survive_as_numbers(path: Path) -> None:
    with new_artifact(path, "dataset", {"sizes": (1, 2), "at": Path("x")}) as draft:
        draft.details = {"share": np.float32(0.5), "counts": np.arange(2), "n": np.int64(7)}
    manifest = open_artifact(path, "dataset")
    assert manifest.details == {"share": 0.5, "counts": [0, 1], "n": 7}
    assert manifest.config == {"sizes": [1, 2], "at": "x"}
    assert is_current(path, "dataset", {"sizes": (1, 2), "at": Path("x")})


def test_plain_words_dates() -> None:
    assert plain({"at": datetime(2024, 1, 2, tzinfo=UTC)}) == {"at": "2024-01-02 00:00:00+00:00"}


def test_current_means_same_kind_settings_inputs_and_files(path: Path) -> None:
    assert not is_current(path, "dataset", {})
    write(path, config={"k": 5})
    assert is_current(path, "dataset", {"k": 5}, {"log": "abc"})
    assert not is_current(path, "dataset", {"k": 6}, {"log": "abc"})
    assert not is_current(path, "dataset", {"k": 5}, {"log": "xyz"})
    assert not is_current(path, "dataset", {"k": 5})
    assert not is_current(path, "generator", {"k": 5}, {"log": "abc"})
    (path / "part.txt").unlink()
    assert not is_current(path, "dataset", {"k": 5}, {"log": "abc"})


def test_opening_tells_what_is_wrong_and_what_to_do(path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"no dataset artefact(.|\n)*genrec data --run .*runs/a"):
        open_artifact(path, "dataset")
    write(path)
    with pytest.raises(ArtifactError, match="is a dataset artefact, but a generator is needed"):
        open_artifact(path, "generator")
    for broken in ("{", "[]", '{"kind": 5}', ""):
        (path / "manifest.json").write_text(broken)
        with pytest.raises(ArtifactError, match="not a genrec manifest"):
            open_artifact(path, "dataset")
    (path / "manifest.json").write_bytes(b"\xff\xfe")
    with pytest.raises(ArtifactError, match="cannot be read"):
        open_artifact(path, "dataset")


def test_another_format_is_refused(path: Path) -> None:
    write(path)
    file = path / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format": 99}))
    with pytest.raises(ArtifactError, match="has format 99"):
        open_artifact(path, "dataset")
    assert not is_current(path, "dataset", {}, {"log": "abc"})


def test_a_foreign_folder_or_file_is_never_replaced(path: Path) -> None:
    path.mkdir(parents=True)
    (path / "thesis.txt").write_text("years of work")
    with pytest.raises(ArtifactError, match="was not written by genrec"):
        write(path)
    assert (path / "thesis.txt").read_text() == "years of work"
    path.with_name("note").write_text("mine")
    with pytest.raises(ArtifactError, match="was not written by genrec"):
        write(path.with_name("note"))
    assert path.with_name("note").read_text() == "mine"


def test_an_empty_folder_is_used(path: Path) -> None:
    path.mkdir(parents=True)
    assert write(path).kind == "dataset"


def test_a_link_is_replaced_and_what_it_points_to_is_left(path: Path, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere" / "dataset")
    path.parent.mkdir(parents=True)
    path.symlink_to(tmp_path / "elsewhere" / "dataset")
    write(path, "two")
    assert not path.is_symlink()
    assert (tmp_path / "elsewhere" / "dataset" / "part.txt").read_text() == "one"
    assert os.listdir(path.parent) == ["dataset"]  # noqa: PTH208


def test_a_killed_writer_between_its_renames_is_mended_by_a_reader(path: Path) -> None:
    before = write(path)
    path.rename(old_path(path))
    new_path(path).mkdir()
    (new_path(path) / "part.txt").write_text("half")
    assert open_artifact(path, "dataset") == before
    assert os.listdir(path.parent) == ["dataset"]  # noqa: PTH208


def test_a_killed_writer_after_its_renames_is_swept_up_by_the_next(path: Path) -> None:
    write(path)
    old_path(path).mkdir()
    (old_path(path) / "part.txt").write_text("ancient")
    new_path(path).mkdir()
    (new_path(path) / "left.txt").write_text("half")
    write(path, "two")
    assert sorted(file.name for file in path.iterdir()) == ["manifest.json", "part.txt"]
    assert os.listdir(path.parent) == ["dataset"]  # noqa: PTH208


def test_two_writers_at_once_are_refused_and_readers_are_not(path: Path) -> None:
    before = write(path)
    with lock(path):
        with pytest.raises(ArtifactError, match="Another process is writing"):
            write(path, "two")
        assert open_artifact(path, "dataset") == before
    write(path, "two")


def test_reading_while_this_process_writes_leaves_its_draft_alone(path: Path) -> None:
    write(path)
    with new_artifact(path, "dataset", {}) as draft:
        (draft.path / "part.txt").write_text("two")
        assert open_artifact(path, "dataset").details == {"length": 3}
        assert not is_current(path, "dataset", {"other": 1})
    assert (path / "part.txt").read_text() == "two"


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() == 0:
        pytest.skip("root may write to read-only folders")
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    yield folder
    folder.chmod(stat.S_IRWXU)


def test_a_folder_that_cannot_be_written_is_one_message(read_only: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be made"):
        write(read_only / "run" / "dataset")
    with pytest.raises(ArtifactError, match="cannot be written to"):
        write(read_only / "dataset")


def test_a_run_folder_that_is_a_file_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(ArtifactError, match="cannot be made"):
        write(tmp_path / "run" / "dataset")
    with pytest.raises(ArtifactError, match="no dataset artefact"):
        open_artifact(tmp_path / "run" / "dataset", "dataset")


def test_the_commit_is_known_in_a_checkout_and_absent_elsewhere(root: Path) -> None:
    commit = Manifest.begin("dataset", {}).git_commit
    if (root / ".git").exists():
        assert commit is not None
        assert len(commit.removesuffix("-dirty")) == 40
    else:
        assert commit is None
