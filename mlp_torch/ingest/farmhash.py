"""FarmHash Fingerprint64 (`farmhashna::Hash64`, github.com/google/farmhash) in int64 tensor operations.

A port line by line: the uint64 arithmetic wraps, so int64 gives the same bits; only the shift to the right must be
made unsigned. Every function scripts. The names k0, k1, k2, mul and a to z are FarmHash's. For little-endian machines.

Shape: (M,) uint8 bytes, (N,) starts, (N,) lengths -> (N,) int64.

>>> pvd_and_a = torch.tensor([80, 86, 68, 65], dtype=torch.uint8)
>>> fingerprint_flat(pvd_and_a, torch.tensor([0, 3]), torch.tensor([3, 1]))
tensor([-6051061048400094667, -1531450017087491052])
"""

import torch
from torch import Tensor


def fingerprint_flat(data: Tensor, starts: Tensor, lengths: Tensor) -> Tensor:
    """Fingerprints of strings that lie in one run of bytes, in any order. Scripts.

    Args:
        data: (M,) uint8.
        starts: (N,) int64, the first byte of each string.
        lengths: (N,) int64, in bytes.

    Returns:
        (N,) int64.
    """
    data = torch.nn.functional.pad(data, [0, 8])  # a fetch of eight bytes reaches beyond a short string
    out = torch.empty_like(lengths)
    # 32k rows stay in the cache, and below the size at which torch starts OpenMP threads, which cost more than they
    # give here.
    for i in range(0, lengths.shape[0], 32000):
        out[i : i + 32000] = _block(data, starts[i : i + 32000], lengths[i : i + 32000])
    return out


def _block(data: Tensor, starts: Tensor, lengths: Tensor) -> Tensor:
    """Parts the rows by FarmHash's formulas; one that no string needs costs nothing."""
    shortest, longest = int(lengths.min()), int(lengths.max())
    out = torch.empty_like(lengths)
    ends = [-1, 16, 32, 64, max(longest, 65)]
    for i in range(1, len(ends)):
        if shortest > ends[i - 1] and longest <= ends[i]:
            return _of_length(data, starts, lengths, ends[i])
        if shortest <= ends[i] and longest > ends[i - 1]:
            rows = ((lengths > ends[i - 1]) & (lengths <= ends[i])).nonzero().squeeze(1)
            at, n = starts.index_select(0, rows), lengths.index_select(0, rows)
            if n.shape[0] > 0:
                out.index_copy_(0, rows, _of_length(data, at, n, ends[i]))
    return out


def _of_length(data: Tensor, at: Tensor, n: Tensor, longest: int) -> Tensor:
    if longest <= 16:
        return _up_to_16(data, at, n)
    if longest <= 32:
        return _up_to_32(data, at, n)
    if longest <= 64:
        return _up_to_64(data, at, n)
    return _beyond_64(data, at, n)


# FarmHash's constants, as functions because TorchScript has no module constants; literals of 2**63 and more are signed.
def _k0() -> int:
    return -4348849565147123417  # 0xc3a5c85c97cb3127


def _k1() -> int:
    return -5435081209227447693  # 0xb492b66fbe98f273


def _k2() -> int:
    return -7286425919675154353  # 0x9ae16a3b2f90404f


def _fetch(data: Tensor, at: Tensor, count: int) -> Tensor:
    """(M,), (N,) -> (N, count): the little-endian words of eight bytes that begin at each row's byte."""
    return torch.view_copy(data.unfold(0, 8 * count, 1).index_select(0, at), dtype=torch.int64)


def _shift_right(x: Tensor, bits: int) -> Tensor:
    """Unsigned shift; 2 ≤ bits ≤ 63."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _rotate(x: Tensor, bits: int) -> Tensor:
    return _shift_right(x, bits) | (x << (64 - bits))


def mix(x: Tensor) -> Tensor:
    return x ^ _shift_right(x, 47)


def _join(u: Tensor, v: Tensor, mul: Tensor) -> Tensor:
    """FarmHash's HashLen16: two words to one."""
    a = mix((u ^ v) * mul)
    return mix((v ^ a) * mul) * mul


def _up_to_16(data: Tensor, at: Tensor, n: Tensor) -> Tensor:
    """Each formula for all rows, if some row needs it: to part them takes as long for many and longer for a few."""
    shortest = int(n.min())
    mul = n * 2 + _k2()
    first = _fetch(data, at, 1).squeeze(1)
    # 8 to 16 bytes: the first and the last eight
    a = first + _k2()
    b = _fetch(data, at + (n - 8).clamp(min=0), 1).squeeze(1)
    c = _rotate(b, 37) * mul + a
    d = (_rotate(a, 25) + b) * mul
    if shortest >= 8:
        return _join(c, d, mul)
    # 4 to 7 bytes: the first and the last four
    e = n + ((first & 0xFFFFFFFF) << 3)
    f = (first >> ((n - 4).clamp(min=0, max=3) << 3)) & 0xFFFFFFFF
    some = _join(torch.where(n >= 8, c, e), torch.where(n >= 8, d, f), mul)
    if shortest >= 4:
        return some
    # 1 to 3 bytes: the first, the middle, the last
    middle = (first >> ((n >> 1).clamp(max=3) << 3)) & 255
    last = (first >> ((n - 1).clamp(min=0, max=3) << 3)) & 255
    y = (first & 255) + (middle << 8)
    z = n + (last << 2)
    few = mix((y * _k2()) ^ (z * _k0())) * _k2()
    return torch.where(n >= 4, some, torch.where(n > 0, few, _k2()))


def _up_to_32(data: Tensor, at: Tensor, n: Tensor) -> Tensor:
    mul = n * 2 + _k2()
    a, b = _fetch(data, at, 2).unbind(1)
    d, c = _fetch(data, at + (n - 16), 2).unbind(1)
    a, c, d = a * _k1(), c * mul, d * _k2()
    return _join(_rotate(a + b, 43) + _rotate(c, 30) + d, a + _rotate(b + _k2(), 18) + c, mul)


def _up_to_64(data: Tensor, at: Tensor, n: Tensor) -> Tensor:
    mul = n * 2 + _k2()
    a, b, e, f = _fetch(data, at, 4).unbind(1)
    g, h, d, c = _fetch(data, at + (n - 32), 4).unbind(1)
    a, c, d = a * _k2(), c * mul, d * _k2()
    y = _rotate(a + b, 43) + _rotate(c, 30) + d
    z = _join(y, a + _rotate(b + _k2(), 18) + c, mul)
    e, g, h = e * mul, (y + g) * mul, (z + h) * mul
    return _join(_rotate(e + f, 43) + _rotate(g, 30) + h, e + _rotate(f + a, 18) + g, mul)


def _beyond_64(data: Tensor, at: Tensor, n: Tensor) -> Tensor:
    """Rounds over all 64-byte chunks but the last, then one over the last 64 bytes, which may overlap them."""
    n, order = torch.sort(n)  # so that the rows with chunks left are the last ones
    at = at[order]
    x = torch.full_like(n, 81)  # FarmHash's seed
    y = x * _k1() + 113
    z = mix(y * _k2() + 113) * _k2()
    nothing = torch.zeros_like(n)
    first = _fetch(data, at, 1).squeeze(1)
    state = torch.stack([x * _k2() + first, y, z, nothing, nothing, nothing, nothing])  # (7, N)
    k1 = torch.full_like(n, _k1())
    chunks = (n - 1) // 64  # (N,) ascending
    for i in range(int(chunks[-1])):
        left = int((chunks <= i).sum())
        state[:, left:] = _round(state[:, left:], _fetch(data, at[left:] + 64 * i, 8), k1[left:], 1)
    x, y, z, v1, v2, w1, w2 = state.unbind(0)
    mul = ((z & 255) << 1) + _k1()
    w1 = w1 + ((n - 1) & 63)
    v1 = v1 + w1
    w1 = w1 + v1
    last = _fetch(data, at + (n - 64), 8)  # (N, 8)
    x, y, z, v1, v2, w1, w2 = _round(torch.stack([x, y, z, v1, v2, w1, w2]), last, mul, 9).unbind(0)
    found = _join(_join(v1, w1, mul) + mix(y) * _k0() + z, _join(v2, w2, mul) + x, mul)
    return torch.empty_like(found).index_copy_(0, order, found)


def _round(state: Tensor, chunk: Tensor, mul: Tensor, weight: int) -> Tensor:
    """(7, N), (N, 8) -> (7, N): eight words into the state x, y, z, v, w; x and z change places at the end."""
    x, y, z, v1, v2, w1, w2 = state.unbind(0)
    x = (_rotate(x + y + v1 + chunk[:, 1], 37) * mul) ^ (w2 * weight)
    y = _rotate(y + v2 + chunk[:, 6], 42) * mul + v1 * weight + chunk[:, 5]
    z = _rotate(z + w1, 33) * mul
    v1, v2 = _absorb(chunk[:, :4], v2 * mul, x + w1)
    w1, w2 = _absorb(chunk[:, 4:], z + w2, y + chunk[:, 2])
    return torch.stack([z, y, x, v1, v2, w1, w2])


def _absorb(quarter: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """FarmHash's WeakHashLen32WithSeeds: (N, 4) words into two."""
    a = a + quarter[:, 0]
    b = _rotate(b + a + quarter[:, 3], 21)
    c = a + quarter[:, 1] + quarter[:, 2]
    return c + quarter[:, 3], b + _rotate(c, 44) + a
