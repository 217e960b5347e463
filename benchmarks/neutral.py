"""Reviews with three stars as negatives, left out, or as a neutral class: which way is worth it, and is any?

    python benchmarks/neutral.py              # ten minutes of one core; needs `mlp_torch data reviews`
    python benchmarks/neutral.py --runs DIR   # only trains what an earlier call did not leave in DIR

Columns, backbone and split are those of experiment=neutral_class; three seeds, and all ways answer the same test rows.
AUROC is that of reviews with 1 or 2 against those with 4 or 5 stars. Then each way abstains on as many of all test rows
as the neutral class does, on those it is least sure of: two classes can do that too.
"""

import argparse
import statistics
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from rating import ROOT, SEEDS, trained
from sklearn.metrics import roc_auc_score

import mlp_torch
from mlp_torch.datasets.reviews import Reviews

Floats = NDArray[np.float64]
TWO = ("head=binary", "~data.target", "+data.target={_target_: mlp_torch.target.AtLeast, field: rating, threshold: 4}")
WAYS: dict[str, tuple[str, ...]] = {
    "3 is negative": TWO,
    "3 is left out": (*TWO, "+data.fields.rating={na_values: ['3'], missing: drop}"),
    "3 is neutral": (),
}
DRAWS = 1000


class Answers(NamedTuple):
    """What a way says of all test rows, (N,) each: P(favourable), and 1 - P of what it answers."""

    probability: Floats
    doubt: Floats


def answers(folder: Path, rows: pa.Table) -> Answers:
    """Of the exported model."""
    found = mlp_torch.load(folder / "model").predict(rows)
    p = found["probability"].to_numpy().astype(float)
    said = np.stack([1 - p, p], axis=1)
    if "probabilities" in found.column_names:
        said = np.array(found["probabilities"].to_pylist())[:, [0, 2]]
    return Answers(p, 1 - said.max(axis=1))


def interval(one: list[Answers], other: list[Answers], y: Floats) -> tuple[float, float]:
    """95 % of the difference in AUROC, mean over the seeds, when decided rows are drawn with replacement."""
    draw = np.random.default_rng(0)
    differences = []
    for _ in range(DRAWS):
        rows = draw.integers(0, len(y), len(y))
        ours, theirs = (
            np.mean([roc_auc_score(y[rows], each.probability[rows]) for each in way]) for way in (one, other)
        )
        differences.append(ours - theirs)
    low, high = np.quantile(differences, [0.025, 0.975])
    return float(low), float(high)


def covered(way: Answers, rating: Floats, coverage: float) -> tuple[float, float]:
    """Accuracy on decided rows, and the share of threes that are not answered, if the surest rows are answered."""
    kept = np.zeros(len(rating), dtype=bool)
    kept[way.doubt.argsort(kind="stable")[: round(coverage * len(rating))]] = True
    decided = kept & (rating != 3)
    right = (way.probability > 0.5) == (rating > 3)
    return float(right[decided].mean()), float(1 - kept[rating == 3].mean())


def cell(values: list[float]) -> str:
    """Mean ± standard deviation."""
    return f"{statistics.fmean(values):.4f} ± {statistics.stdev(values):.4f}"


def line(said: list[Answers], rating: Floats, coverage: list[float]) -> str:
    """The cells of a way, over the seeds."""
    decided = rating != 3
    auroc = [float(roc_auc_score(rating[decided] > 3, each.probability[decided])) for each in said]
    everywhere = [covered(each, rating, 1.0)[0] for each in said]
    some = [covered(each, rating, share) for each, share in zip(said, coverage, strict=True)]
    return " | ".join(map(cell, [auroc, everywhere, [right for right, _ in some], [left for _, left in some]]))


def main(runs: Path) -> None:
    """Prints a Markdown table, and the intervals of the differences."""
    folders = {
        way: [trained("neutral_class", way.replace(" ", "_"), over, seed=seed, runs=runs) for seed in SEEDS]
        for way, over in WAYS.items()
    }
    keys = pq.read_table(folders["3 is neutral"][0] / "predictions" / "test.parquet")["row"]
    rows = Reviews().read().table.take(keys.cast(pa.int64()).combine_chunks())
    rating = rows["rating"].to_numpy().astype(float)
    found = {way: [answers(folder, rows) for folder in each] for way, each in folders.items()}
    abstain = [pq.read_table(each / "predictions" / "test.parquet")["abstain"] for each in folders["3 is neutral"]]
    coverage = [1 - float(np.mean(each.to_numpy())) for each in abstain]
    decided = rating != 3
    print(
        f"{len(rating):,} test rows, {decided.sum():,} decided, {np.mean(rating[decided] > 3):.3f} of them favourable"
    )
    print(f"the neutral class answers {cell(coverage)} of all\n")
    print("| way | AUROC | accuracy on decided rows | of those answered | threes not answered |")
    print("|---|---|---|---|---|")
    for way, said in found.items():
        print(f"| {way} | {line(said, rating, coverage)} |")
    only = {way: [Answers(*(x[decided] for x in each)) for each in said] for way, said in found.items()}
    for way in ("3 is negative", "3 is left out"):
        low, high = interval(only["3 is neutral"], only[way], (rating[decided] > 3).astype(float))
        print(f"neutral, compared with {way!r}: AUROC {low:+.4f} to {high:+.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "neutral_ways", help="where the runs go or are")
    main(parser.parse_args().runs.resolve())
