"""What happened to the rows of a table, as row_counts.json holds it, in sentences for people.

>>> counts = {"read": 5, "used": 4, "dropped": {"y: missing_value": 1}, "changed": {}, "missing": {"age": 2}}
>>> sentences(counts | {"splits": {"train": 3, "val": 1}, "clipped": {}, "unseen": {"val": {"city": 1}}})[1:]
['dropped 1 row: y: missing_value', 'missing cells: age 2', 'val: 1 row holds a category of city that training never \
showed']
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from mlp_torch.errors import how_many
from mlp_torch.ingest.notice import changes
from mlp_torch.reproducibility.split import SPLITS
from mlp_torch.reproducibility.transform import Transform

MOST_MISSING = 5  # fields named


class SplitCounts:
    """Rows of each split, and of them those with clipped numbers and with unseen categories, in pieces or at once.

    Args:
        transform: fitted.
    """

    def __init__(self, transform: Transform):
        self.transform = transform
        self.sizes = dict.fromkeys(SPLITS, 0)
        self.marked: dict[str, dict[str, Counter[str]]] = {
            what: {name: Counter() for name in SPLITS} for what in ("clipped", "unseen")
        }

    def add(self, name: str, features: dict[str, Tensor], rows: int) -> None:
        """So many more encoded rows of a split."""
        self.sizes[name] += rows
        found = {"clipped": self.transform.clipped(features), "unseen": self.transform.unseen(features)}
        for what, columns in found.items():
            self.marked[what][name].update({column: int(x.sum()) for column, x in columns.items() if x.any()})

    def close(self, counts: dict[str, Any]) -> None:
        """Writes them beside the counts of a table, and how many of its used rows are in no split."""
        counts["splits"] = self.sizes
        counts["clipped"] = {name: dict(found) for name, found in self.marked["clipped"].items()}
        counts["unseen"] = {name: dict(found) for name, found in self.marked["unseen"].items() if name != "train"}
        if (outside := counts["used"] - sum(self.sizes.values())) > 0:  # less where splits have the same rows
            counts["used"] -= outside
            counts["dropped"]["in no split"] = outside


def sentences(counts: Mapping[str, Any]) -> list[str]:
    """A sentence each: sizes, rows dropped, cells changed and missing, faults of joined tables, clipped and unseen."""
    sizes = ", ".join(f"{name} {count:,}" for name, count in counts["splits"].items())
    lines = [f"{counts['used']:,} of {how_many(counts['read'], 'row')} used: {sizes}"]
    lines += [f"dropped {how_many(count, 'row')}: {reason}" for reason, count in counts["dropped"].items()]
    lines += [f"{verb} {what}" for verb, what in changes(counts["changed"])]
    if missing := counts["missing"]:
        most = sorted(missing.items(), key=lambda item: -item[1])
        listed = ", ".join(f"{name} {count:,}" for name, count in most[:MOST_MISSING])
        lines.append(
            f"missing cells: {listed}"
            + (f", {how_many(len(most) - MOST_MISSING, 'more field')}" if len(most) > MOST_MISSING else "")
        )
    for name, table in counts.get("joined", {}).items():
        lines += [
            f"{name}: {count:,} of {how_many(table['read'], 'row')}: {what}" for what, count in table["changed"].items()
        ]
    for split, found in counts["clipped"].items():
        lines += [
            f"{split}: {how_many(n, 'row is', 'rows are')} clipped at the limit of {name}" for name, n in found.items()
        ]
    for split, found in counts["unseen"].items():
        lines += [
            f"{split}: {how_many(n, 'row holds', 'rows hold')} a category of {name} that training never showed"
            for name, n in found.items()
        ]
    return lines


def weighed(field: str, weight: Tensor) -> str:
    """What the weights of training rows, (N,), are used for and what they cost, in a sentence.

    >>> weighed("w", Tensor([3.0, 1.0])).split("; ")[1]
    '2 training rows tell as much as 1.6 of equal weight'
    """
    w = weight.double()
    equal = float(w.sum() ** 2 / (w**2).sum())  # Kish's effective sample size
    return (
        f"rows weigh by {field} in losses, priors, calibration, look-up and trees, while other metrics count each row "
        f"once; {len(w):,} training rows tell as much as {equal:,.1f} of equal weight"
    )
