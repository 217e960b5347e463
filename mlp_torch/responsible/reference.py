"""Other models that were trained on the same rows, as contenders of the closing report.

Book: ch. 7, Heuristic Benchmark; ch. 3: a cascade is judged against one model, a distribution against a regression and
its residuals, and against a quantile regression. Each is a stage with its own weights: shared ones would be drawn in
two directions, and prove nothing. An ensemble is judged against its best member.

Shape: as the contenders of `mlp_torch.responsible.baselines`.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from mlp_torch.head import Batch, Head, is_alike
from mlp_torch.model import Model, answers, predicted
from mlp_torch.responsible.baselines import with_label
from mlp_torch.responsible.report import number
from mlp_torch.responsible.verdict import labelled, mean_loss


class Reference:
    """A stage's model, whose answers are put into the terms of the run's head.

    One whose head is fitted alike says the same kind of `out`. Of one that says quantiles all of them count. Of others
    the point prediction does, together with the residuals of rows that it has not seen where the run's head says
    distributions.

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
        self.head, self.held_y, self.is_alike = head, held.y, is_alike(head, self.model.head, held.y, held.weight)
        levels = self.model.head.scales().get("levels", [])
        # one alone is a point prediction
        self.levels = torch.tensor(levels if len(levels) > 1 else [], dtype=torch.float64)
        self.held = torch.zeros(0) if self.is_alike or len(self.levels) else self.points(held.features)
        return []

    def out(self, features: dict[str, Tensor]) -> Tensor:
        """(N, n)."""
        if self.is_alike:
            return self.model.averaged(answers(self.model, features))
        if len(self.levels):
            return self.head.from_quantiles(self.levels, self.said("quantiles", features))
        say = self.head.from_scores if self.is_probable else self.head.from_points
        return say(self.points(features), self.held, self.held_y)

    def said(self, name: str, features: dict[str, Tensor]) -> Tensor:
        """One of the model's predictions, (N, …)."""
        return predicted(self.model, answers(self.model, features))[name]

    @property
    def is_probable(self) -> bool:
        """Whether the model's point prediction is a probability."""
        return "probab" in self.model.head.point

    def points(self, features: dict[str, Tensor]) -> Tensor:
        """Point predictions in the unit of y; of probabilities the log-odds, as boosted trees would give them."""
        points = self.said(self.model.head.point, features).double()
        if self.is_probable:
            return points.logit() if points.dim() == 1 else points.log()
        return points


class BestMember:
    """The member of an ensemble that is best on validation rows: what the others add must be more than nothing.

    Args:
        model: trained, whose `out` is (B, k, n).
    """

    def __init__(self, model: Model):
        self.model, self.place = model.eval(), 0

    def fit(self, head: Head, tables: Mapping[str, Batch]) -> list[str]:
        """Chooses on validation rows, and notes how far apart members are."""
        val = with_label(tables["val"], "val")
        outs = answers(self.model, val.features)  # (N, k, n)
        losses = [mean_loss(head, out, val.y, val.weight) for out in outs.unbind(1)]
        self.place = losses.index(min(losses))
        if len(losses) == 1:
            text = "WARNING: the ensemble has one member: validation rows were predicted best before a second one came"
            return [f"{text}; lower optimizer.lr, add dropout, or take a shorter model.cycle."]
        told = f"loss {number(min(losses))} to {number(max(losses))} on validation rows"
        return [f"The {len(losses)} members by themselves: {told}; the first of these is the best member."]

    def out(self, features: dict[str, Tensor]) -> Tensor:
        """(N, n)."""
        return answers(self.model, features)[:, self.place]
