"""Take out an item and put it back, version after version, until killed.

python store_writer.py RUN
"""

import random
import sys
import time
from pathlib import Path

import numpy as np

from genrec.semantic_ids import CatalogueStore, Snapshot
from genrec.semantic_ids.catalogue import Catalogue


def last_moved_to_the_end(before: Snapshot) -> Catalogue:
    """Return the catalogue with its first item after all others, so that every version differs."""
    return before.catalogue.take(np.roll(np.arange(len(before.catalogue)), -1))


def main(run: Path) -> None:
    """Write versions and print the number of each that is complete."""
    store = CatalogueStore(run)
    while True:
        print(store.change("turn", last_moved_to_the_end).number, flush=True)
        time.sleep(random.random() * 0.04)  # a lock goes to whoever asks first, so let others ask


if __name__ == "__main__":
    main(Path(sys.argv[1]))
