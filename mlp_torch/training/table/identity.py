"""What a result depends on, as one hash: arguments, tensors and code of whatever objects are given.

Two processes agree on it, which pickles do not promise. It is cautious: what it cannot compare counts as changed.

>>> identity({"a": 1}) == identity({"a": 1}), identity({"a": 1}) == identity({"a": 2})
(True, False)
"""

import functools
import hashlib
import inspect
import json
import types
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).parents[2]
CODE = (
    "ingest",
    "representation",
    "reproducibility",
    "training/table",
    "training/batches.py",
    "column.py",
    "target.py",
)


def identity(*things: object) -> str:
    """sha256 in hex."""
    return hashlib.sha256(json.dumps([plain(thing) for thing in things]).encode()).hexdigest()


def plain(thing: object) -> object:
    """A thing as lists of texts; an object as its class, the file of its class, and its attributes."""
    if isinstance(thing, Tensor):
        return ["tensor", str(thing.dtype), list(thing.shape), digest(thing.detach().cpu().contiguous().numpy().data)]
    if isinstance(thing, np.ndarray):
        return ["array", str(thing.dtype), list(thing.shape), digest(np.ascontiguousarray(thing).data)]
    if isinstance(thing, Mapping):
        return ["table", *([plain(key), plain(value)] for key, value in thing.items())]
    if isinstance(thing, list | tuple):
        return [type(thing).__name__, *map(plain, thing)]
    if isinstance(thing, set | frozenset):
        return ["set", *sorted(map(repr, thing))]
    if isinstance(thing, functools.partial):
        return ["partial", plain(thing.func), plain(thing.args), plain(thing.keywords)]
    if isinstance(thing, type | types.FunctionType):
        return ["code", f"{thing.__module__}.{thing.__qualname__}", source_of(thing)]
    if hasattr(thing, "__dict__") and not isinstance(thing, Path):
        return ["object", plain(type(thing)), plain(vars(thing))]
    return [type(thing).__name__, repr(thing)]


def digest(content: bytes | memoryview) -> str:
    """sha256 of bytes."""
    return hashlib.sha256(content).hexdigest()


@functools.cache
def source_of(code: type | types.FunctionType) -> str:
    """Hash of the file that a class or function stands in; nothing for what is ours (see `own_code`) or has no file."""
    try:
        path = Path(inspect.getfile(code))
    except (OSError, TypeError):
        return ""
    return digest(path.read_bytes()) if path.is_file() and not path.is_relative_to(ROOT) else ""


@functools.cache
def own_code() -> str:
    """Hash of all our code that features depend on, helpers included, and of torch's version."""
    paths = [path for name in CODE for path in sorted((ROOT / name).rglob("*.py")) or [ROOT / name]]
    return identity([[str(path.relative_to(ROOT)), digest(path.read_bytes())] for path in paths], torch.__version__)
