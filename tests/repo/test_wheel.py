"""The wheel: what is in it, and that its command runs outside the repository, in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from genrec import __version__

pytestmark = pytest.mark.slow

PACKAGES = {"genrec", "genrec_tokenizers", "genrec_eval", "genrec_alignment"}


def call(*command: str | Path, cwd: Path) -> str:
    env = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    flags = ("--no-deps", "--no-build-isolation", "--quiet")
    call(sys.executable, "-m", "pip", "wheel", *flags, "--wheel-dir", folder, root, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel, and with this one's packages but not its editable genrec."""
    folder = tmp_path_factory.mktemp("clean")
    call(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    # A folder named in a .pth file goes on the path; its own .pth files, which make genrec editable, do not count.
    site = Path(call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    command = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps")
    call(*command, "--ignore-installed", wheel, cwd=folder)
    return folder


def test_the_wheel_holds_the_four_packages_and_their_recipes_and_nothing_else(wheel: Path, root: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names} == PACKAGES | {f"genrec-{__version__}.dist-info"}
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".partial"))]
    sources = {"genrec": root / "genrec"}
    sources |= {f"genrec_{part}": root / part / f"genrec_{part}" for part in ("tokenizers", "eval", "alignment")}
    for package, folder in sources.items():
        files = [file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts]
        expected = {f"{package}/{file.relative_to(folder).as_posix()}" for file in files}
        assert expected <= set(names)
    for recipe in root.glob("*/recipes/*.yaml"):
        package = "genrec" if recipe.parts[-3] == "genrec" else f"genrec_{recipe.parts[-3]}"
        assert f"{package}/recipes/{recipe.name}" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_command_runs_from_the_wheel_outside_the_repository(clean: Path) -> None:
    genrec = clean / "venv" / "bin" / "genrec"
    assert call(genrec, "--version", cwd=clean).strip() == f"genrec {__version__}"
    assert "recommend" in call(genrec, "--help", cwd=clean)
    assert json.loads(call(genrec, "doctor", "--json", cwd=clean))["ok"] is True
    program = (
        "import genrec, genrec_tokenizers, genrec_eval, genrec_alignment, tokenizers\n"
        "print(*(m.__file__ for m in (genrec, genrec_tokenizers, genrec_eval, genrec_alignment)))"
    )
    files = call(clean / "venv" / "bin" / "python", "-c", program, cwd=clean).split()
    assert all(file.startswith(str(clean)) for file in files), files
    call(genrec, "demo", "--dry-run", cwd=clean)
