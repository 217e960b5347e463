"""Machine Learning design Patterns, in Torch: a table and a target become one exported graph."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from mlp_torch.serving.predictor import Predictor


def load(folder: "str | Path", *, device: str = "cpu") -> "Predictor":
    """A model's folder, ready to answer: `load("runs/quickstart/latest/model").predict(rows)`."""
    from mlp_torch.serving.predictor import Predictor  # torch takes a second, `import mlp_torch` does not

    return Predictor(folder, device=device)
