"""What papers give for Amazon Beauty and Sports (2014), leave one out, all items ranked: not made here.

Recall@5, NDCG@5, Recall@10, NDCG@10; None where no figure was at hand. TIGER's paper (arXiv:2305.05065) has SASRec
as S3-Rec's authors trained it. OneRec-Think's (arXiv:2510.11639) trained its baselines again, TIGER among them,
which is lower there than in TIGER's own paper.
"""

from __future__ import annotations

Figures = tuple[float | None, float | None, float, float]

PUBLISHED: dict[str, dict[str, Figures]] = {
    "beauty": {
        "TIGER": (0.0454, 0.0321, 0.0648, 0.0384),
        "ActionPiece": (None, None, 0.0775, 0.0424),
        "OneRec-Think": (0.0563, 0.0398, 0.0791, 0.0471),
        "SASRec in TIGER's paper": (0.0387, 0.0249, 0.0605, 0.0318),
        "SASRec in OneRec-Think's": (0.0402, 0.0254, 0.0607, 0.0320),
        "HSTU in OneRec-Think's": (0.0424, 0.0280, 0.0652, 0.0353),
        "GRU4Rec in OneRec-Think's": (0.0395, 0.0265, 0.0584, 0.0326),
        "BERT4Rec in OneRec-Think's": (0.0232, 0.0146, 0.0396, 0.0199),
    },
    "sports": {
        "TIGER": (0.0264, 0.0181, 0.0400, 0.0225),
        "ActionPiece": (None, None, 0.0500, 0.0264),
        "OneRec-Think": (0.0288, 0.0199, 0.0412, 0.0239),
        "SASRec in TIGER's paper": (0.0233, 0.0154, 0.0350, 0.0192),
        "SASRec in OneRec-Think's": (0.0199, 0.0106, 0.0301, 0.0141),
        "HSTU in OneRec-Think's": (0.0268, 0.0173, 0.0343, 0.0226),
    },
}
WARNING = (
    "These figures are the papers' own, not made here: other code and settings, often other semantic IDs and "
    "texts. The baselines above were trained and tuned again for this table, and SASRec's shows how far a method "
    "can be from what a paper gives for it. Compare a generator with the rows above, under one protocol."
)


def published_table(data: str) -> str:
    """Return Markdown with what papers give for a dataset."""
    lines = ["| as published | recall@5 | ndcg@5 | recall@10 | ndcg@10 |", "|---|---|---|---|---|"]
    for name, figures in PUBLISHED[data].items():
        lines.append(f"| {name} | {' | '.join('' if figure is None else f'{figure:.4f}' for figure in figures)} |")
    return "\n".join(lines)
