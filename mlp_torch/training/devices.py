"""What a run trains on and in which precision: what is not there, or cannot be, is refused before anything is read.

>>> accelerator("cpu")
'cpu'
>>> accelerator("mps")
Traceback (most recent call last):
mlp_torch.errors.ConfigError: trainer.accelerator must be cpu or cuda, however: mps; raw values, targets and scales \
are float64, which Apple's GPUs do not have
"""

from mlp_torch.errors import ConfigError, near

ACCELERATORS = ("auto", "cpu", "cuda", "gpu")
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")


def check(asked: str, precision: str) -> None:
    """Refuses an accelerator that this machine lacks, and a precision in which no model is served as it was trained.

    Args:
        asked: trainer.accelerator.
        precision: trainer.precision.

    Raises:
        ConfigError: naming the key.
    """
    chosen = accelerator(asked)
    if precision not in PRECISIONS:
        raise ConfigError(
            f"trainer.precision must be one of {', '.join(PRECISIONS)}, in which weights are float32 as they are "
            f"served, however: {precision}; {near(precision, PRECISIONS)}"
        )
    if precision == "16-mixed" and chosen == "cpu":
        raise ConfigError("trainer.precision=16-mixed needs a GPU, however: the CPU trains; take bf16-mixed")


def accelerator(asked: str) -> str:
    """cpu or cuda: `auto` is CUDA where there is one, `gpu` and `cuda` must be there.

    Raises:
        ConfigError: for a GPU that is not there, for Apple's, and for what is none of these.
    """
    if asked == "mps":
        why = "raw values, targets and scales are float64, which Apple's GPUs do not have"
        raise ConfigError(f"trainer.accelerator must be cpu or cuda, however: mps; {why}")
    if asked not in ACCELERATORS:
        known = ", ".join(ACCELERATORS)
        raise ConfigError(f"trainer.accelerator must be one of {known}, however: {asked}; {near(asked, ACCELERATORS)}")
    if asked == "cpu":
        return asked
    import torch  # takes seconds, for which a mistyped key need not wait

    if torch.cuda.is_available():
        return "cuda"
    if asked != "auto":
        built = f"is built for CUDA {torch.version.cuda}" if torch.version.cuda else "is built without CUDA"
        raise ConfigError(
            f"trainer.accelerator={asked} needs a GPU that torch can use, however: there is none, and torch "
            f"{torch.__version__} {built}; leave it out to train on the CPU"
        )
    return "cpu"
