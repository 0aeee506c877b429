"""Language models as generators: saved and loaded whole, refused where a part is missing or of another one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from genrec.decoding import Recommender, TreeBeamSearch
from genrec.decoding.requests import readable
from genrec.errors import ArtifactError
from genrec.models import Generator, LanguageConfig, build_generator
from genrec.models.language import add_sid_tokens, title_prompt
from tests.decoding.test_exactness import assert_same
from tests.decoding.worlds import NEAR, World, ranked
from tests.models.language.tiny import SIZES, tiny_catalogue, tiny_generator, tiny_model, tiny_tokenizer, write_base

HISTORIES = [np.array([1, 2, 3]), np.array([], dtype=np.int64), np.arange(10)]


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Generator:
    return tiny_generator(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def saved(generator: Generator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    generator.save_pretrained(folder)
    return folder


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    for file in saved.rglob("*"):
        if file.is_file():
            place = tmp_path / file.relative_to(saved)
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(file.read_bytes())
    return tmp_path


def test_prompts_are_words_and_then_the_tokens_of_the_items(generator: Generator) -> None:
    language = generator.language
    assert language is not None
    prompt = generator.prompt(np.arange(10))
    assert prompt[: generator.fixed_tokens] == language.prompt.before
    assert prompt[generator.fixed_tokens :] == generator.tokens[4:10].ravel().tolist()  # the latest six
    assert generator.prompt(np.array([], dtype=np.int64)) == language.prompt.before
    assert generator.vocabulary.first == 266  # 265 words and the padding
    assert (generator.tokens - generator.catalogue.tokens == 266 - 3).all()


def test_a_fresh_process_needs_the_folder_alone(tmp_path: Path) -> None:
    made = tiny_generator(tmp_path / "base", prompt="question")
    made.save_pretrained(tmp_path / "saved")
    (tmp_path / "base").rename(tmp_path / "gone")
    program = (
        "import json, sys, numpy as np\n"
        "from genrec.decoding import Recommender\n"
        "found = Recommender.from_pretrained(sys.argv[1])\n"
        "lists = found.recommend([np.array([1, 2, 3]), np.array([], dtype=int), np.arange(10)], 5, 8)\n"
        "chat = found.generator.language.chat\n"
        "print(json.dumps([lists.items.tolist(), lists.scores.tolist(), chat.prompt('hello <a_1>')]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "saved"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    items, scores, hello = json.loads(done.stdout.splitlines()[-1])
    wanted = Recommender(made).recommend(HISTORIES, 5, 8)
    assert items == wanted.items.tolist()
    np.testing.assert_allclose(scores, wanted.scores, atol=1e-4)
    assert made.language is not None
    assert hello == made.language.chat.prompt("hello <a_1>")


def unlink(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def other_codebooks(folder: Path) -> None:
    tiny_catalogue(sizes=(5, 4, 4)).save(folder / "catalogue")


def other_items(folder: Path) -> None:
    tiny_catalogue(seed=1).save(folder / "catalogue")


def the_tokenizer_of_the_base(folder: Path) -> None:
    tiny_tokenizer().save_pretrained(folder)


def the_model_of_the_base(folder: Path) -> None:
    tiny_model(265).save_pretrained(folder)


def another_first(folder: Path) -> None:
    settings = json.loads((folder / "language.json").read_text())
    (folder / "language.json").write_text(json.dumps(settings | {"first": 267}))


def no_prompt(folder: Path) -> None:
    settings = json.loads((folder / "language.json").read_text())
    del settings["before"]
    (folder / "language.json").write_text(json.dumps(settings))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (unlink("language.json"), "holds a language model without its SID vocabulary"),
        (no_prompt, "without its SID vocabulary: .*it lacks before"),
        (other_codebooks, r"codebooks of \(5, 4, 3\) codes, the catalogue's of \(5, 4, 4\)"),
        (other_items, "the catalogue is not the one this model was trained on"),
        (the_tokenizer_of_the_base, "does not know 12 of the 12 SID tokens by their ids, the first <a_0>"),
        (another_first, "does not know 12 of the 12 SID tokens by their ids"),
        (unlink("tokenizer.json"), "has no readable tokenizer"),
        (the_model_of_the_base, "the model knows 265 tokens, but its catalogue needs 278"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_part_that_is_missing_or_of_another_generator_is_refused(
    damage: Callable[[Path], None], message: str, copy: Path
) -> None:
    assert Generator.from_pretrained(copy).history_length == 6
    damage(copy)
    with pytest.raises(ArtifactError, match=message) as error:
        Generator.from_pretrained(copy)
    assert len(error.value.problems) == 1


def test_a_model_of_items_only_is_saved_as_before(tmp_path: Path) -> None:
    from genrec.models import DecoderConfig

    plain = build_generator(DecoderConfig(hidden_size=8, intermediate_size=8, layers=1), tiny_catalogue(), 4)
    plain.save_pretrained(tmp_path)
    assert not (tmp_path / "language.json").exists()
    (tmp_path / "generator.json").write_text('{"history_length": 4}\n')  # as earlier versions wrote it
    assert Generator.from_pretrained(tmp_path).language is None


def test_a_catalogue_in_use_keeps_the_vocabulary(generator: Generator) -> None:
    recommender = Recommender(generator)
    recommender.recommend(HISTORIES, 3, 8)  # what may be kept of the old catalogue is kept
    smaller = generator.catalogue.take(np.arange(29, 9, -1))
    recommender.use(smaller)
    fresh = Recommender(replace(generator, catalogue=smaller))
    np.testing.assert_array_equal(
        recommender.recommend(HISTORIES, 3, 8).items, fresh.recommend(HISTORIES, 3, 8).items
    )
    np.testing.assert_array_equal(recommender.generator.tokens, generator.tokens[29:9:-1])


@pytest.mark.parametrize("prompt", ["continuation", "question"])
@pytest.mark.parametrize("spare", [0, 1, 2])
def test_a_history_is_cut_where_words_items_and_answer_fill_the_positions(
    prompt: str, spare: int, tmp_path: Path
) -> None:
    made = tiny_generator(tmp_path, history_length=20, prompt=prompt)
    for answer in (1, 3):
        # Room for four items, and what is generated but for the last code.
        positions = made.fixed_tokens + 4 * 3 + answer * 3 - 1 + spare
        made.model.config.max_position_embeddings = positions
        [kept] = readable(made, [np.arange(9)], answer)
        assert kept.tolist() == [5, 6, 7, 8]
        found = Recommender(made).sessions([np.arange(9)], answer, beams=4)
        assert (found.items[0, 0] >= 0).all()


def test_written_prompts_are_searched_as_histories_are(generator: Generator) -> None:
    recommender = Recommender(generator, batch_size=2)
    prompts = generator.prompts(HISTORIES)
    found = recommender.recommend_prompts(prompts, 4, 10, HISTORIES)
    wanted = recommender.recommend(HISTORIES, 4, 10, HISTORIES)
    np.testing.assert_array_equal(found.items, wanted.items)
    np.testing.assert_array_equal(found.scores, wanted.scores)
    assert generator.language is not None
    titles = [title_prompt(generator.language.chat, names) for names in (["war"], ["Film 3 of war", "love"])]
    lists = recommender.recommend_prompts(titles, 4, 10)
    assert (lists.items >= 0).all()
    assert not np.array_equal(lists.scores[0], lists.scores[1])
    with pytest.raises(ValueError, match="between 0 and k = 4"):
        recommender.recommend_prompts(titles, 4, new_places=5)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("kind", ["byte_level", "sentence_piece", "word_level"])
def test_the_tree_search_is_transformers_constrained_beam_search(kind: str, tied: bool) -> None:
    catalogue, tokenizer = tiny_catalogue(), tiny_tokenizer(kind)
    model = tiny_model(len(tokenizer), tied, seed=4)
    vocabulary = add_sid_tokens(model, tokenizer, catalogue, "noise", [], 4)
    with torch.no_grad():  # larger than a start, so that scores are far from each other
        model.get_output_embeddings().weight[vocabulary.first :] *= 2
    world = World(model, catalogue.codes, vocabulary)
    words = tokenizer("the items that one person chooses")["input_ids"]
    prompts = [
        [*words[:n], *vocabulary.encode(catalogue.codes)[:m].ravel().tolist()] for n, m in ((5, 3), (2, 0), (3, 7))
    ]
    found = TreeBeamSearch(model, world.trie, vocabulary.offsets)(prompts, beams=8)
    decided = [world.smallest_gap(prompt, 8) > NEAR for prompt in prompts]
    assert sum(decided) >= 2, "the seed gives near ties; choose another"
    for row, wanted in enumerate(world.generate(prompts, 8)):
        if decided[row]:
            assert_same(ranked(found, row), wanted)


def test_bases_are_named_by_folder_and_refused_in_one_message(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be read as a causal language model"):
        build_generator(LanguageConfig(base="nothing-like-this"), tiny_catalogue(), 4)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArtifactError, match="cannot be read as a causal language model"):
        build_generator(LanguageConfig(base=str(tmp_path / "empty")), tiny_catalogue(), 4)
    made = build_generator(LanguageConfig(base=str(write_base(tmp_path / "base"))), tiny_catalogue(), 4)
    assert made.vocabulary.codebook_sizes == SIZES


def test_a_base_that_is_a_generator_must_mean_the_same_by_its_codes(saved: Path) -> None:
    config, items = LanguageConfig(base=str(saved)), tiny_catalogue()
    fewer = build_generator(config, items.take(np.arange(3, 20)), 4)
    assert torch.equal(
        fewer.model.get_input_embeddings().weight, Generator.from_pretrained(saved).model.lm_head.weight
    )
    others = items.take(np.arange(20)).extended(tiny_catalogue(seed=5).take(np.arange(20, 25)))
    strangers = replace(items, item_ids=[f"other {item}" for item in items.item_ids])
    for other in (others, strangers, tiny_catalogue(sizes=(5, 4, 4))):
        with pytest.raises(ArtifactError, match="a generator of other semantic IDs than the catalogue's"):
            build_generator(config, other, 4)


def test_a_random_start_has_the_shape_and_nothing_else_of_the_base(tmp_path: Path) -> None:
    base = str(write_base(tmp_path, spare=7))
    known = build_generator(LanguageConfig(base=base), tiny_catalogue(), 4).model.state_dict()
    random = LanguageConfig(base=base, random_start=True)
    first, same, other = (
        build_generator(random, tiny_catalogue(), 4, seed=s).model.state_dict() for s in (1, 1, 2)
    )
    assert first.keys() == known.keys()
    name = "model.layers.0.mlp.up_proj.weight"
    assert first[name].shape == known[name].shape
    assert torch.equal(first[name], same[name])
    assert not torch.equal(first[name], other[name])
    assert not torch.equal(first[name], known[name])


def test_the_precision_is_as_asked(tmp_path: Path) -> None:
    made = build_generator(
        LanguageConfig(base=str(write_base(tmp_path))), tiny_catalogue(), 4, dtype=torch.bfloat16
    )
    assert {parameter.dtype for parameter in made.model.parameters()} == {torch.bfloat16}
    assert (Recommender(made).recommend(HISTORIES, 3, 8).items >= 0).all()
