"""Stateless serving function (ch. 5): ingestion, Transform, Model and prediction as one graph, and its folder.

model.pt       TorchScript: forward(tensors, strings), predict(inputs), judge(inputs), vectors(inputs),
               read_out(vectors), readable(predictions)
model.onnx     if asked for: predict(inputs) for ONNX Runtime; see `portable`
model.pt2      if asked for: the same for torch.export.load
schema.json    fields, kinds, policies, training ranges, a synthetic example row
target.pt      state of target and head, for later evaluation
manifest.json  sha256 of each file, metrics, data fingerprint, versions, scales of vectors; written last
"""

import copy
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mlp_torch import files
from mlp_torch.errors import ModelError
from mlp_torch.head import Head
from mlp_torch.ingest.inputs import table_of, to_inputs
from mlp_torch.ingest.schema import Schema
from mlp_torch.ingest.scripted import Scripted
from mlp_torch.model import Model, padded
from mlp_torch.reproducibility.transform import Transform
from mlp_torch.script import script
from mlp_torch.serving import portable
from mlp_torch.serving.formats import FILES, check_formats, check_names
from mlp_torch.serving.probes import probes, raw_arguments
from mlp_torch.serving.stacked import Stacked
from mlp_torch.target import Target

METHODS = ["judge", "vectors", "read_out"]
SHIPPED = ("config.yaml", *FILES.values(), "schema.json", "target.pt")  # what the manifest vouches for
PACKAGES = ("mlp_torch", "torch", "lightning", "numpy", "pyarrow")


class Scoring(nn.Module):
    """Inputs to predictions: Transform and Model.

    Args:
        first: a key of the Inputs.
        transform: fitted.
        model: trained.
    """

    def __init__(self, first: str, transform: Transform, model: Model):
        super().__init__()
        self.first, self.transform, self.model = first, transform, model
        self.encode = Stacked(transform)

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return self.predictions(self.encode(inputs), inputs[self.first].shape[0])

    def predictions(self, features: dict[str, Tensor], rows: int) -> dict[str, Tensor]:
        """Features of so many rows -> predictions by name."""
        if rows % 32 > 0:  # to look at each feature for nothing takes one row 3 % longer
            features = padded(features)
        out = self.model(features)  # (B', …)
        predictions: dict[str, Tensor] = {}
        for name, value in self.model.predict(out).items():
            predictions[name] = value[:rows]
        return predictions

    @torch.jit.export
    def vectors(self, inputs: dict[str, Tensor]) -> Tensor:
        """Inputs -> (B, d)."""
        rows = inputs[self.first].shape[0]
        return self.model.vectors(padded(self.encode(inputs)))[:rows]

    @torch.jit.export
    def read_out(self, vectors: Tensor) -> dict[str, Tensor]:
        """Vectors (B, d) -> predictions by name."""
        return self.model.predict(self.model.read_out(vectors))

    @torch.jit.export
    def judge(self, inputs: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Predictions by name; and by column, (B,) bool."""
        features = self.encode(inputs)
        return self.predictions(features, inputs[self.first].shape[0]), self.transform.unseen(features)


class ServingFunction(nn.Module):
    """What was trained, as what is shipped: the same module objects, from raw values to readable predictions.

    A row's answer has the same bits alone and in any batch.

    Args:
        schema: of the transform's fields, with training ranges.
        transform: fitted.
        model: trained.
        name: of the model, for those who load it.
    """

    names: dict[str, list[str]]

    def __init__(self, schema: Schema, transform: Transform, model: Model, *, name: str):
        super().__init__()
        self.ingest, self.scoring = Scripted(schema), Scoring(next(iter(schema.reads)), transform, model)
        self.name, self.names, self.schema = name, dict(model.head.names), schema

    def forward(self, tensors: dict[str, Tensor], strings: dict[str, list[str | None]]) -> dict[str, Tensor]:
        """Raw values by field name -> predictions by name. None and NaN are missing."""
        return self.predict(self.ingest(tensors, strings))

    @torch.jit.export
    def predict(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Inputs -> predictions by name, (B, …) each."""
        predictions: dict[str, Tensor] = self.scoring(inputs)
        return predictions

    @torch.jit.export
    def vectors(self, inputs: dict[str, Tensor]) -> Tensor:
        """Inputs -> (B, d): the columns' vectors, side by side."""
        return self.scoring.vectors(inputs)

    @torch.jit.export
    def read_out(self, vectors: Tensor) -> dict[str, Tensor]:
        """Vectors (B, d) -> predictions by name: the part of the graph in which gradients live."""
        return self.scoring.read_out(vectors)

    @torch.jit.export
    def judge(self, inputs: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Inputs -> predictions by name; and by column, the rows whose category training never showed: (B,) bool."""
        return self.scoring.judge(inputs)

    @torch.jit.export
    def readable(self, predictions: dict[str, Tensor]) -> dict[str, list[str]]:
        """The class names behind class indices, by prediction name; of several labels a row, joined by commas."""
        words: dict[str, list[str]] = {}
        for name, classes in self.names.items():
            if predictions[name].dim() == 2:
                rows: list[list[int]] = predictions[name].tolist()  # TorchScript needs the type
                words[name] = [marked(row, classes) for row in rows]
            else:
                indices: list[int] = predictions[name].tolist()
                words[name] = [classes[index] for index in indices]
        return words


def marked(row: list[int], classes: list[str]) -> str:
    """The names of the classes that a row's marks are set for, joined by commas."""
    names: list[str] = []
    for i, mark in enumerate(row):
        if mark > 0:
            names.append(classes[i])  # TorchScript has no condition in a comprehension
    return ", ".join(names)


def scripted(serving: ServingFunction) -> torch.jit.ScriptModule:
    """The graph that is shipped: scoring has its weights as constants, ingestion does not.

    Freezing writes each function out wherever it is called; of ingestion, which hashes in every field, that would be
    seven eighths of the graph, and most of the time that it takes to load.
    """
    scoring = torch.jit.freeze(script(serving.scoring), preserved_attrs=METHODS, optimize_numerics=False)
    return script(copy.deepcopy(serving, {id(serving.scoring): scoring}))  # a copy with the frozen part in its place


def export(
    serving: ServingFunction,
    folder: Path,
    *,
    target: Target,
    constant: tuple[Tensor, Head],
    metrics: Mapping[str, float],
    data: str,
    config: str = "",
    formats: Sequence[str] = ("torchscript",),
) -> Path:
    """Writes a model's folder, loads it again and refuses to hand out a model that disagrees with what was trained.

    Args:
        serving: what to ship.
        folder: where; its files are replaced.
        target: fitted.
        constant: the best `out` that looks at no feature, (n,), and the head that is calibrated to it.
        metrics: of the closing report.
        data: fingerprint of the data.
        config: the run's configuration as YAML, for later evaluation; empty = none.
        formats: torchscript, and of onnx and pt2 what is wanted beside it.

    Raises:
        ModelError: if a saved graph answers otherwise than the modules on the probe rows, or with NaN.
        ConfigError: for formats that cannot be written.
    """
    check_formats(formats)
    check_names(formats, serving.schema.fields)
    for name in ("manifest.json", "config.yaml"):  # until the new manifest is there, the folder is no model
        (folder / name).unlink(missing_ok=True)
    if config:
        files.write_text(folder / "config.yaml", config)
    graph = scripted(serving.eval())
    files.write(folder / "model.pt", lambda file: torch.jit.save(graph, file))
    agree(serving, folder / "model.pt")
    schema, classes = serving.schema, serving.names
    portable.write(serving.scoring, folder, schema=schema, classes=classes, formats=formats)
    files.write_json(folder / "schema.json", schema.to_json())
    best, judge = constant
    heads = {"head": serving.scoring.model.head.state_dict(), "constant_head": judge.state_dict()}
    state = {"format": files.FORMAT, "target": target.state_dict(), **heads, "constant": best}
    files.write(folder / "target.pt", lambda file: torch.save(state, file))
    content = manifest(serving.name, folder, metrics, data) | {"scales": serving.scoring.model.head.scales()}
    files.write_json(folder / "manifest.json", content)
    return folder


@torch.inference_mode()
def agree(serving: ServingFunction, path: Path) -> None:
    """Compares the saved graph with the modules in eager mode, bit for bit, on rows with every kind of trouble."""
    loaded = torch.jit.load(str(path))  # type: ignore[no-untyped-call]
    schema = serving.schema
    rows = probes(schema)
    features = serving.scoring.transform(to_inputs(schema.check(table_of(rows)), schema.reads.values()))
    expected = serving.scoring.predictions(features, len(rows))  # each column by itself, as in training
    found = loaded(*raw_arguments(rows, schema))
    for name, value in expected.items():
        if value.isnan().any():
            row = rows[int(value.isnan().reshape(len(rows), -1).any(dim=1).nonzero()[0])]
            raise ModelError(
                f"predictions must be numbers, however: {name!r} of a model to be exported is NaN for {row}"
            )
        if not torch.equal(value, found[name]):
            raise ModelError(f"the exported graph must equal the trained model, however: prediction {name!r} differs")


def manifest(name: str, folder: Path, metrics: Mapping[str, float], data: str) -> dict[str, Any]:
    """What is in a model's folder and where it comes from; the file that makes it complete."""
    sums = {file: files.sha256(folder / file) for file in SHIPPED if (folder / file).is_file()}
    return {
        "name": name,
        "version": sums["model.pt"][:12],
        "sha256": sums,
        "metrics": dict(metrics),
        "data": data,
        "versions": {"python": platform.python_version(), **{package: version_of(package) for package in PACKAGES}},
        "git": commit(),
    }


def version_of(package: str) -> str | None:
    """A package's version; None where it is not installed, as in a clone on `PYTHONPATH`."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def commit() -> str | None:
    """The git commit of the working folder; None outside a repository or without git."""
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()
