"""Transfer learning (ch. 4): a run that begins with the weights of another one, and a report of what it took.

First the columns: those that are defined alike keep what the other run fitted, so that codes, bins and scales mean the
same (`mlp_torch.training.table.inherited`). Then the weights: tensors of the same name and shape, and of an embedding
whose vocabulary has grown the rows of the words that both know. The head's weights come along only if it predicts the
same target; what a head fits (priors, edges of bins, thresholds) is always of the new run's own rows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from mlp_torch.column import Column
from mlp_torch.errors import ConfigError, how_many
from mlp_torch.head import Head
from mlp_torch.model import Encoder
from mlp_torch.reproducibility.transform import Transform
from mlp_torch.target import Target
from mlp_torch.training.freezing import shown
from mlp_torch.training.table.definition import below
from mlp_torch.training.table.inherited import Inherited


@dataclass(frozen=True)
class Origin:
    """The run that another one begins with.

    Args:
        run: its folder.
        state: of its Task, with the best weights.
        columns: its columns, in their order.
        differs: by column of the new run why it is not restored.
        is_same_problem: whether target and head are defined alike.
    """

    run: str
    state: Mapping[str, Any]
    columns: list[str]
    differs: Mapping[str, str]
    is_same_problem: bool

    def of(self, column: str) -> dict[str, Tensor]:
        """What a column was fitted to."""
        return below(self.state, f"transform.columns.{column}.")

    def predicts(self, target: Target) -> bool:
        """Whether it predicts what a fitted target holds, so that the head's weights mean the same."""
        there = below(self.state, "target.")
        return self.is_same_problem and all(is_same(there.get(key), x) for key, x in target.state_dict().items())

    def inherited(self, transform: Transform, *, grow: bool) -> Inherited:
        """The columns that a new run restores."""
        names = [name for name in transform.named_columns() if name not in self.differs]
        return Inherited({name: self.of(name) for name in names}, grow)


@dataclass
class Carried:
    """What a run took from another one.

    Attributes:
        run: the other one's folder.
        restored: columns whose fitted state is that of the other run.
        fitted: by column that was fitted anew, why.
        vocabularies: by column that has grown, how many codes it had and has.
        loaded: names of tensors that were loaded, tables that grew among them.
        missing: by name of a tensor that is new, why.
        unexpected: names of tensors that the other run alone has.
        places: by column whose place in the body's input another one had, the name of that one.
    """

    run: str
    restored: list[str]
    fitted: dict[str, str]
    vocabularies: dict[str, tuple[int, int]]
    loaded: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    unexpected: list[str] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)

    def notes(self) -> list[str]:
        """The same in sentences, of long lists the first names."""
        told = [f"begins with {self.run}: {how_many(len(self.restored), 'column')} restored, as fitted to its rows"]
        if self.fitted:
            told.append("fitted anew: " + "; ".join(f"{name}, {why}" for name, why in self.fitted.items()))
        if self.vocabularies:
            grown = [f"{name} from {old:,} to {new:,} codes" for name, (old, new) in self.vocabularies.items()]
            told.append(f"grown: {', '.join(grown)}")
        told.append(f"loaded: {shown(self.loaded)}")
        if self.missing:
            told.append(f"missing there, new here: {shown([f'{name} ({why})' for name, why in self.missing.items()])}")
        if self.unexpected:
            told.append(f"unexpected, only there: {shown(self.unexpected)}")
        if self.places:
            others = ", ".join(f"{name} (there {other})" for name, other in self.places.items())
            told.append(f"WARNING: columns stand where others did, of which the body may have learned: {others}")
        return told


@torch.no_grad()
def carry(model: nn.Module, origin: Origin, transform: Transform, target: Target) -> Carried:
    """Gives a new model the weights of another run, as far as they mean the same.

    Args:
        model: new.
        origin: the other run.
        transform: of the new run, fitted.
        target: of the new run, fitted.

    Raises:
        ConfigError: where no tensor is taken.
    """
    found = begun(origin, transform.named_columns())
    refused = dict(refusals(model, origin, has_head=origin.predicts(target)))
    tables = tuple(path for name in found.vocabularies for path in layers(model, name))
    theirs = {name: x for name, x in below(origin.state, "model.").items() if isinstance(x, Tensor)}
    kept = {f"{path}.{name}" for path, head in heads(model) for name, _ in head.named_buffers()}
    kept |= {name for name, p in model.named_parameters() if not p.requires_grad}  # a judge's: copies of a member's
    state = model.state_dict()  # its tensors are the model's own
    own = {name: x for name, x in state.items() if isinstance(x, Tensor) and name not in kept}
    for name, x in own.items():
        given = theirs.get(name)
        why = next((why for prefix, why in refused.items() if f"{name}.".startswith(prefix)), None)
        if given is None or why:
            found.missing[name] = why or "no such tensor there"
        elif given.shape == x.shape:
            x.copy_(given)
            found.loaded.append(name)
        elif name.startswith(tables) and x.dim() == 2 and given.shape[1:] == x.shape[1:] and len(given) < len(x):
            x[: len(given)] = given  # codes of words that both know are the same
            found.loaded.append(name)
        else:
            found.missing[name] = f"{tuple(x.shape)}, there {tuple(given.shape)}"
    found.unexpected = [name for name in theirs if name not in state]
    if not found.loaded:
        text = "init_from must name a run whose model has tensors of this one's names and shapes, however: "
        raise ConfigError(f"{text}{origin.run} has none; here {shown(list(own))}; there {shown(list(theirs))}")
    return found


def begun(origin: Origin, columns: Mapping[str, Column]) -> Carried:
    """What became of the columns."""
    restored = [name for name in columns if name not in origin.differs]
    codes = {name: (len(origin.of(name)["seen"]), columns[name].codes) for name in restored}
    return Carried(
        run=origin.run,
        restored=restored,
        fitted={name: why for name, why in origin.differs.items() if name in columns},
        vocabularies={name: (old, new) for name, (old, new) in codes.items() if old < new},
        places={name: there for name, there in zip(columns, origin.columns, strict=False) if name != there},
    )


def refusals(model: nn.Module, origin: Origin, *, has_head: bool) -> Iterator[tuple[str, str]]:
    """By beginning of their names the tensors that mean something else than in the other run, and why."""
    for name in origin.differs:
        for path in layers(model, name):
            yield path, f"column {name} is fitted anew"
    yield from ((f"{path}.", "of another target or head") for path, _ in heads(model) if not has_head)


def heads(model: nn.Module) -> list[tuple[str, Head]]:
    """The heads of a model, by their place."""
    return [(path, module) for path, module in model.named_modules() if isinstance(module, Head)]


def layers(model: nn.Module, column: str) -> list[str]:
    """How the names of a column's parameters begin, in each encoder of a model."""
    encoders = [path for path, module in model.named_modules() if isinstance(module, Encoder)]
    return [f"{path}.layers.{column}." for path in encoders]


def is_same(there: Any, here: Any) -> bool:
    """Whether two parts of a state are equal: tensors, or plain values."""
    if isinstance(there, Tensor) and isinstance(here, Tensor):
        return torch.equal(there, here)
    return bool(there == here)
