"""The interface of a Model, the Encoder and the one Model that stands for itself: encoder, backbone, head."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from mlp_torch.column import Column
from mlp_torch.errors import ConfigError, near
from mlp_torch.head import Batch, Head

ROWS = 8192  # answered at once: a multiple of 32
CPU = torch.device("cpu")


def padded(features: dict[str, Tensor], multiple: int = 32) -> dict[str, Tensor]:
    """Features with rows of zeros added up to the next multiple of 32. Must script.

    Only so a row gets the same bits alone and in company: BLAS adds up the rows of an incomplete block of 16 in another
    order, and with AVX-512 torch computes `exp` of an incomplete block of 32 by another routine.
    """
    filled: dict[str, Tensor] = {}
    for name, x in features.items():
        rows = (multiple - x.shape[0] % multiple) % multiple
        if rows == 0:
            filled[name] = x
        else:
            filled[name] = torch.cat([x, x.new_zeros([rows] + list(x.shape[1:]))])  # noqa: RUF005  # (B', …); TorchScript does not unpack
    return filled


def predicted(by: "Head | Model", out: Tensor) -> dict[str, Tensor]:
    """What a head or model makes of (N, …) `out`, with the bits of the exported graph, whose rows are padded."""
    found = by.predict(padded({"out": out})["out"])
    return {name: x[: len(out)] for name, x in found.items()}


@torch.inference_mode()
def answers(model: "Model", features: dict[str, Tensor], *, device: torch.device = CPU) -> Tensor:
    """(N, …) `out` of a model, which is put in evaluation mode, some rows at a time; the bits of the exported graph."""
    model.eval()
    outs = []
    for start in range(0, max(len(next(iter(features.values()))), 1), ROWS):
        some = {name: x[start : start + ROWS].to(device) for name, x in features.items()}
        outs.append(model(padded(some))[: len(next(iter(some.values())))].cpu())
    return torch.cat(outs)


@dataclass(frozen=True)
class Modality:
    """Columns of one origin, such as all that read a text, which are dropped together.

    Args:
        columns: by name.
        drop: share of training rows for which their vectors are 0 in a step, 0 ≤ drop < 1.
    """

    columns: list[str]
    drop: float


class Encoder(nn.Module):
    """All learned readers of features, side by side in one vector.

    Args:
        columns: the fitted columns by name.
        modalities: which columns are dropped together in training, so that the model does not lean on one modality
            alone and answers where one is missing (ch. 2, Multimodal Input; Neverova et al. 2016, "ModDrop").

    Shape: features by column name -> (B, d_out) float32.

    Raises:
        ConfigError: for a modality's column that does not exist or is part of two, and for an impossible share.
    """

    drop: Tensor
    modality: list[int]

    def __init__(self, columns: dict[str, Column], modalities: Mapping[str, Modality] = MappingProxyType({})):
        super().__init__()
        self.layers = nn.ModuleDict({name: column.layer() for name, column in columns.items()})
        self.widths = {
            f"{name}.{part}" if part else name: width
            for name, column in columns.items()
            for part, width in column.widths().items()
        }
        self.d_out = sum(self.widths.values())
        place = membership(modalities, columns)
        self.modality = [place.get(name, -1) for name in columns]
        self.register_buffer("drop", torch.tensor([each.drop for each in modalities.values()]), persistent=False)
        self.shares = {name: (column.l1, column.l2) for name, column in columns.items() if column.l1 or column.l2}

    def penalties(self) -> list[Tensor]:
        """l1 · Σ|w| + l2 · Σw² over the parameters of each layer whose column asks for it."""
        found = []
        for name, (l1, l2) in self.shares.items():
            for weight in (p for p in self.layers[name].parameters() if p.requires_grad):
                found.append(l1 * weight.abs().sum() + l2 * weight.square().sum())
        return found

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        parts: list[Tensor] = []
        for name, layer in self.layers.items():
            parts.append(layer(features[name]))  # (B, dim)
        if self.training and self.drop.shape[0] > 0:
            kept = torch.rand((parts[0].shape[0], self.drop.shape[0]), device=self.drop.device) >= self.drop  # (B, m)
            for i, modality in enumerate(self.modality):
                if modality >= 0:
                    parts[i] = parts[i] * kept[:, modality : modality + 1]
        return torch.cat(parts, dim=-1)  # (B, d_out)


def membership(modalities: Mapping[str, Modality], columns: Collection[str]) -> dict[str, int]:
    """By column, which of the modalities it is part of.

    Raises:
        ConfigError: as Encoder.
    """
    place: dict[str, int] = {}
    for i, (name, modality) in enumerate(modalities.items()):
        if not 0 <= modality.drop < 1:
            text = f"modality.{name}.drop must be at least 0 and less than 1"
            raise ConfigError(f"{text}, however: drop={modality.drop}")
        if not modality.columns:
            raise ConfigError(f"modality.{name}.columns must name columns, however: none")
        for column in modality.columns:
            if column not in columns:
                text = f"modality.{name}.columns must be columns, however: {column}"
                raise ConfigError(f"{text}; {near(column, columns)}")
            if place.setdefault(column, i) != i:
                raise ConfigError(f"a column must be part of one modality, however: {column} is part of {name} too")
    return place


class Model(nn.Module):
    """Features to one tensor `out`, judged by its head.

    A Model made of Models stacks its members: (B, m, …). `vectors` and `read_out` are the two halves of `forward`
    between which attributions work.
    """

    period = 1  # epochs of which the last alone is a state that may be kept: those of a cycle of the learning rate
    if TYPE_CHECKING:  # TorchScript reads annotations, and knows tensors and plain values only
        head: Head

    def width(self) -> int:
        """The d of `vectors`."""
        raise NotImplementedError

    def vectors(self, features: dict[str, Tensor]) -> Tensor:
        """Features -> (B, d): the input of everything that is not an embedding. Must script."""
        raise NotImplementedError

    def read_out(self, vectors: Tensor) -> Tensor:
        """(B, d) -> `out`. Must script."""
        raise NotImplementedError

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        return self.read_out(self.vectors(features))

    def begin(self, epoch: int) -> None:
        """Called before each epoch of training, from 0; by default nothing depends on it."""

    def averaged(self, out: Tensor) -> Tensor:
        """(B, …) -> (B, n): the one `out` that the head judges. Must script."""
        return out

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        """The loss of each row, (B,)."""
        return self.head.loss(self.averaged(out), batch)

    def penalties(self) -> list[Tensor]:
        """What is added to the loss of a step beside the rows' own."""
        return []

    def predict(self, out: Tensor) -> dict[str, Tensor]:
        """Readable values by name. Must script."""
        return self.head.predict(self.averaged(out))

    def common(self, outs: Tensor) -> dict[str, Tensor]:
        """What members say in common, and how far they agree: (B, k, n) -> predictions by name. Must script.

        `POINT_spread` is the standard deviation (of k) of the members' point prediction, `CLASS_agreement` the share
        of them that say the class which they say in common.
        """
        b, k, n = outs.shape
        found = self.head.predict(self.head.average(outs))
        each = self.head.predict(outs.reshape(b * k, n))
        named: dict[str, Tensor] = {}
        for name, value in each.items():
            members = value.reshape([b, k] + list(value.shape[1:]))  # noqa: RUF005  # (B, k, …); TorchScript does not unpack
            if name == self.head.point:
                named[name + "_spread"] = members.double().std(dim=1, unbiased=False).float()
            elif not value.is_floating_point():
                named[name + "_agreement"] = (members == found[name].unsqueeze(1)).float().mean(dim=1)
        found.update(named)
        return found

    def calibrate(self, out: Tensor, y: Tensor, weight: Tensor) -> None:
        """Learns from the calibration split."""
        self.head.calibrate(self.averaged(out), y, weight)

    def constant(self, y: Tensor, weight: Tensor) -> Tensor:
        """The best `out` that looks at no feature, (n,)."""
        return self.head.constant(y, weight)

    def labels(self, y: Tensor) -> dict[str, Tensor]:
        """What metrics compare with."""
        return self.head.labels(y)

    def metrics(self) -> dict[str, tuple[str, str, Metric]]:
        """name -> (prediction, label, metric)."""
        return self.head.metrics()


class Single(Model):
    """One encoder, one backbone, one head.

    Members of a backbone that has some (TabM) are folded into the batch for the loss and averaged before `predict`.

    Args:
        encoder: features -> (B, d).
        backbone: (B, d) -> (B, d_out), or (B, k, d_out) where the head has k members.
        head: -> `out`.
    """

    def __init__(self, encoder: Encoder, backbone: nn.Module, head: Head):
        super().__init__()
        self.encoder, self.backbone, self.head = encoder, backbone, head
        self.members = head.members

    def width(self) -> int:
        return self.encoder.d_out

    def vectors(self, features: dict[str, Tensor]) -> Tensor:
        vectors: Tensor = self.encoder(features)
        return vectors

    def read_out(self, vectors: Tensor) -> Tensor:
        out: Tensor = self.head(self.backbone(vectors))
        return out

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        if self.members == 1:
            return self.head.loss(out, batch)
        b, k, n = out.shape
        repeated = Batch(batch.features, *(x.repeat_interleave(k, dim=0) for x in (batch.y, batch.weight, batch.row)))
        return self.head.loss(out.reshape(b * k, n), repeated).view(b, k).mean(dim=1)  # (B,)

    def penalties(self) -> list[Tensor]:
        return self.encoder.penalties()

    def averaged(self, out: Tensor) -> Tensor:
        if self.members > 1:
            out = self.head.average(out)  # (B, n)
        return out

    def predict(self, out: Tensor) -> dict[str, Tensor]:
        if self.members > 1:
            return self.common(out)
        return self.head.predict(out)
