"""What runs a generator's model: three engines behind one interface, with the same items and scores from each.

    tree   tree-attention search in this process; every generator (:mod:`genrec.decoding.tree_beam`)
    vllm   vLLM; decoder-only generators (:mod:`genrec.decoding.engines.vllm`)
    hf     transformers' ``generate``; slow, decoder-only: what the others are held against

:class:`~genrec.decoding.Recommender` turns histories into what an engine searches, and takes any of them:

    recommender = Recommender.from_pretrained("runs/demo/generator", engine="vllm")
"""

from genrec.decoding.engines.base import ENGINES, Engine, Search, check_engine

__all__ = ["ENGINES", "Engine", "Search", "check_engine"]
