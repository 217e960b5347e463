"""What the rows of a table are to become: columns, target, split, key and policies, before any row is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from mlp_torch.errors import MAX_ROWS, DataError, Problem
from mlp_torch.ingest.kinds.read import KINDS
from mlp_torch.ingest.reads import Inputs, Read
from mlp_torch.ingest.schema import Schema
from mlp_torch.reproducibility.split import SPLITS, Split
from mlp_torch.reproducibility.transform import Transform, restore
from mlp_torch.target import Target


@dataclass(frozen=True)
class Definition:
    """What the rows of a table are to become.

    Args:
        transform: all columns.
        target: what to predict.
        split: which rows are for what.
        key: raw fields that name a row.
        policies: of raw fields by name.
        others: what earlier stages predict, by stage.
    """

    transform: Transform
    target: Target
    split: Split
    key: list[str]
    policies: Mapping[str, Mapping[str, Any]]
    others: Mapping[str, Target] = field(default_factory=dict)

    @property
    def needed(self) -> list[str]:
        """Splits that must have rows."""
        return [name for name in SPLITS if name in {*self.split.needed, "train", "val"}]

    def reads(self) -> list[Read]:
        """What columns, target, split and key need of the raw fields."""
        needed = [*self.transform.reads, *self.predicted(), *self.split.reads.values()]
        return needed + [read for read in self.named_by(needed) if read not in needed]

    def predicted(self) -> list[Read]:
        """What the targets need of the raw fields."""
        targets = [self.target, *self.others.values()]
        return list(dict.fromkeys(read for target in targets for read in target.reads.values()))

    def key_reads(self) -> list[Read]:
        """A key field is read as it is read otherwise if that is a number, a time or a category, else as that."""
        return self.named_by(self.reads())

    def named_by(self, needed: list[Read]) -> list[Read]:
        """The key's fields as one of the reads that there are, unless that is of texts, lists or files."""
        kinds = {read.field: read for read in reversed(needed) if "scalar" in KINDS[read.kind].forms}
        return [kinds.get(field, Read(field, "string")) for field in self.key]

    def column_reads(self) -> list[Read]:
        """All reads of fields that columns read."""
        fields = {read.field for read in self.transform.reads}
        return [read for read in self.reads() if read.field in fields]

    def schema(self) -> Schema:
        """The raw fields with their policies.

        Raises:
            DataError: `target_is_a_feature`.
            ConfigError: for mistyped policies.
        """
        columns = {read.field for read in self.transform.reads}
        for read in self.predicted():
            if read.field in columns:
                text = "the target is also a feature: drop the column that reads it"
                raise DataError(Problem("target_is_a_feature", text, (read.field,), key="data.columns"))
        return Schema.of(self.reads(), self.policies)

    def state(self) -> dict[str, Any]:
        """What was fitted, by the names that it has in a Task's state."""
        parts = {"target.": self.target, "transform.": self.transform}
        return {prefix + key: value for prefix, part in parts.items() for key, value in part.state_dict().items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes what was fitted from a state, which may hold more than that."""
        restore(self.target, below(state, "target."))
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
        key = f"data.fields.{fields[0]}.missing=drop" if len(fields) == 1 else None
        raise DataError(Problem("missing_label", "rows without a label", fields, bad, len(y), rows, key=key))
    return y
