"""vLLM's own HTTP server with genrec's logits processor: items for stock beam search, and text beside them."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError, URLError

import numpy as np
import pytest
import torch

from genrec.decoding import Recommender
from genrec.models import Generator
from genrec.models.language import Chat, LanguageParts, add_sid_tokens, continuation_prompt
from genrec.semantic_ids import Catalogue
from tests.decoding.worlds import random_codes
from tests.models.language.tiny import tiny_model, tiny_tokenizer

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.slow,
    pytest.mark.timeout(600),  # two processes that import vLLM one after the other
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="there is no vLLM here"),
]

SIZES, BEAMS, TEXT = (12, 12, 4), 8, "list the items"
ARGUMENTS = "--served-model-name films --host 127.0.0.1 --dtype float32 --block-size 32 --enforce-eager"
PROCESSOR = "--logprobs-mode processed_logits"  # the processor itself vLLM finds by its entry point
SEARCH = {"use_beam_search": True, "n": BEAMS, "max_tokens": 3, "ignore_eos": True, "length_penalty": 0.0}


def write_generator(folder: Path) -> None:
    """Save a random language model of Llama's shape whose SID tokens come after its words."""
    names = [f"item {row}" for row in range(150)]
    catalogue = Catalogue(names, random_codes(SIZES, 150, np.random.default_rng(0)), SIZES, names)
    tokenizer = tiny_tokenizer()
    model = tiny_model(len(tokenizer), head_dim=32)
    vocabulary = add_sid_tokens(model, tokenizer, catalogue, "noise", [], 0)
    parts = LanguageParts(tokenizer, vocabulary, continuation_prompt(Chat(tokenizer), vocabulary))
    Generator(model, catalogue, 20, language=parts).save_pretrained(folder)


@contextmanager
def serving(folder: Path, log: Path) -> Iterator[str]:
    """Start the server; yield its address when it answers."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    words = ["--model", str(folder), "--port", str(port), "--max-logprobs", str(2 * BEAMS)]
    command = [
        sys.executable,
        "-m",
        "vllm.entrypoints.openai.api_server",
        *words,
        *f"{ARGUMENTS} {PROCESSOR}".split(),
    ]
    env = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("w") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, env=env)
    try:
        address = f"http://127.0.0.1:{port}"
        while not answers(address):
            assert process.poll() is None, log.read_text()[-3000:]
            time.sleep(1)
        yield address
    finally:
        process.terminate()
        process.wait()


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health") as answer:
            return answer.status == 200
    except URLError:
        return False


def ask(address: str, **body: object) -> list[str]:
    """Return what a completion request is answered with."""
    data = json.dumps({"model": "films", "temperature": 0, **body}).encode()
    request = urllib.request.Request(f"{address}/v1/completions", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return [choice["text"] for choice in json.load(answer)["choices"]]


def greedy(generator: Generator, words: int) -> str:
    """Return what the model writes after TEXT by itself."""
    assert generator.language is not None
    tokenizer = generator.language.tokenizer
    ids = tokenizer(TEXT, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        for _ in range(words):
            ids = torch.cat([ids, generator.model(ids).logits[:, -1:].argmax(-1)], dim=1)
    return tokenizer.decode(ids[0, -words:])


def test_items_and_text_from_one_server(tmp_path: Path) -> None:
    write_generator(tmp_path / "generator")
    recommender = Recommender.from_pretrained(tmp_path / "generator", device="cpu")
    generator, histories = recommender.generator, [np.arange(start, start + 3) for start in range(0, 24, 3)]
    wanted = recommender.recommend(histories, BEAMS, BEAMS).items
    words = greedy(generator, 8)
    with serving(tmp_path / "generator", tmp_path / "log") as address, ThreadPoolExecutor(16) as pool:
        text = {"prompt": TEXT, "max_tokens": 8}
        asked = [{"prompt": generator.prompt(history), **SEARCH} for history in histories]
        found = [pool.submit(ask, address, **one) for one in asked]
        texts = [pool.submit(ask, address, vllm_xargs={"genrec": "text"}, **text) for _ in histories]
        for row, future in enumerate(found):
            assert future.result() == [generator.catalogue.sid(item) for item in wanted[row]]
        assert {future.result()[0] for future in texts} == {words}
        assert ask(address, **text)[0] != words  # who says nothing gets items
        with pytest.raises(HTTPError) as refused:
            ask(address, vllm_xargs={"genrec": "txt"}, **text)
        assert refused.value.code == 400
        assert "Did you mean 'text'?" in refused.value.read().decode()
