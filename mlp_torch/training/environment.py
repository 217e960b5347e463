"""Where a model is trained: what may change the last bits, so that it is told when a run goes on elsewhere.

>>> told({"threads": 1, "torch": "2.13.0"}, {"threads": 2, "torch": "2.13.0"})
['threads 1 → 2']
"""

import platform
from collections.abc import Mapping

import lightning
import numpy as np
import torch


def environment(device: torch.device, processes: int = 1) -> dict[str, str | int]:
    """Versions, threads and device of this process, as plain values."""
    is_cuda = device.type == "cuda"
    return {
        "torch": str(torch.__version__),
        "lightning": lightning.__version__,
        "numpy": np.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
        "device": torch.cuda.get_device_name(device) if is_cuda else f"cpu, {torch.backends.cpu.get_cpu_capability()}",
        "threads": torch.get_num_threads(),
        "processes": processes,
    }


def told(before: Mapping[str, str | int], now: Mapping[str, str | int]) -> list[str]:
    """What is different, in a few words each."""
    return [f"{name} {before.get(name)} → {value}" for name, value in now.items() if before.get(name) != value]
