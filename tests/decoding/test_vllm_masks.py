"""The logits processors of both of vLLM's model runners, called with tensors as vLLM calls them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from genrec.decoding.trie import Trie
from genrec.decoding.trie_mask import TrieMask
from genrec.semantic_ids import Catalogue
from tests.decoding.worlds import random_codes

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="there is no vLLM here"),
]

SIZES = (5, 4, 3)
NAMES = [str(row) for row in range(30)]
CATALOGUE = Catalogue(NAMES, random_codes(SIZES, 30, np.random.default_rng(0)), SIZES, NAMES)
TOKENS = CATALOGUE.vocabulary.encode(CATALOGUE.codes)
VOCABULARY = CATALOGUE.vocabulary.size
ROWS = [  # what a request may write, its prompt, and what it has written
    ({}, [1, 8, 2], []),
    ({}, [1], TOKENS[3, :2].tolist()),
    ({"genrec": "text"}, [5, 6, 7, 8], [9]),
    ({"genrec": "items"}, [1, *TOKENS[7].tolist(), *TOKENS[8, :1].tolist()], []),
    ({"genrec_tokens": [2, 9, VOCABULARY + 3]}, [1], [4, 5]),
    (None, [1], [*TOKENS[4].tolist(), *TOKENS[9, :2].tolist()]),
]


def params(extra: dict | None) -> object:
    from vllm import SamplingParams

    return SamplingParams(extra_args=extra)


def config(folder: Path) -> SimpleNamespace:
    CATALOGUE.save(folder)
    model = SimpleNamespace(model=str(folder), logprobs_mode="processed_logits", logits_processors=None)
    return SimpleNamespace(
        model_config=model, additional_config={"genrec_catalogue": str(folder)}, speculative_config=None
    )


def expected(logits: torch.Tensor) -> torch.Tensor:
    """Row by row, from the words of the interface."""
    scores = logits.log_softmax(-1)
    masked = torch.full_like(scores, -torch.inf)
    trie = Trie.build(CATALOGUE.codes, SIZES)
    mask = TrieMask(trie, CATALOGUE.vocabulary.offsets, torch.device("cpu"))
    for row, (extra, prompt, written) in enumerate(ROWS):
        if extra == {"genrec": "text"}:
            masked[row] = scores[row]
        elif extra and "genrec_tokens" in extra:
            masked[row, [2, 9]] = scores[row, [2, 9]]
        else:
            masked[row] = mask(scores[row : row + 1], [[*prompt, *written]])[0]
    return masked


def by_v1(folder: Path, logits: torch.Tensor) -> torch.Tensor:
    """Rows that come, move and change places, as in a batch."""
    from vllm.v1.sample.logits_processor import BatchUpdate, MoveDirectionality

    from genrec.decoding.vllm import TrieLogitsProcessor

    processor = TrieLogitsProcessor(config(folder), torch.device("cpu"), False)
    added = [(row, params(extra), prompt, written) for row, (extra, prompt, written) in enumerate(ROWS)]
    added[0], added[1] = (1, *added[0][1:]), (0, *added[1][1:])
    added[5] = (6, *added[5][1:])
    moved = [(0, 1, MoveDirectionality.SWAP), (6, 5, MoveDirectionality.UNIDIRECTIONAL)]
    processor.update_state(BatchUpdate(len(ROWS), [5], added, moved))
    processor.update_state(None)
    return processor.apply(logits)


def by_v2(folder: Path, logits: torch.Tensor, slots: list[int]) -> torch.Tensor:
    """Requests in slots of a table, one of which had another occupant."""
    from genrec.decoding.vllm_v2 import TrieLogitsProcessor

    tokens = torch.full((9, 16), 7, dtype=torch.int32)
    states = SimpleNamespace(
        device=torch.device("cpu"),
        max_num_reqs=9,
        vocab_size=VOCABULARY,
        all_token_ids=SimpleNamespace(gpu=tokens),
    )
    processor = TrieLogitsProcessor(config(folder), states)
    assert processor.add_request(slots[0], params({"genrec": "text"}))
    for slot, (extra, prompt, written) in zip(slots, ROWS, strict=True):
        assert processor.add_request(slot, params(extra))
        tokens[slot, : len(prompt) + len(written)] = torch.tensor([*prompt, *written], dtype=torch.int32)
    at = torch.tensor(slots, dtype=torch.int32)
    context = SimpleNamespace(
        expanded_idx_mapping=at,
        idx_mapping=at,
        idx_mapping_np=np.array(slots),
        pos=torch.tensor([len(prompt) + len(written) - 1 for _, prompt, written in ROWS]),
    )
    return processor.apply(logits, context)


def test_both_runners_mask_what_a_request_must_not_write(tmp_path: Path) -> None:
    logits = torch.randn(len(ROWS), VOCABULARY)
    wanted = expected(logits)
    assert torch.isfinite(wanted).any(dim=1).all()
    assert not torch.equal(wanted[0], wanted[5])
    torch.testing.assert_close(by_v1(tmp_path, logits.clone()), wanted)
    torch.testing.assert_close(by_v2(tmp_path, logits.clone(), [4, 0, 8, 2, 5, 1]), wanted)


def test_both_runners_have_processors_that_vllm_takes() -> None:
    from vllm.v1.sample import logits_processor as first
    from vllm.v1.worker.gpu.sample import logits_processor as second

    from genrec.decoding import vllm, vllm_v2

    assert issubclass(vllm.TrieLogitsProcessor, first.LogitsProcessor)
    assert issubclass(vllm_v2.TrieLogitsProcessor, second.LogitsProcessor)
    assert not getattr(vllm_v2.TrieLogitsProcessor, "__abstractmethods__", None)


def test_engine_settings_name_the_processor_of_the_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    from genrec.decoding import vllm, vllm_v2

    for value, module in (("0", vllm), ("1", vllm_v2)):
        monkeypatch.setenv("VLLM_USE_V2_MODEL_RUNNER", value)
        settings = vllm.engine_settings(20, Path("ids"))
        assert settings["logits_processors"] == [module.TrieLogitsProcessor]
        assert settings["max_logprobs"] == 40
        assert settings["additional_config"] == {"genrec_catalogue": "ids"}


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"genrec": "itmes"}, "Did you mean 'items'"),
        ({"genrec": 1}, "unknown genrec 1"),
        ({"genrec": None}, "unknown genrec None"),
        ({"genrec_tokens": []}, "list of token ids"),
        ({"genrec_tokens": [1, -1]}, "list of token ids"),
        ({"genrec_tokens": "1"}, "list of token ids"),
        ({"genrec_tokens": [1], "genrec": "text"}, "either"),
    ],
)
def test_what_a_request_says_wrongly_is_refused(extra: dict, words: str) -> None:
    from genrec.decoding import vllm, vllm_v2

    for module in (vllm, vllm_v2):
        with pytest.raises(ValueError, match=words):
            module.TrieLogitsProcessor.validate_params(params(extra))


def test_drafted_tokens_are_refused(tmp_path: Path) -> None:
    from genrec.decoding.vllm_v2 import TrieLogitsProcessor

    drafting = config(tmp_path)
    drafting.speculative_config = object()
    with pytest.raises(ValueError, match="speculative"):
        TrieLogitsProcessor(drafting, SimpleNamespace(device=torch.device("cpu"), max_num_reqs=1))
