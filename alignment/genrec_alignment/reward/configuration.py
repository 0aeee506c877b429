"""Hugging Face configuration of reward models: the shape, and what of the data the weights depend on."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from transformers import PretrainedConfig


class SessionRewardConfig(PretrainedConfig):
    """Configuration of :class:`~genrec_alignment.reward.network.SessionRewardModel`.

    Args:
        items: how many items the catalogue has.
        content_size: width of the vectors that the items come with.
        feature_names: what is read of a history's events.
        feature_sizes: the number of values of each feature, "unknown" (0) counted.
        objectives: the name of each tower.
        weights: the weight of each in the merged reward.
        after: for each objective the one that must come first, or "".
        funnel: how those learn: ``esmm`` or ``chorus``.
        agreement: weight of ChorusCVR's agreement.
        merge: how the towers become one reward: ``weights``, ``p_score`` or ``stages``.
        groups: HoME's group of each.
        session_length: the longest session seen in training.
        shape: the fields of :class:`~genrec_alignment.reward.config.NetworkConfig` as plain data.
        catalogue_digest: of the catalogue whose ``item_index`` the model speaks.
    """

    model_type = "genrec_session_reward"

    items: int = 1
    content_size: int = 1
    feature_names: list[str] = field(default_factory=list)
    feature_sizes: list[int] = field(default_factory=list)
    objectives: list[str] = field(default_factory=lambda: ["like"])
    weights: list[float] = field(default_factory=lambda: [1.0])
    after: list[str] = field(default_factory=list)
    funnel: str = "esmm"
    agreement: float = 1.0
    merge: str = "weights"
    groups: list[str] = field(default_factory=lambda: ["interaction"])
    session_length: int = 5
    shape: dict[str, Any] = field(default_factory=dict)
    catalogue_digest: str = ""
