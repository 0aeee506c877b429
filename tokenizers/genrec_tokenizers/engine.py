"""Where the work on many items is done: in this process, or on the workers of a Ray cluster.

Work comes in parts, each done on its own, so the results do not depend on who does which part.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from genrec.errors import MissingPackageError, UnknownNameError
from genrec_tokenizers.quantizers.base import Quantizer

# What a worker does with one part, and how it gets ready for it, such as by loading a model.
Work = Callable[[Any], npt.NDArray[Any]]
Prepare = Callable[[], Work]

_ROWS = 65_536


class Engine(Protocol):
    """Does work on parts."""

    def map(self, prepare: Prepare, parts: Sequence[Any]) -> Iterator[npt.NDArray[Any]]:
        """Yield the result of each part, in the order of the parts.

        Args:
            prepare: called once by each worker; returns what is then called with each part.
            parts: lists of texts or arrays.
        """
        ...


class LocalEngine:
    """Does all work in this process."""

    def map(self, prepare: Prepare, parts: Sequence[Any]) -> Iterator[npt.NDArray[Any]]:
        """Yield the result of each part; nothing is prepared where there are no parts."""
        work: Work | None = None
        for part in parts:
            work = work or prepare()
            yield work(part)


class RayEngine:
    """Does the work in actors of Ray Data, on the cluster that Ray is connected to, else on this machine.

    ``RAY_ADDRESS`` names a cluster, as for any Ray program. Every node needs genrec, and the files of the models
    under the same paths.

    Args:
        workers: actors at work; None means one for each CPU of the cluster.

    Raises:
        MissingPackageError: if Ray is not installed.
    """

    def __init__(self, workers: int | None = None) -> None:
        try:
            import ray
        except ImportError as error:
            raise MissingPackageError("ray", "--engine ray", "pip install 'genrec[ray]'") from error
        if not ray.is_initialized():
            ray.init(logging_level=logging.ERROR, log_to_driver=False, include_dashboard=False)
        self.workers = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))

    def map(self, prepare: Prepare, parts: Sequence[Any]) -> Iterator[npt.NDArray[Any]]:
        """Yield the result of each part; parts done early wait for those before them."""
        if not parts:
            return
        import ray.data

        logging.getLogger("ray.data").setLevel(logging.ERROR)  # the import sets it up anew
        ray.data.DataContext.get_current().enable_progress_bars = False
        rows = ray.data.from_items(
            [{"number": number, "part": part} for number, part in enumerate(parts)],
            override_num_blocks=len(parts),
        )
        workers = min(self.workers, len(parts))
        done = rows.map(
            _Worker,  # type: ignore[arg-type]  # a class of callables, as Ray's documentation has it
            fn_constructor_args=(prepare,),
            compute=ray.data.ActorPoolStrategy(size=workers),
            num_cpus=1,
        )
        early: dict[int, npt.NDArray[Any]] = {}
        wanted = 0
        for row in done.iter_rows():
            early[int(row["number"])] = row["result"]
            while wanted in early:
                yield early.pop(wanted)
                wanted += 1


class _Worker:
    """What runs in an actor."""

    def __init__(self, prepare: Prepare) -> None:
        self.work = prepare()

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"number": row["number"], "result": self.work(row["part"])}


ENGINES: Mapping[str, Callable[[], Engine]] = {"local": LocalEngine, "ray": RayEngine}


def make_engine(name: str) -> Engine:
    """Return the engine of a name, ``local`` or ``ray``.

    Raises:
        UnknownNameError: if there is none.
        MissingPackageError: if it is ``ray``, which is not installed.
    """
    if name not in ENGINES:
        raise UnknownNameError("engine", name, ENGINES)
    return ENGINES[name]()


def encode_rows(engine: Engine, quantizer: Quantizer, embeddings: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
    """Return the codes of :meth:`Quantizer.encode`, int32 [items, levels], by parts of 65,536 items."""
    parts = [np.asarray(embeddings[start : start + _ROWS]) for start in range(0, len(embeddings), _ROWS)]
    coded = list(engine.map(lambda: quantizer.encode, parts))
    return np.concatenate(coded) if coded else quantizer.encode(embeddings)
