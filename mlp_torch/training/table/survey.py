"""The first pass over a source that is larger than memory: every row checked, split, named and spilled.

It adds up what needs all rows: counts, problems, ranges of training rows, the fingerprint of the data, and where the
sample of each split ends. In memory it keeps two bytes a row.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mlp_torch.errors import DataError
from mlp_torch.ingest.block import Block
from mlp_torch.ingest.checks import Checked
from mlp_torch.ingest.inputs import key_fingerprints, key_problem, row_fingerprints, to_inputs, words_of
from mlp_torch.ingest.inspection import Inspection
from mlp_torch.ingest.notice import told
from mlp_torch.ingest.reads import Inputs, Read
from mlp_torch.reproducibility.split import SPLITS, TRAIN, check_sizes
from mlp_torch.training.table.definition import Definition, check_weights, labelled, weighed
from mlp_torch.training.table.prepared import Digest, faults, numbered
from mlp_torch.training.table.smallest import Smallest
from mlp_torch.training.table.spill import Spill
from mlp_torch.training.table.suspicions import rare_classes, same_rows

GROUPS = len(SPLITS) + 1  # rows in no split have a sample too, the last one


class Survey:
    """All rows of a source, and what is known of them before anything is fitted.

    Args:
        folder: for the spilled rows; it must be there.
        wanted: what the rows are to become.
        most: sampled rows of a split.

    Attributes:
        spill: the rows.
        schema: of all reads.
        counts: what the validator counted.
        ranges: least and greatest number of training rows by field.
        digest: of the Inputs, and later of y.
        index: (N,) int8, the split of each row; -1 = none.
        sampled: (N,) bool: of each split, and of the rows in none, those with the smallest fingerprints.
    """

    counts: dict[str, Any]
    index: Tensor
    sampled: Tensor

    def __init__(self, folder: Path, wanted: Definition, most: int):
        self.wanted, self.schema = wanted, wanted.schema()
        self.spill = Spill(folder, self.schema.reads)
        self.digest = Digest()
        self.ranges: dict[str, tuple[float, float]] = {}
        self.smallest = [Smallest(most) for _ in range(GROUPS)]
        self.first = 0  # row of the next block

    def read(self, blocks: Iterable[Block]) -> None:
        """Reads, checks, splits and spills all rows.

        Raises:
            DataError: with every problem of every block.
        """
        indices: list[Tensor] = []
        joined: dict[str, Any] = {}
        inspection = Inspection(self.schema)
        for block in blocks:
            if block.strict != inspection.schema.strict:
                self.schema = inspection.schema = replace(self.schema, strict=block.strict)
            joined = joined or faults(block, self.wanted.column_reads(), self.wanted.policies)
            if checked := inspection.check(block):
                try:
                    inputs, index, row = self.identified(checked)
                    indices.append(index)
                except DataError as error:
                    for problem in error.problems:
                        inspection.add(problem)
                if not inspection.problems:  # else there will be an error once all rows were looked at
                    self.add(checked, inputs, index, row)
            self.first += len(block.table)
        self.counts = inspection.close(training=True) | ({"joined": joined} if joined else {})
        self.index = torch.cat(indices)
        check_sizes(self.index, needed=self.wanted.needed)
        self.sampled = self.sample()

    def identified(self, checked: Checked) -> tuple[Inputs, Tensor, Tensor]:
        """A block as Inputs, and of each row the split, (n,) int8, and the fingerprint, (n,) int64."""
        inputs = to_inputs(checked, self.schema.reads.values())
        with numbered(checked):
            index = self.wanted.split.assign(inputs, words_of(checked))
        return inputs, index.to(torch.int8), row_names(checked, self.wanted.key_reads(), self.first)

    def add(self, checked: Checked, inputs: Inputs, index: Tensor, row: Tensor) -> None:
        """Keeps a block."""
        for number, smallest in enumerate(self.smallest):
            smallest.add(row[index % GROUPS == number])
        self.digest.update(inputs)
        self.stretch({key: x[index == TRAIN] for key, x in inputs.items()})
        self.spill.add(checked, inputs, row)

    def stretch(self, inputs: Inputs) -> None:
        """Widens the ranges of numbers to training rows."""
        for read in self.schema.reads.values():
            x = inputs[read.key]
            x = x[~x.isnan()] if read.kind == "number" else x[:0]
            if len(x):
                low, high = self.ranges.get(read.field, (float("inf"), -float("inf")))
                self.ranges[read.field] = min(low, float(x.min())), max(high, float(x.max()))

    def sample(self) -> Tensor:
        """(N,) bool, from the bounds of the splits."""
        bounds = torch.tensor([smallest.bound() for smallest in self.smallest])
        sampled = torch.zeros(len(self.index), dtype=torch.bool)
        for rows, block in self.spill.blocks():
            sampled[rows] = block.tensor("row") <= bounds[self.index[rows].long() % GROUPS]
        return sampled

    def check_keys(self) -> None:
        """Refuses keys that several sampled rows share; without a key there are none to share.

        Raises:
            DataError: `repeated_key`.
        """
        key = self.wanted.key_reads()
        if not key:
            return
        row = self.spill.take(["row"], self.sampled)["row"].numpy()
        _, inverse, counts = np.unique(row, return_inverse=True, return_counts=True)
        again = counts[inverse] > 1
        if again.any():
            keep = self.sampled.clone()
            keep[self.sampled] = torch.from_numpy(again)
            arrays = {read.key: self.spill.raw(read.key, keep) for read in key}
            at = np.arange(again.sum())
            rows = Checked(arrays, at, {}, [], self.spill.placed(keep), np.full(len(at), -1), [])
            found = key_problem("repeated_key", "a key must be there once", key, at, rows)
            raise DataError(replace(found, total=len(row)))

    def check_labels(self) -> None:
        """Refuses rows without a label, labels that the fitted target does not know, and weights that are none.

        Raises:
            DataError: `missing_label`, `unknown_label`, `invalid_weight`, `no_weight`.
        """
        inspection = Inspection(self.schema)
        inspection.counts["read"] = len(self.index)
        reads = [*self.wanted.target.reads.values(), *self.wanted.weight_reads()]
        reads = reads or self.wanted.transform.reads[:1]  # something that tells how many rows a block has
        totals = torch.zeros(GROUPS, dtype=torch.float64)
        for rows, block in self.spill.blocks():
            inputs = {read.key: block.tensor(read.key) for read in reads}
            try:
                y = labelled(self.wanted.target, inputs)
                weight = weighed(self.wanted.weight, inputs, len(y))
            except DataError as error:
                places = self.spill.placed(within(rows, len(self.index)))
                for problem in error.problems:
                    inspection.add(replace(problem, rows=places.of(map(int, problem.rows)), unit=places.unit))
            else:
                self.digest.update({"": y})
                totals.index_add_(0, self.index[rows].long() % GROUPS, weight.double())
        inspection.close()
        sizes = [int((self.index == number).sum()) for number in range(len(SPLITS))]
        check_weights(self.wanted.weight, dict(zip(SPLITS, zip(sizes, totals.tolist(), strict=False), strict=True)))

    def warnings(self) -> list[str]:
        """What is legal but suspicious in the sampled rows, once the target is fitted.

        Raises:
            DataError: `same_rows`, if a source is strict.
        """
        keys = {read.key: read for read in self.wanted.transform.reads}
        found = told((read, self.spill.raw(key, self.sampled)) for key, read in keys.items())
        index = self.index[self.sampled].long()
        inputs = self.spill.take([*keys, *(read.key for read in self.wanted.target.reads.values())], self.sampled)
        y = self.wanted.target.encode(inputs)
        try:
            found += same_rows(self.wanted, inputs, y, index, strict=self.schema.strict)
        except DataError as error:
            places = self.spill.placed(self.sampled)
            raise DataError(
                [replace(p, rows=places.of(map(int, p.rows)), unit=places.unit) for p in error.problems]
            ) from None
        return found + rare_classes(self.wanted.target, y[index == TRAIN])


def within(rows: slice, n: int) -> Tensor:
    """(n,) bool: which are in a slice."""
    found = torch.zeros(n, dtype=torch.bool)
    found[rows] = True
    return found


def row_names(checked: Checked, key: list[Read], first: int) -> Tensor:
    """Fingerprints of a block's rows, as `row_fingerprints` gives them for the whole table; repeated keys come later.

    Raises:
        DataError: `missing_key`.
    """
    return key_fingerprints(checked, key) if key else row_fingerprints(replace(checked, keep=checked.keep + first))
