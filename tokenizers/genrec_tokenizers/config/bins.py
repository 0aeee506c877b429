"""How a codebook size splits into the bins of finite scalar quantization."""

from __future__ import annotations

import itertools

_MOST = 16


def bins_for(size: int) -> tuple[int, ...]:
    """Return the bins, one number a latent dimension, whose product is ``size``: many small ones.

    Pairs of twos become fours, because a dimension of two values says little; a two left over doubles the
    smallest bin, if that stays within 16. So 256 is 4 × 4 × 4 × 4, 48 is 3 × 4 × 4, and 32 is 4 × 8.

    Raises:
        ValueError: if a prime factor of ``size`` is above 16; the message names the nearest sizes that do.
    """
    bins = _split(size)
    if bins is None:
        below = next(other for other in range(size, 1, -1) if _split(other))
        above = next(other for other in itertools.count(size) if _split(other))
        raise ValueError(
            f"a codebook of {size} codes does not split into bins of at most {_MOST} values; "
            f"take {below} or {above}"
        )
    return bins


def _split(size: int) -> tuple[int, ...] | None:
    bins, rest = [], size
    for factor in (4, 2, *range(3, _MOST)):
        while rest % factor == 0:
            bins.append(factor)
            rest //= factor
    if rest > 1:
        return None
    bins.sort()
    if bins[0] == 2 and len(bins) > 1 and 2 * bins[1] <= _MOST:
        bins[:2] = [2 * bins[1]]
    return tuple(sorted(bins))
