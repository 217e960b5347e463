"""One block of a batch: checked, scored, and written as pieces, which do not depend on who makes them, nor when.

Shape: N rows -> K scored ones, in order: the key or the row's number, then predictions, (K,) or (K, d) each.
"""

import json
from collections.abc import Container, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from torch import Tensor

from mlp_torch.errors import MAX_ROWS, DataError, Problem
from mlp_torch.ingest.block import Block
from mlp_torch.ingest.cells import Mask, is_text, not_unicode
from mlp_torch.ingest.checks import Checked, plain
from mlp_torch.ingest.inputs import to_inputs
from mlp_torch.serving.keys import faults, occurrences, refusals, unusable, whereabouts
from mlp_torch.serving.outputs import NOTE
from mlp_torch.serving.pieces import Pieces
from mlp_torch.serving.predictor import Predictor
from mlp_torch.serving.wording import arrow_words, label_name

Rows = NDArray[np.int64]


class Policies(NamedTuple):
    """What becomes of rows and keys.

    Args:
        key: a column that is handed on to the output; without one, rows are numbered.
        repeated_keys: `error`: a key must be there once; `keep`: every row is answered.
        on_bad: a row that cannot be scored, or whose key an earlier row has that can: `error`, or `skip`: it is left
            out and told of.
    """

    key: str | None = None
    repeated_keys: Literal["error", "keep"] = "error"
    on_bad: Literal["error", "skip"] = "error"


STRICT = Policies()


class Job(NamedTuple):
    """A block to do.

    Args:
        number: of the block, from 0.
        block: its rows; None = it is done.
        score: whether to score it; once another block has problems, it is only checked.
    """

    number: int
    block: Block | None
    score: bool = True


class Verdict(NamedTuple):
    """What came of a block.

    Args:
        counts: without problems those of `Checked` and `unseen` categories by column; else `read` alone.
        problems: why it cannot be scored.
    """

    counts: dict[str, Any]
    problems: list[Problem]


class Scorer:
    """Checks and scores blocks, and writes their pieces.

    Args:
        predictor: the model.
        pieces: where to write.
        policies: of rows and keys.
    """

    def __init__(self, predictor: Predictor, pieces: Pieces, policies: Policies):
        self.predictor, self.pieces, self.policies = predictor, pieces, policies

    def __call__(self, job: Job) -> Verdict:
        """Does a block, or tells again of one that is done."""
        number, block, score = job
        if block is None:
            note = self.pieces.read(self.pieces.path(number, "scored")).schema.metadata[NOTE]
            return Verdict(json.loads(note), [])
        key, skip = self.policies.key, self.policies.on_bad == "skip"
        problems = faults(block.table, key) if key else []
        wrong = unusable(block.table, key) if key and not problems else {}
        gone = np.logical_or.reduce([np.zeros(len(block.table), bool), *wrong.values()])
        if key and not skip:
            problems += refusals(block, key, wrong)
        try:
            checked = self.predictor.schema.check(self.judged(block, gone), skip=skip)
        except DataError as error:
            problems += error.problems
        if problems:
            if wrong:  # else the column cannot be the key
                self.note_keys(number, block, np.flatnonzero(~gone))
            return Verdict({"read": block.total}, problems)
        unkeyed = {f"{key}: {code}": bad for code, bad in wrong.items() if bad.any()}
        why, reasons = reasons_of(checked, gone, unkeyed)
        self.note_keys(number, block, np.flatnonzero(why < 0))
        dropped = checked.counts["dropped"] | {reason: int(bad.sum()) for reason, bad in unkeyed.items()}
        counts = {**checked.counts, "read": block.total, "dropped": dropped}
        if score:
            self.write(number, block, checked, counts, why, reasons)
        return Verdict(counts, [])

    def judged(self, block: Block, gone: Mask) -> Block:
        """What the model's schema judges: without a key that the model does not read, and rows without a usable key."""
        table, key = block.table, self.policies.key
        if key in table.column_names and key not in self.predictor.schema.fields:
            table = table.drop_columns([key])
        if gone.any() and self.policies.on_bad == "skip":
            table = table.filter(pa.array(~gone))  # places no longer fit, but of rows that are skipped none is told
        return block._replace(table=table)

    def note_keys(self, number: int, block: Block, rows: Rows) -> None:
        """Writes the keys of some rows, where repeated ones will be sought."""
        if self.policies.key and self.policies.repeated_keys == "error":
            keys = taken(plain(block.table.column(self.policies.key)), rows)
            most = None if self.policies.on_bad == "skip" else MAX_ROWS  # to be told; to be left out, all
            self.pieces.write(number, "keys", occurrences(keys, rows, block.places, most=most))

    def write(
        self, number: int, block: Block, checked: Checked, counts: dict[str, Any], why: Rows, reasons: list[str]
    ) -> None:
        """Writes what is skipped and what is scored, and adds unseen categories to the counts."""
        if (why >= 0).any() or block.torn:
            self.pieces.write(number, "skipped", skipped(block, why, reasons))
        rows, key = np.flatnonzero(why < 0), self.policies.key
        columns = {key: taken(block.table.column(key), rows)} if key else whereabouts(block.places, rows)
        inputs = to_inputs(checked, self.predictor.schema.reads.values())
        predictions, counts["unseen"] = self.predictor.judged(inputs, len(rows))
        for name, values in self.columns(predictions).items():
            columns[apart(name, columns, "predicted")] = values
        note = json.dumps(counts).encode()
        self.pieces.write(number, "scored", pa.table(columns).replace_schema_metadata({NOTE: note}))

    def columns(self, predictions: dict[str, Tensor]) -> dict[str, pa.Array]:
        """Predictions by name, class names beside class indices, as `Predictor.columns` has them."""
        columns = {name: arrow(x) for name, x in predictions.items()}
        for name, classes in self.predictor.classes.items():
            columns[label_name(name)] = arrow_words(columns[name], classes)
        return columns


def reasons_of(checked: Checked, gone: Mask, unkeyed: Mapping[str, Mask]) -> tuple[Rows, list[str]]:
    """(N,) index into the reasons of why each row is skipped, -1 = it is not; and the reasons."""
    why = np.full(len(gone), -1)
    why[~gone] = checked.reason
    for number, bad in enumerate(unkeyed.values(), len(checked.reasons)):
        why[bad] = number
    return why, [*checked.reasons, *unkeyed]


def skipped(block: Block, why: Rows, reasons: list[str]) -> pa.Table:
    """Skipped rows in order: where they lie, why, and their cells; of rows with too many or few cells the text."""
    table, rows = block.table, np.flatnonzero(why >= 0)
    own = {
        **whereabouts(block.places, rows),
        "reason": pa.array(reasons, pa.string()).take(pa.array(why[rows])),
        "text": pa.nulls(len(rows), pa.large_string()),
    }
    place, *_ = names = [apart(name, table.column_names, "skipped") for name in own]
    cells = table.take(pa.array(rows))
    shown = [pa.chunked_array(map(readable, column.chunks), column.type) for column in cells.columns]
    whole = pa.table([*own.values(), *shown], names=[*names, *cells.column_names])
    if not block.torn:
        return whole
    torn = {
        place: pa.array([row.place for row in block.torn], pa.int64()),
        names[-2]: pa.array(["wrong_field_count"] * len(block.torn), pa.string()),
        names[-1]: pa.array([row.text for row in block.torn], pa.large_string()),
    }
    both = pa.concat_tables([whole, pa.table(torn)], promote_options="default")
    return both.take(pa.array(np.argsort(both[place].to_numpy(), kind="stable")))


def readable(array: pa.Array) -> pa.Array:
    """Text with the bytes escaped that are no UTF-8: one such cell would keep others from reading the whole file."""
    if not is_text(array.type) or not not_unicode(text := array.cast(pa.large_string())).any():
        return array
    cells = text.cast(pa.large_binary()).to_pylist()
    return pa.array([None if x is None else x.decode(errors="backslashreplace") for x in cells], array.type)


def taken(values: pa.Array | pa.ChunkedArray, rows: Rows) -> pa.Array | pa.ChunkedArray:
    """Some rows, in order."""
    return values if len(rows) == len(values) else values.take(pa.array(rows))


def arrow(x: Tensor) -> pa.Array:
    """(K, …) as an Arrow array; behind the first dimension lists of fixed length."""
    values = pa.array(x.reshape(-1).numpy())
    for size in reversed(x.shape[1:]):
        values = pa.FixedSizeListArray.from_arrays(values, size)
    return values


def apart(name: str, known: Container[str], prefix: str) -> str:
    """A name beside known ones: `class`, or `predicted_class` where the key is called `class`."""
    while name in known:
        name = f"{prefix}_{name}"
    return name
