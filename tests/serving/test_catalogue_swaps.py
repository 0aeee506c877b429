"""The catalogue changes while requests come in: none fails, and none mixes two versions."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from genrec.errors import ArtifactError
from genrec.runs import new_artifact, open_artifact
from genrec.semantic_ids import CatalogueStore
from genrec.serving.config import ServeConfig
from genrec.serving.loading import load_service
from tests.serving.worlds import ITEMS, client_of, served

SWAPS = 200


@pytest.fixture
def own(run: Path, tmp_path: Path) -> Path:
    """A run that may be changed."""
    return Path(shutil.copytree(run, tmp_path / "own"))


@pytest.mark.slow
def test_200_swaps_under_load_and_no_request_fails(own: Path) -> None:
    """Odd versions have all items in another order, even ones lack the first three."""
    store = CatalogueStore(own)
    store.remove(ITEMS[:3])
    service = load_service(own, ServeConfig(catalogue_poll_s=0, queue=100))
    done, seen, problems = threading.Event(), set(), []

    def ask() -> None:
        while not done.is_set():
            answer = client.post("/v1/recommend", json={"history": ["i05", "i06"], "k": 12})
            if answer.status_code != 200:
                problems.append(answer.text)
                return
            body = answer.json()
            version, items = body["versions"]["catalogue"], {one["item_id"] for one in body["items"]}
            wanted = set(ITEMS) if version % 2 else set(ITEMS[3:])
            if items != wanted - {"i05", "i06"}:
                problems.append(f"version {version}: {sorted(items)}")
            seen.add(version)

    with client_of(service) as client:
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        turned = store.snapshot(1).catalogue
        for swap in range(SWAPS):
            if swap % 2:
                store.remove(ITEMS[:3])
            else:
                turned = turned.take(np.roll(np.arange(len(turned)), 1))
                store.change("turn", lambda _, turned=turned: turned)
            assert service.live.check()
        done.set()
        for thread in threads:
            thread.join(20)
        assert client.get("/readyz").json()["versions"]["catalogue"] == SWAPS + 2
    assert not problems
    assert service.live.swaps == SWAPS + 1
    assert len(seen) > SWAPS / 10, "the load must have met many of the versions"


def test_a_new_version_and_a_rollback_are_taken_without_a_restart(own: Path) -> None:
    with served(own, catalogue_poll_s=0.02) as client:

        def offered(version: int) -> set[str]:
            for _ in range(500):
                answer = client.post("/v1/recommend", json={"history": [], "k": 12}).json()
                if answer["versions"]["catalogue"] == version:
                    return {one["item_id"] for one in answer["items"]}
                time.sleep(0.02)
            raise AssertionError(f"version {version} never came")

        assert offered(1) == set(ITEMS)
        store = CatalogueStore(own)
        store.remove(["i04"])
        assert offered(2) == set(ITEMS) - {"i04"}
        assert client.get("/v1/items/i04").status_code == 404
        store.rollback(1)
        assert offered(3) == set(ITEMS)


def test_a_version_that_cannot_be_read_is_told_and_the_old_one_stays(own: Path) -> None:
    store = CatalogueStore(own)
    store.remove(["i04"])
    service = load_service(own, ServeConfig(catalogue_poll_s=0))
    codes = store.remove(["i05"]).folder / "codes.safetensors"
    whole = codes.read_bytes()
    codes.write_bytes(b"broken")
    with client_of(service) as client:
        assert not service.live.check()
        ready = client.get("/readyz")
        assert ready.status_code == 200
        assert "no readable catalogue" in ready.json()["problem"]
        assert client.post("/v1/recommend", json={"history": []}).json()["versions"]["catalogue"] == 2
        codes.write_bytes(whole)
        assert service.live.check()
        assert client.get("/readyz").json() == client.get("/readyz").json() | {"problem": ""}


def test_new_items_get_the_places_kept_for_them(own: Path) -> None:
    """The generator is trained on eleven items; the twelfth comes afterwards."""
    from genrec.models import Generator

    generator = Generator.from_pretrained(own / "generator")
    fewer = generator.catalogue.take(np.arange(11))
    ids = open_artifact(own / "semantic_ids", "semantic_ids").digest
    with new_artifact(own / "generator", "generator", {}, {"semantic_ids": ids}) as draft:
        type(generator)(generator.model, fewer, generator.history_length).save_pretrained(draft.path)
    CatalogueStore(own).remove(["i00"])
    with served(own) as client:
        kept = client.post("/v1/recommend", json={"history": ["i01"], "k": 3, "new_places": 1}).json()
        assert kept["items"][-1]["item_id"] == "i11"


def test_versions_of_other_ids_stop_the_start(own: Path) -> None:
    CatalogueStore(own).remove(["i04"])
    with new_artifact(own / "generator-2", "generator", {}, {"semantic_ids": "another digest"}) as draft:
        for file in (own / "generator").iterdir():
            if file.name != "manifest.json":
                (shutil.copytree if file.is_dir() else shutil.copy)(file, draft.path / file.name)
    with pytest.raises(ArtifactError, match="other IDs than this generator was trained on"):
        load_service(own, ServeConfig(), own / "generator-2")
