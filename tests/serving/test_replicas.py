"""More than one process: a shared store, a proxy that goes round who fails, a catalogue that changes for both."""

from __future__ import annotations

import contextlib
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest

from genrec.semantic_ids import CatalogueStore
from genrec.serving.histories import open_histories
from tests.serving.replicas import Replica, pair, proxied
from tests.serving.servers import postgres
from tests.serving.worlds import ITEMS

# Two processes that start, more than once: minutes where others want the machine too.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
PAUSE_S = 0.03  # between a sender's requests, so that a replica that starts gets its share of the machine


class Deployment(NamedTuple):
    """A run that may be changed, the store's URL, the replicas, and a client of the proxy before them."""

    run: Path
    store: str
    replicas: list[Replica]
    client: httpx2.Client


@pytest.fixture(scope="module")
def deployment(run: Path, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("replicas")
    own = Path(shutil.copytree(run, folder / "run"))
    with postgres() as store, pair(own, store.url) as replicas, proxied(replicas, root, folder) as client:
        yield Deployment(own, store.url, replicas, client)


def feedback(client: httpx2.Client, name: str) -> httpx2.Response:
    return client.post("/v1/feedback", json={"events": [{"user_id": "kim", "item_id": "i01", "event_id": name}]})


def stored(client: httpx2.Client) -> int:
    """Return how many events of the user there are."""
    answer = client.get("/v1/history", params={"user_id": "kim", "limit": 2000})
    return len(answer.json()["items"]) if answer.status_code == 200 else 0


def test_what_one_is_told_the_other_knows(deployment: Deployment) -> None:
    client, (one, other) = deployment.client, deployment.replicas
    before = stored(one.client)
    assert feedback(one.client, "a").json()["stored"] == 1
    assert feedback(other.client, "a").json()["repeated"] == 1
    assert feedback(client, "b").json()["stored"] == 1
    assert stored(one.client) == stored(other.client) == before + 2
    recommended = [replica.client.post("/v1/recommend", json={"user_id": "kim"}).json() for replica in (one, other)]
    assert recommended[0]["items"] == recommended[1]["items"]


def test_both_answer_and_both_take_a_new_catalogue(deployment: Deployment) -> None:
    run, replicas, client = deployment.run, deployment.replicas, deployment.client
    before = [replica.answered() for replica in replicas]
    for _ in range(20):
        assert client.post("/v1/recommend", json={"history": ["i01"]}).status_code == 200
    assert all(replica.answered() > earlier for replica, earlier in zip(replicas, before, strict=True))
    CatalogueStore(run).remove(["i04"])
    for replica in replicas:
        until(lambda replica=replica: offered(replica.client) == set(ITEMS) - {"i04"})
    CatalogueStore(run).rollback(1)
    for replica in replicas:
        until(lambda replica=replica: offered(replica.client) == set(ITEMS))
    assert client.get("/metrics").status_code == 404


def offered(client: httpx2.Client) -> set[str]:
    answer = client.post("/v1/recommend", json={"history": [], "k": 12}).json()
    return {item["item_id"] for item in answer["items"]}


def until(done: Callable[[], bool]) -> None:
    """Wait for something that a replica does by itself."""
    for _ in range(300):
        if done():
            return
        time.sleep(0.05)
    raise AssertionError("it never came to be")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_one_ends_under_load_and_nothing_is_lost(number: signal.Signals, deployment: Deployment) -> None:
    """Recommendations never fail; feedback may have to be sent again, which its event_id makes harmless."""
    client, one = deployment.client, deployment.replicas[0]
    over, failed, acknowledged = threading.Event(), [], []

    def recommend() -> None:
        while not over.is_set():
            answer = client.post("/v1/recommend", json={"history": ["i05"], "k": 3})
            if answer.status_code != 200:
                failed.append(answer.text)
            time.sleep(PAUSE_S)

    def send(sender: int) -> None:
        at = 0
        while not over.is_set():
            if feedback(client, name := f"{number}-{sender}-{at}").status_code == 201:
                acknowledged.append(name)
                at += 1
            time.sleep(PAUSE_S)

    threads = [threading.Thread(target=recommend) for _ in range(3)]
    threads += [threading.Thread(target=send, args=[sender]) for sender in range(2)]
    for thread in threads:
        thread.start()
    until(lambda: one.answered() > 20 and len(acknowledged) > 20)
    code = one.end(number)
    seen = len(acknowledged)
    until(lambda: len(acknowledged) > seen + 20)
    one.start()
    one.wait()
    answers = one.answered()
    until(lambda: one.answered() > answers + 5)
    over.set()
    for thread in threads:
        thread.join(60)
    assert code == (0 if number == signal.SIGTERM else -signal.SIGKILL)
    assert not failed
    with contextlib.closing(open_histories(deployment.store, deployment.run)) as histories:
        kept = [event.event_id for event in histories.log()]
    assert set(acknowledged) <= set(kept)
    assert len(kept) == len(set(kept))
