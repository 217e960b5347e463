"""Machine Learning design Patterns, in Torch: a table and a target become one exported graph."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from mlp_torch.serving.predictor import Predictor


def load(folder: "str | Path", *, device: str = "cpu", sha256: str | None = None) -> "Predictor":
    """A model's folder, ready to answer: `load("runs/quickstart/latest/model").predict(rows)`.

    Args:
        folder: the model's. model.pt is a program: load only what you trust.
        device: where it runs, e.g. "cpu" or "cuda".
        sha256: what that of its manifest.json must be, if it is known; it stands for all files.
    """
    from pathlib import Path

    from mlp_torch.serving.folder import check_folder, check_pinned

    if sha256 is not None:
        check_folder(Path(folder))
        check_pinned(Path(folder), sha256)
    from mlp_torch.serving.predictor import Predictor  # torch takes a second, `import mlp_torch` does not

    return Predictor(folder, device=device)
