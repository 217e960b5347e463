"""The formats that a model is shipped in: TorchScript takes raw values, the others fingerprints and numbers.

It imports no torch, so that a mistyped format, and a package that is missing, are told at once.

>>> check_formats(["torchscript", "onxx"])
Traceback (most recent call last):
mlp_torch.errors.ConfigError: export.formats must be of torchscript, onnx, pt2, however: onxx; did you mean onnx?
"""

from collections.abc import Iterable, Sequence
from importlib.util import find_spec

from mlp_torch.errors import ConfigError, MissingExtra, nearest

FILES = {"torchscript": "model.pt", "onnx": "model.onnx", "pt2": "model.pt2"}
NEEDED = {"onnx": ("onnx", "onnxscript", "onnxruntime")}  # packages, all of the extra of that name


def check_formats(formats: Sequence[str] | None) -> None:
    """Refuses formats that cannot be written here.

    Raises:
        ConfigError: unless they are a list of known formats, with torchscript among them.
        MissingExtra: if one needs a package that is not installed.
    """
    if formats is None or isinstance(formats, str):  # what YAML may hold
        raise ConfigError(f"export.formats must be a list, however: {formats}; write export.formats=[torchscript,…]")
    for name in formats:
        if name not in FILES:
            hint = nearest(str(name), FILES)
            text = f"export.formats must be of {', '.join(FILES)}, however: {name}"
            raise ConfigError(f"{text}; {hint}" if hint else text)
        missing = [package for package in NEEDED.get(name, ()) if find_spec(package) is None]
        if missing:
            text = f"{name} among export.formats needs {', '.join(missing)}"
            raise MissingExtra(f"{text}, however: not installed; pip install 'mlp_torch[{name}]'")
    if "torchscript" not in formats:
        text = "export.formats must hold torchscript, which predict and serve load"
        raise ConfigError(f"{text}, however: export.formats=[{','.join(formats)}]")


def check_names(formats: Sequence[str], fields: Iterable[str]) -> None:
    """Refuses names that a format cannot hold: torch's converter to ONNX writes them between quotes.

    Raises:
        ConfigError: naming the fields.
    """
    quoted = sorted({name for name in fields if "'" in name or '"' in name}) if "onnx" in formats else []
    if quoted:
        text = f"model.onnx must have fields whose names hold no quotes, however: {', '.join(quoted)}"
        raise ConfigError(f"{text}; rename them, or leave onnx out of export.formats")
