"""The rows of a file that a user names, read as the training rows were where those came from a file of the same kind.

>>> reader(Path("rows.csv"), {"_target_": "mlp_torch.ingest.source.Csv", "path": "old.csv", "delimiter": ";"}).delimiter
';'
"""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml  # type: ignore[import-untyped]  # ships no types

from mlp_torch.errors import ModelError
from mlp_torch.ingest.source import Csv, Parquet, source
from mlp_torch.stored import text_of

TEXT = ("delimiter", "encoding", "decimal")  # how a CSV file's text is read; options of verbs
LIMITS = ("max_cell_bytes", "strict")


def reading(chosen: Namespace) -> dict[str, Any]:
    """How a CSV is read, as far as a verb's options say."""
    return {name: value for name, value in vars(chosen).items() if name in TEXT and value is not None}


def reader(path: Path, known: Mapping[str, Any], given: Mapping[str, Any] = MappingProxyType({})) -> Csv | Parquet:
    """The reader that the file's ending asks for.

    Args:
        path: a file, or a folder of Parquet files.
        known: `data.source` of the training; it counts if it reads files of the same kind, of a CSV the same ending.
        given: what of a CSV's reading options say otherwise.

    Raises:
        DataError: `unknown_format`.
        ConfigError: for an option that cannot be.
    """
    by_ending = source(path)
    if isinstance(by_ending, Parquet):
        return Parquet(path, **alike(known, by_ending, LIMITS))
    found = alike(known, by_ending, (*TEXT, *LIMITS))
    return Csv(path, **{"delimiter": by_ending.delimiter, **found, **given})


def alike(known: Mapping[str, Any], reader: Csv | Parquet, names: tuple[str, ...]) -> dict[str, Any]:
    """What is known of how files like the reader's are read."""
    module, _, kind = str(known.get("_target_")).rpartition(".")
    if not module.startswith("mlp_torch.") or kind.lower() != type(reader).__name__.lower():
        return {}
    if isinstance(reader, Csv) and Path(str(known.get("path"))).suffix.lower() != reader.path.suffix.lower():
        return {}
    return {name: known[name] for name in names if name in known}


def trained(model: Path) -> dict[str, Any]:
    """`data.source` of the configuration beside a model; empty where there is none.

    Raises:
        ModelError: if the file is no run's configuration.
    """
    path = model / "config.yaml"
    if not path.is_file():
        return {}
    try:
        return dict(yaml.safe_load(text_of(path))["data"]["source"])
    except (yaml.YAMLError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} must be a run's configuration, however: {error!r}") from None
