"""One hash of what a result depends on."""

import functools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import mlp_torch
from mlp_torch.representation.embeddings import Embedding
from mlp_torch.representation.numbers import Scaled
from mlp_torch.reproducibility.split import ByFingerprint, ByTime
from mlp_torch.reproducibility.transform import Transform
from mlp_torch.training.table.identity import identity, own_code

HERE = Path(mlp_torch.__file__).parent
DAYS = {"val": "2013-10-01", "test": "2013-11-01"}


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (1, 2),
        (1, 1.0),
        (1, True),
        ("1", 1),
        (None, "None"),
        ([1], (1,)),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),  # the order of columns is that of their vectors
        ({1, 2}, {1, 3}),
        (torch.tensor([1.0]), torch.tensor([2.0])),
        (torch.tensor([1.0]), torch.tensor([[1.0]])),
        (torch.tensor([1]), torch.tensor([1], dtype=torch.int32)),
        (np.array([1.0]), np.array([2.0])),
        (functools.partial(int, base=2), functools.partial(int, base=3)),
        (Scaled("age"), Scaled("size")),
        (Scaled("age"), Scaled("age", clip=3)),
        (Embedding("city"), Embedding("city", dim=3)),
        (ByTime("day", **DAYS), ByTime("day", **DAYS, end="2014-01-01")),
        (ByFingerprint(["id"]), ByFingerprint(["id"], val=0.2)),
        (Path("a"), Path("b")),
    ],
)
def test_things_that_differ_have_another_identity(a, b):
    assert identity(a) != identity(b)


def test_equal_things_have_the_same_identity():
    made = [Transform({"age": Scaled("age"), "city": Embedding("city")}) for _ in range(2)]
    assert identity(*made[:1]) == identity(*made[1:])
    assert identity(torch.tensor([1.0, 2.0])[::2]) == identity(torch.tensor([1.0]))
    assert identity({3, 1, 2}) == identity({1, 2, 3})


def test_another_process_agrees():
    code = (
        "from mlp_torch.representation.embeddings import Embedding\n"
        "from mlp_torch.training.table.identity import identity, own_code\n"
        "print(identity(Embedding('city'), {'b', 'a'}), own_code())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [identity(Embedding("city"), {"b", "a"}), own_code()]


def test_a_class_whose_file_has_changed_has_another_identity(tmp_path):
    path, found = tmp_path / "own.py", []
    for factor in (2, 3):
        path.write_text(f"FACTOR = {factor}\nclass Own:\n    def encode(self, x):\n        return FACTOR * x\n")
        code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import own\n"
        code += "from mlp_torch.training.table.identity import identity; print(identity(own.Own()))"
        done = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True, check=True)
        found.append(done.stdout)
    assert found[0] != found[1]


@pytest.mark.parametrize("name", ["ingest/cells.py", "training/table/encoding.py", "training/batches.py", "column.py"])
def test_our_code_is_another_one_where_a_file_that_features_depend_on_has_changed(name, monkeypatch):
    before, read = own_code(), Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + b"#" * (path == HERE / name))
    assert own_code.__wrapped__() != before


def test_our_code_is_the_same_where_others_change(monkeypatch):
    before, read = own_code(), Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + b"#" * (path == HERE / "training/progress.py"))
    assert own_code.__wrapped__() == before
