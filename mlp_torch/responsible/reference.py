"""Another model that was trained on the same rows, as a contender of the closing report.

Book: ch. 7, Heuristic Benchmark; ch. 3: a cascade is judged against one model, a distribution against a regression and
its residuals, and against a quantile regression. Each is a stage with its own weights: shared ones would be drawn in
two directions, and prove nothing.

Shape: as the contenders of `mlp_torch.responsible.baselines`.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from mlp_torch.head import Batch, Head
from mlp_torch.model import Model, padded, predicted
from mlp_torch.responsible.baselines import with_label
from mlp_torch.responsible.verdict import labelled

ROWS = 8192  # answered at once


class Reference:
    """A stage's model, whose answers are put into the terms of the run's head.

    One whose head is fitted alike says the same kind of `out`. Else its point prediction counts, together with the
    residuals of rows that it has not seen where the run's head says distributions.

    Args:
        stage: its name.

    Attributes:
        model: of the stage, trained; the run sets it.
    """

    model: Model

    def __init__(self, stage: str):
        self.stage = stage

    def fit(self, head: Head, tables: Mapping[str, Batch]) -> list[str]:
        """Looks at rows that the model was not trained on: of calibration, or of validation where there are none."""
        table = tables["calibration"] if labelled(tables["calibration"].y).any() else tables["val"]
        held = with_label(table, "calibration")
        self.head, self.held_y, self.is_alike = head, held.y, is_alike(head, self.model.head, held)
        self.held = torch.zeros(0) if self.is_alike else self.scores(held.features)
        return []

    def out(self, features: dict[str, Tensor]) -> Tensor:
        """(N, n)."""
        if self.is_alike:
            return torch.cat([self.model.averaged(out) for out in self.outs(features)])
        return self.head.from_scores(self.scores(features), self.held, self.held_y)

    @torch.no_grad()
    def outs(self, features: dict[str, Tensor]) -> list[Tensor]:
        """What the model says, some rows at a time."""
        n = len(next(iter(features.values())))
        found = []
        for start in range(0, max(n, 1), ROWS):
            part = {name: x[start : start + ROWS] for name, x in features.items()}
            found.append(self.model(padded(part))[: len(next(iter(part.values())))])
        return found

    def scores(self, features: dict[str, Tensor]) -> Tensor:
        """Point predictions as boosted trees would give them: log-odds, or numbers in the unit in which those learn."""
        points = torch.cat([predicted(self.model, out)[self.model.head.point] for out in self.outs(features)]).double()
        if "probab" in self.model.head.point:
            return points.logit() if points.dim() == 1 else points.log()
        return self.head.teach(points)


def is_alike(one: Head, other: Head, table: Batch) -> bool:
    """Whether two heads mean the same by an `out`: they are of one kind, and call the same constant the best."""
    if type(one) is not type(other):
        return False
    found, wanted = (head.constant(table.y, table.weight) for head in (one, other))
    return torch.equal(found, wanted)
