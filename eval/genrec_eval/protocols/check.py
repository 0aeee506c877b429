"""Is a run's dataset, and what its generator was trained on, that of a protocol?"""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from genrec.data import Dataset
from genrec.errors import ArtifactError
from genrec.runs import Manifest
from genrec_eval.protocols.protocol import Preparation, Protocol, split_digest


def require_protocol(name: str, protocol: Protocol, dataset: Dataset, generator: Manifest | None = None) -> None:
    """Check that what is measured was made as the protocol says.

    Args:
        name: the protocol's, for the message.
        protocol: what it says.
        dataset: the run's.
        generator: the manifest of the run's generator; None where it has none.

    Raises:
        ArtifactError: naming every difference.
    """
    problems = differences(protocol, dataset)
    trained_on = generator.inputs.get("dataset") if generator else dataset.manifest.digest
    if trained_on != dataset.manifest.digest:
        problems.append("the generator was trained on another dataset than the run's")
    if problems:
        run = dataset.path.parent
        raise ArtifactError(
            [f"{run} does not follow {name}: {problem}." for problem in problems],
            f"Make the dataset as the head of the protocol's file says and train again, or leave {name} out.",
        )


def differences(protocol: Protocol, dataset: Dataset) -> list[str]:
    """Return in words where a dataset is another one than the protocol's: settings, counts, contents.

    Where the contents are the protocol's, it does not matter how they came about.
    """
    settings = _settings(protocol.data, dataset.manifest.config)
    if protocol.dataset is None:
        return settings
    digest = split_digest(dataset)
    if digest == protocol.dataset.digest:
        return []
    counts = {
        "users": len(dataset.user_ids),
        "items": len(dataset.item_ids),
        "interactions": len(dataset.interactions),
    }
    wanted = protocol.dataset.model_dump()
    other = [
        f"it has {count:,} {name}, not {wanted[name]:,}" for name, count in counts.items() if count != wanted[name]
    ]
    same = f"its items, their order or their parts are others (digest {digest[:12]}…, not {wanted['digest'][:12]}…)"
    return [*settings, *other] or [f"its settings and counts are right, but {same}"]


def _settings(wanted: Preparation, config: dict[str, Any]) -> list[str]:
    """Compare setting by setting; a dataset that does not say how it was made is judged by its contents alone."""
    known = {name: config[name] for name in Preparation.model_fields if name in config}
    if not known:
        return []
    try:
        given = Preparation.model_validate(known)
    except ValidationError:
        return ["its manifest's settings are of another version of genrec"]
    return _compare("data", given.model_dump(mode="json"), wanted.model_dump(mode="json"))


def _compare(path: str, given: Any, wanted: Any) -> list[str]:
    if isinstance(given, dict):
        return [line for key in given for line in _compare(f"{path}.{key}", given[key], wanted[key])]
    return [] if given == wanted else [f"{path} is {given!r}, not {wanted!r}"]
