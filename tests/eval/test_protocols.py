"""Protocols: every shipped file is one, other data is refused, settings cannot contradict."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from genrec.data import Dataset, Examples
from genrec.errors import ArtifactError, ConfigError, UnknownNameError
from genrec.runs import new_artifact, open_artifact
from genrec_eval.config import EvaluateConfig
from genrec_eval.make import make_evaluation
from genrec_eval.measure import latest
from genrec_eval.protocols import differences, load_protocol, protocol_names, require_protocol, split_digest
from tests.eval.conftest import MakeDataset

FAST = {"baselines": ("popularity",), "examples": 0}


@pytest.fixture
def dataset(make_dataset: MakeDataset, rng: np.random.Generator) -> Dataset:
    return make_dataset([rng.permutation(9)[:6].tolist() for _ in range(12)], 9)


@pytest.fixture
def file(dataset: Dataset, tmp_path: Path) -> Path:
    """A protocol about the dataset."""
    facts = {"users": 12, "items": 9, "interactions": 72, "digest": split_digest(dataset)}
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({"title": "mine", "dataset": facts, "ks": [2, 5], "history_length": 3}))
    return file


@pytest.mark.parametrize("name", protocol_names())
def test_every_shipped_protocol_opens_with_its_commands(name: str) -> None:
    protocol, _ = load_protocol(name)
    text = (Path(load_protocol.__code__.co_filename).parent / f"{name}.yaml").read_text()
    assert text.startswith("# genrec data --run ")
    assert f"--protocol {name}\n" in text
    assert protocol.title
    assert list(protocol.ks) == sorted(protocol.ks)


def test_a_protocol_decides_what_is_measured(dataset: Dataset, file: Path) -> None:
    run = dataset.path.parent
    manifest = make_evaluation(EvaluateConfig(protocol=str(file), **FAST), run, seed=0)
    assert manifest.config["ks"] == [2, 5]
    assert manifest.config["protocol"] == {
        "name": "mine", "sha256": load_protocol(str(file))[1], "seeds": [0, 1, 2]
    }  # fmt: skip
    file.write_text(file.read_text() + "notes: changed\n")
    assert make_evaluation(EvaluateConfig(protocol=str(file), **FAST), run, seed=0).config != manifest.config


def test_settings_that_contradict_are_all_named(dataset: Dataset, file: Path) -> None:
    config = EvaluateConfig(protocol=str(file), ks=(3,), split="valid", max_users=4, exclude_seen=True, **FAST)
    with pytest.raises(ConfigError) as error:
        make_evaluation(config, dataset.path.parent, seed=0)
    assert len(error.value.problems) == 3  # exclude_seen says what the protocol says
    assert all(name in str(error.value) for name in ("ks", "split", "max_users"))


def test_another_split_is_refused(dataset: Dataset, file: Path, make_dataset: MakeDataset) -> None:
    protocol, _ = load_protocol(str(file))
    assert differences(protocol, dataset) == []
    sequences = [items.tolist() for items in np.split(dataset.sequences.items, 12)]
    (swapped,) = differences(protocol, make_dataset([[*row[:-2], row[-1], row[-2]] for row in sequences], 9))
    assert "counts are right" in swapped
    fewer = differences(protocol, make_dataset([row[:5] for row in sequences[:10]], 9))
    assert [line.split(",")[0] for line in fewer] == ["it has 10 users", "it has 50 interactions"]


def test_settings_of_the_dataset_are_compared(dataset: Dataset, file: Path) -> None:
    protocol, _ = load_protocol(str(file))
    config = {"split": {"by": "temporal"}, "filters": {"min_user_interactions": 7}, "sessions": {}}
    dataset.manifest.config.update(config)
    assert differences(protocol, dataset) == []  # the contents are the same, however they were made
    other = protocol.model_copy(update={"dataset": None})
    assert differences(other, dataset) == [
        "data.filters.min_user_interactions is 7, not 1",
        "data.split.by is 'temporal', not 'leave_one_out'",
    ]


def test_a_protocol_without_the_data_checks_settings_alone(dataset: Dataset) -> None:
    protocol, _ = load_protocol("etegrec-instruments")
    assert protocol.dataset is None
    assert protocol.history_length == 50
    core = {"min_user_interactions": 5, "min_item_interactions": 5}
    dataset.manifest.config.update({"filters": core, "split": {"by": "leave_one_out"}, "sessions": {}})
    assert differences(protocol, dataset) == []
    dataset.manifest.config["filters"] = {"min_user_interactions": 5}
    assert differences(protocol, dataset) == ["data.filters.min_item_interactions is 1, not 5"]


def test_a_generator_of_other_data_is_refused(dataset: Dataset, file: Path) -> None:
    protocol, _ = load_protocol(str(file))
    path = dataset.path.parent / "generator"
    for trained_on in ("another", dataset.manifest.digest):
        with new_artifact(path, "generator", {}, {"dataset": trained_on}) as draft:
            (draft.path / "config.json").write_text("{}")
        if trained_on == "another":
            with pytest.raises(ArtifactError, match="trained on another dataset"):
                require_protocol("mine", protocol, dataset, open_artifact(path, "generator"))
    require_protocol("mine", protocol, dataset, open_artifact(path, "generator"))


def test_unknown_names_and_broken_files(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="tiger-beauty"):
        load_protocol("tiger-beaty")
    (tmp_path / "bad.yaml").write_text("title: x\nks: [1]\nseed: 3\n")
    with pytest.raises(ConfigError, match="'seeds'"):
        load_protocol(str(tmp_path / "bad.yaml"))


def test_the_digest_is_of_contents_and_order(make_dataset: MakeDataset, tmp_path: Path) -> None:
    rows = [[0, 1, 2, 3], [3, 2, 1]]
    first = split_digest(make_dataset(rows, 4))
    assert split_digest(make_dataset(rows, 4, run=tmp_path / "b", title="Other words")) == first
    for changed in ([[1, 0, 2, 3], [3, 2, 1]], [[0, 1, 2], [3, 2, 1]]):
        assert split_digest(make_dataset(changed, 4, run=tmp_path / "c")) != first
    assert split_digest(make_dataset(rows, 5, run=tmp_path / "d")) != first


def test_the_latest_items_are_shown_with_their_rows() -> None:
    histories = [np.arange(5, dtype=np.int32), np.arange(1, dtype=np.int32)]
    examples = Examples(np.zeros(2, int), np.zeros(2, int), histories, np.array([10, 20]), np.array([15, 21]))
    cut = latest(examples, 3)
    assert [items.tolist() for items in cut.histories] == [[2, 3, 4], [0]]
    assert cut.starts is not None
    assert cut.starts.tolist() == [12, 20]
    assert latest(examples, None) is examples
