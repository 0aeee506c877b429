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

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from genrec.errors import ConfigError, suggest

S = TypeVar("S", bound="Section")


class Section(BaseModel):
    """Base of every settings class: frozen; unknown keys, infinities and NaN are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


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
    where = " with ".join(
        [*([str(file)] if file else []), *(["the command line"] if overrides or not file else [])]
    )
    problems = _apply(raw, overrides)
    for name in raw:
        if name not in {"run", "seed", *kinds}:
            problems.append(f"{where}: unknown section {name!r}.{suggest(str(name), ['run', 'seed', *kinds])}")
    sections: dict[str, Section] = {}
    for name, kind in kinds.items():
        try:
            sections[name] = kind.model_validate({} if raw.get(name) is None else raw[name])
        except ValidationError as error:
            problems += [f"{where}: {line}" for line in explain(error, kind, name)]
    problems += [f"{where}: {line}" for line in _check_run_and_seed(raw)]
    if problems:
        raise ConfigError(problems)
    return Settings(Path(run or raw.get("run") or "runs/default"), raw.get("seed", 0), sections)


def _check_run_and_seed(raw: Mapping[str, Any]) -> list[str]:
    problems = []
    run, seed = raw.get("run"), raw.get("seed", 0)
    if run is not None and not isinstance(run, str):
        problems.append(f"run is {run!r}, but must be the path of a folder.")
    # NumPy's seeds, which transformers sets too, end at 2**32.
    if type(seed) is not int or not 0 <= seed < 2**32:
        problems.append(f"seed is {seed!r}, but must be a whole number from 0 to {2**32 - 1}.")
    return problems


def explain(error: ValidationError, kind: type[BaseModel], prefix: str) -> list[str]:
    """Return one readable line for each mistake that pydantic found."""
    lines = []
    for item in error.errors():
        location, known = _resolve(kind, item["loc"])
        path = ".".join(str(part) for part in (prefix, *location))
        if item["type"] == "extra_forbidden":
            lines.append(f"unknown key {path!r}.{suggest(str(location[-1]), known)}")
        elif item["type"] == "union_tag_invalid":
            tags = [tag.strip("' ") for tag in item["ctx"]["expected_tags"].split(",")]
            lines.append(f"{path}.kind: unknown kind {item['ctx']['tag']!r}.{suggest(item['ctx']['tag'], tags)}")
        else:
            whole = item["type"] == "missing" or isinstance(item["input"], dict | BaseModel)
            given = "" if whole else f" (given: {item['input']!r})"
            lines.append(f"{path}: {item['msg'].removeprefix('Value error, ')}{given}")
    return lines


def _resolve(kind: type[BaseModel], location: tuple[int | str, ...]) -> tuple[list[int | str], list[str]]:
    """Return a mistake's location without the kinds that pydantic puts in, and the keys allowed beside it.

    Where a field holds one of several settings classes, pydantic names the ``kind`` that was chosen after the
    field: ``quantizer.rqvae.epochs`` is the person's ``quantizer.epochs``.
    """
    path: list[int | str] = []
    models = [kind]
    known: list[str] = []
    for part in location:
        chosen = [model for model in models if (tag := model.model_fields.get("kind")) and tag.default == part]
        if chosen and len(models) > 1:
            models = chosen
            continue
        path.append(part)
        if isinstance(part, int):
            continue
        known = list(models[0].model_fields) if len(models) == 1 else []
        field = models[0].model_fields.get(part) if len(models) == 1 else None
        models = [inner for inner in _types_in(field.annotation if field else None) if issubclass(inner, BaseModel)]
    return path, known


def _types_in(annotation: Any) -> list[type]:
    if inner := get_args(annotation):
        return [kind for part in inner for kind in _types_in(part)]
    return [annotation] if isinstance(annotation, type) else []


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        raw = yaml.load(file.read_text(encoding="utf-8"), _Loader)
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
            if target.get(parent) is None:
                target[parent] = {}
            target = target[parent]
            if not isinstance(target, dict):
                problems.append(f"override {text!r}: {parent!r} holds a value, not keys.")
                break
        else:
            target[key] = _value(value)
    return problems


def _value(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, which otherwise lets the later of two equal keys win without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping whose keys differ."""
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                continue  # the safe loader refuses it below
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} occurs twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)
