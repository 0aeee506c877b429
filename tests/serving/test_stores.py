"""Every store of histories keeps the same promises: SQLite, and real PostgreSQL and Redis servers."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genrec.errors import ArtifactError, ConfigError
from genrec.serving.histories import StoredEvent, StoreDownError, open_histories
from genrec.serving.histories.base import HistoryStore
from tests.serving.servers import PASSWORD, Server, postgres, redis_server

KINDS = ["sqlite", "postgresql", "redis"]


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with postgres() as server:
        yield server.url


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with redis_server() as server:
        yield server.url


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/feedback.sqlite"
    url = request.getfixturevalue("postgres_url" if request.param == "postgresql" else "redis_url")
    empty(url)
    return url


@pytest.fixture
def store(url: str, tmp_path: Path) -> Iterator[HistoryStore]:
    store = open_histories(url, tmp_path)
    yield store
    store.close()


def empty(url: str) -> None:
    """Drop all that a store holds."""
    if url.startswith("redis"):
        import redis

        with redis.Redis.from_url(url) as client:
            client.flushdb()
    elif url.startswith("postgresql"):
        import psycopg

        with psycopg.connect(url) as connection:
            connection.execute("DROP TABLE IF EXISTS genrec_feedback")


def event(user: str, item: str, timestamp: int = 0, **fields: object) -> StoredEvent:
    return StoredEvent(user, item, timestamp, **fields)


def test_events_come_back_as_they_were_by_time_and_then_by_arrival(store: HistoryStore) -> None:
    whole = event("ann", "i1", 5, behavior="like", value=0.1, domain="d", request_id="r", position=3, event_id="e")
    assert store.append([whole, event("bob", "i2", 1), event("ann", "i3", 2)]) == 3
    assert store.append([event("ann", "i4", 5)]) == 1
    assert store.append([]) == 0
    assert store.history("ann") == [event("ann", "i3", 2), whole, event("ann", "i4", 5)]
    assert store.history("nobody") == []
    assert [one.item_id for one in store.log()] == ["i1", "i2", "i3", "i4"]


def test_the_largest_values_come_back_exactly(store: HistoryStore) -> None:
    latest = 2**53 - 1
    events = [event("ann", str(at), latest - at % 2, value=0.1 * 3**at, position=10_000) for at in range(12)]
    store.append(events)
    assert store.history("ann") == [*events[1::2], *events[::2]]


def test_an_event_id_is_stored_once(store: HistoryStore) -> None:
    once = event("ann", "i1", 5, event_id="e")
    assert store.append([once, once]) == 1
    assert store.append([once, event("ann", "i2", 6)]) == 1
    assert [one.item_id for one in store.history("ann")] == ["i1", "i2"]


def test_users_are_found_by_part_of_their_id(store: HistoryStore) -> None:
    store.append([event(user, "i") for user in ("Ann", "joanna", "bob", "a%b", "a_b", "a'b", "É", "été")])
    assert store.users("ann", 9) == ["Ann", "joanna"]
    assert store.users("a%", 9) == ["a%b"]
    assert store.users("'", 9) == ["a'b"]
    assert store.users("é", 9) == ["été"], "of other letters the case counts, in all stores"
    assert store.users("", 2) == ["Ann", "a%b"]


def test_only_the_latest_of_a_long_history_is_read(store: HistoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("sqlite", "postgres", "redis"):
        monkeypatch.setattr(f"genrec.serving.histories.{module}.MOST_STORED", 3)
    store.append([event("ann", str(at), at) for at in range(5)])
    assert [one.item_id for one in store.history("ann")] == ["2", "3", "4"]
    assert len(list(store.log())) == 5


def test_a_long_log_is_read_in_its_order(store: HistoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("postgres", "redis"):
        monkeypatch.setattr(f"genrec.serving.histories.{module}._PAGE", 7)
    sent = [event(f"u{at % 3}", str(at), 100 - at) for at in range(40)]
    for at in range(0, 40, 9):
        store.append(sent[at : at + 9])
    reading = store.log()
    first = next(reading)
    store.append([event("late", "x")])
    assert [first, *reading][:40] == sent


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(NAMES, min_size=1, max_size=5))
def test_no_id_is_taken_for_a_command(names: list[str], store: HistoryStore) -> None:
    tail = "'); DROP TABLE feedback; --"
    before = {name: len(store.history(name)) for name in names}
    store.append([event(name, name + tail, at) for at, name in enumerate(names)])
    for name in names:
        assert [one.item_id for one in store.history(name)] == [name + tail] * (before[name] + names.count(name))
        assert name in store.users(name, 10_000)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(
        st.lists(
            st.tuples(st.sampled_from("ab"), st.integers(0, 3), st.none() | st.sampled_from("xyz")), max_size=5
        ),
        max_size=5,
    )
)
def test_every_store_does_what_a_list_would(batches: list, url: str, tmp_path: Path) -> None:
    """The law of all stores: what a list in memory and a sort by time would give."""
    empty(url)
    (tmp_path / "feedback.sqlite").unlink(missing_ok=True)
    store, kept = open_histories(url, tmp_path), []
    for number, batch in enumerate(batches):
        events = [event(user, f"{number}", at, event_id=name) for user, at, name in batch]
        new = []
        for one in events:
            if one.event_id is None or one.event_id not in {old.event_id for old in [*kept, *new]}:
                new.append(one)
        assert store.append(events) == len(new)
        kept += new
    for user in "ab":
        wanted = sorted((one for one in kept if one.user_id == user), key=lambda one: one.timestamp)
        assert store.history(user) == wanted
    assert list(store.log()) == kept
    store.close()


def test_threads_and_processes_share_a_store(url: str, tmp_path: Path) -> None:
    """Two stores of one URL are what two processes have; both are made at once, and write at once."""
    barrier = threading.Barrier(4)

    def write(number: int) -> int:
        barrier.wait(20)
        store = open_histories(url, tmp_path)
        stored = sum(store.append([event("ann", f"{number}-{at}", at, event_id=f"e{at}")]) for at in range(25))
        store.append([event("ann", f"own {number}")])
        store.close()
        return stored

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(write, range(4))) == 25
    store = open_histories(url, tmp_path)
    assert len(store.history("ann")) == len(list(store.log())) == 29
    store.close()


Open = Callable[[], HistoryStore]


@pytest.mark.slow
@pytest.mark.parametrize("run_server", [postgres, redis_server])
def test_a_server_that_fails_keeps_what_it_acknowledged_and_is_used_again(
    run_server: Callable, tmp_path: Path
) -> None:
    with run_server() as server:
        store = open_histories(server.url, tmp_path)
        acknowledged = write_until_it_fails(store, server)
        for read in (lambda: store.history("ann"), lambda: store.users("", 1), lambda: list(store.log())):
            with pytest.raises(StoreDownError, match=r"store of histories at .* fails") as down:
                read()
            assert PASSWORD not in str(down.value)
        server.start()
        kept = eventually(lambda: store.history("ann"))
        assert set(acknowledged) <= {one.item_id for one in kept}
        assert store.append([event("ann", "again")]) == 1
        store.close()


def write_until_it_fails(store: HistoryStore, server: Server) -> list[str]:
    """Write from several threads while the server crashes; return what was acknowledged."""
    acknowledged: list[str] = []

    def write(number: int) -> None:
        for at in range(100_000):
            try:
                store.append([event("ann", f"{number}-{at}")])
            except StoreDownError:
                return
            acknowledged.append(f"{number}-{at}")

    with ThreadPoolExecutor(3) as pool:
        done = [pool.submit(write, number) for number in range(3)]
        while len(acknowledged) < 200:
            assert not any(one.done() for one in done)
        server.fail()
    assert all(one.exception() is None for one in done)
    return acknowledged


def eventually(read: Callable[[], list[StoredEvent]]) -> list[StoredEvent]:
    """Return what a store gives once it is reached again."""
    import time

    for _ in range(200):
        try:
            return read()
        except StoreDownError:
            time.sleep(0.1)
    raise AssertionError("the store never came back")


@pytest.mark.parametrize("scheme", ["postgresql", "redis"])
@pytest.mark.parametrize(
    "rest",
    [
        "films:{word}@127.0.0.1:1/films",
        "films:{word}@127.0.0.1:port/films",
        "films:{word}/x@host/films",
        "films:{word}?x@127.0.0.1:1/films",
        "127.0.0.1:1/films?password={word}&=x",
        "films:{word}@[::1/films",
        "films:{word}@127.0.0.1:1/films?{word}",
    ],
)
def test_a_store_that_cannot_be_opened_is_told_without_its_password(scheme: str, rest: str, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=f"{scheme}://.* cannot be used for users' histories") as refused:
        open_histories(f"{scheme}://{rest.format(word=PASSWORD)}", tmp_path)
    assert PASSWORD not in str(refused.value)
    assert refused.value.__cause__ is None, "a cause that quotes the URL would be in the traceback"


@pytest.mark.parametrize("kind", ["postgresql", "redis"])
def test_a_wrong_password_is_told(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    right = request.getfixturevalue("postgres_url" if kind == "postgresql" else "redis_url")
    with pytest.raises(ArtifactError, match=r"password|username-password") as refused:
        open_histories(right.replace(PASSWORD, "falsch"), tmp_path)
    assert "falsch" not in str(refused.value)


def test_a_redis_that_may_lose_feedback_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with redis_server("--appendfsync", "everysec") as server:
        open_histories(server.url, tmp_path).close()
    shown = capsys.readouterr().err
    assert "appendfsync everysec and not always: the last second is lost when its machine fails" in shown
    assert "appendonly" not in shown


def test_the_url_may_stand_in_the_environment(
    store: HistoryStore, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append([event("ann", "i1")])
    monkeypatch.setenv("STORE", url)
    same = open_histories("env:STORE", tmp_path)
    assert same.history("ann") == [event("ann", "i1")]
    same.close()
    with pytest.raises(ConfigError, match="no environment variable 'NO_STORE'"):
        open_histories("env:NO_STORE", tmp_path)


def test_what_takes_no_waiting_is_told_at_once(store: HistoryStore, url: str) -> None:
    events = [event("ann", f"i{at}", at) for at in range(200)]
    store.append(events)
    if not url.startswith("sqlite"):
        assert store.at_once("ann") is None, "a server may take its time"
        return
    assert store.at_once("ann") == store.history("ann") == events
    assert store.at_once("nobody") == []
    store.append([event("ann", "one more", 200)])
    assert store.at_once("ann") is None
    assert len(store.history("ann")) == 201


def test_who_reads_waits_for_nobody_who_writes(tmp_path: Path) -> None:
    store = open_histories("sqlite", tmp_path)
    store.append([event("ann", "i1")])
    with closing(sqlite3.connect(tmp_path / "feedback.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(1) as pool:
            late = pool.submit(store.append, [event("ann", "i2")])
            assert wait([late], timeout=0.2).not_done
            assert store.at_once("ann") == store.history("ann") == [event("ann", "i1")]
            assert store.users("an", 5) == ["ann"]
            other.execute("ROLLBACK")
            assert late.result() == 1
    assert [one.item_id for one in store.history("ann")] == ["i1", "i2"]
    store.close()


def test_a_full_disk_is_a_store_that_is_down(tmp_path: Path) -> None:
    store = open_histories("sqlite", tmp_path)
    pages = store._writer.execute("PRAGMA page_count").fetchone()[0]
    store._writer.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreDownError, match="database or disk is full"):
        store.append([event("ann", "x" * 256, at) for at in range(100)])
    assert store.history("ann") == [], "all or none"
    store._writer.execute("PRAGMA max_page_count = 100000")
    assert store.append([event("ann", "x")]) == 1
    store.close()
