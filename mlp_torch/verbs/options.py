"""A verb's options: argparse that names the near ones of a mistyped option, and leaves exiting to its caller.

>>> options = Options("serve", "Serve a model.")
>>> _ = options.add_argument("--port", type=int)
>>> options.parse(["--prot", "80"])
Traceback (most recent call last):
mlp_torch.errors.ConfigError: no such option: --prot; did you mean --port?
"""

import argparse
import re
from pathlib import Path
from typing import NoReturn

from mlp_torch import files
from mlp_torch.errors import ConfigError, near
from mlp_torch.serving.folder import MANIFEST, check_folder, check_pinned

PINNED = (
    "the sha256 of the model's manifest.json, which holds the sha256 of every other file: `sha256sum "
    "DIR/manifest.json` where the model comes from; anything else is refused before it is loaded"
)


class Options(argparse.ArgumentParser):
    """The options of `mlp_torch VERB`.

    Args:
        verb: the verb's name.
        description: what it does.
        epilog: e.g. examples, printed as they stand.
    """

    def __init__(self, verb: str, description: str, *, epilog: str | None = None):
        super().__init__(
            f"mlp_torch {verb}",
            description=description,
            epilog=epilog,
            formatter_class=Shown,
            allow_abbrev=False,  # an abbreviation breaks when an option is added
        )

    def parse(self, arguments: list[str]) -> argparse.Namespace:
        """The options' values.

        Raises:
            ConfigError: naming the near options, or what argparse has to say.
        """
        known = self.flags
        # before argparse looks: it would complain of a required option that is missing, which is the mistyped one
        for text in arguments:
            flag = text.partition("=")[0]
            if flag.startswith("--") and flag not in ("--", *known):
                raise ConfigError(f"no such option: {flag}; {near(flag, known)}")
        return self.parse_args(arguments)

    @property
    def flags(self) -> list[str]:
        """All options as they are typed."""
        return [flag for action in self._actions for flag in action.option_strings]

    def error(self, message: str) -> NoReturn:
        """What argparse would print before it exits."""
        raise ConfigError(f"{message}; `{self.prog} --help` tells more")


class Shown(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Help with defaults that are values, and examples as they stand."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default in (None, False) else super()._get_help_string(action)


def count(text: str) -> int:
    """A number of things, at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, however: {text!r}")
    return int(text)


def port(text: str) -> int:
    """A TCP port; 0 = any that is free."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"must be a port from 0 to 65535, however: {text!r}")
    return int(text)


def checksum(text: str) -> str:
    """A sha256 in hex, as `sha256sum` prints it."""
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise argparse.ArgumentTypeError(f"must be the 64 hex digits that `sha256sum` prints, however: {text!r}")
    return text.lower()


def check_model(folder: str, sha256: str | None = None) -> None:
    """Refuses what is no model's folder, before torch is loaded, which takes seconds.

    Args:
        folder: the model's.
        sha256: what that of its manifest must be, if it is known.

    Raises:
        ModelError: naming the file that is not as it must be.
    """
    check_folder(Path(folder))
    files.read_json(Path(folder) / MANIFEST)
    if sha256 is not None:
        check_pinned(Path(folder), sha256)


def check_device(text: str) -> None:
    """Refuses a device of torch's that this machine lacks. Raises ConfigError."""
    import torch  # here, so that all else is checked first

    try:
        torch.zeros(1, device=text)
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was compiled with CUDA
        reason = str(error).splitlines()[0]
        raise ConfigError(f"--device must be a device of this machine, however: {text!r}: {reason}") from None
