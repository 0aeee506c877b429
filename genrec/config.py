"""Settings: one YAML file with a section for each verb, and dotted overrides from the command line.

    run: runs/demo          # the run folder every verb reads and writes
    seed: 0
    data: {…}               # genrec data
    tokenize: {…}           # genrec tokenize
    train: {…}              # genrec train
    evaluate: {…}           # genrec evaluate

``genrec train --config my.yaml train.epochs=3 seed=1`` sets single values. All mistakes of a file are
reported at once, an unknown key with the closest one that exists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from genrec.errors import ConfigError, suggest

S = TypeVar("S", bound="Section")


class Section(BaseModel):
    """Base of every settings class: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Settings:
    """The whole configuration of a run.

    Args:
        run: the run folder.
        seed: the seed of every random choice.
        sections: the validated section of each verb, by name.
    """

    def __init__(self, run: Path, seed: int, sections: Mapping[str, Section]) -> None:
        self.run = run
        self.seed = seed
        self._sections = dict(sections)

    def section(self, name: str, kind: type[S]) -> S:
        """Return the section ``name``, which is an instance of ``kind``."""
        section = self._sections[name]
        assert isinstance(section, kind)
        return section

    def dump(self) -> dict[str, Any]:
        """Return all settings as plain data, ready for YAML or JSON."""
        sections = {name: section.model_dump(mode="json") for name, section in self._sections.items()}
        return {"run": str(self.run), "seed": self.seed, **sections}


def load_settings(
    kinds: Mapping[str, type[Section]],
    file: Path | None = None,
    overrides: Sequence[str] = (),
    run: Path | None = None,
) -> Settings:
    """Read a configuration file, apply ``key.path=value`` overrides, and validate every section.

    Args:
        kinds: the settings class of each section.
        file: a YAML file; None means all defaults.
        overrides: ``section.key=value`` strings; values are read as YAML.
        run: the run folder, which wins over the file's.

    Raises:
        ConfigError: with every mistake of the file and the overrides.
    """
    raw = _read_yaml(file) if file else {}
    where = str(file) if file else "the command line"
    problems = _apply(raw, overrides)
    sections: dict[str, Section] = {}
    for name in raw:
        if name not in {"run", "seed", *kinds}:
            problems.append(f"{where}: unknown section {name!r}.{suggest(str(name), ['run', 'seed', *kinds])}")
    for name, kind in kinds.items():
        try:
            sections[name] = kind.model_validate(raw.get(name) or {})
        except ValidationError as error:
            problems += [f"{where}: {line}" for line in explain(error, kind, name)]
    seed = raw.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        problems.append(f"{where}: seed is {seed!r}, but must be a whole number ≥ 0.")
    if problems:
        raise ConfigError(problems)
    return Settings(Path(run or raw.get("run") or "runs/default"), seed, sections)


def explain(error: ValidationError, kind: type[BaseModel], prefix: str) -> list[str]:
    """Return one readable line for each mistake that pydantic found."""
    lines = []
    for item in error.errors():
        path = ".".join(str(part) for part in (prefix, *item["loc"]))
        if item["type"] == "extra_forbidden":
            known = _fields_at(kind, item["loc"][:-1])
            lines.append(f"unknown key {path!r}.{suggest(str(item['loc'][-1]), known)}")
        else:
            given = "" if item["type"] == "missing" else f" (given: {item['input']!r})"
            lines.append(f"{path}: {item['msg']}{given}")
    return lines


def _fields_at(kind: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    for part in location:
        field = kind.model_fields.get(str(part))
        inner = field.annotation if field else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        kind = inner
    return list(kind.model_fields)


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        raw = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"There is no configuration file {file}.") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{file} cannot be read as YAML: {error}") from None
    if raw is not None and not isinstance(raw, dict):
        raise ConfigError(f"{file} must hold sections such as 'data:', not a {type(raw).__name__}.")
    return raw or {}


def _apply(raw: dict[str, Any], overrides: Sequence[str]) -> list[str]:
    problems = []
    for text in overrides:
        path, equals, value = text.partition("=")
        *parents, key = path.split(".")
        if not equals or not all([*parents, key]):
            problems.append(f"override {text!r} is not of the form section.key=value.")
            continue
        target = raw
        for parent in parents:
            child = target.get(parent)
            target[parent] = target = child if isinstance(child, dict) else {}
        try:
            target[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            target[key] = value
    return problems
