"""An experiment that was written before, and perhaps changed by hand: what it reads of the raw fields, and where."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from omegaconf import DictConfig, OmegaConf

from mlp_torch.configuration import built, check_targets, composed
from mlp_torch.errors import ConfigError, DataError
from mlp_torch.ingest.block import Block
from mlp_torch.ingest.cells import Mask
from mlp_torch.ingest.inputs import to_inputs, words_of
from mlp_torch.ingest.reads import Read
from mlp_torch.ingest.schema import Schema
from mlp_torch.ingest.source import Csv, source
from mlp_torch.profile.source import opened
from mlp_torch.proposal.seen import Seen, recorded
from mlp_torch.proposal.yaml import joined, slug
from mlp_torch.reproducibility.split import TRAIN

READING = ("delimiter", "encoding", "decimal", "max_cell_bytes", "strict")


@dataclass(frozen=True)
class Experiment:
    """One that was written before.

    Attributes:
        path: of its file.
        text: of its file.
        cfg: composed.
        columns: the raw fields that each column reads, by key; None for a column that is switched off.
        others: what target, split and key read, by where that stands.
        seen: what the table held when it was written.
    """

    path: Path
    text: str
    cfg: DictConfig
    columns: Mapping[str, list[Read] | None]
    others: Mapping[str, list[Read]]
    seen: Mapping[str, Seen]

    @classmethod
    def load(cls, path: Path) -> "Experiment":
        """The experiment in a file.

        Raises:
            ConfigError: if the file is none, or cannot be composed.
        """
        if not path.is_file() or path.parent.name != "experiment" or path.suffix != ".yaml":
            text = "--update must name an experiment's file, FOLDER/experiment/NAME.yaml, however"
            raise ConfigError(f"{text}: {path}{'' if path.exists() else ' is missing'}")
        try:
            text = path.read_bytes().decode()  # line ends stay what they are
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path} must be UTF-8, however: {error}") from None
        cfg = composed([f"experiment={path.stem}"], path.parent.parent)
        check_targets(cfg)
        nodes = cfg.data.columns or {}
        columns = {
            str(name): None if node is None else list(built(node).reads.values()) for name, node in nodes.items()
        }
        others = {
            "data.target": list(built(cfg.data.target).reads.values()),
            "data.split": list(built(cfg.data.split).reads.values()),
            "data.key": [Read(joined(field), "string") for field in cfg.data.key or ()],
            "data.weight": [Read(joined(cfg.data.weight))] if "weight" in cfg.data and cfg.data.weight else [],
        }
        return cls(path, text, cfg, columns, others, recorded(text))

    @property
    def target(self) -> str:
        """The field to predict."""
        return self.others["data.target"][0].field

    @property
    def policies(self) -> dict[str, Any]:
        """Of fields, by name."""
        return dict(joined(OmegaConf.to_container(self.cfg.data.fields, resolve=True)) if self.cfg.data.fields else {})

    @property
    def reads(self) -> list[Read]:
        """All that training reads; a key is read as it is read otherwise."""
        found = [read for reads in self.columns.values() for read in reads or ()]
        found += [read for where in ("data.target", "data.split", "data.weight") for read in self.others[where]]
        return found + [read for read in self.others["data.key"] if read.field not in {one.field for one in found}]

    def knows(self, field: str) -> bool:
        """Whether a field was there before, or is named by hand."""
        off = [key for key, reads in self.columns.items() if reads is None]
        return field in {*self.seen, *self.policies, *(read.field for read in self.reads)} or slug(field) in off

    def users(self, field: str) -> list[str]:
        """The keys of the columns that read a field."""
        return [key for key, reads in self.columns.items() if field in {read.field for read in reads or ()}]

    def needs(self, field: str) -> list[str]:
        """What else reads a field: data.target, data.split, data.key, data.weight."""
        return [where for where, reads in self.others.items() if field in {read.field for read in reads}]

    def reads_files_like(self, path: str) -> bool:
        """Whether its source reads files of this kind, in memory or as shards."""
        target = str(self.cfg.data.source.get("_target_"))
        return target.rpartition(".")[2].lower() == type(source(path)).__name__.lower()

    def training_rows(self, block: Block) -> Mask:
        """(N,) which rows of a table it trains on; none where its split does not take the table."""
        reads = [*self.others["data.split"], *self.others["data.target"]]
        found = np.zeros(len(block.table), bool)
        try:
            policies = {field: policy for field, policy in self.policies.items() if field in {r.field for r in reads}}
            checked = Schema.of(reads, policies).check(block, training=True)
            index = built(self.cfg.data.split).assign(to_inputs(checked, reads), words_of(checked))
        except DataError:  # told elsewhere, by what training would refuse
            return found
        found[checked.keep[index.numpy() == TRAIN]] = True
        return found

    def read(self, path: str, given: Mapping[str, Any]) -> Block:
        """A table, by the experiment's own options where its source reads files of this kind.

        Args:
            path: of the table.
            given: options of a CSV that are otherwise: delimiter, encoding, decimal.

        Raises:
            DataError: as the source's.
        """
        node, reader = self.cfg.data.source, source(path)
        if self.reads_files_like(path):
            options = {key: node[key] for key in READING if key in node}
            options |= dict(given) if isinstance(reader, Csv) else {}
            return type(reader)(path, **options).read()
        table = opened(path, **given)
        return Block(pa.table(table.columns), name=path, decimal=table.decimal, folder=table.folder)
