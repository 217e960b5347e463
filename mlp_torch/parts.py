"""What models are made of: new encoders, backbones and heads, and models of earlier stages.

A run hands the Parts to what its configuration names as the model, which makes one network of them or several.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from torch import Tensor, nn

from mlp_torch.column import Column
from mlp_torch.errors import ConfigError, near
from mlp_torch.head import Head
from mlp_torch.model import Encoder, Modality, Model, Single


@dataclass(frozen=True)
class Parts:
    """What models are made of: new encoders, backbones and heads, sized by the fitted columns, and trained stages.

    Args:
        columns: fitted, by name.
        backbone: widths by column -> a module with `d_out`.
        head: (d_in, members, sampling) -> a head that is fitted on training targets; `sampling` as in `Head.fit`.
        y: (N,) or (N, k) training targets.
        weight: (N,) what training rows weigh.
        modalities: columns that are dropped together in training.
        sampling: (N,) how much they count once they are rebalanced; None = by `weight`.
        stages: models of earlier stages, by name.
        features: of training rows, by column, and by `STAGE.PREDICTION` what stages with folds say of them out of fold.
    """

    columns: Mapping[str, Column]
    backbone: Callable[[dict[str, int]], nn.Module]
    head: Callable[..., Head]
    y: Tensor
    weight: Tensor
    modalities: Mapping[str, Modality] = field(default_factory=dict)
    sampling: Tensor | None = None
    stages: Mapping[str, Model] = field(default_factory=dict)
    features: Mapping[str, Tensor] = field(default_factory=dict)

    def of(self, names: Sequence[str]) -> "Parts":
        """Those of some columns alone; a modality keeps those that it has of them."""
        kept = {
            name: replace(modality, columns=[column for column in modality.columns if column in names])
            for name, modality in self.modalities.items()
        }
        columns = {name: self.columns[name] for name in names}
        return replace(self, columns=columns, modalities={name: each for name, each in kept.items() if each.columns})

    def sampled(self, sampling: Tensor | None) -> "Parts":
        """The same for rows that count otherwise in training, (N,) as in `Head.fit`; None changes nothing."""
        if sampling is None:
            return self
        return replace(self, head=partial(self.head, sampling=sampling), sampling=sampling)

    def single(self) -> Single:
        """A new model of all columns."""
        encoder = Encoder(dict(self.columns), self.modalities)
        return Single(encoder, *self.judged(encoder.widths))

    def judged(self, widths: dict[str, int]) -> tuple[nn.Module, Head]:
        """A new backbone of these widths and the head above it."""
        body = self.backbone(widths)
        members = getattr(body, "members", 1)  # any nn.Module with d_out is a backbone; few have members
        return body, self.head(int(body.d_out), members)  # type: ignore[arg-type]  # of a module all attributes are tensors

    def stage(self, name: str) -> Model:
        """The trained model of a stage, which learns no more.

        Raises:
            ConfigError: if there is no such stage.
        """
        if name not in self.stages:
            raise ConfigError(f"a stage must be one of stages, however: {name}; {near(name, self.stages)}")
        return self.stages[name].eval().requires_grad_(False)


def alone(parts: Parts) -> Single:
    """The model that is its only member."""
    return parts.single()
