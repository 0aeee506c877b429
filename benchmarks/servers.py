"""The two servers that ``benchmarks/serving.py`` puts under load, each a process of its own on the loopback.

Both are asked for the same users' histories with 50 beams. ``genrec serve`` looks the history up, leaves out what
it holds and words the answer; vLLM's server gets the history as token ids and returns the texts of all beams. Its
prefix cache is on, as it comes, so a history that it has read before costs it less.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

from engines import PLACES, histories_of

from genrec.data import Dataset
from genrec.models import Generator

WIDTH, USERS = 50, 200
_VLLM = (
    "--served-model-name items --host 127.0.0.1 --dtype float32 --block-size 32 --enforce-eager"
    " --logprobs-mode processed_logits --disable-uvicorn-access-log"
)
_VLLM_ENV = {"VLLM_CPU_KVCACHE_SPACE": "2", "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": "3600", "HF_HUB_OFFLINE": "1"}


@contextmanager
def genrec_server(run: Path, max_batch: int) -> Iterator[str]:
    """Start ``genrec serve`` with a feedback file of its own; yield its address."""
    with tempfile.TemporaryDirectory() as folder:
        settings = [f"serve.max_batch={max_batch}", f"serve.histories=sqlite:///{folder}/f.sqlite"]
        settings += ["serve.queue=100000", "serve.deadline_s=300", "serve.keep_alive_s=3600"]
        command = [sys.executable, "-m", "genrec", "serve", "--run", str(run), "--port", "0", *settings]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None  # it is piped
        try:
            yield next(line for line in process.stderr if line.startswith("Serving at ")).split()[2]
        finally:
            process.terminate()
            process.communicate()


def genrec_bodies(run: Path) -> list[bytes]:
    """Return a request for each of some users, for ``/v1/recommend``."""
    users = Dataset.load(run / "dataset").user_ids[:USERS]
    return [json.dumps({"user_id": user, "k": PLACES, "beams": WIDTH}).encode() for user in users]


@contextmanager
def vllm_server(run: Path) -> Iterator[str]:
    """Start vLLM's own server with the trie's logits processor; yield its address when it answers.

    Raises:
        RuntimeError: with the end of its log, if it does not start.
    """
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(run / "generator")]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port), "--max-logprobs", str(2 * WIDTH), *_VLLM.split()],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **_VLLM_ENV},
        )
        try:
            while not _answers(port):
                if process.poll() is not None:
                    log.seek(0)
                    raise RuntimeError(f"vLLM's server did not start: …{log.read()[-3000:]}")
                time.sleep(1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def vllm_bodies(run: Path) -> list[bytes]:
    """Return a request for the history of each of the same users, for ``/v1/completions``."""
    generator = Generator.from_pretrained(run / "generator")
    histories = histories_of(run, generator.catalogue, USERS)
    levels = len(generator.catalogue.codebook_sizes)
    return [_completion(generator.prompt(history), levels) for history in histories]


def _completion(prompt: Sequence[int], levels: int) -> bytes:
    asked = {"model": "items", "prompt": [int(token) for token in prompt], "max_tokens": levels, "n": WIDTH}
    search = {"use_beam_search": True, "temperature": 0, "ignore_eos": True, "length_penalty": 0}
    return json.dumps(asked | search).encode()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as answer:
            return answer.status == 200
    except URLError:
        return False
