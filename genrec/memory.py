"""How a process that computes for long treats its memory.

glibc takes large tensors from the system one by one and gives each back when it is freed; the system clears every
page of it again and again. Training on CPUs takes a tenth to a third less time where freed memory is kept for what
is allocated next (docs/experiments.md). Kept memory falls to pieces, though: where every batch has another shape,
as a language model's packed rows have, the process grows to several times what it uses. So what lies idle is given
back now and then.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
import time

# mallopt's parameters, from glibc's malloc.h, and the most it takes
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_MOST = 2**31 - 1
_AT_ONCE = 64 * 2**20  # bytes
_IDLE = 2**30  # bytes that may lie idle whatever is in use
_SPELL, _LOOKS = 30.0, 60  # seconds between two decisions, and how often it is looked in between what is in use


class _Mallinfo(ctypes.Structure):
    """What mallinfo2 returns, from glibc's malloc.h."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )


def keep_freed_memory() -> None:
    """Let the C library keep memory that is freed, but for what has not been in use for a while.

    Nothing happens where the C library is not glibc 2.33 or newer.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if not all(hasattr(libc, name) for name in ("mallopt", "mallinfo2", "malloc_trim")):
        return
    assert libc is not None
    for name, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _MOST), (_TOP_PAD, _AT_ONCE)):
        libc.mallopt(name, value)
    libc.mallinfo2.restype = _Mallinfo
    threading.Thread(target=_watch, args=(libc,), name="genrec-memory", daemon=True).start()


def _watch(libc: ctypes.CDLL) -> None:
    """Give back what lay idle for a whole spell: what a step uses at its height is not idle between the steps."""
    while True:
        most = 0
        for _ in range(_LOOKS):
            time.sleep(_SPELL / _LOOKS)
            most = max(most, int(libc.mallinfo2().uordblks))
        if too_much(resident(), most):
            libc.malloc_trim(0)


def too_much(there: int, used: int) -> bool:
    """Say whether a process holds so much more memory than it used at most that giving it back is worth its time.

    Args:
        there: bytes that the process has of the machine's memory.
        used: bytes that were in use, at most.
    """
    return there - used > max(_IDLE, used // 2)


def resident() -> int:
    """Return how many bytes of the machine's memory this process has."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 (a file of the kernel's)
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def spare_the_collector() -> None:
    """Take what is there by now from the garbage collector, which would go through all of it again and again.

    With torch those are so many objects that a full collection stops the process for .3 s. It is rare, but a
    service is there for long. For a process that is about to answer requests, once all is loaded.
    """
    gc.collect()
    gc.freeze()
