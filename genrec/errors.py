"""Errors a person can cause, and how they are worded.

    GenrecError
    ├── ConfigError          a configuration file or an override
    ├── DataError            a log, a catalogue, or a dataset
    ├── ArtifactError        a run folder: missing, broken, or of another kind
    ├── UnknownNameError     a user, item, verb or option that does not exist
    └── MissingPackageError  an optional package that is not installed

Every message says what is wrong, where, and what to do about it. The command line prints it without a
traceback and exits with code 2; any other exception is a defect of genrec and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any


class GenrecError(Exception):
    """Base of all errors that a person can mend.

    Args:
        problems: one line for each thing that is wrong; all of them are shown at once.
        remedy: what to do about it.
    """

    def __init__(self, problems: str | Sequence[str], remedy: str = "") -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        self.remedy = remedy
        super().__init__(self._text())

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what was said and not how it was made: subclasses take other arguments."""
        return _again, (type(self), self.problems, self.remedy)

    def _text(self) -> str:
        lines = self.problems
        if len(lines) > 1:
            lines = [f"{len(lines)} problems:", *(f"  - {line}" for line in lines)]
        return "\n".join([*lines, *([self.remedy] if self.remedy else [])])


def _again(kind: type[GenrecError], problems: Sequence[str], remedy: str) -> GenrecError:
    error = kind.__new__(kind)
    GenrecError.__init__(error, problems, remedy)
    return error


class ConfigError(GenrecError):
    """A configuration file or an override that cannot be used."""


class DataError(GenrecError):
    """A log, a catalogue or a dataset that cannot be used."""


class ArtifactError(GenrecError):
    """An artefact of a run folder that is missing, broken, or of another kind."""


class UnknownNameError(GenrecError):
    """Names that do not exist, with the closest ones that do.

    Args:
        what: what a name stands for, such as ``"item"``.
        names: the unknown name, or several.
        known: every name that exists.
        remedy: a further hint, after the suggestions.
    """

    def __init__(self, what: str, names: str | Sequence[str], known: Iterable[str], remedy: str = "") -> None:
        self.names = [names] if isinstance(names, str) else list(names)
        available = list(known)
        super().__init__([f"Unknown {what} {name!r}.{suggest(name, available)}" for name in self.names], remedy)


class MissingPackageError(GenrecError):
    """An optional package that is not installed; the message holds the line that installs it."""

    def __init__(self, package: str, why: str, install: str) -> None:
        super().__init__(f"{why} needs the package {package!r}, which is not installed.", f"Install it: {install}")


def suggest(name: str, known: Iterable[str], shown: int = 8) -> str:
    """Return `` Did you mean 'x'? Available: a, b, …`` for an unknown name.

    ``Available`` is left out where nothing is known, and is cut after ``shown`` names.
    """
    names = sorted(known)
    lowered = {other.lower(): other for other in names}
    close = [lowered[hit] for hit in difflib.get_close_matches(name.lower(), lowered, n=3, cutoff=0.6)]
    text = f" Did you mean {' or '.join(repr(other) for other in close)}?" if close else ""
    if names:
        more = ", …" if len(names) > shown else ""
        text += f" Available: {', '.join(names[:shown])}{more}."
    return text
