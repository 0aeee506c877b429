"""How a process treats its memory."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource
import numpy as np
from genrec.processes import keep_freed_memory

if {kept}:
    keep_freed_memory()

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

np.ones(2**23)
before = faults()
for _ in range(20):
    np.ones(2**23)  # 64 MiB
print(faults() - before)
"""


def faults(kept: bool) -> int:
    """Return the pages that the system had to hand out for the same 64 MiB, twenty times."""
    program = PROGRAM.format(kept=kept)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is about glibc")
def test_freed_memory_is_kept() -> None:
    assert faults(kept=True) < 0.1 * faults(kept=False)
