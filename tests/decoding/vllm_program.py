"""Run by test_vllm.py in a process of its own, since vLLM allows one engine a process.

    python vllm_program.py GENERATOR_FOLDER

Prints one JSON object: for each beam width what vLLM and the tree search return, and sampled tokens.
"""

from __future__ import annotations

import json
import os
import sys

os.environ.update(
    VLLM_CPU_KVCACHE_SPACE="1", VLLM_ENABLE_V1_MULTIPROCESSING="0", HF_HUB_OFFLINE="1", VLLM_LOGGING_LEVEL="ERROR"
)


def main(folder: str) -> None:
    """Search the same prompts with both."""
    import numpy as np
    from vllm import LLM, SamplingParams

    from genrec.decoding import TreeBeamSearch, Trie
    from genrec.decoding.vllm import engine_settings, search
    from genrec.models import Generator

    generator = Generator.from_pretrained(folder)
    catalogue = generator.catalogue
    prompts = [generator.prompt(np.arange(start, start + length)) for start, length in ((0, 3), (5, 12), (9, 1))]
    trie = Trie.build(catalogue.codes, catalogue.codebook_sizes)
    tree = TreeBeamSearch(generator.model, trie, generator.vocabulary.offsets)
    llm = LLM(
        folder,
        dtype="float32",
        max_model_len=generator.model.config.max_position_embeddings,
        block_size=32,
        enforce_eager=True,
        disable_log_stats=True,
        **engine_settings(beams=16),
    )
    sampling = SamplingParams(n=8, temperature=1.0, seed=0, max_tokens=6, ignore_eos=True, detokenize=False)
    sampled = llm.generate([{"prompt_token_ids": prompt} for prompt in prompts], sampling, use_tqdm=False)
    report: dict[str, object] = {"sampled": [list(one.token_ids) for of in sampled for one in of.outputs]}
    for beams in (4, 16):
        found, wanted = search(llm, catalogue, prompts, beams, generator.vocabulary), tree(prompts, beams=beams)
        report[str(beams)] = {
            "vllm": [found.items.tolist(), found.scores.tolist()],
            "tree": [wanted.items.tolist(), wanted.scores.tolist()],
        }
    print(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1])
