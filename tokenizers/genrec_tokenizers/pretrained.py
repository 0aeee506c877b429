"""What quantizers and fusions share: kinds that are imported when asked for, saved as settings and tensors."""

from __future__ import annotations

import importlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from genrec.errors import ArtifactError, UnknownNameError


class Pretrained(ABC):
    """Something fitted that is saved as JSON settings and safetensors.

    A subclass names its ``kind``, takes its settings as keyword arguments of the constructor, and defines
    :meth:`settings`, :meth:`tensors` and ``_restore``.
    """

    kind: ClassVar[str]
    what: ClassVar[str]
    config_file: ClassVar[str]
    tensors_file: ClassVar[str]

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return the keyword arguments that make an equal, unfitted one, as JSON values."""

    @abstractmethod
    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """Return what was learnt."""

    @abstractmethod
    def _restore(self, tensors: dict[str, npt.NDArray[Any]]) -> None:
        """Take back what :meth:`tensors` returned; KeyError or ValueError if it does not fit."""

    @classmethod
    def _from_config(cls, config: dict[str, Any]) -> Self:
        """Return an unfitted one, of what :meth:`_config` returned."""
        return cls(**config)

    def _config(self) -> dict[str, Any]:
        return self.settings()

    def save_pretrained(self, folder: Path) -> None:
        """Write the settings and the tensors into ``folder``."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: np.ascontiguousarray(tensor) for name, tensor in self.tensors().items()}
        save_file(tensors, folder / self.tensors_file)
        config = {"kind": self.kind, **self._config()}
        (folder / self.config_file).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def from_pretrained(cls, folder: Path) -> Self:
        """Read one of this kind written by :meth:`save_pretrained`.

        Raises:
            ArtifactError: if a file is missing, broken, does not fit the other, or is of another kind.
        """
        try:
            config = json.loads((Path(folder) / cls.config_file).read_text(encoding="utf-8"))
            if (kind := config.pop("kind")) != cls.kind:
                raise ValueError(f"it is a {kind}")
            made = cls._from_config(config)
            made._restore(load_file(Path(folder) / cls.tensors_file))
        except (OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
            raise ArtifactError(f"{folder} holds no readable {cls.kind} {cls.what}: {error}") from error
        return made


P = TypeVar("P", bound=Pretrained)


class Kinds(Mapping[str, type[P]], Generic[P]):
    """The kinds of something by name; a kind's module is imported when it is asked for.

    Args:
        base: the class of all of them.
        package: where their modules lie.
        places: ``module:Class`` by kind.
    """

    def __init__(self, base: type[P], package: str, places: Mapping[str, str]) -> None:
        self._base = base
        self._package = package
        self._places = dict(places)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, kind: object) -> bool:
        return kind in self._places

    def __getitem__(self, kind: str) -> type[P]:
        """Return the class of a kind.

        Raises:
            UnknownNameError: if there is none.
        """
        if kind not in self._places:
            raise UnknownNameError(f"kind of {self._base.what}", kind, self._places)
        module, _, name = self._places[kind].partition(":")
        return getattr(importlib.import_module(f"{self._package}.{module}"), name)

    def load(self, folder: Path) -> P:
        """Read one of any kind from a folder.

        Raises:
            ArtifactError: if there is none, or it cannot be read.
        """
        try:
            file = Path(folder) / self._base.config_file
            chosen = self[json.loads(file.read_text(encoding="utf-8"))["kind"]]
        except (OSError, KeyError, TypeError, ValueError, UnknownNameError) as error:
            raise ArtifactError(f"{folder} holds no readable {self._base.what}: {error}") from error
        return chosen.from_pretrained(folder)
