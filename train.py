"""Train an experiment: `python train.py experiment=quickstart`. The installed form is `mlp_torch train`."""

import sys

from mlp_torch.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
