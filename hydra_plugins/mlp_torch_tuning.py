"""The sweeper that Hydra calls for `train -m hparams_search=default`: a study of Optuna, whose trials are runs.

Hydra finds plugins by the name of this folder and imports them whenever it starts, so nothing is imported here that
takes time, and nothing of the extra `tune`.
"""

import sys
from pathlib import Path

from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class Tuning(Sweeper):
    """Hands the overrides of the command line to `mlp_torch.tuning`."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Takes what Hydra has composed; trials are composed by their own overrides."""
        self.hydra_context, self.config = hydra_context, config

    def sweep(self, arguments: list[str]) -> None:
        """The study; Hydra would swallow what it raises."""
        from mlp_torch.verbs.closing import guarded

        if code := guarded(lambda: self.search(arguments)):
            sys.exit(code)

    def search(self, arguments: list[str]) -> None:
        """Raises what the user can mend."""
        from mlp_torch.tuning.plan import planned
        from mlp_torch.verbs.train import check

        GlobalHydra.instance().clear()  # there may be one Hydra at a time, and trials are composed by another
        plan = planned(arguments, self.configs(), check)
        from mlp_torch.tuning.search import search

        search(plan)

    def configs(self) -> Path | None:
        """The folder of `--config-dir`."""
        assert self.config is not None
        sources = self.config.hydra.runtime.config_sources
        return next((Path(source.path) for source in sources if source.provider == "command-line"), None)


ConfigStore.instance().store(
    group="hydra/sweeper",
    name="mlp_torch_tuning",
    node={"_target_": f"{__name__}.{Tuning.__name__}"},
    provider="mlp_torch",
)
