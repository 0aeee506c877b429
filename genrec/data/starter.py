"""Write a commented configuration with every setting of every verb, ready to edit."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

import yaml

from genrec.config import Section
from genrec.data.config import DataConfig, unused_fields

_WIDTH = 116


def starter_config(
    kinds: Mapping[str, type[Section]], run: str, data: Mapping[str, Any], because: list[str], command: str
) -> str:
    """Return YAML text with the guessed section ``data`` and the defaults of the others.

    Args:
        kinds: the settings class of each section.
        run: the run folder.
        data: the values of ``data`` that differ from the defaults.
        because: what the guess rests on, for the head of the section.
        command: the command line that uses the file.
    """
    lines = [
        f"# {command}",
        "# Single values change on the command line, such as seed=1.",
        f"run: {_inline(run)}",
        "seed: 0",
    ]
    for name, kind in kinds.items():
        lines += ["", f"{name}:"]
        if name == "data":
            lines += [f"  # {line}" for line in because]
        section = kind.model_validate(data if name == "data" else {})
        lines += _section(section, 1, unused_fields(section) if isinstance(section, DataConfig) else ())
    return "\n".join(lines) + "\n"


def _section(section: Section, depth: int, without: Collection[str] = ()) -> list[str]:
    """Return a line for every field: key, value, and the field's description as a comment."""
    lines = []
    for name, info in type(section).model_fields.items():
        if name in without:
            continue
        value = getattr(section, name)
        key = "  " * depth + f"{name}:"
        if isinstance(value, Section):
            lines += [_commented(key, info.description), *_section(value, depth + 1)]
        else:
            plain = section.model_dump(mode="json", include={name})[name]
            lines.append(_commented(f"{key} {_inline(plain)}", info.description))
    return lines


def _commented(text: str, comment: str | None) -> str:
    return f"{text}  # {comment}" if comment else text


def _inline(value: Any) -> str:
    """Return a value as YAML that fits on the key's line."""
    if isinstance(value, str):
        text = yaml.safe_dump(value, allow_unicode=True, width=10**6).splitlines()[0]
        return text if yaml.safe_load(text) == value else json.dumps(value, ensure_ascii=False)
    return yaml.safe_dump(
        value, default_flow_style=True, allow_unicode=True, width=10**6, sort_keys=False
    ).splitlines()[0]
