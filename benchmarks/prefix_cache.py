"""What keeping keys and values of earlier histories saves (``serve.cache_mb``), and what it could save at most.

    python benchmarks/prefix_cache.py --run runs/demo
    python benchmarks/prefix_cache.py --run runs/demo --hidden 256 --layers 6 --history 200
    python benchmarks/prefix_cache.py --run runs/demo --hidden 256 --layers 6 --history 200 --kind encoder_decoder

A user's history grows by one item. With what was computed of the earlier prompt kept, the model reads the new item
and not the whole prompt. Measured are searches for histories of which the cache knows all but the last item
("cached"), for the same histories without a cache ("search"), and with a cache that knows other histories alone, to
tell what "a miss costs". The bound, "saved at most": time of the prefill less the time to read one item alone, as a
share of the whole search's time.

The earlier prompt is a prefix of the new one only while the history is shorter than the window that the generator
reads. After that every token moves, and what the deeper layers keep of it depended on items that are gone. "can be
used" is the share of the log's interactions that come while their user's history still fits.

Times are the processor's, on one thread, and the least of several: others may share the machine. The lists with and
without cache are compared as well.

With --hidden and --layers a random model of that size is measured, on the run's catalogue; times do not depend on
the weights' values.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from genrec.data import Dataset
from genrec.decoding import Recommender
from genrec.decoding.engines.opening import TreeEngine
from genrec.models import DecoderConfig, Generator, ModelConfig, build_generator
from genrec.models.onerec.config import EncoderDecoderConfig, LazyDecoderConfig

BEAMS, PLACES, CACHE_MB = 50, 10, 10_000
KINDS = ("decoder", "encoder_decoder", "lazy_decoder")
COLUMNS = ("batch", "history", "search ms", "prefill ms", "one item ms", "saved at most", "cached ms", "saved")
COLUMNS += ("a miss costs", "kB kept each")
Histories = list[npt.NDArray[np.int64]]


def main() -> None:
    args = arguments()
    torch.set_num_threads(1)
    generator = Generator.from_pretrained(args.run / "generator")
    if args.hidden:
        generator = build_generator(shape(args), generator.catalogue, args.history)
        generator.model.eval()
    parameters = sum(weight.numel() for weight in generator.model.parameters())
    print(f"{type(generator.model).__name__}, {parameters:,} parameters, {BEAMS} beams")
    lengths = np.diff(Dataset.load(args.run / "dataset").sequences.offsets)
    fits = np.minimum(lengths, generator.history_length).sum() / lengths.sum()
    print(f"can be used: {fits:.0%} of interactions come while the history is below {generator.history_length}")
    print("  ".join(COLUMNS))
    for batch in args.batches:
        for history in sorted({10, 25, generator.history_length // 2, generator.history_length - 1}):
            print(row(generator, batch, history, args.rounds), flush=True)


def shape(args: argparse.Namespace) -> ModelConfig:
    """Return the random model's settings; its encoder, where it has one, is causal."""
    sizes = {"hidden_size": args.hidden, "intermediate_size": 4 * args.hidden, "heads": args.hidden // 64}
    if args.kind == "decoder":
        return DecoderConfig(**sizes, layers=args.layers)
    if args.kind == "lazy_decoder":
        return LazyDecoderConfig(**sizes, layers=args.layers)
    half = max(1, args.layers // 2)
    return EncoderDecoderConfig(**sizes, encoder_layers=half, decoder_layers=half, causal_encoder=True)


def row(generator: Generator, batch: int, history: int, rounds: int) -> str:
    """Measure requests of one length."""
    rng = np.random.default_rng(0)
    histories, others = ([rng.permutation(len(generator.catalogue))[:history] for _ in range(batch)] for _ in "ab")
    plain, stepper = Recommender(generator), Recommender(generator)._serving.search.stepper
    with torch.no_grad():
        search = least(lambda: plain.recommend(histories, PLACES, BEAMS), rounds)
        prefill = least(lambda: stepper.start(generator.prompts(histories), 1), rounds)
        item = least(lambda: stepper.start(generator.prompts([one[-1:] for one in histories]), 1), rounds)
    cached = min(after(generator, [one[:-1] for one in histories], histories) for _ in range(rounds))
    missed = min(after(generator, others, histories) for _ in range(rounds))
    times = f"{1000 * search:9.1f}  {1000 * prefill:10.1f}  {1000 * item:11.1f}  {(prefill - item) / search:13.0%}"
    gain = f"{1000 * cached:9.1f}  {1 - cached / search:5.0%}  {missed / search - 1:12.0%}"
    return f"{batch:5}  {history:7}  {times}  {gain}  {kept(generator, histories) / 1000:12.0f}"


def after(generator: Generator, earlier: Histories, histories: Histories) -> float:
    """Return the time of a search whose cache has just seen earlier histories."""
    recommender = Recommender(generator, engine=TreeEngine(generator.model, CACHE_MB))
    recommender.recommend(earlier, PLACES, BEAMS)
    started = time.process_time()
    found = recommender.recommend(histories, PLACES, BEAMS)
    taken = time.process_time() - started
    if not np.allclose(found.scores, Recommender(generator).recommend(histories, PLACES, BEAMS).scores, atol=1e-4):
        raise SystemExit("The scores with the cache are not those without.")
    return taken


def kept(generator: Generator, histories: Histories) -> float:
    """Return the bytes that a history takes in the cache."""
    recommender = Recommender(generator, engine=TreeEngine(generator.model, CACHE_MB))
    recommender.recommend(histories, PLACES, BEAMS)
    return recommender.engine.cache_figures().bytes / len(histories)


def least(work: Callable[[], object], rounds: int) -> float:
    """Return the shortest processor time of a call."""
    times = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=Path("runs/demo"), help="a run with a generator")
    parser.add_argument("--kind", choices=KINDS, default=KINDS[0], help="of the random model")
    parser.add_argument("--hidden", type=int, default=0, help="measure a random model of this width instead")
    parser.add_argument("--layers", type=int, default=6, help="its layers; of an encoder-decoder half of them each")
    parser.add_argument("--history", type=int, default=200, help="the items of a history that it reads")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8], help="requests searched at once")
    parser.add_argument("--rounds", type=int, default=12, help="the least time of so many is told")
    return parser.parse_args()


if __name__ == "__main__":
    main()
