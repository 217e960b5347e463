"""The graph for hosts without TorchScript: model.pt2 for torch.export's, model.onnx for ONNX Runtime's.

It takes Inputs by key, any number of rows, and gives predictions by name. A string is its fingerprint here (FarmHash
Fingerprint64, as int64, 0 = missing), for which most languages have a library. Rows are not filled up as in model.pt,
so a row's last bits may depend on the rows beside it.

A file is handed out only if it answers as what was trained: on probe rows, one of them, and 1,000, the same code of
each category, bit for bit, and predictions to 1e-5 relative. Of no rows model.pt2 answers none; ONNX Runtime fails
where a layer's shape is to be inferred, as in those for images.
"""

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.export.graph_signature import InputKind

from mlp_torch import files
from mlp_torch.errors import ModelError
from mlp_torch.ingest.inputs import table_of, to_inputs
from mlp_torch.ingest.reads import Inputs
from mlp_torch.ingest.schema import Schema
from mlp_torch.serving import onnx_file
from mlp_torch.serving.formats import FILES
from mlp_torch.serving.probes import probes

if TYPE_CHECKING:
    from mlp_torch.serving.export import Scoring

CLASSES = "classes.json"
CODE = "code/"  # before a column's name, of an output that is compared and not shipped
SIZES = {"onnx": (1, 1000), "pt2": (1, 1000, 0)}  # rows, beside the probe rows

Answer = Callable[[Inputs], dict[str, Tensor]]


class Portable(nn.Module):
    """Inputs to predictions, as model.pt but for the rows that fill up a batch.

    Args:
        scoring: fitted and trained; stays as it is.
        codes: whether the code that each category has is told too.
    """

    def __init__(self, scoring: "Scoring", *, codes: bool):
        super().__init__()
        self.encode, self.model = copy.deepcopy(scoring.encode), copy.deepcopy(scoring.model)
        self.codes = codes
        self.eval().requires_grad_(False)

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        features = self.encode(inputs)
        predictions = self.model.predict(self.model(features))
        return {**predictions, **codes_of(features)} if self.codes else dict(predictions)


class Trial(NamedTuple):
    """Rows, and what must be found of them.

    Args:
        inputs: (B, …) each.
        codes: by `CODE` and the column's name, int64.
        predictions: by name.
    """

    inputs: Inputs
    codes: dict[str, Tensor]
    predictions: dict[str, Tensor]


def codes_of(features: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The features that are codes."""
    return {CODE + name: x for name, x in features.items() if x.dtype == torch.int64}


def trials(scoring: "Scoring", schema: Schema, sizes: Sequence[int]) -> Iterator[Trial]:
    """Probe rows, and other numbers of them, with what the modules make of them, each column by itself."""
    rows = probes(schema)
    inputs = to_inputs(schema.check(table_of(rows)), schema.reads.values())
    for count in (len(rows), *sizes):
        some = {key: x[torch.arange(count) % len(rows)] for key, x in inputs.items()}
        features = scoring.transform(some)
        yield Trial(some, codes_of(features), scoring.predictions(features, count))


@torch.no_grad()
def write(
    scoring: "Scoring", folder: Path, *, schema: Schema, classes: Mapping[str, list[str]], formats: Sequence[str]
) -> None:
    """Writes what `formats` names beside model.pt, and removes what it does not name.

    Args:
        scoring: fitted and trained, in evaluation mode.
        folder: of the model.
        schema: of the transform's fields.
        classes: names of classes by prediction, which the files hold too.
        formats: names of `FILES`.

    Raises:
        ModelError: if the graph cannot be written in a format, or a file answers otherwise than what was trained.
    """
    others = {name: folder / file for name, file in FILES.items() if name != "torchscript"}
    for path in others.values():
        path.unlink(missing_ok=True)
    for name, writer in {"onnx": write_onnx, "pt2": write_pt2}.items():
        if name in formats:
            writer(scoring, others[name], list(trials(scoring, schema, SIZES[name])), json.dumps(dict(classes)))


def write_onnx(scoring: "Scoring", path: Path, tried: list[Trial], classes: str) -> None:
    """Writes model.onnx, and compares what is read back from it."""
    program = exported(Portable(scoring, codes=True), tried[0].inputs, path.name)
    names, codes = list(tried[0].predictions), list(tried[0].codes)
    content = onnx_file.content(program, [*tried[0].inputs], names, codes=codes, notes={CLASSES: classes})
    files.write(path, lambda file: file.write(content))
    compare(path.name, onnx_file.answers(path, [*names, *codes]), tried)


def write_pt2(scoring: "Scoring", path: Path, tried: list[Trial], classes: str) -> None:
    """Writes model.pt2, and compares what is read back from it."""
    told = exported(Portable(scoring, codes=True), tried[0].inputs, path.name).module()
    compare(path.name, lambda inputs: told(inputs), tried)
    program = without_unread(exported(Portable(scoring, codes=False), tried[0].inputs, path.name))
    files.write(path, lambda file: torch.export.save(program, file, extra_files={CLASSES: classes}))
    loaded = torch.export.load(path).module()
    compare(path.name, lambda inputs: loaded(inputs), [trial._replace(codes={}) for trial in tried])


def exported(module: Portable, inputs: Inputs, file: str) -> ExportedProgram:
    """The graph of a module for any number of rows.

    Raises:
        ModelError: if it has none, as where a number of rows is written into it.
    """
    shapes = ({key: {0: Dim("rows")} for key in inputs},)
    try:
        return torch.export.export(module, (inputs,), dynamic_shapes=shapes)
    except RuntimeError as error:
        said = str(error).strip().partition("\n")[0]
        raise ModelError(f"{file} needs a model that torch.export takes, however: {said}; {instead(file)}") from error


def without_unread(program: ExportedProgram) -> ExportedProgram:
    """The same program without what its graph does not read, such as the words of a vocabulary; torch would ship it."""
    read = {node.name for node in program.graph.nodes if node.users}
    for item in program.graph_signature.input_specs:
        if item.kind is InputKind.BUFFER and item.arg.name not in read and item.target in program.state_dict:
            program.state_dict[item.target] = program.state_dict[item.target].new_zeros(0)
    return program


def compare(file: str, answer: Answer, tried: list[Trial]) -> None:
    """Refuses a file that answers otherwise than what was trained.

    Raises:
        ModelError: naming the column or the prediction.
    """
    for trial in tried:
        found = answer(trial.inputs)
        for name, wanted in {**trial.codes, **trial.predictions}.items():
            if not alike(found[name], wanted):
                what = f"column {name.removeprefix(CODE)!r}" if name.startswith(CODE) else f"prediction {name!r}"
                text = f"{file} must answer as the trained model, however: {what} of {len(wanted):,} rows differs"
                raise ModelError(f"{text}; {instead(file)}")


def alike(found: Tensor, wanted: Tensor) -> bool:
    """The same integers; or numbers equal to 1e-5 relative, and next to 0 to 1e-6 of the largest."""
    if found.dtype != wanted.dtype or found.shape != wanted.shape:
        return False
    if not wanted.is_floating_point() or not wanted.numel():
        return torch.equal(found, wanted)
    return torch.allclose(found, wanted, rtol=1e-5, atol=1e-6 * float(wanted.abs().max()))


def instead(file: str) -> str:
    """How to do without a file."""
    (name,) = [name for name, known in FILES.items() if known == file]
    return f"leave {name} out of export.formats, and go on by resume=RUN resume_allow=[export.formats]"
