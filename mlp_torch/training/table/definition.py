"""What the rows of a table are to become: columns, target, split, key, policies, weight, before any row is read."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from mlp_torch.column import Sample
from mlp_torch.errors import MAX_EXAMPLES, MAX_ROWS, ConfigError, DataError, Problem, quote
from mlp_torch.ingest.fields import Missing
from mlp_torch.ingest.kinds.read import KINDS
from mlp_torch.ingest.policies import setting
from mlp_torch.ingest.reads import Inputs, Read
from mlp_torch.ingest.schema import Schema
from mlp_torch.reproducibility.split import SPLITS, Split
from mlp_torch.reproducibility.transform import Transform, restore
from mlp_torch.target import Target
from mlp_torch.training.table.inherited import Inherited

TOGETHER: Missing = "drop_together"


@dataclass(frozen=True)
class Definition:
    """What the rows of a table are to become.

    Args:
        transform: all columns.
        target: what to predict.
        split: which rows are for what.
        key: raw fields that name a row.
        policies: of raw fields by name.
        weight: the raw field that says what a row weighs; None = all weigh alike.
        others: what earlier stages predict, by stage.
        inherited: what another run's columns were fitted to; None = all are fitted.
    """

    transform: Transform
    target: Target
    split: Split
    key: list[str]
    policies: Mapping[str, Mapping[str, Any]]
    weight: str | None = None
    others: Mapping[str, Target] = field(default_factory=dict)
    inherited: Inherited | None = None

    @property
    def needed(self) -> list[str]:
        """Splits that must have rows."""
        return [name for name in SPLITS if name in {*self.split.needed, "train", "val"}.difference(self.split.same)]

    def reads(self) -> list[Read]:
        """What columns, targets, split, weight and key need of the raw fields."""
        needed = [*self.transform.reads, *self.predicted(), *self.split.reads.values(), *self.weight_reads()]
        return needed + [read for read in self.named_by(needed) if read not in needed]

    def predicted(self) -> list[Read]:
        """What the targets need of the raw fields."""
        targets = [self.target, *self.others.values()]
        return list(dict.fromkeys(read for target in targets for read in target.reads.values()))

    def key_reads(self) -> list[Read]:
        """A key field is read as it is read otherwise if that is a number, a time or a category, else as that."""
        return self.named_by(self.reads())

    def weight_reads(self) -> list[Read]:
        """The field of weights as a number, if there is one."""
        return [] if self.weight is None else [Read(self.weight)]

    def named_by(self, needed: list[Read]) -> list[Read]:
        """The key's fields as one of the reads that there are, unless that is of texts, lists or files."""
        kinds = {read.field: read for read in reversed(needed) if "scalar" in KINDS[read.kind].forms}
        return [kinds.get(field, Read(field, "string")) for field in self.key]

    def column_reads(self) -> list[Read]:
        """All reads of fields that columns read."""
        fields = {read.field for read in self.transform.reads}
        return [read for read in self.reads() if read.field in fields]

    def schema(self) -> Schema:
        """The raw fields with their policies; unless they say otherwise, a weight must be there and be at least 0.

        A target that reads nothing leaves out policies of fields that nobody reads: rows without a label are rows too.

        Raises:
            DataError: `target_is_a_feature`, `weight_is_a_feature`, `weight_is_the_target`.
            ConfigError: for mistyped policies, and `drop_together` of a field that is none of the target's.
        """
        columns = {read.field for read in self.transform.reads}
        for read in self.predicted():
            if read.field in columns:
                text = "the target is also a feature: drop the column that reads it"
                raise DataError(Problem("target_is_a_feature", text, (read.field,), key="data.columns"))
        policies = dict(self.policies)
        if not self.target.reads:
            fields = {read.field for read in self.reads()}
            policies = {name: policy for name, policy in policies.items() if name in fields}
        if self.weight is not None:
            check_role(self.weight, columns, {read.field for read in self.predicted()})
            policies[self.weight] = {"min": 0, "missing": "error", **(policies.get(self.weight) or {})}
        schema = Schema.of(self.reads(), policies)
        check_together(schema, [read.field for read in self.target.reads.values()])
        return schema

    def state(self) -> dict[str, Any]:
        """What was fitted, by the names that it has in a Task's state."""
        parts = {"target.": self.target, "transform.": self.transform}
        return {prefix + key: value for prefix, part in parts.items() for key, value in part.state_dict().items()}

    def fit(self, sample: Sample) -> None:
        """Fits the columns on training rows; those of another run are restored, and grow if they shall."""
        if self.inherited is None:
            self.transform.fit(sample)
        else:
            self.transform.fit(sample, self.inherited.columns, grow=self.inherited.grow)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes what was fitted from a state, which may hold more than that, or nothing of the target."""
        if stored := below(state, "target."):
            restore(self.target, stored)
        restore(self.transform, below(state, "transform."))


def below(state: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The entries below a prefix, without it."""
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def labelled(target: Target, inputs: Inputs) -> Tensor:
    """The target of every row, (N,) float64, or (N, k) of several labels, of which some may be unknown.

    Raises:
        DataError: `missing_label`, and what the target refuses.
    """
    y = target.encode(inputs)
    without = y.isnan().reshape(len(y), -1).all(dim=1)
    if bad := int(without.sum()):
        fields = tuple(read.field for read in target.reads.values())
        rows = tuple(without.nonzero().squeeze(1)[:MAX_ROWS].tolist())
        # of several fields a row may lack some: to drop those would drop rows that have a label
        key = setting(fields[0], {"missing": "drop"})
        if len(fields) > 1:
            key = f"{setting(fields[0], {'missing': TOGETHER})}, and so for each of these columns"
        raise DataError(Problem("missing_label", "rows without a label", fields, bad, len(y), rows, key=key))
    return y


def check_together(schema: Schema, target: Collection[str]) -> None:
    """Refuses for other fields a policy of the target's: a request, which holds one row, could not say what it means.

    Raises:
        ConfigError: naming the field.
    """
    for name, policy in schema.fields.items():
        if policy.missing == TOGETHER and name not in target:
            text = f"{TOGETHER} must be of the target's fields {', '.join(map(quote, target))}, however"
            raise ConfigError(f"{text}: {setting(name, {'missing': TOGETHER})}")


def check_role(weight: str, features: Collection[str], targets: Collection[str]) -> None:
    """Refuses a field of weights that the model would learn from, or learn to predict.

    Raises:
        DataError: `weight_is_a_feature`, `weight_is_the_target`.
    """
    if weight in features:
        text = "the weight is also a feature, which no row to predict has: drop the column that reads it"
        raise DataError(Problem("weight_is_a_feature", text, (weight,), key="data.columns"))
    if weight in targets:
        text = "the weight is also the target: it must be a field of its own"
        raise DataError(Problem("weight_is_the_target", text, (weight,), key="data.weight"))


def weighed(weight: str | None, inputs: Inputs, rows: int) -> Tensor:
    """What each row weighs in sums and means, (N,) float32; 1 without a field that says so.

    Raises:
        DataError: `invalid_weight`, where the field's policies let pass what no weight can be.
    """
    if weight is None:
        return torch.ones(rows)
    x = inputs[Read(weight).key].float()  # (N,)
    bad = ~(x.isfinite() & (x >= 0))
    if n := int(bad.sum()):
        at = tuple(bad.nonzero().squeeze(1)[:MAX_ROWS].tolist())
        examples = tuple(dict.fromkeys(f"{value:g}" for value in inputs[Read(weight).key][bad][:100].tolist()))
        text = "a row's weight must be a number of at least 0 that float32 holds"
        key = setting(weight, {"invalid": "drop", "missing": "drop"})
        raise DataError(Problem("invalid_weight", text, (weight,), n, rows, at, examples[:MAX_EXAMPLES], key))
    return x


def check_weights(weight: str | None, totals: Mapping[str, tuple[int, float]]) -> None:
    """Refuses splits of which no row weighs anything: no mean is defined over them.

    Args:
        weight: the field.
        totals: rows, and the sum of their weights, by split.

    Raises:
        DataError: `no_weight`.
    """
    none = [f"all {rows:,} of {name}" for name, (rows, total) in totals.items() if rows and not total]
    if weight is not None and none:
        text = f"some rows of each split must weigh more than 0, however: {', '.join(none)} weigh 0"
        raise DataError(Problem("no_weight", text, (weight,), key="data.weight"))
