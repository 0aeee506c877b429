"""The engines' interface: the oracle agrees with the tree search; what cannot be had is refused with the remedy.

With vLLM itself the engines are compared in test_vllm.py.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from genrec.decoding import Engine, Recommender, TreeBeamSearch
from genrec.decoding.beam_search import BeamSearch
from genrec.decoding.engines import base
from genrec.decoding.engines.generate import GenerateEngine
from genrec.decoding.engines.vllm import VllmStepper
from genrec.errors import ArtifactError, MissingPackageError, UnknownNameError
from genrec.models import DecoderConfig, Events, build_generator
from genrec.models.histories import batch_histories
from genrec.models.onerec.config import EncoderDecoderConfig
from genrec.semantic_ids import Catalogue
from tests.decoding.worlds import World, random_codes, random_prompts

SIZES = (4, 3, 5)


class StandIn:
    """What the driver uses of ``vllm.LLM``, computed by the model itself one sequence at a time."""

    def __init__(self, world: World) -> None:
        self.model, self.asked = world.model, []

    @torch.no_grad()
    def generate(self, prompts: list[dict], params: list, use_tqdm: bool) -> list:  # noqa: ARG002
        answers = []
        for prompt, wanted in zip(prompts, params, strict=True):
            self.asked.append(prompt["prompt_token_ids"])
            tokens = wanted.extra_args["genrec_tokens"]
            assert wanted.logprobs == len(tokens)
            scores = self.model(torch.tensor([prompt["prompt_token_ids"]])).logits[0, -1].log_softmax(-1)
            found = [*scores[tokens].tolist(), float("-inf")]  # vLLM fills up with tokens at -inf
            flat = SimpleNamespace(token_ids=[*tokens, 0], logprobs=found)
            answers.append(SimpleNamespace(outputs=[SimpleNamespace(logprobs=flat)]))
        return answers


@pytest.fixture(scope="module")
def world() -> World:
    return World.random("qwen3", SIZES, 50, seed=4)


@pytest.fixture(scope="module")
def prompts(world: World) -> list[list[int]]:
    return random_prompts([3, 9, 1], world.vocabulary, np.random.default_rng(4))


@pytest.fixture(params=["hf", "vllm"])
def search(request: pytest.FixtureRequest, world: World) -> object:
    """A search by another engine than the tree."""
    if request.param == "hf":
        return GenerateEngine(world.model).search(world.trie, world.vocabulary.offsets)
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("there is no vLLM here")
    return BeamSearch(VllmStepper(StandIn(world), world.trie, world.vocabulary.offsets, 48), world.trie)


def assert_same(found: tuple, wanted: tuple) -> None:
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("beams", "k"), [(1, 1), (8, 8), (60, 12), (60, 60)])
def test_lists_are_those_of_the_tree_search(
    search: object, world: World, prompts: list[list[int]], beams: int, k: int
) -> None:
    tree = TreeBeamSearch(world.model, world.trie, world.vocabulary.offsets)
    exclude = [np.arange(0, 50, 3), [], np.arange(45)]
    assert_same(search(prompts, beams, exclude, k), tree(prompts, beams, exclude, k))
    assert_same(search(prompts, beams=beams, k=k), tree(prompts, beams=beams, k=k))


@pytest.mark.parametrize("distinct", [True, False])
def test_sessions_are_those_of_the_tree_search(
    search: object, world: World, prompts: list[list[int]], distinct: bool
) -> None:
    tree = TreeBeamSearch(world.model, world.trie, world.vocabulary.offsets)
    exclude = [np.arange(0, 50, 3), [], np.arange(48)]  # the last has items for two places of three
    found = search.sessions(prompts, 3, 9, 6, exclude, distinct)
    assert_same(found, tree.sessions(prompts, 3, 9, 6, exclude, distinct))
    assert (found.items[2, :, 2] == -1).all()


def test_padded_tensors_are_prompts_too(search: object, world: World, prompts: list[list[int]]) -> None:
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(one)) + one for one in prompts])
    mask = torch.tensor([[0] * (width - len(one)) + [1] * len(one) for one in prompts])
    assert_same(search((ids, mask), beams=7), search(prompts, beams=7))
    with pytest.raises(ValueError, match="not a HistoryBatch"):
        search(batch_histories([Events(np.array([1]))], world.codes, np.zeros(50, np.int64), 0), beams=2)


def test_vllm_is_asked_once_for_a_hypothesis_and_not_for_those_that_ended(
    world: World, prompts: list[list[int]]
) -> None:
    pytest.importorskip("vllm")
    engine = StandIn(world)
    search = BeamSearch(VllmStepper(engine, world.trie, world.vocabulary.offsets, 48), world.trie)
    search(prompts[:1], beams=60)
    nodes = 1 + len(world.trie.levels[0]) + len(world.trie.levels[1])
    assert len(engine.asked) == nodes == len(set(map(tuple, engine.asked)))
    with pytest.raises(ValueError, match="has 46 tokens, but vLLM has positions for 45"):
        search([[1] * 46], beams=2)
    with pytest.raises(ValueError, match="at least one token"):
        search([[]], beams=2)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Saved generators, one of the OneRec family."""
    names = [str(row) for row in range(30)]
    catalogue = Catalogue(names, random_codes(SIZES, 30, np.random.default_rng(0)), SIZES, names)
    small = {"hidden_size": 8, "intermediate_size": 8, "heads": 2}
    configs = {"decoder": DecoderConfig(layers=1, **small), "encoder": EncoderDecoderConfig(**small)}
    made = {}
    for name, config in configs.items():
        made[name] = tmp_path_factory.mktemp(name)
        build_generator(config, catalogue, 10).save_pretrained(made[name])
    return made


def test_a_recommender_takes_an_engine_by_name_and_keeps_it(folders: dict[str, Path]) -> None:
    tree, other = (Recommender.from_pretrained(folders["decoder"], engine=name) for name in ("tree", "hf"))
    assert isinstance(other.engine, GenerateEngine)
    fewer = Catalogue(*(part[:20] for part in (tree.catalogue.item_ids, tree.catalogue.codes)), SIZES, ["x"] * 20)
    for use in (tree, other):
        use.use(fewer)
    history = [np.array([3, 5])]
    assert_same(other.recommend(history, 4, exclude=history), tree.recommend(history, 4, exclude=history))
    assert_same(other.sessions(history, 2, 2, 6), tree.sessions(history, 2, 2, 6))
    assert other.pinned().engine is other.engine


@pytest.mark.parametrize("name", ["hf", "vllm"])
def test_a_onerec_model_is_refused_by_engines_for_language_models(name: str, folders: dict[str, Path]) -> None:
    if name == "vllm":
        pytest.importorskip("vllm")
    with pytest.raises(ArtifactError, match=f"OneRec model. The engine {name} runs.*\n.*Take the engine tree"):
        Recommender.from_pretrained(folders["encoder"], engine=name)
    assert (Recommender.from_pretrained(folders["encoder"]).recommend([np.array([1])], 3).items >= 0).all()


def test_an_unknown_engine_and_a_missing_package_are_told(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown engine 'vlm'. Did you mean 'vllm'"):
        Recommender.from_pretrained(folders["decoder"], engine="vlm")
    monkeypatch.setattr(base, "find_spec", lambda name: None)  # noqa: ARG005
    with pytest.raises(MissingPackageError, match=r"The engine vllm needs the package 'vllm'.*\n.*pip install"):
        Recommender.from_pretrained(folders["decoder"], engine="vllm")


def test_an_engine_of_ones_own_is_asked_for_every_catalogue(folders: dict[str, Path]) -> None:
    inner, sizes = Recommender.from_pretrained(folders["decoder"]), []

    class Counting:
        def search(self, trie: object, level_offsets: object) -> object:
            sizes.append(len(trie))
            return inner.engine.search(trie, level_offsets)

    engine: Engine = Counting()
    served = Recommender(inner.generator, engine=engine)
    names = [str(row) for row in range(32)]
    served.use(Catalogue(names, random_codes(SIZES, 32, np.random.default_rng(0)), SIZES, names))
    assert sizes == [30, 32, 2]  # the trained catalogue, the next version, and its new items alone
