"""What vLLM finds of genrec by its entry point, in each of its two model runners; it need not run for this."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tests.decoding.test_vllm_masks import CATALOGUE

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="there is no vLLM here"),
]

FIRST = (torch.device("cpu"), False)
SECOND = (SimpleNamespace(device=torch.device("cpu"), max_num_reqs=4, vocab_size=9, all_token_ids=None),)


def config(model: Path | str, **others: object) -> SimpleNamespace:
    named = others.pop("logits_processors", None)
    of_model = SimpleNamespace(model=str(model), logprobs_mode="processed_logits", logits_processors=named)
    return SimpleNamespace(
        model_config=of_model,
        additional_config=others,
        speculative_config=None,
        scheduler_config=SimpleNamespace(async_scheduling=False),
    )


@pytest.fixture
def generator(tmp_path: Path) -> Path:
    CATALOGUE.save(tmp_path / "generator" / "catalogue")
    return tmp_path / "generator"


def test_both_of_vllms_loaders_find_it_and_take_it() -> None:
    from vllm.v1.sample import logits_processor as first
    from vllm.v1.worker.gpu.sample.logits_processor import loader as second

    from genrec.decoding.vllm_plugin import Plugin

    assert Plugin in first._load_logitsprocs_plugins()
    assert Plugin in second._load_v2_logitsprocs_plugins()


@pytest.mark.parametrize("given", [FIRST, SECOND], ids=["first", "second"])
def test_it_is_the_processor_of_the_runner_that_asks(generator: Path, given: tuple) -> None:
    from genrec.decoding import vllm, vllm_v2
    from genrec.decoding.vllm_plugin import Plugin

    wanted = vllm.TrieLogitsProcessor if given is FIRST else vllm_v2.TrieLogitsProcessor
    assert type(Plugin(config(generator), *given)) is wanted
    elsewhere = config("some/model", genrec_catalogue=str(generator / "catalogue"))
    assert type(Plugin(elsewhere, *given)) is wanted


@pytest.mark.parametrize("given", [FIRST, SECOND], ids=["first", "second"])
@pytest.mark.parametrize(
    "why", ["another model", "told not to", "named", "given as a class"]
)  # of the last two the engine has one already
def test_otherwise_it_leaves_logits_alone(generator: Path, given: tuple, why: str) -> None:
    from genrec.decoding import vllm
    from genrec.decoding.vllm_plugin import Idle, IdleV2, Plugin

    of_engine = {
        "another model": config("org/model"),
        "told not to": config(generator, genrec_catalogue=False),
        "named": config(generator, logits_processors=["genrec.decoding.vllm:TrieLogitsProcessor"]),
        "given as a class": config(generator, logits_processors=[vllm.TrieLogitsProcessor]),
    }[why]
    processor, logits = Plugin(of_engine, *given), torch.randn(2, 9)
    if given is FIRST:
        assert isinstance(processor, Idle)
        assert processor.is_argmax_invariant()
        processor.update_state(None)
        assert torch.equal(processor.apply(logits.clone()), logits)
    else:
        assert isinstance(processor, IdleV2)
        assert not processor.add_request(0, SimpleNamespace())
        assert torch.equal(processor.apply(logits.clone(), None), logits)


def test_a_beam_search_that_would_write_anything_is_told(
    generator: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from genrec.decoding.vllm_plugin import Plugin

    raw = config(generator)
    raw.model_config.logprobs_mode = "raw_logprobs"
    Plugin(raw, *FIRST)
    assert "--logprobs-mode processed_logits" in capsys.readouterr().err
    Plugin(config(generator), *FIRST)
    assert not capsys.readouterr().err


def test_a_runner_that_would_not_tell_what_was_written_is_refused(generator: Path) -> None:
    """Of processors that were not named; the masks would take every token for an item's first code."""
    from genrec.decoding.vllm_plugin import Idle, Plugin

    ahead = config(generator)
    ahead.scheduler_config.async_scheduling = True
    with pytest.raises(ValueError, match="Start it with --logits-processors"):
        Plugin(ahead, *FIRST)
    elsewhere = config("org/model")
    elsewhere.scheduler_config.async_scheduling = True
    assert isinstance(Plugin(elsewhere, *FIRST), Idle)


def test_a_setting_that_is_neither_a_folder_nor_false_is_refused(generator: Path) -> None:
    from genrec.decoding.vllm_plugin import Plugin

    with pytest.raises(ValueError, match="is a folder or false, not True"):
        Plugin(config(generator, genrec_catalogue=True), *FIRST)


def test_a_vllm_without_the_second_runner_serves_other_models_all_the_same() -> None:
    program = """
import sys
sys.modules["vllm.v1.worker.gpu.sample.logits_processor"] = None
from types import SimpleNamespace as Config
from genrec.decoding.vllm_plugin import Plugin
model = Config(model="org/model", logits_processors=None)
print(type(Plugin(Config(model_config=model, additional_config=None), "cpu", False)).__name__)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "Idle"
