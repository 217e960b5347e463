"""Serve a model's folder: `python serve.py runs/quickstart/latest/model`. The installed form is `mlp_torch serve`."""

import sys

from mlp_torch.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["serve", *sys.argv[1:]]))
