"""What `mlp_torch init` proposes for real tables, trained as it stands: the default recipe beside boosted trees.

    python benchmarks/proposed.py [TABLE …] [--runs DIR]   # flights california reviews people; an hour of one core

A table is written as Parquet with the fields that a user would have before the event; `init` sees it and the name of
the target, nothing else. Three seeds: mean ± standard deviation on test rows of the split that `init` chose. Trees
(LightGBM) see the same columns, as in every closing table.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mlp_torch.datasets.california import California
from mlp_torch.datasets.flights import Flights
from mlp_torch.datasets.people import People
from mlp_torch.datasets.reviews import Reviews

ROOT = Path(__file__).parents[1]


def flights() -> pa.Table:
    """The fields of the quickstart, flights that arrived."""
    table = Flights().read().table
    table = table.filter(pc.is_valid(table["arr_delay"]))
    late = pc.if_else(pc.greater_equal(table["arr_delay"], 15), "late", "on time")
    fields = ["scheduled", "carrier", "tailnum", "origin", "dest", "distance", "temp", "dewp", "humid", "wind_dir"]
    return table.select([*fields, "wind_speed", "precip", "pressure", "visib"]).append_column("late", late)


def reviews() -> pa.Table:
    """What stands in a review; the rating, its recommendation in other words, and its readers' votes are left out."""
    table = Reviews().read().table
    fields = ["review", "title", "age", "division", "department", "class_name"]
    return table.select([*fields, "recommended"])


def people() -> pa.Table:
    """All fields but the year, which splits nothing here."""
    return People().read().table.drop_columns(["year"])


TABLES: dict[str, tuple[Callable[[], pa.Table], str, str]] = {  # the target, and the metric
    "flights": (flights, "late", "auroc"),
    "california": (lambda: California().read().table, "MedHouseVal", "rmse"),
    "reviews": (reviews, "recommended", "auroc"),
    "people": (people, "employed", "auroc"),
}


def trained(name: str, runs: Path) -> tuple[int, dict[str, dict[str, float]]]:
    """Training rows, mean and deviation of each metric, of runs that are there or are made now."""
    make, target, _ = TABLES[name]
    name = f"my_{name}"  # some tables have an experiment here
    folder = runs / name
    if not (found := sorted(folder.glob("*-sweep/metrics.json"))):
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(make(), folder / f"{name}.parquet")
        configs = ["--config-dir", str(runs / "configs")]
        subprocess.run(
            [sys.executable, "-m", "mlp_torch", "init", f"{name}.parquet", "--target", target, *configs],
            cwd=folder,
            check=True,
        )
        settings = [f"experiment={name}", f"runs={runs}", "-m", "seed=0,1,2", "trainer.enable_progress_bar=false"]
        subprocess.run([sys.executable, "-m", "mlp_torch", "train", *configs, *settings], cwd=folder, check=True)
        found = sorted(folder.glob("*-sweep/metrics.json"))
    (setting,) = json.loads(found[-1].read_text())["settings"]
    counts = json.loads((found[-1].parent / "seed-0" / "row_counts.json").read_text())
    return counts["splits"]["train"], {"mean": setting["mean"], "deviation": setting["standard_deviation"]}


def main(names: list[str], runs: Path) -> None:
    """Prints a line a table."""
    print("| table | training rows | metric | proposed | trees |\n|---|---|---|---|---|")
    for name in names:
        rows, of = trained(name, runs)
        metric = TABLES[name][2]
        keys = (f"test/{metric}", f"test/{metric}_trees")
        cells = [f"{of['mean'][key]:.4f} ± {of['deviation'][key]:.4f}" for key in keys]
        print(f"| {name} | {rows:,} | {metric} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="TABLE", default=list(TABLES))
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "proposed", help="where the runs go or are")
    chosen = parser.parse_args()
    main(chosen.names, chosen.runs.resolve())
