"""The library call: raw rows in, readable predictions out, with the validator and the graph of training.

    model = mlp_torch.load("runs/quickstart/latest/model")
    model.predict({"carrier": "UA", …})     # {"probability": 0.31, "class": 0, "label": "on_time"}

A row's answer does not depend on the rows beside it. One predictor may be called from several threads.
"""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import torch
from torch import Tensor

from mlp_torch import files
from mlp_torch.errors import DataError, ModelError, how_many
from mlp_torch.ingest.inputs import table_of, tensor_of, to_inputs
from mlp_torch.ingest.kinds.read import KINDS
from mlp_torch.ingest.notice import rewritten
from mlp_torch.ingest.plain import Plain
from mlp_torch.ingest.reads import Inputs
from mlp_torch.ingest.schema import Schema
from mlp_torch.serving.folder import check_folder
from mlp_torch.serving.probes import probes
from mlp_torch.serving.refusal import for_callers
from mlp_torch.serving.wording import label_name, worded

ROWS = 4096  # scored at once, a multiple of 32: what the layers give for more of them does not fit the caches
MULTIPLE = 32  # rows, to which the graph would fill up each of its features, which takes longer


class Answer(NamedTuple):
    """Predictions, and what is worth knowing about the rows.

    Args:
        columns: one entry a row, by name: numbers, lists of numbers, and class names as text.
        warnings: sentences: ignored columns, cells read as something else, values outside of training's range, unseen
            categories.
    """

    columns: dict[str, list[Any]]
    warnings: list[str]

    def rows(self) -> list[dict[str, Any]]:
        """One dict a row."""
        return [dict(zip(self.columns, values, strict=True)) for values in zip(*self.columns.values(), strict=True)]


class Predictor:
    """A model's folder, ready to answer.

    Args:
        folder: as `export` wrote it. model.pt is a program: load only what you trust.
        device: where the graph runs, e.g. "cpu" or "cuda".

    Raises:
        ModelError: if a file is missing, damaged or of another format.
    """

    def __init__(self, folder: str | Path, *, device: str = "cpu"):
        folder = Path(folder)
        check_folder(folder)
        self.manifest = checked_manifest(folder)
        self.schema = served(stored_schema(folder))
        self.device = torch.device(device)
        self.module = torch.jit.load(str(folder / "model.pt"), map_location=self.device).eval()  # type: ignore[no-untyped-call]
        self.name, self.version = str(self.manifest["name"]), str(self.manifest["version"])
        self.classes: dict[str, list[str]] = dict(self.module.names)
        self.scales: dict[str, list[float]] = self.manifest.get("scales", {})  # edges of bins, levels of quantiles
        self.plain = Plain(self.schema, multiple=MULTIPLE)
        self.score, self.judge = self.module.predict, self.module.judge
        self.check_bits()
        for _ in range(2):  # TorchScript watches the first call and compiles in the second: no caller waits for that
            self.answer(self.schema.example)

    @torch.inference_mode()
    def predict(self, rows: Any) -> Any:
        """Predictions in the form of the rows: a dict for a dict, a list, a pandas frame, an Arrow table.

        A `UserWarning`, one a call, tells of cells that could not be read and count as missing; `answer` tells more.

        Raises:
            DataError: with every problem of the rows.
        """
        inputs, count, told = self.read(rows)
        if told:
            warnings.warn("; ".join(told), UserWarning, stacklevel=3)  # beyond the frame of inference_mode
        found = self.scored(inputs, length(inputs))
        if isinstance(rows, Mapping):
            return {name: values[0] for name, values in self.columns(found, count).items()}
        if isinstance(rows, list | tuple):
            return Answer(self.columns(found, count), []).rows()
        table = self.table(found, count)
        return table if isinstance(rows, pa.Table | pa.RecordBatch) else table.to_pandas().set_axis(rows.index)

    @torch.inference_mode()
    def answer(self, rows: Any) -> Answer:
        """Predictions by name and warnings, for rows of any kind that `predict` takes; as many answers as rows."""
        inputs, count, told = self.read(rows, warned=True)
        found, unseen = self.judged(inputs, count)
        told += [
            f"{name}: {how_many(n, 'row')} with a category that training never showed" for name, n in unseen.items()
        ]
        return Answer(self.columns(found, count), told)

    def read(self, rows: Any, *, warned: bool = False) -> tuple[Inputs, int, list[str]]:
        """Rows as Inputs, which may go on with zeros; how many they are; and what to warn of.

        That is all that the validator says, if asked; else only that cells could not be read and count as missing.
        """
        records = [rows] if isinstance(rows, Mapping) else rows
        if isinstance(records, list | tuple):
            plain = self.plain(records, known=warned)
            if plain is not None:
                return plain, len(records), []
        table = table_of(rows)
        if not len(table):  # no rows need no columns
            return empty(self.schema), 0, []
        try:
            checked = self.schema.check(table)
        except DataError as error:
            raise DataError([for_callers(problem) for problem in error.problems]) from None
        told = rewritten(checked.counts["changed"], len(table), unreadable=not warned)
        if warned:
            ignored = ", ".join(checked.counts["ignored_columns"][:20])
            told = ([f"columns that the model does not read: {ignored}"] if ignored else []) + told + checked.warnings
        return to_inputs(checked, self.schema.reads.values()), len(table), told

    def columns(self, found: dict[str, Tensor], count: int) -> dict[str, list[Any]]:
        """The first predictions as plain values, class names beside class indices."""
        columns: dict[str, list[Any]] = {name: value.tolist()[:count] for name, value in found.items()}
        for name, classes in self.classes.items():
            columns[label_name(name)] = worded(columns[name], classes)
        return columns

    def table(self, found: dict[str, Tensor], count: int) -> pa.Table:
        """The same as an Arrow table, whose types do not depend on the rows."""
        types = [arrow_type(value) for value in found.values()]
        types += [pa.list_(pa.string()) if found[name].dim() == 2 else pa.string() for name in self.classes]
        columns = self.columns(found, count)
        return pa.table([pa.array(*column) for column in zip(columns.values(), types, strict=True)], names=[*columns])

    @torch.inference_mode()
    def judged(self, inputs: Inputs, count: int) -> tuple[dict[str, Tensor], dict[str, int]]:
        """Predictions for the first rows; and by column how many of them hold a category that training never showed.

        Columns without such rows are left out.
        """
        parts = [self.judge(self.ready(part)) for part in shares(inputs)]
        found, unseen = (joined(list(some), count) for some in zip(*parts, strict=True))
        return found, {name: number for name, rows in unseen.items() if (number := int(rows.sum()))}

    def scored(self, inputs: Inputs, count: int) -> dict[str, Tensor]:
        """Predictions for the first rows, by name, on the CPU."""
        return joined([self.score(self.ready(part)) for part in shares(inputs)], count)

    def ready(self, inputs: Inputs) -> Inputs:
        """Inputs filled up with zeros, where the graph is."""
        if missing := -length(inputs) % MULTIPLE:
            inputs = {key: torch.cat([x, x.new_zeros((missing, *x.shape[1:]))]) for key, x in inputs.items()}
        return inputs if self.device.type == "cpu" else {key: x.to(self.device) for key, x in inputs.items()}

    @torch.inference_mode()
    def check_bits(self) -> None:
        """Scores the probe rows singly and together, and warns where this machine's kernels give other bits."""
        rows = probes(self.schema)
        inputs, count, _ = self.read(rows)
        together = self.scored(inputs, count)
        for row in range(count):
            alone = self.scored({key: x[row : row + 1] for key, x in inputs.items()}, 1)
            if any(not torch.equal(alone[name], value[row : row + 1]) for name, value in together.items()):
                text = "on this machine a row's last bits depend on the rows beside it; answers may differ by rounding"
                warnings.warn(text, RuntimeWarning, stacklevel=3)
                return


def checked_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a model's folder whose files are as it says; files that it does not name may lie beside them.

    Raises:
        ModelError: naming the file that is missing, damaged or of another format.
    """
    path = folder / "manifest.json"
    manifest = files.read_json(path)
    sums = manifest.get("sha256")
    if (
        not isinstance(sums, dict)
        or not {"model.pt", "schema.json"} <= set(sums)
        or not {"name", "version"} <= set(manifest)
    ):
        raise ModelError(
            f"{path} is damaged: it must have a name, a version and the sha256 of model.pt and schema.json"
        )
    for name, known in sums.items():
        if Path(name).parts != (name,) or name == "..":
            raise ModelError(f"{path} must name files of its folder, however: {name}")
        if not (folder / name).is_file():
            raise ModelError(f"{folder / name} is missing")
        if files.sha256(folder / name) != known:
            raise ModelError(f"{folder / name} is damaged: its sha256 is not the manifest's")
    return manifest


def stored_schema(folder: Path) -> Schema:
    """The schema of a model's folder. Raises ModelError where it is none, naming the file."""
    path = folder / "schema.json"
    found = files.read_json(path)
    try:
        return Schema.from_json(found)
    except ModelError as error:
        raise ModelError(f"{path} is damaged: {error}") from None


def served(schema: Schema) -> Schema:
    """The schema for rows that must all be answered: what training drops, a request must not hold."""
    fields = {
        name: replace(
            field,
            invalid="error" if field.invalid == "drop" else field.invalid,
            missing="error" if field.missing == "drop" else field.missing,
        )
        for name, field in schema.fields.items()
    }
    return replace(schema, fields=fields)


def shares(inputs: Inputs) -> list[Inputs]:
    """The rows in order, at most `ROWS` in each share; without rows one share."""
    starts = range(0, length(inputs), ROWS)
    return [{key: x[i : i + ROWS] for key, x in inputs.items()} for i in starts] if len(starts) > 1 else [inputs]


def joined(parts: list[dict[str, Tensor]], count: int) -> dict[str, Tensor]:
    """What the graph gave for each share, one after the other on the CPU; only the first rows."""
    whole = parts[0] if len(parts) == 1 else {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    return {name: (x if x.shape[0] == count else x[:count]).cpu() for name, x in whole.items()}


def length(inputs: Inputs) -> int:
    """Rows of Inputs."""
    return next(iter(inputs.values())).shape[0]


def empty(schema: Schema) -> Inputs:
    """Inputs without rows."""
    absent = {key: pa.array(KINDS[item.kind].absent(item, 0)) for key, item in schema.reads.items()}
    return {key: tensor_of(array, schema.reads[key]) for key, array in absent.items()}


def arrow_type(value: Tensor) -> pa.DataType:
    """The type of a prediction in a table, whatever the number of rows: (B,) numbers, (B, k) lists of k numbers."""
    kind = pa.float64() if value.is_floating_point() else pa.from_numpy_dtype(value.numpy().dtype)
    for _ in range(value.dim() - 1):
        kind = pa.list_(kind)
    return kind
