"""Which columns of numbers and how large a network for so many rows: the recipe that `init` writes, with the reason.

What it reaches on real tables is in docs/figures.md, "What init proposes".

>>> recipe(13_210).numbers, recipe(13_210).hidden
('piecewise-linear', [256, 128])
>>> recipe(400).why
'400 training rows: numbers as z-scores, after a chain of steps where they are far from normal; from 2,000 to \
100,000 they are piecewise-linear'
"""

from typing import NamedTuple

import numpy as np

from mlp_torch.proposal.columns import Numbers

BEND, MANY = 2000, 100_000  # training rows between which numbers are piecewise-linear: beyond, it gained nothing
# from so many training rows on: epochs, epochs of patience, hidden widths
EFFORT = {100_000: (20, 3, [256, 128]), 10_000: (40, 5, [256, 128]), 2000: (100, 10, [128, 64]), 0: (200, 20, [64, 32])}


class Recipe(NamedTuple):
    """What is proposed for so many rows.

    Args:
        numbers: what becomes of numbers.
        epochs: at most.
        patience: epochs without a better validation loss.
        hidden: widths of the layers.
        batch_size: a power of two that gives an epoch about fifty steps, within [32, 1024].
        why: a sentence.
    """

    numbers: Numbers
    epochs: int
    patience: int
    hidden: list[int]
    batch_size: int
    why: str

    def steps(self, rows: int) -> int:
        """Batches of an epoch of so many training rows."""
        return -(-rows // self.batch_size)


def recipe(rows: int, *, has_numbers: bool = True) -> Recipe:
    """The recipe for a table.

    Args:
        rows: training rows.
        has_numbers: whether a field is a number, of which the reason then speaks.
    """
    epochs, patience, hidden = next(effort for least, effort in EFFORT.items() if rows >= least)
    numbers: Numbers = "piecewise-linear" if BEND <= rows < MANY else "chains"
    batch_size = int(2 ** np.clip(round(np.log2(max(rows, 1) / 50)), 5, 10))
    return Recipe(
        numbers, epochs, patience, hidden, batch_size, f"{rows:,} training rows{reason(numbers) if has_numbers else ''}"
    )


def reason(numbers: Numbers) -> str:
    """Why a recipe makes this of numbers."""
    if numbers == "chains":
        chains = "as z-scores, after a chain of steps where they are far from normal"
        return f": numbers {chains}; from {BEND:,} to {MANY:,} they are piecewise-linear"
    return (
        ": numbers are piecewise-linear, which closes most of a network's gap to trees and asks for no tuning; "
        f"below {BEND:,} and from {MANY:,} on they are z-scores"
    )
