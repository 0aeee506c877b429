"""Ten thousand malformed requests to a real process: none is answered 5xx, and it answers the next as ever."""

from __future__ import annotations

import json
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.serving.replicas import Replica

REQUESTS, SENDERS = 10_000, 20
PATIENCE_S = 0.1  # with what the server waits for the rest of
HEAD = b"POST /v1/recommend HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
GOOD = b'{"history": ["i01", "i02"], "k": 3}'
BODIES = [
    b"",
    b"{",
    b"null",
    b"[" * 5000,
    b'{"history": ' * 3000,
    b'{"history": ["i01"], "k": ' + b"9" * 5000 + b"}",
    b'{"history": ["i01"], "k": 1e999}',
    b'{"history": ["i01"], "k": NaN}',
    b'{"history": ["\\ud800"]}',
    b'{"history": ["\xff\xfe"]}',
    b'{"history": ["\\u0000"]}',
    b'{"user_id": "\x00"}',
    b'\xef\xbb\xbf{"history": []}',
    b'{"history": [], "history": 1}',
    b'{"history": [' + b'"i01",' * 2001 + b'"i01"]}',
    b"\x1f\x8b\x08\x00\x00",
]
WHOLE = [
    b"\r\n" * 50,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),  # how TLS begins
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /v1/items/%ff%00%2e%2e%2f HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /page/%2e%2e/%2e%2e/guards.py HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /v1/items?query=%ed%a0%80&limit=99999999999999999999 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 2000 + b"\r\n",
    b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: \xff\xfe\r\nAuthorization: \x80\r\n\r\n",
    b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    HEAD + b"Content-Length: -1\r\n\r\n" + GOOD,
    HEAD + b"Content-Length: 10\r\nContent-Length: 20\r\n\r\n" + GOOD,
    HEAD + b"Content-Length: 99999999999999999999\r\n\r\n" + GOOD,
    HEAD + b"Content-Length: 100000\r\n\r\n" + GOOD,  # and never the rest
    HEAD + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n" + GOOD,
    HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n" + GOOD,
    HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + GOOD,
    HEAD + b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
]


def framed(body: bytes) -> bytes:
    return HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


SEEDS = [*WHOLE, *map(framed, [GOOD, *BODIES])]


def malformed(rng: np.random.Generator) -> bytes:
    """Return one of the known horrors, whole or with a part changed, lost, doubled or cut off; or noise."""
    if rng.random() < 0.1:
        return rng.bytes(int(rng.integers(1, 400)))
    request = bytearray(SEEDS[rng.integers(len(SEEDS))])
    for _ in range(rng.integers(0, 4)):
        at = int(rng.integers(min(len(request), 400) + 1))
        part = slice(at, at + int(rng.integers(1, 30)))
        change = rng.integers(4)
        if change == 0:
            request[part] = rng.bytes(int(rng.integers(1, 10)))
        elif change == 1:
            del request[part]
        elif change == 2:
            request[at:at] = request[part]
        else:
            del request[at + 1 :]
    return bytes(request)


def answers(port: int, request: bytes) -> list[int]:
    """Send bytes and no more; return the statuses that come back before either side has had enough."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        received = b""
        try:
            connection.sendall(request)
            connection.settimeout(PATIENCE_S)
            while piece := connection.recv(65536):
                received += piece
        except (ConnectionResetError, BrokenPipeError, TimeoutError):
            pass  # it need not hear us out, nor we it
    lines = [line for line in received.split(b"\r\n") if line.startswith(b"HTTP/1.")]
    return [int(line.split()[1]) for line in lines]


@pytest.mark.slow
@pytest.mark.timeout(900)  # minutes where others want the machine too
def test_10_000_malformed_requests_leave_the_server_answering(run: Path, tmp_path: Path) -> None:
    replica = Replica(run, f"sqlite:///{tmp_path}/feedback.sqlite")
    try:
        replica.wait()
        body = json.loads(GOOD)
        before = replica.client.post("/v1/recommend", json=body).json()["items"]
        files = len(list(Path(f"/proc/{replica.pid}/fd").iterdir()))

        def send(sender: int) -> Counter[int]:
            rng, seen = np.random.default_rng(sender), Counter()
            for _ in range(REQUESTS // SENDERS):
                seen.update(answers(replica.port, malformed(rng)) or [0])
            return seen

        with ThreadPoolExecutor(SENDERS) as pool:
            seen = sum(pool.map(send, range(SENDERS)), Counter())
        assert max(seen) < 500, seen
        assert {0, 200, 400, 422} <= set(seen), "garbage of all sorts was sent"
        assert replica.client.post("/v1/recommend", json=body).json()["items"] == before
        assert replica.client.get("/readyz").status_code == 200
        assert len(list(Path(f"/proc/{replica.pid}/fd").iterdir())) < files + 20, "connections are let go of"
    finally:
        replica.close()
