"""Real data sets in tests: one that is not there fails in continuous integration and skips elsewhere."""

import os

import pytest

from mlp_torch.datasets.origin import Origin


def needs(origin: Origin) -> pytest.MarkDecorator:
    """A mark for tests that read a data set's files."""
    missing = [file.name for file in origin.files if not origin.path(file).is_file()]
    reason = f"{', '.join(missing)} missing: mlp_torch data {origin.name}"
    return pytest.mark.skipif(bool(missing) and not os.environ.get("CI"), reason=reason)
