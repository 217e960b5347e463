"""Cascade (ch. 3): a gate tells which case a row is, a model of its own for each case answers; one graph.

Branches are stages that were trained on the rows which the gate takes for theirs (`stages.NAME.rows`). Hard routing
takes the answer of the branch whose class the gate says: the one that has learned from rows like this one. Soft routing
averages all of them by the gate's probabilities; where the gate is in doubt, that mixes in answers of branches which
have seen no such row.

Shape: features -> out (B, g + k · n): the gate's `out`, then those of k branches.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from mlp_torch.errors import ConfigError, near
from mlp_torch.head import is_alike
from mlp_torch.model import Model
from mlp_torch.parts import Parts
from mlp_torch.problem.ensembles import Frozen


class Cascade(Model):
    """A trained gate and a trained model for each of its classes; nothing is left to learn.

    Predicts what the branches' head does, and what the gate says under `gate/…`.

    Args:
        parts: with the stages.
        gate: the stage that is a classifier.
        branches: by class of the gate the stage that answers.
        routing: `hard` or `soft`.

    Raises:
        ConfigError: for stages that do not exist or do not fit each other.
    """

    def __init__(
        self, parts: Parts, *, gate: str, branches: Mapping[str, str], routing: Literal["hard", "soft"] = "hard"
    ):
        super().__init__()
        if routing not in ("hard", "soft"):
            raise ValueError(f"routing must be hard or soft, however: routing={routing!r}")
        self.gate = parts.stage(gate)
        classes = self.gate.head.names.get("class", [])
        check_branches(gate, classes, branches)
        models = [parts.stage(branches[name]) for name in classes]
        self.branches, self.head = Frozen(models), parts.head(1, 1, sampling=None).requires_grad_(False)
        for name, model in zip(classes, models, strict=True):
            if not is_alike(self.head, model.head, parts.y, parts.weight):
                text = "branches must have the head of the whole, with its options and its target, however"
                raise ConfigError(f"{text}: that of {branches[name]} differs")
        self.head.names = {**self.head.names, **{f"gate/{name}": found for name, found in self.gate.head.names.items()}}
        self.widths = [model.width() for model in (self.gate, *models)]
        self.sizes = [size_of(model) for model in (self.gate, *models)]
        self.is_soft = routing == "soft"
        # of two classes one probability says it all; a neutral gate has both
        self.is_binary = "probabilities" not in self.gate.head.predict(torch.zeros(1, self.sizes[0]))

    def width(self) -> int:
        return sum(self.widths)

    def vectors(self, features: dict[str, Tensor]) -> Tensor:
        """(B, sum of all widths): the gate's, then the branches'."""
        found = [self.gate.vectors(features)]
        for branch in self.branches:
            found.append(branch.vectors(features))  # type: ignore[operator]
        return torch.cat(found, dim=1)

    def read_out(self, vectors: Tensor) -> Tensor:
        """(B, d) -> (B, g + k · n)."""
        parts = torch.split(vectors, self.widths, dim=1)
        outs = [self.gate.averaged(self.gate.read_out(parts[0]))]
        for i, branch in enumerate(self.branches):
            outs.append(branch.averaged(branch.read_out(parts[i + 1])))  # type: ignore[operator]
        return torch.cat(outs, dim=1)

    def shares(self, gate_out: Tensor) -> Tensor:
        """What each branch counts for: (B, g) -> (B, k), sums to 1."""
        said = self.gate.head.predict(gate_out)
        if not self.is_soft:
            return nn.functional.one_hot(said["class"], len(self.branches)).to(gate_out.dtype)
        if self.is_binary:
            yes = said["probability"]
            return torch.stack([1 - yes, yes], dim=1)
        return said["probabilities"]

    def averaged(self, out: Tensor) -> Tensor:
        """(B, g + k · n) -> (B, n)."""
        parts = torch.split(out, self.sizes, dim=1)
        return self.head.average(torch.stack(parts[1:], dim=1), self.shares(parts[0]))

    def predict(self, out: Tensor) -> dict[str, Tensor]:
        found = self.head.predict(self.averaged(out))
        for name, value in self.gate.head.predict(out[:, : self.sizes[0]]).items():
            found["gate/" + name] = value
        return found


def check_branches(gate: str, classes: list[str], branches: Mapping[str, str]) -> None:
    """Refuses branches that are not those of the gate's classes."""
    if not classes:
        raise ConfigError(f"gate must be a classifier, however: stage {gate} predicts no class")
    if wrong := [name for name in branches if name not in classes]:
        raise ConfigError(f"branches must be by class of {gate}, however: {wrong[0]}; {near(wrong[0], classes)}")
    if lacking := [name for name in classes if name not in branches]:
        raise ConfigError(f"each class of {gate} must have a branch, however: none for {', '.join(lacking)}")


def size_of(model: Model) -> int:
    """The width of the one `out` that a model's head judges."""
    with torch.no_grad():
        return int(model.averaged(model.read_out(torch.zeros(1, model.width()))).shape[1])
