"""FarmHash Fingerprint64 (`farmhashna::Hash64`, github.com/google/farmhash) in int64 tensor operations.

A port line by line: the uint64 arithmetic wraps, so int64 gives the same bits; only the shift to the right must be
made unsigned. Every function scripts. The names k0, k1, k2, mul and a to z are FarmHash's.

Shape: (N, L) uint8, (N,) lengths -> (N,) int64.

>>> fingerprint_bytes(torch.tensor([[80, 86, 68], [65, 0, 0]], dtype=torch.uint8), torch.tensor([3, 1]))
tensor([-6051061048400094667, -1531450017087491052])
"""

import torch
from torch import Tensor


def fingerprint_bytes(content: Tensor, lengths: Tensor) -> Tensor:
    """Fingerprints of byte strings in rows, `farmhashna::Hash64`. Scripts.

    Args:
        content: (N, L) uint8; what follows a string's last byte is never used.
        lengths: (N,) int64, in bytes, at most L.

    Returns:
        (N,) int64.
    """
    words = _words(content)  # (N, W)
    if words.shape[1] <= 4:
        return _up_to_16(words, lengths)
    out = torch.empty_like(lengths)
    rows = (lengths <= 16).nonzero().squeeze(1)
    if rows.numel() > 0:
        out[rows] = _up_to_16(words[rows, :4], lengths[rows])
    rows = ((lengths > 16) & (lengths <= 32)).nonzero().squeeze(1)
    if rows.numel() > 0:
        out[rows] = _up_to_32(words[rows, :6], lengths[rows])
    rows = ((lengths > 32) & (lengths <= 64)).nonzero().squeeze(1)
    if rows.numel() > 0:
        out[rows] = _up_to_64(words[rows, :10], lengths[rows])
    rows = (lengths > 64).nonzero().squeeze(1)
    if rows.numel() > 0:
        out[rows] = _beyond_64(words[rows], lengths[rows])
    return out


# FarmHash's constants, as functions because TorchScript has no module constants; literals of 2**63 and more are signed.
def _k0() -> int:
    return -4348849565147123417  # 0xc3a5c85c97cb3127


def _k1() -> int:
    return -5435081209227447693  # 0xb492b66fbe98f273


def _k2() -> int:
    return -7286425919675154353  # 0x9ae16a3b2f90404f


def _words(content: Tensor) -> Tensor:
    """(N, L) uint8 -> (N, ceil(L / 8) + 2) int64, little-endian; the last two are there for `_fetch` to reach into."""
    padded = torch.nn.functional.pad(content, [0, (8 - content.shape[1] % 8) % 8 + 16])
    words = padded[:, 0::8].long()
    for byte in range(1, 8):
        words = words | (padded[:, byte::8].long() << (8 * byte))
    return words


def _fetch(words: Tensor, offset: Tensor) -> Tensor:
    """(N, W), (N,) -> (N,): the eight bytes that begin at each row's byte offset."""
    word = (offset >> 3).unsqueeze(1)
    bits = (offset & 7) << 3  # (N,) of the first word, before the offset
    low = words.gather(1, word).squeeze(1)
    high = words.gather(1, word + 1).squeeze(1)
    # A shift by 64 is undefined, so where bits = 0 each shift by 64 - bits is made in two steps.
    kept = ~((torch.full_like(bits, -1) << (63 - bits)) << 1)
    return ((low >> bits) & kept) | ((high << 1) << (63 - bits))


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


def _up_to_16(words: Tensor, n: Tensor) -> Tensor:
    first = words[:, 0]
    mul = n * 2 + _k2()
    # 8 to 16 bytes: the first and the last eight
    a = first + _k2()
    b = _fetch(words, (n - 8).clamp(min=0))
    c = _rotate(b, 37) * mul + a
    d = (_rotate(a, 25) + b) * mul
    # 4 to 7 bytes: the first and the last four
    e = n + ((first & 0xFFFFFFFF) << 3)
    f = _fetch(words, (n - 4).clamp(min=0)) & 0xFFFFFFFF
    some = _join(torch.where(n >= 8, c, e), torch.where(n >= 8, d, f), mul)
    # 1 to 3 bytes: the first, the middle, the last
    middle = (first >> ((n >> 1).clamp(max=3) << 3)) & 255
    last = (first >> ((n - 1).clamp(min=0, max=3) << 3)) & 255
    y = (first & 255) + (middle << 8)
    z = n + (last << 2)
    few = mix((y * _k2()) ^ (z * _k0())) * _k2()
    return torch.where(n >= 4, some, torch.where(n > 0, few, _k2()))


def _up_to_32(words: Tensor, n: Tensor) -> Tensor:
    mul = n * 2 + _k2()
    a = words[:, 0] * _k1()
    b = words[:, 1]
    c = _fetch(words, n - 8) * mul
    d = _fetch(words, n - 16) * _k2()
    return _join(_rotate(a + b, 43) + _rotate(c, 30) + d, a + _rotate(b + _k2(), 18) + c, mul)


def _up_to_64(words: Tensor, n: Tensor) -> Tensor:
    mul = n * 2 + _k2()
    a = words[:, 0] * _k2()
    b = words[:, 1]
    c = _fetch(words, n - 8) * mul
    d = _fetch(words, n - 16) * _k2()
    y = _rotate(a + b, 43) + _rotate(c, 30) + d
    z = _join(y, a + _rotate(b + _k2(), 18) + c, mul)
    e = words[:, 2] * mul
    f = words[:, 3]
    g = (y + _fetch(words, n - 32)) * mul
    h = (z + _fetch(words, n - 24)) * mul
    return _join(_rotate(e + f, 43) + _rotate(g, 30) + h, e + _rotate(f + a, 18) + g, mul)


def _beyond_64(words: Tensor, n: Tensor) -> Tensor:
    """Rounds over all 64-byte chunks but the last, then one over the last 64 bytes, which may overlap them."""
    k1 = torch.full_like(n, _k1())
    x = torch.full_like(n, 81)  # FarmHash's seed
    y = x * _k1() + 113
    z = mix(y * _k2() + 113) * _k2()
    nothing = torch.zeros_like(n)
    state = torch.stack([x * _k2() + words[:, 0], y, z, nothing, nothing, nothing, nothing])  # (7, N)
    chunks = (n - 1) // 64  # (N,)
    for i in range(int(chunks.max())):
        after = _round(state, words[:, i * 8 : i * 8 + 8], k1, 1)
        state = torch.where(chunks > i, after, state)
    x, y, z, v1, v2, w1, w2 = state.unbind(0)
    mul = ((z & 255) << 1) + _k1()
    w1 = w1 + ((n - 1) & 63)
    v1 = v1 + w1
    w1 = w1 + v1
    last = torch.stack([_fetch(words, n - 64 + 8 * i) for i in range(8)], dim=1)  # (N, 8)
    x, y, z, v1, v2, w1, w2 = _round(torch.stack([x, y, z, v1, v2, w1, w2]), last, mul, 9).unbind(0)
    return _join(_join(v1, w1, mul) + mix(y) * _k0() + z, _join(v2, w2, mul) + x, mul)


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
