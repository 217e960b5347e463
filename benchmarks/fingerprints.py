"""Fingerprints against pyfarmhash, Google's C++ called in a loop, and codes of a vocabulary against a Python dict.

    python benchmarks/fingerprints.py

One thread, 1,000,000 rows of random words of 3 to 12 letters, contenders in turn, median of 9. The figures are ratios
of CPU seconds within this run. Ours starts from an Arrow array, the loop from a list of the same strings, and both end
in an int64 tensor; the loop as a list comprehension, which the goal is about, and by `np.fromiter`, its fastest form.
The dict starts from a list of Python integers or strings and ends in a list. The rows of one call at a time, as a
server asks for them, are medians of wall time.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import statistics
import time
from collections.abc import Callable, Iterable

import farmhash
import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from mlp_torch.column import Sample
from mlp_torch.ingest import fingerprint
from mlp_torch.ingest.fingerprint import arrow_fingerprints, fingerprints
from mlp_torch.representation.embeddings import Embedding
from mlp_torch.reproducibility.transform import Transform
from mlp_torch.script import script

ROWS = 1_000_000
ROUNDS = 9
ROW = ["UA", "N14228", "EWR", "IAH", "1545", "2013-01-01 05"]  # a flight's strings


def random_words(count: int) -> pa.LargeStringArray:
    """Distinct words of 3 to 12 letters and digits, each length as often, but for the few short ones there are."""
    draw = np.random.default_rng(0)
    letters = draw.choice(np.frombuffer(b"abcdefghijklmnopqrstuvwxyz0123456789", np.uint8), (2 * count, 12))
    lengths = draw.integers(3, 13, 2 * count)
    words = [row[:length].tobytes().decode() for row, length in zip(letters, lengths, strict=True)]
    return pa.array(list(dict.fromkeys(words))[:count], pa.large_string())


def by_google(strings: list[str]) -> Tensor:
    """The loop as one writes it."""
    return torch.from_numpy(np.array([farmhash.fingerprint64(string) for string in strings], np.uint64).view(np.int64))


def without_a_list(strings: list[str]) -> Tensor:
    """The loop straight into an array."""
    found = np.fromiter((farmhash.fingerprint64(string) for string in strings), np.uint64, len(strings))
    return torch.from_numpy(found.view(np.int64))


def seconds(*contenders: Callable[[], object]) -> list[float]:
    """The median CPU seconds of each contender."""
    taken: list[list[float]] = [[] for _ in contenders]
    for _ in range(ROUNDS):
        for contender, own in zip(contenders, taken, strict=True):
            started = time.process_time()
            contender()
            own.append(time.process_time() - started)
    return [statistics.median(own) for own in taken]


def microseconds(contender: Callable[[], object]) -> float:
    """The median wall time of a short call."""
    taken = []
    for _ in range(2000):
        started = time.perf_counter()
        contender()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1e6


def of_strings(name: str, array: pa.LargeStringArray, goal: float) -> None:
    """Fingerprints of a column."""
    strings = array.to_pylist()
    assert torch.equal(arrow_fingerprints(array), by_google(strings))
    ours, google, fastest = seconds(
        lambda: arrow_fingerprints(array), lambda: by_google(strings), lambda: without_a_list(strings)
    )
    fromiter = f"{fastest / ours:.2f} of np.fromiter's; {ours / len(array) * 1e9:.0f} ns a row"
    print(f"{name:<40} {google / ours:5.2f} of pyfarmhash's speed (goal: at least {goal}); {fromiter}")


def of_a_row() -> None:
    """One row's six strings: never seen, and remembered."""

    def never_seen() -> None:
        fingerprint._memo.clear()
        fingerprints(ROW)

    cold, warm = microseconds(never_seen), microseconds(lambda: fingerprints(ROW))
    print(f"{'a row of 6 words never seen':<40} {cold:5.0f} µs (goal: less than 600); remembered: {warm:.1f} µs")


def looked_up(words: int) -> None:
    """Codes of a vocabulary, by the scripted Transform."""
    array = random_words(words)
    known = arrow_fingerprints(array)
    rows = torch.from_numpy(np.random.default_rng(1).integers(0, words, ROWS))
    inputs = {"word:string": known[rows]}
    column = Embedding("word", dim=4)
    transform = Transform({"word": column}).fit(Sample({"word:string": known}, torch.zeros(words), lambda read: []))
    scripted = script(transform)
    codes = column.encode({"word:string": known}).tolist()
    by_fingerprint = dict(zip(known.tolist(), codes, strict=True))
    by_string = dict(zip(array.to_pylist(), codes, strict=True))
    fingerprint_list = inputs["word:string"].tolist()
    string_list = array.take(pa.array(rows.numpy())).to_pylist()
    assert scripted(inputs)["word"].tolist() == in_dict(by_string, string_list)
    ours, integers, strings = seconds(
        lambda: scripted(inputs),
        lambda: in_dict(by_fingerprint, fingerprint_list),
        lambda: in_dict(by_string, string_list),
    )
    name = f"codes in a vocabulary of {words:,}"
    row = {"word:string": known[:1]}
    against = f"{ours / strings:.2f} with strings as keys; one row {microseconds(lambda: scripted(row)):.0f} µs"
    print(f"{name:<40} {ours / integers:5.2f} of a dict's time (goal: at most 0.5); {against}")


def in_dict(table: dict, keys: Iterable) -> list[int]:  # type: ignore[type-arg]  # of integers or of strings
    return [table.get(key, 0) for key in keys]


def main() -> None:
    """Prints a line for each figure."""
    torch.set_num_threads(1)
    distinct = random_words(ROWS)
    of_strings("1,000,000 distinct words", distinct, 0.6)
    some = np.random.default_rng(1).integers(0, 50_000, ROWS)
    of_strings("50,000 words repeat over 1,000,000 rows", distinct[:50_000].take(pa.array(some)), 3)
    of_a_row()
    for words in (100, 100_000):
        looked_up(words)


if __name__ == "__main__":
    main()
