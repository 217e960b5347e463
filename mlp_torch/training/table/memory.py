"""A table that fits into memory: read whole, checked, split, fitted and encoded.

`mlp_torch.training.table.shards` does the same for one that does not fit, and gives the same bits where both can.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pyarrow as pa
from torch import Tensor

from mlp_torch.column import Sample
from mlp_torch.errors import DataError
from mlp_torch.head import Batch
from mlp_torch.ingest.inputs import row_fingerprints, to_inputs, words_of
from mlp_torch.ingest.layouts import decoded
from mlp_torch.ingest.notice import notices
from mlp_torch.ingest.reads import Inputs
from mlp_torch.ingest.schema import Checked, Schema
from mlp_torch.ingest.source import Source
from mlp_torch.reproducibility.everywhere import notes, rows_of
from mlp_torch.reproducibility.groups import groups
from mlp_torch.reproducibility.split import check_sizes
from mlp_torch.script import script
from mlp_torch.training.table.counts import SplitCounts
from mlp_torch.training.table.definition import Definition, below, check_weights, labelled, weighed
from mlp_torch.training.table.prepared import (
    SHOWN,
    Digest,
    Look,
    Prepared,
    faults,
    is_drawn,
    measured,
    numbered,
    several,
)
from mlp_torch.training.table.suspicions import rare_classes, same_rows


def in_memory(
    source: Source, wanted: Definition, state: Mapping[str, Any] | None, look: Look | None = None
) -> Prepared:
    """Reads and encodes; fits transform and target on training rows, or restores them from a Task's `state`.

    Raises:
        DataError: with every problem of the data.
    """
    schema, checked, counts, warnings = read(source, wanted, look)
    # a key is meant to be an id, and a split field to be what it is: only what columns read is suspicious
    warnings += notices({read.key: checked.arrays[read.key] for read in wanted.transform.reads}, schema.reads)
    inputs = to_inputs(checked, schema.reads.values())
    with numbered(checked):
        index = wanted.split.assign(inputs, words_of(checked))  # (N,)
    check_sizes(index, needed=wanted.needed)
    rows = rows_of(wanted.split, index)
    parts = {name: {key: x.index_select(0, at) for key, x in inputs.items()} for name, at in rows.items()}
    train, seen, words = rows["train"], parts["train"], words_of(checked, rows["train"])
    if state is not None:
        wanted.restore(state)
    if state is None or not below(state, "target."):
        wanted.target.fit(seen, words)
    with numbered(checked):
        y = labelled(wanted.target, inputs)
        weight = weighed(wanted.weight, inputs, len(y))
        warnings += same_rows(wanted, inputs, y, index, strict=schema.strict)
    check_weights(wanted.weight, {name: (len(at), float(weight[at].double().sum())) for name, at in rows.items()})
    warnings += rare_classes(wanted.target, y[train])
    if state is None:
        wanted.fit(Sample(seen, y[train], words))
    row = row_fingerprints(checked, wanted.key_reads())
    transform = script(wanted.transform)
    tables = {name: Batch(transform(parts[name]), y[at], weight[at], row[at]) for name, at in rows.items()}
    if state is None:
        wanted.transform.see(tables["train"].features)
    keys = {name: keys_of(wanted, checked, at) for name, at in rows.items()}
    sizes = SplitCounts(wanted.transform)
    for name, table in tables.items():
        sizes.add(name, table.features, len(table.y))
    sizes.close(counts)
    digest = Digest()
    digest.update({**inputs, "": y})
    samples = {key: array.take(pa.array(train[:SHOWN].numpy())) for key, array in checked.arrays.items()}
    learned = schema.subset(wanted.transform.reads).learn(seen, words).counted(counts)
    drawn = {key: seen[key][is_drawn(row[train])] for key in measured(wanted.transform.reads)}
    some = is_drawn(tables["val"].row)
    crossed = {key: parts["val"][key][some] for key in several(wanted.transform.named_columns().values())}
    return Prepared(
        learned,
        tables,
        tables,
        keys,
        samples,
        counts,
        warnings,
        digest.hex(),
        notes(wanted.split),
        drawn=drawn,
        crossed=crossed,
        others=labels_of_others(wanted, checked, inputs, rows),
        groups={name: groups(wanted.split.together(), parts[name], row[at]) for name, at in rows.items()},
    )


def labels_of_others(
    wanted: Definition, checked: Checked, inputs: Inputs, rows: Mapping[str, Tensor]
) -> dict[str, dict[str, Tensor]]:
    """What earlier stages predict, by stage and split; NaN where a row has no such label."""
    found = {}
    for name, target in wanted.others.items():
        with of_stage(name):
            seen = {read.key: inputs[read.key][rows["train"]] for read in target.reads.values()}
            target.fit(seen, words_of(checked, rows["train"]))
            with numbered(checked):
                y = target.encode(inputs)
        found[name] = {split: y[at] for split, at in rows.items()}
    return found


@contextmanager
def of_stage(name: str) -> Iterator[None]:
    """Names the stage's target, not the run's, in what is refused."""
    try:
        yield
    except DataError as error:
        raise DataError(
            [
                replace(problem, key=problem.key and problem.key.replace("data.target", f"stages.{name}.target"))
                for problem in error.problems
            ]
        ) from None


def read(source: Source, wanted: Definition, look: Look | None) -> tuple[Schema, Checked, dict[str, Any], list[str]]:
    """Raw rows, checked, what happened to them, and what `look` warns of."""
    schema = wanted.schema()  # before anything is read: it refuses mistyped policies
    block = source.read()
    schema = replace(schema, strict=block.strict)
    checked = schema.check(block, training=True)
    warnings = list(look(block)) if look else []
    counts = dict(checked.counts)
    if block.joined:
        counts["joined"] = faults(block, wanted.column_reads(), wanted.policies)
    return schema, checked, counts, warnings


def keys_of(wanted: Definition, checked: Checked, rows: Tensor) -> dict[str, pa.Array]:
    """The raw key fields of some rows; text as large_string."""
    taken = pa.array(rows.numpy())
    return {read.field: decoded(checked.arrays[read.key].take(taken)) for read in wanted.key_reads()}
