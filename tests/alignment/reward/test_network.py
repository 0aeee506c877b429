"""The reward model: attention by hand, padding that changes nothing, HoME's neutral gates, saving and reading."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from genrec.data.features import Features
from genrec.errors import ArtifactError
from genrec.models.histories import Events
from genrec.semantic_ids import Catalogue
from genrec_alignment.reward.attention import SessionAttention, TargetAttention
from genrec_alignment.reward.configuration import SessionRewardConfig
from genrec_alignment.reward.fusion import PScore, StageScore
from genrec_alignment.reward.home import Experts, FeatureGate, FeatureLora, Home
from genrec_alignment.reward.inputs import RewardInputs
from genrec_alignment.reward.network import SessionRewardModel
from genrec_alignment.reward.scorer import RewardScorer
from tests.alignment.reward.worlds import ITEMS, SMALL, small_catalogue

BODIES = ("shared_bottom", "mmoe", "home")
ROOT = math.sqrt(2.0)


def make_scorer(
    body: str = "shared_bottom",
    weights: tuple[float, float] = (1.0, -0.5),
    merge: str = "weights",
    after: tuple[str, str] = ("", ""),
) -> RewardScorer:
    torch.manual_seed(0)
    catalogue = small_catalogue()
    config = SessionRewardConfig(
        items=ITEMS,
        content_size=8,
        objectives=["like", "dislike"],
        weights=list(weights),
        merge=merge,
        after=list(after),
        groups=["good", "bad"],
        shape=SMALL | {"body": body},
        catalogue_digest=catalogue.digest,
    )
    model = SessionRewardModel(config)
    model.set_content(torch.randn(ITEMS, 8))
    return RewardScorer(model, RewardInputs(catalogue, Features({}), 16))


def identity(*layers: torch.nn.Linear) -> None:
    with torch.no_grad():
        for layer in layers:
            layer.weight.copy_(torch.eye(len(layer.weight)))
            if layer.bias is not None:
                layer.bias.zero_()


def test_target_attention_by_hand() -> None:
    attention = TargetAttention(2, 1)
    identity(attention.query, attention.key, attention.value)
    items = torch.tensor([[[ROOT, 0.0]]])
    behaviors = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [9.0, 9.0]]])
    seen = attention(items, behaviors, torch.tensor([[True, True, False]]))
    # Scores: sink 0, then (√2 · 1) / √2 = 1, then 0; the third behaviour is padding.
    total = 2 + np.e
    torch.testing.assert_close(seen, torch.tensor([[[np.e / total, 1 / total]]], dtype=torch.float32))


def test_session_attention_by_hand() -> None:
    attention = SessionAttention(2, 1)
    identity(attention.query, attention.key, attention.value)
    items = torch.tensor([[[ROOT, 0.0], [0.0, 0.0], [7.0, 7.0]]])
    seen = attention(items, torch.tensor([[True, True, False]]))
    first = math.exp(ROOT) / (math.exp(ROOT) + 1)
    torch.testing.assert_close(seen[0, 0, 0], torch.tensor(first * ROOT, dtype=torch.float32))
    torch.testing.assert_close(seen[0, 1, 0], torch.tensor(ROOT / 2, dtype=torch.float32))


def test_feature_lora_is_exactly_one_while_a_matrix_is_zero() -> None:
    vectors = torch.randn(5, 8)
    lora = FeatureLora(8, 4)
    assert torch.equal(lora(vectors), torch.ones(5, 8))
    torch.nn.init.normal_(lora.A)
    assert not torch.equal(lora(vectors), torch.ones(5, 8))
    torch.nn.init.zeros_(lora.B.weight)
    assert torch.equal(lora(vectors), torch.ones(5, 8))
    torch.testing.assert_close(FeatureGate(8, 2)(vectors), vectors)


def test_an_expert_of_home_normalises_before_its_activation() -> None:
    experts = Experts(8, 2, 2)
    out = experts(100 + torch.randn(64, 8))
    linear, norm, _ = experts.experts[0]
    normal = norm(linear(experts.feature_gate(100 + torch.randn(64, 8))))
    assert float(normal.mean(0).abs().max().detach()) < 1e-3
    assert out.shape == (64, 2, 8)
    assert float((out < 0).float().mean()) > 0.1  # Swish lets negatives through, unlike ReLU


def test_home_masks_the_other_group() -> None:
    home = Home(8, 2, 2, ["good", "bad"]).eval()
    vectors = torch.randn(3, 8)
    before = home(vectors)[0]
    with torch.no_grad():
        for module in (home.second[1], home.own[1]):  # "bad" is the first group, and the second objective
            for weights in module.parameters():
                weights.add_(1.0)
    assert torch.equal(home(vectors)[0], before)
    with torch.no_grad():
        home.second[2].experts[0][0].bias.add_(1.0)
    assert not torch.equal(home(vectors)[0], before)


@pytest.mark.parametrize("body", BODIES)
def test_padding_changes_nothing(body: str) -> None:
    scorer = make_scorer(body)
    histories = [np.array([1, 2, 3]), np.array([], dtype=int), np.arange(14)]
    sessions = np.array([[[3, 5, -1]], [[7, 8, 9]], [[23, -1, -1]]])
    together = scorer.score(histories, sessions).objectives
    for row, session in enumerate(([3, 5], [7, 8, 9], [23])):
        alone = scorer.score([histories[row]], np.array([[session]])).objectives
        np.testing.assert_allclose(alone[0], together[row], atol=1e-6)


@settings(max_examples=10, deadline=None)
@given(st.permutations([2, 4, 6, 8]), st.lists(st.integers(0, ITEMS - 1), max_size=6))
def test_a_session_is_a_set(order: list[int], history: list[int]) -> None:
    scorer = SCORER
    pair = np.array([[[2, 4, 6, 8], order]])
    scores = scorer.score([np.array(history, dtype=int)], pair).merged
    assert scores[0, 0] == pytest.approx(scores[0, 1], abs=1e-5)


def test_the_loss_is_of_the_session_and_of_each_item_alone() -> None:
    scorer = make_scorer()
    histories = scorer.inputs.histories([np.array([1, 2])])
    labels, item_labels = torch.tensor([[[0.5, 0.0]]]), torch.tensor([[[[1.0, 0.0], [0.0, 0.0], [9.0, 9.0]]]])
    together, alone = np.array([[[3, 5, -1]]]), np.array([[[3, -1, -1], [5, -1, -1]]])
    with torch.no_grad():
        loss = scorer.model.loss(histories, scorer.inputs.sessions(together), labels, item_labels)
        logits = [scorer.model(histories, scorer.inputs.sessions(items))[0] for items in (together, alone)]
    cross_entropy = torch.nn.functional.binary_cross_entropy_with_logits
    whole = cross_entropy(logits[0], labels[0], reduction="sum")
    single = cross_entropy(logits[1], item_labels[0, 0, :2], reduction="sum") / 2
    torch.testing.assert_close(loss, whole + single)


def test_an_item_is_its_vector() -> None:
    scorer = make_scorer()
    content = scorer.model.vectors.content
    assert not content[0].any()  # padding
    content[1 + 4] = content[1 + 7]
    scores = scorer.score([np.array([1, 2])], np.array([[[4], [7], [8]]])).merged[0]
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)
    assert scores[0] != pytest.approx(scores[2], abs=1e-4)


def test_the_user_and_the_neighbours_count() -> None:
    scorer = make_scorer()
    sessions = np.array([[[3, -1], [3, 5]]])
    one, other = (scorer.score([np.array(history)], sessions).objectives for history in ([1, 2], [20, 21]))
    assert not np.allclose(one, other)
    assert not np.allclose(one[0, 0], one[0, 1])


def test_merged_is_the_weighted_sum_and_an_empty_session_never_wins() -> None:
    scores = make_scorer().score([np.array([1])], np.array([[[3, 4], [-1, -1]]]))
    assert scores.names == ("like", "dislike")
    assert scores.merged[0, 0] == pytest.approx(scores.objectives[0, 0] @ [1.0, -0.5], abs=1e-6)
    assert scores.merged[0, 1] == -0.5
    assert not scores.objectives[0, 1].any()


def test_the_p_score_is_one_more_column_and_its_loss_turns_what_weighs_against() -> None:
    score = PScore(4, [1.0, -0.5])
    labels = torch.tensor([[1.0, 1.0], [0.25, 0.0]])
    logits = torch.tensor([[0.0], [math.log(3)]])  # .5 and .75
    first = (1 + 0.5) * math.log(2)
    second = -(0.25 * math.log(0.75) + 0.75 * math.log(0.25)) - 0.5 * math.log(0.75)
    assert score.cross_entropy(logits, labels).item() == pytest.approx((first + second) / 2, abs=1e-6)

    scorer, plain = make_scorer(merge="p_score"), make_scorer()
    plain.model.load_state_dict(scorer.model.state_dict(), strict=False)
    sessions = np.array([[[3, 4], [7, -1], [-1, -1]]])
    found, expected = scorer.score([np.array([1])], sessions), plain.score([np.array([1])], sessions)
    np.testing.assert_allclose(found.objectives, expected.objectives, atol=1e-6)
    assert (found.merged[0, :2] > 0).all()
    assert found.merged[0, 2] == 0.0
    assert not np.allclose(found.merged, expected.merged)


def test_the_stage_score_compares_items_of_one_session_by_hand() -> None:
    score = StageScore(4, [1.0, 2.0])  # shown, clicked
    mask = torch.tensor([[True, True, True], [True, True, False]])
    labels = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    assert score.stages(labels).tolist() == [2.0, 1.0, 0.0, 1.0, 1.0]
    alone = torch.tensor([[0.5], [1.0], [0.0], [3.0], [9.0]])
    # Clicked over shown, clicked over nothing, shown over nothing; the second session has a tie and no pair.
    expected = sum(math.log1p(math.exp(gap)) for gap in (1.0 - 0.5, 0.0 - 0.5, 0.0 - 1.0)) / 3
    assert score.loss(alone, labels, alone, labels, mask).item() == pytest.approx(expected, abs=1e-6)
    ties = alone.clone().requires_grad_()
    score.loss(ties, labels, ties, labels.new_ones(5, 2), mask).backward()
    assert not ties.grad.any()


def test_an_objective_after_another_is_never_more_probable() -> None:
    scorer = make_scorer(after=("", "like"))
    found = scorer.score([np.array([1])], np.arange(ITEMS)[None, :, None]).objectives
    assert (found[..., 1] < found[..., 0]).all()


@pytest.mark.parametrize("body", [*BODIES, "p_score"])
def test_saved_and_read_again(body: str, tmp_path: Path) -> None:
    scorer = make_scorer(merge="p_score") if body == "p_score" else make_scorer(body)
    scorer.save_pretrained(tmp_path)
    again = RewardScorer.from_pretrained(tmp_path, small_catalogue())
    sessions = np.arange(ITEMS).reshape(2, 4, 3)
    histories = [Events(np.array([1, 2])), np.array([5])]
    expected = scorer.score(histories, sessions)
    np.testing.assert_array_equal(again.score(histories, sessions).objectives, expected.objectives)
    np.testing.assert_array_equal(again.score(histories, sessions).merged, expected.merged)
    assert not list(tmp_path.glob("*.bin"))


def test_another_catalogue_is_refused(tmp_path: Path) -> None:
    make_scorer().save_pretrained(tmp_path)
    own = small_catalogue()
    other = Catalogue(own.item_ids, own.codes[::-1].copy(), own.codebook_sizes, own.titles)
    with pytest.raises(ArtifactError, match="another catalogue"):
        RewardScorer.from_pretrained(tmp_path, other)
    with pytest.raises(ArtifactError, match="no reward model"):
        RewardScorer.from_pretrained(tmp_path / "nothing")


def test_weights_of_another_version_are_refused(tmp_path: Path) -> None:
    make_scorer().save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["vectors.project.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ArtifactError, match="another version of genrec"):
        RewardScorer.from_pretrained(tmp_path)


def test_what_cannot_be_scored_is_refused() -> None:
    scorer = make_scorer()
    with pytest.raises(ValueError, match="sessions must be"):
        scorer.score([np.array([1])], np.array([[[ITEMS]]]))
    with pytest.raises(ValueError, match="1 histories for 2"):
        scorer.score([np.array([1])], np.zeros((2, 1, 1), dtype=int))


SCORER = make_scorer()
