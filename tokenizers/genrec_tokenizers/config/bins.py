"""How a codebook size splits into the bins of finite scalar quantization."""

from __future__ import annotations

_MOST = 16


def bins_for(size: int) -> tuple[int, ...]:
    """Return the bins, one number a latent dimension, whose product is ``size``: many small ones, of 3 to 16.

    Pairs of twos become fours, because a dimension of two values says little; a two left over doubles the
    smallest bin. So 256 is 4 × 4 × 4 × 4, 48 is 3 × 4 × 4, and 32 is 4 × 8.

    Raises:
        ValueError: if a prime factor of ``size`` is above 16; the message names sizes near it that do.
    """
    bins = _split(size)
    if bins is None:
        near = sorted(range(max(2, size // 2), 2 * size), key=lambda other: (abs(other - size), other))
        possible = [other for other in near if _split(other) is not None][:3]
        raise ValueError(
            f"a codebook of {size} codes does not split into bins of at most {_MOST} values; "
            f"take {', '.join(map(str, possible))}"
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
    if 2 in bins and len(bins) > 1:
        bins.remove(2)
        bins[bins.index(min(bins))] *= 2
    return tuple(sorted(bins))
