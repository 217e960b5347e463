"""The face of a table in training: read, checked, split, fitted and encoded by `prepare`, then given in batches."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, Self

import pyarrow as pa
from lightning.pytorch import LightningDataModule
from torch import Tensor

from mlp_torch.column import Column
from mlp_torch.errors import DataError, Problem
from mlp_torch.head import Batch
from mlp_torch.ingest.reads import Inputs
from mlp_torch.ingest.schema import Schema
from mlp_torch.ingest.source import Source
from mlp_torch.problem.rebalancing import Rebalancing, told
from mlp_torch.reproducibility.split import Split
from mlp_torch.reproducibility.transform import Transform
from mlp_torch.target import Target
from mlp_torch.training.batches import Batches, select
from mlp_torch.training.distribution import OfProcess, world
from mlp_torch.training.loaders import training_batches, validation_batches
from mlp_torch.training.table.counts import sentences, weighed
from mlp_torch.training.table.definition import Definition
from mlp_torch.training.table.inherited import Inherited
from mlp_torch.training.table.memory import in_memory
from mlp_torch.training.table.prepared import Look, Prepared, is_drawn, one_thread
from mlp_torch.training.table.shards import Shards


class Data(LightningDataModule):
    """A table, what to make of its fields, and how to split its rows.

    Args:
        source: anything with `read() -> Block`; or `Shards`, for a table that is larger than memory.
        columns: by name.
        target: what to predict.
        split: which rows are for what.
        key: raw fields that name a row; without any, its number does.
        fields: policies of raw fields by name: min, max, invalid, missing, na_values.
        weight: the raw field that says what a row weighs: in the loss, in priors, in what is calibrated and in how
            boosted trees are grown; metrics count each row once. By default all rows weigh alike.
        batch_size: rows of a training batch.

    Attributes:
        rebalancing: of training rows; None unless it is set before `prepare`.
        sampling: (N,) how much training rows count by it; None without it.
        prepared: what `prepare` made; its main parts are attributes here too.
        others: targets of earlier stages, by stage.
        inherited: what another run's columns were fitted to; None unless it is set before `prepare`.
        rows_per_epoch: rows after which validation comes; None: a pass over all training rows.
        resume_allow: what may differ where a run goes on: data.fingerprint, data.batch_size.
    """

    rebalancing: Rebalancing | None = None
    sampling: Tensor | None = None
    inherited: Inherited | None = None
    rows_per_epoch: int | None = None
    resume_allow: Sequence[str] = ()
    prepared: Prepared

    def __init__(
        self,
        source: Source | Shards,
        columns: Mapping[str, Column | None],
        target: Target,
        split: Split,
        *,
        key: Sequence[str] = (),
        fields: Mapping[str, Mapping[str, Any]] | None = None,
        weight: str | None = None,
        batch_size: int = 1024,
    ):
        super().__init__()
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, however: {batch_size=}")
        self.source, self.transform, self.target, self.split = source, Transform(columns), target, split
        self.key, self.policies, self.weight, self.batch_size = list(key), dict(fields or {}), weight, batch_size
        self.others: dict[str, Target] = {}

    def prepare(self, state: Mapping[str, Tensor] | None = None, *, look: Look | None = None) -> Self:
        """Reads and encodes; fits transform and target on training rows, or restores them from a Task's `state`.

        Args:
            state: of a Task that goes on.
            look: is shown the raw rows once they are checked, and gives warnings; of a table larger than memory a
                sample, and nothing where the rows of an earlier run are used again, with its warnings.

        Raises:
            DataError: with every problem of the data.
        """
        wanted = definition(self)
        with one_thread():
            if isinstance(self.source, Shards):
                self.prepared = self.source.prepare(wanted, state, look)
            else:
                self.prepared = in_memory(self.source, wanted, state, look)
            if self.rebalancing:
                train = self.tables["train"]
                self.sampling = self.rebalancing.weights(self.target, train.y, train.weight)
        return self

    @property
    def schema(self) -> Schema:
        """Of the transform's fields."""
        return self.prepared.schema

    @property
    def tables(self) -> dict[str, Batch]:
        """All rows of each split."""
        return self.prepared.tables

    @property
    def judged(self) -> dict[str, Batch]:
        """The rows of each split that baselines, reports and pictures look at: all of them, or a sample."""
        return self.prepared.judged

    @property
    def keys(self) -> dict[str, dict[str, pa.Array]]:
        """Raw key fields of the judged rows, by split and field."""
        return self.prepared.keys

    @property
    def samples(self) -> dict[str, pa.Array]:
        """Raw values of the first training rows, by `Read.key`."""
        return self.prepared.samples

    @property
    def drawn(self) -> Inputs:
        """Raw numbers and times of some training rows for pictures, by `Read.key`."""
        return self.prepared.drawn

    @property
    def crossed(self) -> Inputs:
        """Raw values of the validation rows that `held` has, by `Read.key`, that columns of several fields read."""
        return self.prepared.crossed

    @property
    def held(self) -> Batch:
        """Some validation rows, the same ones each time."""
        return select(self.judged["val"], is_drawn(self.judged["val"].row).nonzero()[:, 0])

    @property
    def counts(self) -> dict[str, Any]:
        """What happened to the rows."""
        return self.prepared.counts

    @property
    def warnings(self) -> list[str]:
        """Sentences on what is legal but suspicious."""
        return self.prepared.warnings

    @property
    def fingerprint(self) -> str:
        """Of all raw values and targets."""
        return self.prepared.fingerprint

    def notes(self) -> list[str]:
        """What happened to the rows, in sentences."""
        columns = [*self.transform.notes(), *self.target.notes()]
        of_rows = [*counted(self), *self.prepared.looked_at, *self.prepared.stored]
        if world() > 1:
            of_rows.append(f"{world()} processes share batches of {world() * self.batch_size:,} rows")
        return [*sentences(self.counts), *self.warnings, *columns, *of_rows]

    def train_dataloader(self) -> Batches | OfProcess:
        """Training rows in the order of the task's seed."""
        return training_batches(self)

    def val_dataloader(self) -> list[Batches | OfProcess]:
        """Validation rows, and some training rows."""
        return validation_batches(self)

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run must find again; Lightning keeps it in the checkpoint."""
        return {"fingerprint": self.fingerprint, "batch_size": self.batch_size}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Refuses to go on with other rows or batches, which would be other bits, unless that is allowed."""
        for name, found in self.state_dict().items():
            if state[name] != found and not {"data", f"data.{name}"} & set(self.resume_allow):
                text = f"a resumed run needs the {name} that it began with: {state[name]}, however: {found}"
                raise DataError(Problem("changed_data", text, key=f"resume_allow=[data.{name}]"))


def definition(data: Data) -> Definition:
    """What the rows of a table are to become."""
    parts = (data.transform, data.target, data.split, data.key, data.policies, data.weight, data.others)
    return Definition(*parts, data.inherited)


def part(data: Data, tables: Mapping[str, Batch], target: Target) -> Data:
    """The same columns with other rows, and with what `target` makes of them as y."""
    found = copy(data)
    found.prepared, found.target = replace(data.prepared, tables=dict(tables), judged=dict(tables)), target
    return found


def counted(data: Data) -> list[str]:
    """How much rows count, in sentences; none where all count alike."""
    train, lines = data.tables["train"], []
    if data.weight is not None:
        lines.append(weighed(data.weight, train.weight))
    if data.rebalancing and data.sampling is not None:
        lines.append(told(data.target, train.y, train.weight, data.sampling, use=data.rebalancing.use))
    return lines
