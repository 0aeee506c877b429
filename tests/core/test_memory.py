"""How a process treats its memory."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from genrec.memory import too_much

PROGRAM = """
import resource
import numpy as np
from genrec.memory import keep_freed_memory

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


IDLE = """
import time
import numpy as np
from genrec import memory

memory._IDLE, memory._SPELL, memory._LOOKS = 2**26, {spell}, 4
memory.keep_freed_memory()
below = np.ones(2**25)  # 256 MiB
above = np.ones(2**13)  # so that what is below is not the end of the heap
del below
held = memory.resident()
until = time.monotonic() + {patience}
while memory.resident() > held - 2**27 and time.monotonic() < until:
    time.sleep(0.05)
print(held - memory.resident() > 2**27)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is about glibc")
@pytest.mark.parametrize(("spell", "patience"), [(0.2, 20.0), (1000.0, 2.0)])
def test_what_lies_idle_for_a_spell_is_given_back_and_not_before(spell: float, patience: float) -> None:
    program = IDLE.format(spell=spell, patience=patience)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(spell < patience)


def test_a_gibibyte_or_half_of_what_is_used_may_lie_idle() -> None:
    assert not too_much(there=2**30, used=0)
    assert too_much(there=2**30 + 1, used=0)
    assert not too_much(there=6 * 2**30, used=4 * 2**30)
    assert too_much(there=6 * 2**30 + 1, used=4 * 2**30)
