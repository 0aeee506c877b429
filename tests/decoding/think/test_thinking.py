"""Two-step decoding: what is written, where it stops, and what is searched after it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from transformers import GenerationConfig

from genrec.decoding.ranking import Ranking
from genrec.decoding.think import END_OF_THOUGHT, ThinkingConfig, ThoughtForm, thought_form
from genrec.decoding.think.merging import union
from genrec.decoding.think.recommender import ThinkingRecommender
from genrec.errors import ArtifactError
from genrec.models import DecoderConfig, Generator, build_generator
from tests.models.language.tiny import tiny_catalogue, tiny_generator

HISTORIES = [np.array([3, 4, 5]), np.array([7]), np.array([], dtype=np.int64)]
TOKENS = 12


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Generator:
    return tiny_generator(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def form(generator: Generator) -> ThoughtForm:
    assert generator.language is not None
    return thought_form(generator.language.chat, generator.vocabulary)


def greedy(generator: Generator, prompt: list[int], tokens: int, ends: list[int]) -> list[int]:
    """The likeliest token each time, one whole forward pass after the other."""
    written: list[int] = []
    while len(written) < tokens:
        with torch.no_grad():
            token = int(generator.model(torch.tensor([[*prompt, *written]])).logits[0, -1].argmax())
        if token in ends:
            break
        written.append(token)
    return written


def text_of(generator: Generator, ids: list[int]) -> str:
    assert generator.language is not None
    return generator.language.tokenizer.decode(ids, skip_special_tokens=True)


@torch.no_grad()
def score(generator: Generator, prompt: list[int], item: int) -> float:
    tokens = torch.from_numpy(generator.tokens[item])
    logits = generator.model(torch.cat([torch.tensor(prompt), tokens[:-1]])[None]).logits[0, len(prompt) - 1 :]
    return float(logits.log_softmax(-1).gather(1, tokens[:, None]).sum())


def test_a_greedy_thought_is_cut_off_ended_by_force_and_searched_after(
    generator: Generator, form: ThoughtForm
) -> None:
    thinking = ThinkingRecommender(generator, ThinkingConfig(tokens=TOKENS))
    prompts, texts = thinking.think(HISTORIES)
    for history, prompt, text in zip(HISTORIES, prompts, texts, strict=True):
        asked = [*form.before, *generator.tokens[history].ravel().tolist(), *form.after]
        thought = greedy(generator, asked, TOKENS, form.ends)
        assert prompt == [*asked, *thought, *form.mark_ids]
        assert text == text_of(generator, thought).strip()
    found = thinking.recommend(HISTORIES, k=5, beams=30)
    assert [one[0] for one in found.thoughts] == texts
    for row, prompt in enumerate(prompts):
        scores = sorted((score(generator, prompt, item) for item in range(30)), reverse=True)[:5]
        np.testing.assert_allclose(found.ranking.scores[row], scores, atol=1e-4)
    assert (found.after == 0).all()


def test_a_thought_stops_at_the_mark_however_it_is_cut_into_tokens(generator: Generator, form: ThoughtForm) -> None:
    thoughts = [
        greedy(generator, form.prompt.ids(generator.tokens[one]), 2 * TOKENS, form.ends) for one in HISTORIES[:2]
    ]
    mark = text_of(generator, thoughts[0][4:7])  # the first history's thought has it; nothing says the other's does
    marked = replace(form, mark=mark, mark_ids=[9])
    thinking = ThinkingRecommender(generator, ThinkingConfig(tokens=2 * TOKENS), marked)
    together, texts = thinking.think(HISTORIES[:2])
    asked = form.prompt.ids(generator.tokens[HISTORIES[0]])
    written = together[0][len(asked) :]
    assert written == thoughts[0][: len(written)]
    assert text_of(generator, written).endswith(mark)
    assert mark not in text_of(generator, written[:-1])
    assert mark not in texts[0]
    assert [thinking.think([one])[0][0] for one in HISTORIES[:2]] == together


def test_the_end_of_the_answer_ends_a_thought(generator: Generator, form: ThoughtForm) -> None:
    asked = form.prompt.ids(generator.tokens[HISTORIES[0]])
    thought = greedy(generator, asked, TOKENS, form.ends)
    first = thought.index(thought[3])
    ending = replace(form, ends=[thought[3]])
    [prompt], _ = ThinkingRecommender(generator, ThinkingConfig(tokens=TOKENS), ending).think(HISTORIES[:1])
    assert prompt == [*asked, *thought[:first], *form.mark_ids]


def test_what_the_base_inherits_does_not_change_a_thought(
    generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    thinking = ThinkingRecommender(generator, ThinkingConfig(tokens=TOKENS))
    before = thinking.think(HISTORIES)
    inherited = GenerationConfig(repetition_penalty=9.0, no_repeat_ngram_size=1, max_new_tokens=2)
    monkeypatch.setattr(generator.model, "generation_config", inherited)
    assert thinking.think(HISTORIES) == before
    assert generator.model.generation_config is inherited


def test_several_thoughts_are_drawn_by_the_seed_and_their_items_put_together(generator: Generator) -> None:
    thinking = ThinkingRecommender(generator, ThinkingConfig(thoughts=3, tokens=6, temperature=1.5))
    before = torch.get_rng_state()
    found = thinking.recommend(HISTORIES, k=8, beams=10, exclude=HISTORIES, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    again = thinking.recommend(HISTORIES, k=8, beams=10, exclude=HISTORIES, seed=1)
    np.testing.assert_array_equal(found.ranking.items, again.ranking.items)
    assert found.thoughts == again.thoughts != thinking.recommend(HISTORIES, k=8, seed=2).thoughts
    assert [len(set(texts)) for texts in found.thoughts] == [3, 3, 3]
    assert (np.diff(found.ranking.scores, axis=1) <= 0).all()
    prompts, _ = thinking.think(HISTORIES, [1, 0])
    for row, history in enumerate(HISTORIES):
        assert not set(found.ranking.items[row]) & set(history)
        for item, value, after in zip(
            found.ranking.items[row], found.ranking.scores[row], found.after[row], strict=True
        ):
            assert value == pytest.approx(score(generator, prompts[3 * row + after], item), abs=1e-4)


def test_batches_change_nothing(generator: Generator) -> None:
    config = ThinkingConfig(tokens=4)
    small, whole = (ThinkingRecommender(generator, config, batch_size=size) for size in (2, 8))
    parts, together = small.recommend(HISTORIES, exclude=HISTORIES), whole.recommend(HISTORIES, exclude=HISTORIES)
    np.testing.assert_array_equal(parts.ranking.items, together.ranking.items)
    assert parts.thoughts == together.thoughts
    assert small.recommend([], k=3).ranking.items.shape == (0, 3)


def test_a_union_has_every_item_once_with_its_best_score() -> None:
    items = np.array([[4, 2, 9], [2, 5, -1], [1, -1, -1], [-1, -1, -1]])
    scores = np.array([[-1.0, -2, -3], [-0.5, -2.5, -np.inf], [-4, -np.inf, -np.inf], [-np.inf] * 3], np.float32)
    ranking, after = union(Ranking(items, scores), thoughts=2, k=4)
    assert ranking.items.tolist() == [[2, 4, 5, 9], [1, -1, -1, -1]]
    assert ranking.scores.tolist() == [[-0.5, -1, -2.5, -3], [-4, -np.inf, -np.inf, -np.inf]]
    assert after.tolist() == [[1, 0, 1, 0], [0, -1, -1, -1]]


def test_a_history_is_cut_to_what_fits(
    generator: Generator, form: ThoughtForm, monkeypatch: pytest.MonkeyPatch
) -> None:
    thinking = ThinkingRecommender(generator, ThinkingConfig(tokens=4))
    long = np.arange(20)
    assert thinking.think([long])[0] == thinking.think([long[-generator.history_length :]])[0]
    room_for_two = form.prompt.fixed + 4 + len(form.mark_ids) + 3 + 2 * 3
    monkeypatch.setattr(generator.model.config, "max_position_embeddings", room_for_two)
    assert thinking.think([long])[0] == thinking.think([long[-2:]])[0]
    with pytest.raises(ArtifactError, match="leaves no room for a history"):
        ThinkingRecommender(generator, ThinkingConfig(tokens=room_for_two)).think([long])


def test_what_cannot_think_is_refused() -> None:
    items_only = build_generator(DecoderConfig(hidden_size=8, intermediate_size=8, layers=1), tiny_catalogue(), 4)
    with pytest.raises(ArtifactError, match="knows items only"):
        ThinkingRecommender(items_only)
    with pytest.raises(ValidationError, match="would all be the same"):
        ThinkingConfig(thoughts=2)


def test_a_folder_says_whether_its_model_thinks(form: ThoughtForm, tmp_path: Path) -> None:
    assert ThoughtForm.load(tmp_path) is None
    form.save(tmp_path)
    assert ThoughtForm.load(tmp_path) == form
    assert json.loads((tmp_path / "reasoning.json").read_text())["mark"] == END_OF_THOUGHT
    (tmp_path / "reasoning.json").write_text('{"before": []}')
    with pytest.raises(ArtifactError, match="is broken"):
        ThoughtForm.load(tmp_path)
