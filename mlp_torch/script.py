"""The one place that calls `torch.jit.script`."""

import warnings

import torch
from torch import nn


def script(module: nn.Module) -> torch.jit.ScriptModule:
    """The module, compiled by TorchScript, in evaluation mode and without gradients."""
    with warnings.catch_warnings():
        # Deprecated in favour of torch.export, which cannot take strings; the contract tests export every graph by
        # torch.export too, so that there is a way out.
        warnings.filterwarnings("ignore", message=".*torch.jit.*", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message=".*torch.jit.*", category=FutureWarning)
        training = module.training
        scripted = torch.jit.script(module.eval().requires_grad_(False))
        module.train(training)
        return scripted
