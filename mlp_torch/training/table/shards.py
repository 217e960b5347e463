"""A table that is larger than memory: read once, encoded once into files that are mapped into memory, and kept.

FOLDER/HASH.shards/  manifest.json  state.pt  train  calibration  val  test  (if large: *.sample)  *.keys  samples
drawn  crossed.pt

HASH is of all that the encoded rows depend on: the source's files (names, sizes, times of change), columns, target,
split and policies with their arguments and code. The manifest is written last, so that a folder without one is what a
killed run left: the next one starts over. Runs that want the same folder wait for the one that makes it. A folder may
be deleted at any time; the next run makes it again.

Columns are fitted on a sample of training rows, those whose keys have the smallest fingerprints: of m rows a fitted
quantile is off by a rank of at most √(ln(2 / .01) / 2m), .12 % of the rows for 2,000,000, 99 times in 100. Baselines,
reports, pictures and the search for repeated keys look at such a sample of each split. Labels, ranges, counts and the
head's fit see every row. Where a split has fewer rows than the sample, all this is as in memory, to the bit.
"""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import torch

from mlp_torch import archives, files
from mlp_torch.column import Sample
from mlp_torch.errors import ConfigError, ModelError, how_many
from mlp_torch.ingest.arrow_file import read_arrow
from mlp_torch.ingest.block import Block
from mlp_torch.ingest.parquet_files import stamps
from mlp_torch.ingest.schema import Schema
from mlp_torch.ingest.source import Csv, Parquet
from mlp_torch.reproducibility.split import TRAIN
from mlp_torch.script import script
from mlp_torch.training.table.cache import SUFFIX, made_once
from mlp_torch.training.table.definition import Definition
from mlp_torch.training.table.encoding import encode, write_raw
from mlp_torch.training.table.identity import identity, own_code
from mlp_torch.training.table.mapped import Mapped, StoredColumn
from mlp_torch.training.table.prepared import Look, Prepared
from mlp_torch.training.table.smallest import rank_error
from mlp_torch.training.table.survey import Survey

MANIFEST = "manifest.json"
REPORTED = 500_000  # most raw rows that are looked at: a report of more would need more memory than training does


class Shards:
    """A source whose rows are encoded once into memory-mapped files.

    Args:
        source: of the rows, in blocks.
        folder: where the files of all tables lie; they take about as much disk as the rows in memory would.
        sample: most rows of a split that columns are fitted on, and that baselines and reports look at.
    """

    def __init__(self, source: Csv | Parquet, folder: str | Path, *, sample: int = 2_000_000):
        if sample < 1:
            raise ValueError(f"sample must be at least 1, however: {sample=}")
        self.source, self.folder, self.sample = source, Path(folder), sample

    @property
    def path(self) -> Path:
        """The source's file or folder."""
        return self.source.path

    def prepare(self, wanted: Definition, state: Mapping[str, Any] | None, look: Look | None = None) -> Prepared:
        """The encoded rows of this definition: those of an earlier run, or new ones.

        Args:
            wanted: what the rows are to become; fitted or restored by this.
            state: of a Task that goes on; its rows are encoded by what was fitted then.
            look: is shown a sample of the rows, where they are new.

        Raises:
            DataError: with every problem of the data.
            ConfigError: where the folder cannot be written to, and for a split that gives rows to several parts.
        """
        if wanted.split.same:
            rule = "a table on disk needs a split that gives each row to one part"
            kind = type(wanted.split).__name__
            raise ConfigError(f"{rule}, however: data.split is {kind}; read the table into memory (data=csv_in_memory)")
        try:
            name = self.name(wanted, state)
            with made_once(self.folder / name, MANIFEST) as folder:
                if folder:
                    self.make(folder, wanted, state, look)
            return load(self.folder / name, wanted, folder is not None)
        except OSError as error:
            raise ConfigError(f"encoded rows need a folder with room, however: {self.folder}: {error}") from error

    def name(self, wanted: Definition, state: Mapping[str, Any] | None) -> str:
        """The folder of a definition; of another one if a state is given that is not what was fitted there."""
        # its code without places in files; and what cannot be exported fails before a row is read
        graph = script(wanted.transform).inlined_graph.str(False)  # type: ignore[attr-defined]
        depends = [own_code(), graph, *vars(wanted).values(), self.source, stamps(self.path), self.sample]
        usual = named(*depends)
        if state is None:
            return usual
        manifest = self.folder / usual / MANIFEST
        fitted = {key: value for key, value in state.items() if key.startswith(("target.", "transform."))}
        if manifest.exists() and files.read_json(manifest)["state"] == identity_of(fitted):
            return usual
        return named(*depends, identity_of(fitted))

    def make(self, folder: Path, wanted: Definition, state: Mapping[str, Any] | None, look: Look | None) -> None:
        """Reads, fits and encodes; the manifest comes last."""
        (folder / "spill").mkdir()
        survey = Survey(folder / "spill", wanted, self.sample)
        survey.read(self.source.only(survey.schema.fields).blocks())
        survey.check_keys()
        warnings: list[str] = []
        if look:
            rows = sampled_rows(survey)
            warnings += look(Block(rows, name=f"{self.path}, {len(rows):,} sampled rows"))
        schema = fit(survey, wanted, state)
        warnings += survey.warnings()
        tables = encode(survey, wanted, folder, fresh=state is None)
        write_raw(survey, wanted, folder)
        manifest = {
            "state": identity_of(wanted.state()),
            "schema": schema.to_json(),
            "counts": survey.counts,
            "warnings": warnings,
            "fingerprint": survey.digest.hex(),
            "tables": tables,
        }
        shutil.rmtree(folder / "spill")
        files.write(folder / "state.pt", lambda file: torch.save(wanted.state(), file))
        for path in folder.iterdir():
            files.sync(path)
        sums = {path.name: files.sha256(path) for path in sorted(folder.iterdir())}
        files.write_json(folder / MANIFEST, {**manifest, "sha256": sums})


def fit(survey: Survey, wanted: Definition, state: Mapping[str, Any] | None) -> Schema:
    """Fits target and transform, or restores them; gives the schema with the ranges of all training rows."""
    train = survey.index == TRAIN
    sampled = train & survey.sampled
    if state is None:
        names = [read.key for read in wanted.target.reads.values()]
        wanted.target.fit(survey.spill.take(names, train), survey.spill.words(train))
    else:
        wanted.restore(state)
    survey.check_labels()
    inputs, words = survey.spill.take(list(survey.schema.reads), sampled), survey.spill.words(sampled)
    if state is None:
        wanted.fit(Sample(inputs, wanted.target.encode(inputs), words))
    learned = survey.schema.subset(wanted.transform.reads).learn(inputs, words).counted(survey.counts)
    fields = dict(learned.fields)
    for name, (low, high) in survey.ranges.items():
        if name in fields and "number" in fields[name].kinds:
            fields[name] = replace(fields[name], low=low, high=high)
    return replace(learned, fields=fields)


def sampled_rows(survey: Survey) -> pa.Table:
    """The sampled rows by field, as they were read; of more than `REPORTED` those with the smallest fingerprints."""
    columns: dict[str, pa.ChunkedArray] = {}
    keep = survey.sampled.clone()
    row = survey.spill.take(["row"], keep)["row"]
    keep[survey.sampled] = row <= row.kthvalue(min(REPORTED, len(row)))[0]
    for key, read in survey.schema.reads.items():
        array = survey.spill.raw(key, keep)
        if read.kind == "time":  # float64 seconds, NaN = missing
            ticks = pc.multiply(pc.if_else(pc.is_nan(array), None, array), 1e6)
            array = ticks.cast(pa.int64(), safe=False).cast(pa.timestamp("us"))
        columns.setdefault(read.field, array)
    return pa.table(columns)


def load(folder: Path, wanted: Definition, is_new: bool) -> Prepared:
    """The rows of a folder that is whole; target and transform take the state that is stored with them."""
    manifest = files.read_json(folder / MANIFEST)
    if not is_new:
        check_sums(folder, manifest["sha256"])
    for name in ("state.pt", "crossed.pt"):
        archives.check(folder / name, "file")
    wanted.restore(torch.load(folder / "state.pt", map_location="cpu", weights_only=True))
    mapped = {
        name: Mapped(folder / name, table["rows"], [StoredColumn(*column) for column in table["columns"]])
        for name, table in manifest["tables"].items()
    }
    splits = [name for name in mapped if not name.endswith(".sample")]
    judged = {name: mapped.get(f"{name}.sample", mapped[name]) for name in splits}
    counts = manifest["counts"]
    return Prepared(
        Schema.from_json(manifest["schema"]),
        {name: mapped[name].table for name in splits},
        {name: item.table for name, item in judged.items()},
        {name: arrays(folder / f"{name}.keys") for name in splits},
        arrays(folder / "samples"),
        counts,
        manifest["warnings"],
        manifest["fingerprint"],
        told(counts),
        [f"encoded rows {'written to' if is_new else 'reused from'} {folder}"],
        {"train": mapped["train"].release, "val": judged["val"].release},
        drawn={key: torch.from_numpy(array.to_numpy().copy()) for key, array in arrays(folder / "drawn").items()},
        crossed=torch.load(folder / "crossed.pt", weights_only=True),
    )


def check_sums(folder: Path, sums: Mapping[str, str]) -> None:
    """Refuses encoded rows of which a bit has changed since they were written.

    Raises:
        ModelError: naming the file.
    """
    for name, expected in sums.items():
        found = files.sha256(folder / name) if (folder / name).is_file() else "it is missing"
        if found != expected:
            text = f"{folder / name} is damaged: its sha256 must be {expected}, however: {found}"
            raise ModelError(f"{text}; delete {folder}, and it is written again")


def told(counts: Mapping[str, Any]) -> list[str]:
    """Which rows are looked at, in sentences."""
    sampled, splits = counts.get("sampled", {}), counts["splits"]
    lines = []
    if m := sampled.get("train"):
        lines.append(
            f"columns are fitted on {m:,} of {splits['train']:,} training rows, chosen by fingerprint: the rank of a "
            f"fitted quantile is off by at most {rank_error(m):.2%} of the rows (99 % sure)"
        )
    if sampled:
        some = ", ".join(f"{m:,} of {splits[name]:,} {name} rows" for name, m in sampled.items())
        lines.append(f"baselines, figures, predictions and the search for repeated keys look at a sample: {some}")
    for name, n in counts.get("unsampled", {}).items():
        lines.append(
            f"train: {how_many(n, 'row holds', 'rows hold')} a category of {name} that the sample does not show"
        )
    return lines


def arrays(path: Path) -> dict[str, pa.Array]:
    """The columns of a file, on its pages."""
    table = read_arrow(path)
    return {name: table.column(name).combine_chunks() for name in table.column_names}


def named(*depends: object) -> str:
    """The name of the folder of what depends on some things."""
    return identity(*depends)[:16] + SUFFIX


def identity_of(state: Mapping[str, Any]) -> str:
    """Hash of what was fitted."""
    return identity(dict(sorted(state.items())))


def parquet(
    path: str | Path, *, folder: str | Path, sample: int = 2_000_000, max_cell_bytes: int = 65_536, strict: bool = False
) -> Shards:
    """Shards of a Parquet file, or of a folder of them; arguments as those of `Parquet` and `Shards`."""
    return Shards(Parquet(path, max_cell_bytes=max_cell_bytes, strict=strict), folder, sample=sample)


def csv(
    path: str | Path,
    *,
    folder: str | Path,
    sample: int = 2_000_000,
    delimiter: str = ",",
    encoding: str = "utf8",
    decimal: str = ".",
    max_cell_bytes: int = 65_536,
    strict: bool = False,
) -> Shards:
    """Shards of a CSV file; arguments as those of `Csv` and `Shards`."""
    options = {"delimiter": delimiter, "encoding": encoding, "decimal": decimal}
    return Shards(Csv(path, **options, max_cell_bytes=max_cell_bytes, strict=strict), folder, sample=sample)
