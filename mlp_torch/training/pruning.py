"""Pruning (ch. 4, Hyperparameter Tuning): a trial that is worse than others were at its age trains no further.

A trial's values live in the study's storage, not in a checkpoint: one that goes on after a kill reports what is new.
"""

from functools import cached_property
from typing import TYPE_CHECKING

from lightning.pytorch import LightningModule, Trainer

from mlp_torch.training.checkpoints import AtEndOfPeriod

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.pruners import BasePruner
    from optuna.storages import BaseStorage

WAIT = 60  # seconds for another process that writes


class Pruned(Exception):
    """Ends a trial whose values are not worth their time; no error."""


class Pruning(AtEndOfPeriod):
    """Reports what is monitored after each epoch, in which a model's period ends, and asks whether that is enough.

    Args:
        monitor: a metric of validation rows.
        storage: of the study.
        study: its name there.
        trial: the trial's number.
        pruner: of Optuna; None prunes nothing.
    """

    def __init__(self, monitor: str, *, storage: str, study: str, trial: int, pruner: "BasePruner | None" = None):
        self.monitor, self.storage, self.study, self.number, self.pruner = monitor, storage, study, trial, pruner

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Raises `Pruned`."""
        if not self.judges(trainer):
            return
        epoch = trainer.current_epoch
        if epoch not in self.asked.storage.get_trial(self.asked._trial_id).intermediate_values:
            self.asked.report(float(trainer.callback_metrics[self.monitor]), epoch)
        if self.asked.should_prune():
            raise Pruned

    @cached_property
    def asked(self) -> "Trial":
        """The trial in its storage."""
        from optuna import Trial, load_study
        from optuna.pruners import NopPruner

        pruner = self.pruner or NopPruner()  # by default Optuna prunes
        study = load_study(study_name=self.study, storage=connected(self.storage), pruner=pruner)
        return Trial(study, study.get_trials(deepcopy=False)[self.number]._trial_id)


def connected(where: str) -> "BaseStorage":
    """A storage of studies: a URL, a journal (FILE.log) or the file of an SQLite database."""
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend
    from sqlalchemy import URL

    if "://" in where:
        return RDBStorage(where)
    if where.endswith(".log"):
        return JournalStorage(JournalFileBackend(where))
    url = URL.create("sqlite", database=where).render_as_string()
    return RDBStorage(url, engine_kwargs={"connect_args": {"timeout": WAIT}})
