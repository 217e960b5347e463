"""Batch serving (ch. 5): a table of any size scored in bounded memory, from file to file, and restartable.

Blocks of rows are read in order, checked by the model's own schema, scored, and written as pieces beside the output;
when all are there, they become one Parquet file. A run that was killed goes on with the blocks that are missing, and
the output has the bytes of a run that was not. The bytes depend on neither the number of processes nor on time.

NOTE[BOOK] the book scores in batches by a query in a data warehouse or by Beam, which are restarted by their service.

    predict("model", source("rows.parquet"), Path("out.parquet"))
"""

import time
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mlp_torch.errors import ConfigError, DataError, how_many
from mlp_torch.ingest.inspection import Inspection
from mlp_torch.ingest.notice import blanked, changes
from mlp_torch.ingest.source import Csv, Parquet
from mlp_torch.serving.export import version_of
from mlp_torch.serving.extent import Extent, Stamps
from mlp_torch.serving.keys import later, repeated
from mlp_torch.serving.outputs import check_free, check_output
from mlp_torch.serving.pieces import Pieces, tidy
from mlp_torch.serving.predictor import Predictor
from mlp_torch.serving.progress import shown
from mlp_torch.serving.repeats import Repeats
from mlp_torch.serving.scorer import STRICT, Job, Policies, Scorer, Verdict
from mlp_torch.serving.workers import spread


@dataclass(frozen=True)
class Scored:
    """What was scored.

    Attributes:
        model: name and version.
        input: where the rows come from.
        counts: `read`, `used`, `dropped` by reason, `changed` cells, `beyond_training` by field, `ignored_columns`,
            and `unseen` categories by column.
        output: the file of predictions.
        skipped: the file of skipped rows, if there are any.
        seconds: that this run took.
        here: rows that this run read; earlier ones did the others.
        warnings: sentences on fields of which far more cells were read as missing than in training.
    """

    model: tuple[str, str]
    input: str
    counts: dict[str, Any]
    output: Path
    skipped: Path | None
    seconds: float
    here: int
    warnings: list[str]

    def text(self) -> str:
        """A line for each thing that is worth knowing."""
        counts, lines = self.counts, [f"{' '.join(self.model)} on {self.input}"]
        lines.append(f"{how_many(counts['read'], 'row')} read, {counts['used']:,} scored")
        lines += [f"skipped {how_many(count, 'row')}: {reason}" for reason, count in counts["dropped"].items()]
        lines += [f"{verb} {what}" for verb, what in changes(counts["changed"])]
        lines += [
            f"{how_many(count, 'row holds', 'rows hold')} a category of {name} that training never showed"
            for name, count in counts["unseen"].items()
        ]
        lines += [
            f"{how_many(count, 'row has', 'rows have')} {name} outside the training range"
            for name, count in counts["beyond_training"].items()
        ]
        if counts["ignored_columns"]:
            lines.append(f"ignored columns: {', '.join(counts['ignored_columns'])}")
        earlier = f", {counts['read'] - self.here:,} of them before" if self.here < counts["read"] else ""
        lines.append(f"{self.seconds:,.1f} s{earlier}, {self.here / max(self.seconds, 1e-9):,.0f} rows/s")
        if self.skipped:
            lines.append(f"skipped rows are in {self.skipped}")
        return "\n".join([*lines, *self.warnings, f"predictions are in {self.output}"])


def predict(
    model: Path,
    rows: Csv | Parquet,
    output: Path,
    *,
    policies: Policies = STRICT,
    processes: int = 1,
    overwrite: bool = False,
    progress: bool = False,
) -> Scored | None:
    """Scores every row of a file or folder into a Parquet file, in order.

    Args:
        model: a model's folder. model.pt is a program: load only what you trust.
        rows: the input.
        output: the file to be; it is there whole or not at all.
        policies: of rows and keys.
        processes: that score, with one thread each; 1 = this one. A script needs `if __name__ == "__main__"` for more.
        overwrite: whether an output may be replaced.
        progress: whether to tell how far it is: by a bar, or without a terminal by a line every ten seconds.

    Returns:
        What was scored; None where the output is there already.

    Raises:
        DataError: with every problem of every block.
        ConfigError: where the output must not be written.
        Stopped: where a process dies or a file cannot be written; the same call goes on.
    """
    if policies.key == "":
        raise ConfigError("a key must be the name of a column, however: it is empty")
    pieces = Pieces(output)
    check_output(output, rows.path)
    started, stamps = time.monotonic(), Stamps(rows.path)
    predictor, extent = Predictor(model), Extent.of(rows.path)
    state = belongings(predictor, extent, rows, policies)
    if not (overwrite and pieces.begun(state)):
        tidy(pieces)
    if not overwrite and pieces.finished(state):
        return None
    check_free(output, state, overwrite=overwrite)
    with pieces.claimed(state):
        run = Run(rows, predictor, pieces, policies)
        bar = shown(extent.rows) if progress else nullcontext()
        with bar as told, closing(run.verdicts(model, processes)) as verdicts:
            for job, verdict in verdicts:
                run.add(job, verdict)
                if told:
                    told.update(verdict.counts["read"])
        check_free(output, state, overwrite=overwrite)  # somebody may have put a file there meanwhile
        counts, skipped = run.finish(state, stamps)
    seconds = time.monotonic() - started
    found = blanked(counts["changed"], predictor.schema.fields, counts["read"])
    return Scored(
        (predictor.name, predictor.version), str(rows.path), counts, output, skipped, seconds, run.here, found
    )


def belongings(predictor: Predictor, extent: Extent, rows: Csv | Parquet, policies: Policies) -> dict[str, Any]:
    """What an output is made of: where any of it differs, the bytes may."""
    reading = {name: value for name, value in vars(rows).items() if isinstance(value, str | int)}
    return {
        "model": [predictor.name, predictor.version, predictor.manifest["sha256"]],
        "input": extent.files,
        "options": {**reading, **policies._asdict()},
        "versions": {name: version_of(name) for name in ("mlp_torch", "torch", "pyarrow")},
    }


class Run:
    """One pass over an input's blocks.

    Args:
        rows: the input.
        predictor: the model.
        pieces: where pieces are.
        policies: of rows and keys.

    Attributes:
        here: rows of blocks that were not done before.
        blocks: how many there are.
    """

    def __init__(self, rows: Csv | Parquet, predictor: Predictor, pieces: Pieces, policies: Policies):
        self.rows, self.predictor, self.pieces, self.policies = rows, predictor, pieces, policies
        self.inspection, self.unseen = Inspection(predictor.schema), Counter[str]()
        self.here, self.blocks, self.unit, self.done = 0, 0, "row", set[int]()
        self.unreadable = False

    def jobs(self) -> Iterator[Job]:
        """The blocks in order."""
        try:
            for number, block in enumerate(self.needed().blocks()):
                self.unit = block.places.unit
                if self.pieces.done(number):
                    self.done.add(number)
                    yield Job(number, None)
                else:
                    yield Job(number, block, score=not self.inspection.problems)
        except DataError as error:
            self.unreadable = not self.inspection.problems
            self.inspection.refuse(error.problems, 0)

    def needed(self) -> Csv | Parquet:
        """The input with the columns that somebody reads: skipped rows are told with all of theirs."""
        key = {self.policies.key} if self.policies.key else set()
        skip = self.policies.on_bad == "skip"
        return self.rows if skip else self.rows.only(key | set(self.predictor.schema.fields))

    def verdicts(self, model: Path, processes: int) -> Generator[tuple[Job, Verdict]]:
        """What comes of the blocks, in order."""
        if processes > 1:
            return spread(self.jobs(), model, self.pieces.output, self.policies, processes=processes)
        scorer = Scorer(self.predictor, self.pieces, self.policies)
        return ((job, scorer(job)) for job in self.jobs())

    def add(self, job: Job, verdict: Verdict) -> None:
        """Adds up what came of a block."""
        counts, problems = verdict
        self.blocks += 1
        if job.number not in self.done:
            self.here += counts["read"]
        if problems:
            self.inspection.refuse(problems, counts["read"])
        else:
            self.inspection.count(counts)
            self.unseen.update(counts.get("unseen", {}))

    def finish(self, state: dict[str, Any], stamps: Stamps) -> tuple[dict[str, Any], Path | None]:
        """Makes the output of all blocks: their counts, and the file of skipped rows if there are any."""
        counts, repeats = self.close(stamps)
        stamps.check()
        pieces = self.pieces
        skipped = pieces.finish(
            state,
            scored=repeats.scored(pieces) if repeats else pieces.tables("scored"),
            skipped=repeats.skipped(pieces) if repeats else pieces.tables("skipped"),
            blocks=self.blocks,
            rows=counts["used"],
            skipped_rows=sum(counts["dropped"].values()),
        )
        return counts, skipped

    def close(self, stamps: Stamps) -> tuple[dict[str, Any], Repeats | None]:
        """The counts of all blocks, and the rows to leave out whose key an earlier row has.

        Raises:
            DataError: with every problem; pieces are kept only if reading failed, which may pass.
        """
        key, repeats = self.policies.key, None
        if key and self.policies.repeated_keys == "error":
            refused = self.inspection.problems  # then some blocks have no keys, and only the others' are told of
            paths = self.pieces.all("keys").values() if refused else self.pieces.complete("keys", self.blocks)
            tables = [partial(self.pieces.read, path) for path in paths]
            if self.policies.on_bad == "skip" and not refused:
                repeats = Repeats(self.rows, later(tables), f"{key}: repeated_key", stamps)
                self.leave_out(repeats)
            elif again := repeated(tables, key, self.unit, total=self.inspection.counts["read"]):
                self.inspection.add(again)
        try:
            return {**self.inspection.close(), "unseen": dict(self.unseen)}, repeats or None
        except DataError:
            if not (self.unreadable and self.pieces.all("scored")):
                self.pieces.remove()
            raise

    def leave_out(self, repeats: Repeats) -> None:
        """Counts rows that are scored as dropped; what was told of their cells stays."""
        if repeats:
            self.inspection.counts["used"] -= len(repeats)
            self.inspection.counts["dropped"][repeats.reason] = len(repeats)
