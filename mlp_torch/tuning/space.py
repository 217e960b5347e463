"""The search space, in the grammar of Hydra's overrides: each parameter with the values that it may take.

- `a,b` or `choice(a,b)`: one of these. `range(1,9,2)`: whole numbers or steps, as Python's.
- `interval(0.1,0.5)`: any number between. `int(interval(8,256))`: any whole number.
- `tag(log,interval(1e-4,1e-2))`: drawn by the logarithm.

>>> ranges = space({"optimizer.lr": "tag(log,interval(1e-4,1e-2))"}, ["seed=7", "backbone.hidden=[8],[8,8]"])
>>> ranges["optimizer.lr"]
Range(low=0.0001, high=0.01, step=None, log=True)
>>> ranges["backbone.hidden"]
Choice(values=('[8]', '[8,8]'))
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException

from mlp_torch.errors import ConfigError
from mlp_torch.overrides import key_of, malformed

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

GRAMMAR = "write choice(a,b), range(start,stop,step), interval(low,high) or tag(log,interval(low,high))"
FIXED = ("callback.best", "data.source", "data.split", "data.target", "data.fields")  # they decide what is compared
OWN: tuple[str, ...] = ("all_rows", "debug", "fold", "folder", "folds", "from_study", "hparams_search", "hydra")
OWN += ("member", "name", "resume", "resume_allow", "runs", "trial")


class Choice(NamedTuple):
    """One of some values, as they are written in an override."""

    values: tuple[str, ...]

    def text(self, value: Any) -> str:
        """A value as an override has it."""
        return str(value)

    def values_to_try(self) -> list[str]:
        """All."""
        return list(self.values)


class Range(NamedTuple):
    """Numbers from low to high, both included; whole ones if both are.

    Args:
        low: the least.
        high: the greatest.
        step: between neighbours; None = any number.
        log: whether the logarithm is drawn.
    """

    low: float
    high: float
    step: float | None
    log: bool

    def text(self, value: Any) -> str:
        """A value as an override has it: all digits, so that a run by it has the same bits."""
        return repr(value)

    def values_to_try(self) -> list[str]:
        """One: all are of one type."""
        return [repr(self.low)]


Values = Choice | Range


def space(given: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Values]:
    """The parameters, by key and in their order; what the command line sets wins, one value as well as several.

    Args:
        given: of the YAML, by key.
        overrides: as typed.

    Raises:
        ConfigError: for what is no set of values, or an empty one, and for a key that is not to be tuned.
    """
    found: dict[str, Values] = {}
    for key, text in given.items():
        override = parsed(f"{key}={text}")
        if text is not None and not override.is_sweep_override():
            raise ConfigError(f"hparams_search.params.{key} must be a set of values, however: {text}; {GRAMMAR}")
        if text is not None:
            found[key] = values(key, override)
    for text in overrides:
        override = parsed(text)
        if override.is_sweep_override():
            found[key_of(text)] = values(key_of(text), override)
        else:
            found.pop(key_of(text), None)
    for key in found:
        check_key(key)
    return dict(sorted(found.items()))


def parsed(text: str) -> Override:
    """An override.

    Raises:
        ConfigError: for one that Hydra's grammar does not know.
    """
    try:
        return OverridesParser.create().parse_override(text)
    except HydraException as error:
        if "(" in text:
            raise ConfigError(f"{key_of(text)} must be a set of values, however: {text}; {GRAMMAR}") from error
        raise malformed(text) from None


def check_key(key: str) -> None:
    """Refuses what a trial may not vary: where it lies, what rows it is judged on, and by what."""
    if key.partition(".")[0] in OWN or any(key == fixed or key.startswith(f"{fixed}.") for fixed in FIXED):
        text = "parameters must leave it as it is what trials are compared by, and where they lie"
        raise ConfigError(f"{text}, however: {key} would differ between trials")


def values(key: str, override: Override) -> Values:
    """What one parameter may be.

    Raises:
        ConfigError: naming the key.
    """
    sweep = override.value()
    if isinstance(sweep, ChoiceSweep):
        texts = tuple(str(text) for text in override.sweep_string_iterator())
        if twice := [text for text in texts if texts.count(text) > 1]:
            raise ConfigError(f"{key} must have different values, however: {twice[0]} twice")
        return Choice(texts)
    if not isinstance(sweep, RangeSweep | IntervalSweep):
        raise ConfigError(f"{key} must be a set of values, however: {override.get_value_string()}; {GRAMMAR}")
    shown = f"{key}={override.get_value_string()}"
    if unknown := sorted(sweep.tags - {"log"}):
        raise ConfigError(f"{key} may have the tag log, however: {unknown[0]}; {shown}")
    found = stepped(sweep) if isinstance(sweep, RangeSweep) else between(sweep)
    if found is None or found.low > found.high or (found.low == found.high and isinstance(sweep, IntervalSweep)):
        raise ConfigError(f"{key} must have values between its ends, however: {shown} is empty")
    if found.log and found.low <= 0:
        raise ConfigError(f"{key} must be greater than 0 to have a logarithm, however: {shown}")
    if found.log and found.step not in (None, 1):
        raise ConfigError(f"{key} must have a step of 1, or none, to be drawn by its logarithm, however: {shown}")
    return found


def between(sweep: IntervalSweep) -> Range:
    """Whole numbers where both ends are, by `int(…)`: Hydra reads `interval(1,4)` as 1.0 to 4.0."""
    whole = isinstance(sweep.start, int) and isinstance(sweep.end, int)
    assert sweep.start is not None
    assert sweep.end is not None
    return Range(sweep.start, sweep.end, 1 if whole else None, "log" in sweep.tags)


def stepped(sweep: RangeSweep) -> Range | None:
    """From its first to its last value; None where it has none."""
    each = list(sweep.range())
    if not each:
        return None
    low, high, step = min(each), max(each), abs(sweep.step)
    if isinstance(low, float):  # not 0.1 + 0.2
        high = float(Decimal(str(low)) + (len(each) - 1) * Decimal(str(step)))
    return Range(low, high, step, "log" in sweep.tags)


def distributions(found: Mapping[str, Values]) -> "dict[str, BaseDistribution]":
    """As Optuna has them."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    made: dict[str, BaseDistribution] = {}
    for key, each in found.items():
        if isinstance(each, Choice):
            made[key] = CategoricalDistribution(each.values)
        elif isinstance(each.low, int):
            made[key] = IntDistribution(each.low, int(each.high), log=each.log, step=int(each.step or 1))
        else:
            made[key] = FloatDistribution(each.low, each.high, log=each.log, step=each.step)
    return made
