"""What keeping keys and values between a user's requests could save at most, before anybody builds it.

    python benchmarks/prefix_cache.py --run runs/demo
    python benchmarks/prefix_cache.py --run runs/demo --hidden 512 --layers 8 --history 200

A user's history grows by one item. With the keys and values of the earlier prompt kept, the model would read the
new item's tokens and not the whole prompt. The bound: time of the prefill less the time to read one item alone, as
a share of the whole search's time. It is generous: reading an item with a history's keys before it takes longer
than alone, and a request over HTTP is more than its search.

The earlier prompt is a prefix of the new one only while the history is shorter than the window that the generator
reads. After that every token moves, and what the deeper layers keep of it depended on items that are gone. "can be
used" is the share of the log's interactions that come while their user's history still fits.

Times are the processor's, on one thread, and the least of several: others may share the machine.

With --hidden and --layers a random decoder of that size is measured, on the run's catalogue; times do not depend on
the weights' values.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from genrec.data import Dataset
from genrec.decoding import Recommender
from genrec.models import DecoderConfig, Generator, build_generator

BEAMS, PLACES, ROUNDS = 50, 10, 12


def main() -> None:
    args = arguments()
    torch.set_num_threads(1)
    generator = Generator.from_pretrained(args.run / "generator")
    if args.hidden:
        config = DecoderConfig(
            hidden_size=args.hidden, intermediate_size=4 * args.hidden, layers=args.layers, heads=args.hidden // 64
        )
        generator = build_generator(config, generator.catalogue, args.history)
    if generator.reads_events:
        raise SystemExit("The run's generator reads events, not tokens; this is about decoder-only generators.")
    print(f"{sum(weight.numel() for weight in generator.model.parameters()):,} parameters, {BEAMS} beams")
    lengths = np.diff(Dataset.load(args.run / "dataset").sequences.offsets)
    fits = np.minimum(lengths, generator.history_length).sum() / lengths.sum()
    print(f"can be used: {fits:.0%} of interactions come while the history is below {generator.history_length}")
    print("batch  history  search ms  prefill ms  one item ms  saved at most")
    for batch in (1, 8):
        for history in sorted({10, 25, generator.history_length // 2, generator.history_length - 1}):
            print(row(Recommender(generator), batch, history))


def row(recommender: Recommender, batch: int, history: int) -> str:
    """Measure requests of one length."""
    rng = np.random.default_rng(0)
    generator, stepper = recommender.generator, recommender._serving.search.stepper
    histories = [rng.choice(len(recommender.catalogue), history, replace=False) for _ in range(batch)]
    prompts = generator.prompts(histories)
    levels = recommender.catalogue.codes.shape[1]
    with torch.no_grad():
        search = seconds(lambda: recommender.recommend(histories, PLACES, BEAMS))
        prefill = seconds(lambda: stepper.start(prompts, 1))
        item = seconds(lambda: stepper.start([prompt[-levels:] for prompt in prompts], 1))
    share = (prefill - item) / search
    times = f"{1000 * search:9.1f}  {1000 * prefill:10.1f}  {1000 * item:11.1f}"
    return f"{batch:5}  {history:7}  {times}  {share:13.0%}"


def seconds(work: Callable[[], object]) -> float:
    """Return the shortest processor time of a call."""
    times = []
    for _ in range(ROUNDS):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=Path("runs/demo"), help="a run with a decoder-only generator")
    parser.add_argument("--hidden", type=int, default=0, help="measure a random decoder of this width instead")
    parser.add_argument("--layers", type=int, default=6, help="its layers")
    parser.add_argument("--history", type=int, default=200, help="the items of a history that it reads")
    return parser.parse_args()


if __name__ == "__main__":
    main()
