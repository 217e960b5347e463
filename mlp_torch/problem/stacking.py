"""Stacking (ch. 3, Ensembles): a last model learns what several others are worth, from what they say out of fold.

Members are stages with folds; the last model is trained on predictions that each come from a model which has not seen
the row, and in the graph the members that were trained on all rows take their place. Source: Wolpert 1992, "Stacked
Generalization".

Shape: features -> `out` of the last model, (B, n) or (B, k, n).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mlp_torch.errors import ConfigError
from mlp_torch.model import Encoder, Model
from mlp_torch.parts import Parts
from mlp_torch.problem.links import moments

LEAST = 1e-6  # of a probability whose log-odds the last model sees


class Opinion(nn.Module):
    """A member's point prediction as the last model sees it: standardized; of probabilities the log-odds.

    Args:
        size: how many numbers a row has.
        is_probability: whether they are probabilities.

    Shape: (B,) or (B, size) -> (B, size) float32.
    """

    mean: Tensor
    scale: Tensor
    least: Tensor

    def __init__(self, size: int, *, is_probability: bool):
        super().__init__()
        self.is_probability = is_probability
        self.register_buffer("mean", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("scale", torch.ones(size, dtype=torch.float64))
        self.register_buffer("least", torch.tensor(LEAST, dtype=torch.float64), persistent=False)

    def fit(self, said: Tensor) -> None:
        """Learns from out-of-fold predictions, (N,) or (N, size)."""
        for i, x in enumerate(self.plain(said).unbind(1)):
            self.mean[i], self.scale[i] = moments(x, torch.ones_like(x))

    def plain(self, said: Tensor) -> Tensor:
        """(B,) or (B, size) -> (B, size) float64."""
        x = said.double().unsqueeze(1) if said.dim() == 1 else said.double()
        if self.is_probability:
            x = torch.logit(x.clamp(self.least, 1 - self.least))
        return x

    def forward(self, said: Tensor) -> Tensor:
        return ((self.plain(said) - self.mean) / self.scale).float()


class Member(nn.Module):
    """A trained model and how the last one sees what it says.

    Args:
        name: of the stage.
        model: of the stage.
        said: its point predictions of training rows, out of fold.
    """

    def __init__(self, name: str, model: Model, said: Tensor):
        super().__init__()
        self.point, self.model = model.head.point, model
        self.key = f"{name}.{self.point}"
        self.opinion = Opinion(1 if said.dim() == 1 else said.shape[1], is_probability="probab" in self.point)
        self.opinion.fit(said)

    def train(self, mode: bool = True) -> "Member":
        """Never: it has learned."""
        return super().train(False)

    @torch.jit.export
    def vectors(self, features: dict[str, Tensor]) -> Tensor:
        """Those of the model, (B, d)."""
        return self.model.vectors(features)

    def remembered(self, features: dict[str, Tensor]) -> Tensor:
        """What it said of training rows out of fold, (B, size)."""
        seen: Tensor = self.opinion(features[self.key])
        return seen

    def forward(self, vectors: Tensor) -> Tensor:
        """(B, d) -> (B, size)."""
        seen: Tensor = self.opinion(self.model.predict(self.model.read_out(vectors))[self.point])
        return seen


class Stacked(Model):
    """Trained members and a last model that reads what they say, with some columns beside it if wanted.

    Args:
        parts: the last model's backbone and head, and the stages.
        members: the stages whose point predictions the last model reads.
        columns: columns that it sees beside them.

    Raises:
        ConfigError: for stages that do not exist, have no folds, or are named twice.
    """

    def __init__(self, parts: Parts, *, members: Sequence[str], columns: Sequence[str] = ()):
        super().__init__()
        if not members:
            raise ConfigError("members must name stages, however: none")
        if len(set(members)) < len(members):
            raise ConfigError(f"members must be distinct, however: {', '.join(members)}")
        found = [Member(name, parts.stage(name), said_by(name, parts)) for name in members]
        self.members = nn.ModuleList(found)
        self.widths = [member.model.width() for member in found]
        own = parts.of(columns)
        self.encoder = Encoder(dict(own.columns), own.modalities) if columns else None
        widths = {member.key: len(member.opinion.mean) for member in found}
        if self.encoder is not None:
            self.widths.append(self.encoder.d_out)
            widths |= self.encoder.widths
        self.backbone, self.head = parts.judged(widths)
        self.several = self.head.members > 1

    def width(self) -> int:
        return sum(self.widths)

    def vectors(self, features: dict[str, Tensor]) -> Tensor:
        """(B, sum of all widths): the members', then those of the own columns."""
        found: list[Tensor] = []
        for member in self.members:
            found.append(member.vectors(features))  # type: ignore[operator]
        if self.encoder is not None:
            found.append(self.encoder(features))
        return torch.cat(found, dim=1)

    def read_out(self, vectors: Tensor) -> Tensor:
        parts = torch.split(vectors, self.widths, dim=1)
        seen: list[Tensor] = []
        for i, member in enumerate(self.members):
            seen.append(member(parts[i]))
        if self.encoder is not None:
            seen.append(parts[len(parts) - 1])
        out: Tensor = self.head(self.backbone(torch.cat(seen, dim=1)))
        return out

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """In training members are not asked: what they say of these rows out of fold is among the features."""
        if not self.training:
            return self.read_out(self.vectors(features))
        seen: list[Tensor] = []
        for member in self.members:
            seen.append(member.remembered(features))  # type: ignore[operator]
        if self.encoder is not None:
            seen.append(self.encoder(features))
        out: Tensor = self.head(self.backbone(torch.cat(seen, dim=1)))
        return out

    def averaged(self, out: Tensor) -> Tensor:
        if self.several:
            out = self.head.average(out)  # (B, n)
        return out

    def penalties(self) -> list[Tensor]:
        return self.encoder.penalties() if self.encoder is not None else []


def said_by(name: str, parts: Parts) -> Tensor:
    """A stage's point predictions of training rows, out of fold.

    Raises:
        ConfigError: where it has none.
    """
    key = f"{name}.{parts.stage(name).head.point}"
    if key not in parts.features:
        raise ConfigError(
            f"a stage must have folds, so that it says something of rows it has not seen, however: {name}"
        )
    return parts.features[key]
