"""What a protocol file holds, and how it becomes the settings of an evaluation."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError

from genrec.config import Section, explain
from genrec.data import Dataset
from genrec.data.config import Filters, Sessions, Split
from genrec.errors import ConfigError, UnknownNameError
from genrec_eval.config import EvaluateConfig

FOLDER = Path(__file__).parent
FIXED = ("split", "target", "session_length", "history_length", "exclude_seen", "ks")


class DatasetFacts(Section):
    """The dataset a protocol is about, after filters and with its split."""

    users: int = Field(description="Users.")
    items: int = Field(description="Items, all of them candidates.")
    interactions: int = Field(description="Interactions of all parts.")
    digest: str = Field(description="As of split_digest: who did what, in which order and part.")


class Preparation(Section):
    """How ``genrec data`` makes the dataset: the settings a run's must agree with."""

    filters: Filters = Field(Filters(), description="Which interactions stay.")
    sessions: Sessions = Field(Sessions(), description="How sessions are cut.")
    split: Split = Field(Split(), description="How it is divided.")


class Protocol(Section):
    """One protocol."""

    title: str = Field(description="What it is, in a line.")
    notes: str = Field("", description="What a reader of its figures must know.")
    data: Preparation = Field(Preparation(), description="How the dataset is made.")
    dataset: DatasetFacts | None = Field(
        None, description="What comes of it; none where whoever wrote the file did not have the data."
    )
    split: Literal["valid", "test"] = Field("test", description="The part whose interactions are the targets.")
    target: Literal["item", "session"] = Field("item", description="The next item, or all of the next session.")
    session_length: int | None = Field(None, ge=1, description="Items in the list for a session.")
    history_length: int | None = Field(None, ge=1, description="The latest items a model may read; none: all.")
    candidates: Literal["all"] = Field("all", description="Every item is ranked; nothing is sampled.")
    exclude_seen: bool = Field(True, description="Items of the history are left out of every list.")
    ks: tuple[int, ...] = Field(description="Cut-offs of the metrics.")
    seeds: tuple[int, ...] = Field((0, 1, 2), description="Seeds that a mean is taken over.")


def protocol_names() -> list[str]:
    """Return the names of the protocols that come with genrec."""
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


def load_protocol(name: str) -> tuple[Protocol, str]:
    """Return a protocol and the SHA-256 of its file.

    Args:
        name: of one that comes with genrec, or the path of a file.

    Raises:
        UnknownNameError: if there is none of that name.
        ConfigError: naming every mistake of the file.
    """
    file = Path(name) if name.endswith((".yaml", ".yml")) else FOLDER / f"{name}.yaml"
    if not file.is_file():
        raise UnknownNameError("protocol", name, protocol_names(), "A file of your own is named by its path.")
    text = file.read_bytes()
    try:
        protocol = Protocol.model_validate(yaml.safe_load(text))
    except ValidationError as error:
        raise ConfigError([f"{file}: {line}" for line in explain(error, Protocol, "protocol")]) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{file} is not YAML: {error}") from error
    return protocol, hashlib.sha256(text).hexdigest()


def apply_protocol(config: EvaluateConfig, protocol: Protocol) -> EvaluateConfig:
    """Return the settings with what the protocol fixes.

    Raises:
        ConfigError: naming every setting that was given and says otherwise.
    """
    fixed: dict[str, Any] = {name: getattr(protocol, name) for name in FIXED}
    against = [name for name in FIXED if name in config.model_fields_set and getattr(config, name) != fixed[name]]
    problems = [
        f"evaluate.{name} is {getattr(config, name)!r}, and the protocol {config.protocol} says {fixed[name]!r}."
        for name in against
    ]
    if config.max_users is not None:
        problems.append(f"evaluate.max_users is {config.max_users}, and the protocol {config.protocol} is for all.")
    if problems:
        raise ConfigError(problems, "Leave the settings to the protocol, or leave the protocol out.")
    return config.model_copy(update=fixed)


def split_digest(dataset: Dataset) -> str:
    """Return the SHA-256 of which user had which item in which part, in order, and of all items there are.

    It does not depend on texts, nor on how the files are written, so another machine finds the same.
    """
    hasher = hashlib.sha256("\n".join(dataset.item_ids).encode())
    columns = (dataset.interactions[name].cast(str) for name in ("user_id", "item_id", "split"))
    for row in zip(*columns, strict=True):
        hasher.update(b"\n" + "\t".join(row).encode())
    return hasher.hexdigest()
