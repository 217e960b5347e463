"""What training would refuse of rows beyond their single cells: labels, splits and keys, block by block.

Judged: rows without a label, labels that are no class, one class, a target that looks continuous, another number of
classes than the head has; rows without a split, empty splits and ones that weigh nothing; rows without a key and
repeated keys. Not judged: what only a fit can tell (a column's own refusals), and a target that is fitted on anything
but one field of text.
Memory: a block, and of the labels 8 bytes a training row for a moment; keys wait on disk.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from mlp_torch import files
from mlp_torch.errors import DataError, Problem
from mlp_torch.head import Head
from mlp_torch.ingest.arrow_file import read_arrow, write_arrow
from mlp_torch.ingest.checks import Checked
from mlp_torch.ingest.inputs import missing_key, to_inputs, without_key, words_of
from mlp_torch.ingest.reads import Inputs, Read
from mlp_torch.reproducibility.everywhere import rows_of
from mlp_torch.reproducibility.split import SPLITS, TRAIN, check_sizes
from mlp_torch.serving.keys import occurrences, repeated
from mlp_torch.training.table.definition import Definition, check_weights, weighed
from mlp_torch.training.table.prepared import numbered
from mlp_torch.validation.labels import Labels


class Rehearsal:
    """Training without the training.

    Args:
        wanted: what the rows are to become; its target is fitted by `close`.
        head: what judges the classes: (d_in, target, members=…) -> a head; None = it is not asked.
        folder: for keys; it must be there.

    Attributes:
        sizes: rows of each split, and of "no split".
    """

    def __init__(self, wanted: Definition, head: Callable[..., Head] | None, folder: Path):
        self.wanted, self.head, self.folder = wanted, head, folder
        self.reads, self.labels, self.pieces, self.unit = wanted.reads(), Labels(wanted.target), 0, "row"
        self.sizes = dict.fromkeys([*SPLITS, "no split"], 0)
        self.totals = dict.fromkeys(SPLITS, 0.0)  # of weights

    def add(self, checked: Checked) -> Iterator[Problem]:
        """What is wrong with a block's rows."""
        self.unit = checked.places.unit
        inputs = to_inputs(checked, self.reads)
        try:
            with numbered(checked):
                index = self.wanted.split.assign(inputs, words_of(checked))
        except DataError as error:
            yield from error.problems
            index = torch.full((len(checked.keep),), -1)
        else:
            for name, rows in rows_of(self.wanted.split, index).items():
                self.sizes[name] += len(rows)
            self.sizes["no split"] += int((index == -1).sum())
            yield from self.weigh(checked, inputs, index)
        yield from self.labels.add(checked, inputs, index == TRAIN)
        yield from self.keys(checked)

    def weigh(self, checked: Checked, inputs: Inputs, index: Tensor) -> Iterator[Problem]:
        """What is wrong with a block's weights; their sums by split are added up, and unknown once one is wrong."""
        try:
            with numbered(checked):
                weight = weighed(self.wanted.weight, inputs, len(index)).double()
        except DataError as error:
            yield from error.problems
            weight = torch.full((len(index),), torch.nan)
        for name, rows in rows_of(self.wanted.split, index).items():
            self.totals[name] += float(weight[rows].sum())

    def keys(self, checked: Checked) -> Iterator[Problem]:
        """Rows without a key; the others' wait for the end."""
        reads = self.wanted.key_reads()
        if not reads or not len(checked.keep):
            return
        gone = without_key(checked, reads)
        if gone.any():
            yield missing_key(checked, reads, gone)
        there = np.flatnonzero(~gone)
        found = occurrences(key_text(checked, reads).take(pa.array(there)), checked.keep[there], checked.places)
        files.write_part(self.piece(self.pieces), partial(write_arrow, found))
        self.pieces += 1

    def piece(self, number: int) -> Path:
        """The file with the keys of a block."""
        return self.folder / f"{number}.arrow"

    def close(self, *, sound: bool) -> Iterator[Problem]:
        """What is wrong with all rows together.

        Args:
            sound: whether every row could be split; else sizes and the head's view of them tell nothing.
        """
        refused = list(self.labels.problems())
        yield from refused
        if sound:
            index = torch.repeat_interleave(
                torch.tensor([0, 1, 2, 3, -1], dtype=torch.int8), torch.tensor(list(self.sizes.values()))
            )
            yield from told(lambda: check_sizes(index, needed=self.wanted.needed))
            totals = {name: (self.sizes[name], total) for name, total in self.totals.items()}
            yield from told(lambda: check_weights(self.wanted.weight, totals))
        if sound and not refused and self.head and self.wanted.target.classes:
            yield from told(lambda: self.fit_head(self.labels.y()))
        if self.pieces:
            tables = [partial(read_arrow, self.piece(number)) for number in range(self.pieces)]
            again = repeated(tables, "key", self.unit)
            columns = tuple(read.field for read in self.wanted.key_reads())
            yield from [replace(again, columns=columns, key="data.key", total=1)] if again else []

    def fit_head(self, y: Tensor) -> None:
        """Shows the head the training rows' classes. Raises DataError: `not_two_classes`, `one_class`."""
        assert self.head
        if len(y):
            self.head(1, self.wanted.target, members=1).fit(y, torch.ones(len(y)))


def told(act: Callable[[], object]) -> list[Problem]:
    """The problems that something raises."""
    try:
        act()
    except DataError as error:
        return error.problems
    return []


def key_text(checked: Checked, reads: Sequence[Read]) -> pa.Array:
    """The key of each kept row as text: of several fields `a, b`, with commas in them escaped."""
    parts = [checked.arrays[read.key].cast(pa.large_string()) for read in reads]
    if len(parts) == 1:
        return parts[0]
    escaped = [pc.replace_substring(pc.replace_substring(part, "\\", "\\\\"), ",", "\\,") for part in parts]
    return pc.binary_join_element_wise(*escaped, pa.scalar(", ", pa.large_string()))
