"""The second pass over a table that is larger than memory: what was spilled is encoded into a file a split."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from mlp_torch import files
from mlp_torch.head import Batch
from mlp_torch.ingest.arrow_file import write_arrow
from mlp_torch.reproducibility.split import SPLITS, TRAIN
from mlp_torch.script import script
from mlp_torch.training.batches import select
from mlp_torch.training.table.counts import SplitCounts
from mlp_torch.training.table.definition import Definition, weighed
from mlp_torch.training.table.mapped import Writer
from mlp_torch.training.table.prepared import SHOWN, is_drawn, measured, several
from mlp_torch.training.table.survey import Survey


def encode(survey: Survey, wanted: Definition, folder: Path, *, fresh: bool) -> dict[str, Any]:
    """Writes the table of each split, and of each large one its sample; adds to the survey's counts.

    Args:
        survey: the rows.
        wanted: fitted.
        folder: where the files come.
        fresh: whether the columns were fitted now and have to see the codes of training rows.

    Returns:
        Rows and columns of each table by name.
    """
    parts = parted(survey.index, survey.sampled)
    writers = {name: Writer(folder / name, int(keep.sum())) for name, keep in parts.items()}
    sizes = SplitCounts(wanted.transform)
    transform = script(wanted.transform)
    for rows, block in survey.spill.blocks():
        inputs = block.inputs()
        y = wanted.target.encode(inputs)
        table = Batch(transform(inputs), y, weighed(wanted.weight, inputs, len(y)), block.tensor("row"))
        for name, writer in writers.items():
            piece = select(table, parts[name][rows].nonzero().squeeze(1))
            writer.append(piece)
            if name in SPLITS:
                sizes.add(name, piece.features, len(piece.y))
            if name == "train" and fresh:
                wanted.transform.see(piece.features)
    sizes.close(survey.counts)
    sampled = {name: int(parts[f"{name}.sample"].sum()) for name in SPLITS if f"{name}.sample" in parts}
    if sampled:
        survey.counts["sampled"], survey.counts["unsampled"] = sampled, dict(sizes.marked["unseen"]["train"])
    return {name: {"rows": item.rows, "columns": item.columns} for name, item in writers.items()}


def parted(index: Tensor, sampled: Tensor) -> dict[str, Tensor]:
    """Which rows each table holds, (N,) bool by its name: "val", and "val.sample" if that is not all of it."""
    parts = {name: index == number for number, name in enumerate(SPLITS)}
    samples = {f"{name}.sample": keep & sampled for name, keep in parts.items() if (keep & ~sampled).any()}
    return parts | samples


def write_raw(survey: Survey, wanted: Definition, folder: Path) -> None:
    """Writes key fields of the rows that reports look at, the first training rows, and numbers for pictures."""
    parts = parted(survey.index, survey.sampled)
    for name in SPLITS:
        keep = parts.get(f"{name}.sample", parts[name])
        write_columns(folder / f"{name}.keys", {r.field: survey.spill.raw(r.key, keep) for r in wanted.key_reads()})
    first = torch.zeros_like(survey.sampled)
    first[(survey.index == TRAIN).nonzero()[:SHOWN, 0]] = True
    write_columns(folder / "samples", {key: survey.spill.raw(key, first) for key in survey.schema.reads})
    drawn = (survey.index == TRAIN) & survey.sampled
    drawn[drawn.clone()] = is_drawn(survey.spill.take(["row"], drawn)["row"])
    numbers = survey.spill.take(measured(wanted.transform.reads), drawn)
    write_columns(folder / "drawn", {key: pa.chunked_array([x.numpy()]) for key, x in numbers.items()})
    held = parts.get("val.sample", parts["val"]).clone()
    held[held.clone()] = is_drawn(survey.spill.take(["row"], held)["row"])
    crossed = survey.spill.take(several(wanted.transform.named_columns().values()), held)
    files.write(folder / "crossed.pt", lambda file: torch.save(crossed, file))


def write_columns(path: Path, columns: dict[str, pa.ChunkedArray]) -> None:
    """A file of columns, each in one piece."""
    table = pa.table(columns).combine_chunks()
    files.write_part(path, lambda file: write_arrow(table, file))
