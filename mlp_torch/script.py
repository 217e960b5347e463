"""The one place that calls `torch.jit.script`.

>>> layer = nn.Linear(2, 1)
>>> script(layer).training, layer.training, layer.weight.requires_grad
(False, True, True)
"""

import copy
import warnings

import torch
from torch import nn


def script(module: nn.Module) -> torch.jit.ScriptModule:
    """A copy of the module, compiled by TorchScript, in evaluation mode and without gradients; the module stays as is.

    Scripting alone would share the parameters, and calls under `inference_mode` fail later where one needs a gradient.
    """
    copied = copy.deepcopy(module).eval().requires_grad_(False)
    for part in copied.modules():
        if isinstance(part, nn.ModuleDict):
            # Modules of one class that hold the same names share their compiled code, in whichever order those stand:
            # a second model whose columns stand otherwise would get the first one's order.
            part._names_in_order, part.__constants__ = tuple(part), ["_names_in_order"]  # type: ignore[assignment]
    with warnings.catch_warnings():
        # Deprecated in favour of torch.export, which cannot take strings; the contract tests export every graph by
        # torch.export too, so that there is a way out.
        warnings.filterwarnings("ignore", message=".*torch.jit.*", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message=".*torch.jit.*", category=FutureWarning)
        return torch.jit.script(copied)
