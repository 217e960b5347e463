"""model.onnx: the graph of Inputs in ONNX, and ONNX Runtime, with which it is tried.

Its inputs are the keys of Inputs (`carrier:string`), its outputs the names of predictions; `classes.json` in its
metadata has the names of classes.
"""

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from mlp_torch.errors import ModelError
from mlp_torch.ingest.reads import Inputs

LARGEST = 2**31 - 1  # bytes of a protobuf message, which an ONNX file is


def content(
    program: ExportedProgram,
    inputs: Sequence[str],
    outputs: Sequence[str],
    *,
    codes: Sequence[str],
    notes: Mapping[str, str],
) -> bytes:
    """The file's bytes.

    Args:
        program: Inputs -> outputs and codes, in this order.
        inputs: names.
        outputs: names.
        codes: names of values that are no output of the file, but can be made one.
        notes: its metadata.

    Raises:
        ModelError: if the graph has an operation that ONNX lacks, or is too large for one file.
    """
    size = sum(x.numel() * x.element_size() for x in [*program.state_dict.values(), *program.constants.values()])
    if size > LARGEST:
        text = "model.onnx must have at most 2 GB, however: the model has"
        raise ModelError(f"{text} {size / 1e9:.1f} GB; leave onnx out of export.formats")
    with quiet():
        try:
            converted: Any = torch.onnx.export(
                program,
                input_names=inputs,
                output_names=[*outputs, *codes],
                custom_translation_table={torch.ops.aten.remainder.Tensor: remainder()},
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            said = str(error.__cause__ or error).strip().partition("\n")[0]
            text = "model.onnx needs a model of operations that ONNX has, however:"
            raise ModelError(f"{text} {said}; leave onnx out of export.formats") from error
    del converted.model.graph.outputs[len(outputs) :]
    converted.model.metadata_props.update(notes)
    found: bytes = converted.model_proto.SerializeToString()
    return found


def remainder() -> Callable[..., Any]:
    """Torch's `remainder` in ONNX, exact for large numbers too, for which x - ⌊x / y⌋ · y is not."""
    import onnxscript

    op: Any = onnxscript.opset18

    def translated(x: Any, y: Any) -> Any:
        if not x.dtype.is_floating_point():
            return op.Mod(x, y)
        rest = op.Mod(x, y, fmod=1)  # it has the sign of x
        zero = op.CastLike(op.Constant(value_int=0), y)
        astray = op.And(op.Not(op.Equal(rest, zero)), op.Xor(op.Less(rest, zero), op.Less(y, zero)))
        return op.Where(astray, op.Add(rest, y), rest)

    return translated


@contextmanager
def quiet() -> Iterator[None]:
    """Silences what the exporter says of itself."""
    registration = logging.getLogger("torch.onnx._internal.exporter._registration")  # of torchvision's operations
    level = registration.level
    registration.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*LeafSpec.*")  # its own use of a deprecated name
            # of the numbers that stand for infinities, which ingestion refuses
            warnings.filterwarnings("ignore", message="overflow encountered in cast", category=RuntimeWarning)
            yield
    finally:
        registration.setLevel(level)


def answers(path: Path, names: Sequence[str]) -> Callable[[Inputs], dict[str, Tensor]]:
    """What ONNX Runtime makes of Inputs, by names of outputs, and of other values in the graph.

    Raises:
        ModelError: if ONNX Runtime cannot run the file.
    """
    import onnx
    import onnxruntime as runtime
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    refused = (errors.Fail, errors.InvalidArgument, errors.InvalidGraph, errors.NotImplemented, errors.RuntimeException)
    graph = onnx.load(path)
    known = {output.name for output in graph.graph.output}
    graph.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names if name not in known)
    options = runtime.SessionOptions()
    options.log_severity_level = 3  # errors

    def answer(inputs: Inputs) -> dict[str, Tensor]:
        try:
            found = session.run(names, {key: x.numpy() for key, x in inputs.items()})
        except refused as error:
            raise unusable(error) from error
        return {name: torch.from_numpy(x) for name, x in zip(names, found, strict=True)}

    def unusable(error: Exception) -> ModelError:
        said = str(error).strip().partition("\n")[0]
        return ModelError(f"ONNX Runtime must run model.onnx, however: {said}; leave onnx out of export.formats")

    try:
        session = runtime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except refused as error:
        raise unusable(error) from error
    return answer
