"""Which parameters learn, from which epoch on and how fast (ch. 4, Transfer Learning), by globs over their names.

What is frozen changes no bit: its tensors have no gradient, and a batch normalization whose parameters are frozen
stays in evaluation mode, so that its running statistics stay too. All that is ever to learn is in the optimizer from
the start, and what learns is a function of the epoch alone: a run that goes on is where the stopped one was.

Sources: Howard & Ruder 2018, "Universal Language Model Fine-tuning for Text Classification", sections 3.2 and 3.3.

>>> model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
>>> plan = planned(model, freeze=["0.*"], unfreeze={3: ["0.bias"]}, rates={"0.bias": 0.1})
>>> plan.begin(model, epoch=1)
>>> [name for name, p in model.named_parameters() if p.requires_grad]
['1.weight', '1.bias']
>>> [(factor, len(found)) for factor, found in plan.groups(model)]
[(1.0, 2), (0.1, 1)]
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mlp_torch.errors import ConfigError, how_many, near
from mlp_torch.model import Single

SHOWN = 6  # names in a sentence


@dataclass(frozen=True)
class Plan:
    """What learns when, and how fast; by default all, from the start, at the optimizer's rate.

    Args:
        since: by name of each frozen parameter the epoch from which it learns, counted from 1; None = it never does.
        factors: by name of a parameter what the optimizer's learning rate is multiplied by; 1 for all others.
        globs: by glob of what is frozen the names that it matches.
    """

    since: Mapping[str, int | None] = field(default_factory=dict)
    factors: Mapping[str, float] = field(default_factory=dict)
    globs: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def begin(self, model: nn.Module, *, epoch: int) -> None:
        """Sets what learns in an epoch, counted from 1."""
        learns = {name: start is not None and epoch >= start for name, start in self.since.items()}
        for name, parameter in model.named_parameters():
            if name in learns:
                parameter.requires_grad_(learns[name])
        for path, module in model.named_modules():
            own = [f"{path}.{name}".lstrip(".") for name, _ in module.named_parameters(recurse=False)]
            if isinstance(module, _BatchNorm) and own and all(name in learns for name in own):
                module.train(any(learns[name] for name in own))

    def groups(self, model: nn.Module) -> list[tuple[float, list[nn.Parameter]]]:
        """Factors from the largest down, each with its parameters: all that learn in some epoch."""
        found: dict[float, list[nn.Parameter]] = {}
        for name, parameter in model.named_parameters():
            learns = self.since[name] is not None if name in self.since else parameter.requires_grad
            if learns:
                found.setdefault(self.factors.get(name, 1.0), []).append(parameter)
        return sorted(found.items(), key=lambda item: -item[0])

    def notes(self) -> list[str]:
        """The same in sentences; none where all learn alike."""
        told = []
        for start in sorted(set(self.since.values()), key=lambda start: start or 0):
            names = [name for name, since in self.since.items() if since == start]
            told.append(f"frozen{f' until epoch {start} begins' if start else ''}: {shown(names)}")
        for factor in sorted(set(self.factors.values())):
            names = [name for name, own in self.factors.items() if own == factor]
            told.append(f"learning rate × {factor:g}: {shown(names)}")
        return told


def shown(names: Sequence[str]) -> str:
    """How many tensors, and the names of the first ones."""
    rest = ", …" if len(names) > SHOWN else ""
    return f"{how_many(len(names), 'tensor')}: {', '.join(names[:SHOWN])}{rest}"


def planned(
    model: nn.Module,
    *,
    freeze: Sequence[str] = (),
    unfreeze: Mapping[int, Sequence[str]] = MappingProxyType({}),
    rates: Mapping[str, float] = MappingProxyType({}),
    layer_decay: float = 1.0,
) -> Plan:
    """A plan for a model, by globs over the names of its parameters.

    Args:
        model: as it was built, with whatever its weights begin.
        freeze: globs of what does not learn.
        unfreeze: by epoch, counted from 1, globs of what of it learns from there on.
        rates: factors on the optimizer's learning rate, by glob; the first that matches counts.
        layer_decay: a factor for each layer that lies below the head, for parameters that no glob of `rates` matches.

    Raises:
        ConfigError: for a glob that matches nothing, and where nothing is left to learn.
    """
    known = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    globs = {glob: matching(glob, known, key="freeze") for glob in freeze}
    frozen = {name for names in globs.values() for name in names}
    since: dict[str, int | None] = {name: None for name, learns in known.items() if learns and name in frozen}
    for epoch, later in sorted(unfreeze.items()):
        for glob in later:
            still = [name for name, start in since.items() if start is None or start == epoch]
            since |= dict.fromkeys(matching(glob, still, key=f"unfreeze.{epoch}", kind="frozen parameter"), epoch)
    if any(known.values()) and not any(learns and name not in since for name, learns in known.items()):
        text = "freeze must leave something to learn in the first epoch, however"
        raise ConfigError(f"{text}: all {how_many(len(since), 'parameter')} are frozen")
    factors = by_depth(model, layer_decay) if layer_decay != 1 else {}
    for glob, factor in reversed(list(rates.items())):  # so that the first one has the last word
        factors |= dict.fromkeys(matching(glob, known, key="rates"), float(factor))
    return Plan(since, {name: factors[name] for name in known if factors.get(name, 1.0) != 1}, globs)


def matching(glob: str, names: Collection[str], *, key: str, kind: str = "parameter") -> list[str]:
    """The names that a glob matches.

    Raises:
        ConfigError: naming the near ones, if there is none.
    """
    found = [name for name in names if fnmatchcase(name, glob)]
    if not found:
        raise ConfigError(f"{key} must match a {kind} of the model, however: {glob}; {near(glob, names)}")
    return found


def by_depth(model: nn.Module, decay: float) -> dict[str, float]:
    """By parameter decay^depth: 0 is the head's depth, then each layer of the backbone's, the encoder's is the largest.

    Raises:
        ConfigError: for a model that has no encoder, backbone and head.
    """
    found: dict[str, float] = {}
    for path, module in model.named_modules():
        if isinstance(module, Single):
            layers = {name: layer_of(module, name) for name, _ in module.named_parameters()}
            height = list(dict.fromkeys(["encoder", *layers.values()]))
            found |= {
                f"{path}.{name}".lstrip("."): decay ** (len(height) - 1 - height.index(layer))
                for name, layer in layers.items()
            }
    if not found:
        raise ConfigError(f"layer_decay needs a model of layers, however: {type(model).__name__}; take rates")
    return found


def layer_of(model: Single, name: str) -> str:
    """The layer that a parameter is of: the encoder, the head, a block of the backbone, or else a part of that."""
    parts = name.split(".")
    module: nn.Module = model
    for i, part in enumerate(parts[:-1]):
        outer, module = module, module.get_submodule(part)
        # what is numbered is one after the other, but for a list deeper down: an FT-Transformer's tokens
        if i > 1 and part.isdecimal() and parts[0] == "backbone" and (i == 2 or isinstance(outer, nn.Sequential)):
            return ".".join(parts[: i + 1])
    return ".".join(parts[: 2 if parts[0] == "backbone" else 1])
