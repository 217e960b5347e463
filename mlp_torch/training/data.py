"""From a source to one encoded table a split: read, check, split, fit or restore, encode by the scripted Transform."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Self

import pyarrow as pa
import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from mlp_torch.column import Column, Sample
from mlp_torch.errors import MAX_ROWS, ConfigError, DataError, Problem
from mlp_torch.head import Batch
from mlp_torch.ingest.block import Block
from mlp_torch.ingest.inputs import row_fingerprints, to_inputs, words_of
from mlp_torch.ingest.notice import notices
from mlp_torch.ingest.reads import Inputs, Read
from mlp_torch.ingest.schema import Checked, Schema
from mlp_torch.ingest.source import Source
from mlp_torch.reproducibility.split import SPLITS, Split, check_sizes
from mlp_torch.reproducibility.transform import Transform, restore
from mlp_torch.script import script
from mlp_torch.target import Target
from mlp_torch.training.batches import Batches, select
from mlp_torch.training.counts import sentences

ROWS = 65536  # encoded at a time


class Data(LightningDataModule):
    """A table, what to make of its fields, and how to split its rows.

    Args:
        source: anything with `read() -> Block`.
        columns: by name.
        target: what to predict.
        split: which rows are for what.
        key: raw fields that name a row; without any, its number does.
        fields: policies of raw fields by name: min, max, invalid, missing, na_values.
        batch_size: rows of a training batch.
        seed: of the order of training rows.
    """

    schema: Schema

    def __init__(
        self,
        source: Source,
        columns: Mapping[str, Column | None],
        target: Target,
        split: Split,
        *,
        key: Sequence[str] = (),
        fields: Mapping[str, Mapping[str, Any]] | None = None,
        batch_size: int = 1024,
        seed: int = 0,
    ):
        super().__init__()
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, however: {batch_size=}")
        self.source, self.transform, self.target, self.split = source, Transform(columns), target, split
        self.key, self.policies, self.batch_size, self.seed = list(key), dict(fields or {}), batch_size, seed
        self.tables: dict[str, Batch] = {}
        self.keys: dict[str, dict[str, pa.Array]] = {}
        self.counts: dict[str, Any] = {}
        self.warnings: list[str] = []

    def prepare(self, state: Mapping[str, Tensor] | None = None) -> Self:
        """Reads and encodes; fits transform and target on training rows, or restores them from a Task's `state`.

        Raises:
            DataError: with every problem of the data.
        """
        with one_thread():
            inputs, checked = self.read()
            with numbered(checked):
                index = self.split.assign(inputs, words_of(checked))  # (N,)
            check_sizes(index, needed=[name for name in SPLITS if name in {*self.split.needed, "train", "val"}])
            train = (index == SPLITS.index("train")).nonzero().squeeze(1)
            seen, words = {key: x[train] for key, x in inputs.items()}, words_of(checked, train)
            if state is None:
                self.target.fit(seen, words)
            else:
                restore(self.target, part(state, "target."))
                restore(self.transform, part(state, "transform."))
            with numbered(checked):
                y = labelled(self.target, inputs)
            if state is None:
                self.transform.fit(Sample(seen, y[train], words))
            self.schema = self.schema.subset(self.transform.reads).learn(seen, words)
            self.fill_tables(inputs, y, index, checked)
        self.samples = {key: array.take(pa.array(train[:3].numpy())) for key, array in checked.arrays.items()}
        return self

    def read(self) -> tuple[Inputs, Checked]:
        """Raw rows, checked, as Inputs of the rows that are kept."""
        columns = {read.field for read in self.transform.reads}
        for read in self.target.reads.values():
            if read.field in columns:
                text = "the target is also a feature: drop the column that reads it"
                raise DataError(Problem("target_is_a_feature", text, (read.field,), key="data.columns"))
        schema = Schema.of(self.reads(), self.policies)  # before anything is read: it refuses mistyped policies
        block = self.source.read()
        self.schema = replace(schema, strict=block.strict)
        checked = self.schema.check(block, training=True)
        self.counts = dict(checked.counts)
        if block.joined:
            own = [read for read in self.reads() if read.field in columns]
            self.counts["joined"] = faults(block, own, self.policies)
        # a key is meant to be an id, and a split field to be what it is: only what columns read is suspicious
        arrays = {read.key: checked.arrays[read.key] for read in self.transform.reads}
        self.warnings = notices(arrays, self.schema.reads)
        return to_inputs(checked, self.schema.reads.values()), checked

    def reads(self) -> list[Read]:
        """What columns, target, split and key need of the raw fields."""
        needed = [*self.transform.reads, *self.target.reads.values(), *self.split.reads.values()]
        return needed + [read for read in self.key_reads(needed) if read not in needed]

    def key_reads(self, needed: list[Read]) -> list[Read]:
        """A key field is read as it is read otherwise, else as text."""
        kinds = {read.field: read for read in reversed(needed)}
        return [kinds.get(field, Read(field, "string")) for field in self.key]

    def fill_tables(self, inputs: Inputs, y: Tensor, index: Tensor, checked: Checked) -> None:
        """Encodes all rows by the scripted Transform and sets a table and the keys for each split."""
        transform = script(self.transform)
        parts = [transform(rows) for rows in chunks(inputs, len(y))]
        features = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        key_reads = self.key_reads(self.reads())
        table = Batch(features, y, torch.ones(len(y)), row_fingerprints(checked, key_reads))
        unseen = self.transform.unseen(features)
        self.counts["splits"] = {}
        for number, name in enumerate(SPLITS):
            rows = (index == number).nonzero().squeeze(1)
            self.tables[name] = select(table, rows)
            self.keys[name] = {read.field: checked.arrays[read.key].take(pa.array(rows.numpy())) for read in key_reads}
            self.counts["splits"][name] = len(rows)
            if name != "train":
                found = {column: int(bad[rows].sum()) for column, bad in unseen.items()}
                self.counts.setdefault("unseen", {})[name] = {column: n for column, n in found.items() if n}
        if outside := int((index < 0).sum()):
            self.counts["used"] -= outside
            self.counts["dropped"]["in no split"] = outside
        self.fingerprint = digest([*inputs.values(), y])

    def notes(self) -> list[str]:
        """What happened to the rows, in sentences."""
        return [*sentences(self.counts), *self.warnings]

    def train_dataloader(self) -> Batches:
        return Batches(self.tables["train"], self.batch_size, at=self.position, seed=self.seed)

    def position(self) -> tuple[int, int]:
        """Epoch, and batches of it that are done, by Lightning's own counters, which a checkpoint restores."""
        if self.trainer is None:
            raise ConfigError("training batches need a trainer: Trainer.fit(task, data)")
        return self.trainer.current_epoch, self.trainer.fit_loop.epoch_loop.batch_progress.current.ready

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run must find again; Lightning keeps it in the checkpoint."""
        return {"fingerprint": self.fingerprint, "batch_size": self.batch_size}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Refuses to go on with other rows or batches: they would be other bits."""
        for name, found in self.state_dict().items():
            if state[name] != found:
                text = f"a resumed run needs the {name} that it began with: {state[name]}, however: {found}"
                raise DataError(Problem("changed_data", text, key="data"))

    def val_dataloader(self) -> list[Batches]:
        """Validation rows, and some training rows, the same ones each time: those with the smallest fingerprints."""
        val, train = self.tables["val"], self.tables["train"]
        sample = train.row.argsort()[: min(len(val.y), 8192)]
        return [Batches(val, 8192), Batches(select(train, sample), 8192)]


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums, and so what is fitted, are the same bits on any number of cores.

    It is also faster: work on columns of this size is short, and where cores are shared its threads wait for each other
    (the flights took 7 s of CPU instead of 2).
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def labelled(target: Target, inputs: Inputs) -> Tensor:
    """The target of every row, (N,) float64."""
    y = target.encode(inputs)
    if bad := int(y.isnan().sum()):
        fields = tuple(read.field for read in target.reads.values())
        rows = tuple(y.isnan().nonzero().squeeze(1)[:MAX_ROWS].tolist())
        key = f"data.fields.{fields[0]}.missing=drop"
        raise DataError(Problem("missing_label", "rows without a label", fields, bad, len(y), rows, key=key))
    return y


@contextmanager
def numbered(checked: Checked) -> Iterator[None]:
    """Counts the rows of problems as the source does: lines of its file, and with the dropped rows."""
    try:
        yield
    except DataError as error:
        raise DataError(
            [
                replace(problem, rows=checked.places.of(checked.keep[list(problem.rows)]), unit=checked.places.unit)
                for problem in error.problems
            ]
        ) from None


def faults(block: Block, needed: list[Read], policies: Mapping[str, Any]) -> dict[str, Any]:
    """What the policies say of each table that the source joined in, before the join: counted, never refused.

    A value that meets no row harms nobody, and one that does is judged there. Yet it says that a file has faults.
    """
    found = {}
    for name, table in block.joined.items():
        reads = [read for read in needed if read.field in table.column_names]
        lenient = {
            read.field: {**(policies.get(read.field) or {}), "invalid": "missing", "missing": "keep"} for read in reads
        }
        found[name] = judged(Schema.of(reads, lenient), block._replace(table=table))
    return found


def judged(schema: Schema, block: Block) -> dict[str, Any]:
    """Rows read, cells that the policies would change, and missing cells by field."""
    try:
        counts = schema.check(block).counts
    except DataError as error:  # what no policy lets pass, such as a fraction as a category
        changed = {f"{', '.join(problem.columns)}: {problem.code}": problem.bad for problem in error.problems}
        return {"read": block.total, "changed": changed, "missing": {}}
    return {key: counts[key] for key in ("read", "changed", "missing")}


def part(state: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The entries below a prefix, without it."""
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def chunks(inputs: Inputs, rows: int) -> list[Inputs]:
    """Inputs in pieces; one empty piece where there are no rows."""
    return [{key: x[start : start + ROWS] for key, x in inputs.items()} for start in range(0, max(rows, 1), ROWS)]


def digest(tensors: list[Tensor]) -> str:
    """sha256 of the tensors' bytes, in hex: the fingerprint of the data that a model has seen."""
    hashed = hashlib.sha256()
    for x in tensors:
        hashed.update(x.contiguous().numpy().data)
    return hashed.hexdigest()
