"""A run before the one that it begins with has learned: what does not fit together is refused now, not after hours."""

from omegaconf import DictConfig

from mlp_torch.fitting import build, check_period, monitored
from mlp_torch.training.data import Data
from mlp_torch.training.table.prepared import Look
from mlp_torch.training.transfer import carry
from mlp_torch.transfer.origin import definitions, origin_of
from mlp_torch.transfer.start import plan_of


def rehearse(cfg: DictConfig, data: Data, before: DictConfig, table: Data, look: Look | None = None) -> None:
    """Builds the model of the run before and the run's own, which begins with it as if it had learned.

    Args:
        cfg: of the run.
        data: its table, which is prepared now, with what the other one has fitted; the rows are not read again.
        before: the configuration of the run before.
        table: the prepared one of the run before.
        look: as of `Data.prepare`.

    Raises:
        ConfigError: where nothing would be taken, for globs that match nothing, models and monitors that do not fit.
    """
    parts = {"model": build(before, table), "transform": table.transform, "target": table.target}
    state = {f"{name}.{key}": x for name, part in parts.items() for key, x in part.state_dict().items()}
    found = {"run": str(before.folder), "state_dict": state, "config": definitions(before)}
    origin = origin_of(cfg, found, data.transform)
    data.inherited = origin.inherited(data.transform, grow=cfg.init_grow)
    data.prepare(look=look)
    model = build(cfg, data)
    monitored(cfg, model)
    check_period(cfg.trainer, model.period)
    carry(model, origin, data.transform, data.target)
    plan_of(cfg, model)
