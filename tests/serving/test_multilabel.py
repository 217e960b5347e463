"""A model of several labels a row, from a fit to files: marks and names of labels, and the bits of the graph."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import mlp_torch
from mlp_torch.__main__ import main
from mlp_torch.model import predicted
from mlp_torch.notebook import ByFingerprint, Data, Fitted, Frame, Scaled, fit
from mlp_torch.problem.multilabel import Multilabel
from mlp_torch.serving.wording import arrow_words
from mlp_torch.target import Flags, Labels, Target
from mlp_torch.training.task import outputs

pytestmark = pytest.mark.filterwarnings("ignore:on this machine a row's last bits:RuntimeWarning")
NAMES = ["Crime", "Drama", "War"]


def frame(rows: int = 300) -> pd.DataFrame:
    """Films whose genres depend on two numbers."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(rows, 2))
    marks = np.stack([x[:, 0] > 0, x[:, 1] > 0, x.sum(axis=1) > 0.5], axis=1)
    genres = [", ".join(np.array(NAMES)[row]) for row in marks]
    flags = {name: marks[:, i].astype(int) for i, name in enumerate(NAMES)}
    return pd.DataFrame({"id": range(rows), "x": x[:, 0], "z": x[:, 1], "genre": genres, **flags})


def fitted(target: Target) -> Fitted:
    columns = {"x": Scaled("x"), "z": Scaled("z")}
    data = Data(Frame(frame()), columns, target, ByFingerprint(["id"]), key=["id"], batch_size=32).prepare()
    return fit(data, head=Multilabel, epochs=3, progress_bar=False)


@pytest.mark.parametrize("target", [Labels("genre", empty="none"), Flags(NAMES)], ids=["a set", "fields"])
@pytest.mark.parametrize("key", [[], ["--key", "id"]], ids=["without a key", "keyed"])
def test_files_get_the_labels_of_the_library_call(target: Target, key: list[str], tmp_path: Path) -> None:
    folder = fitted(target).export(tmp_path / "model")
    rows = pa.Table.from_pandas(frame(70)[["id", "x", "z"]], preserve_index=False)
    pq.write_table(rows, tmp_path / "rows.parquet")
    files = ["--input", str(tmp_path / "rows.parquet"), "--output", str(tmp_path / "out.parquet")]
    assert main(["predict", "--model", str(folder), *files, *key]) == 0
    found = pq.read_table(tmp_path / "out.parquet")
    wanted = mlp_torch.load(folder).predict(rows.drop_columns(["id"]))
    for name in wanted.column_names:
        assert found[name].to_pylist() == wanted[name].to_pylist(), name
    labels, marks = found["labels"].to_pylist(), found["classes"].to_pylist()
    assert labels == [[name for name, mark in zip(NAMES, row, strict=True) if mark] for row in marks]
    assert len(set(map(tuple, labels))) > 3


def test_what_a_run_writes_of_test_rows_has_the_bits_of_the_graph(tmp_path: Path) -> None:
    done = fitted(Flags(NAMES))
    folder, table = done.export(tmp_path / "model"), done.data.tables["test"]
    assert len(table.y) % 32  # the last block of 32 rows is not full
    by_id = frame().set_index("id").loc[[int(key) for key in done.data.keys["test"]["id"].to_pylist()]]
    wanted = mlp_torch.load(folder).predict(by_id[["x", "z"]])
    found = predicted(done.task.model, outputs(done.task, table))
    assert found["probabilities"].tolist() == np.stack(wanted["probabilities"]).tolist()


def test_marks_have_the_names_of_their_labels_whatever_list_arrow_makes_of_them() -> None:
    marks = [[1, 0, 1], [0, 0, 0]]
    for kind in (pa.list_(pa.int64()), pa.large_list(pa.int64()), pa.list_(pa.int64(), 3)):
        assert arrow_words(pa.array(marks, kind), NAMES).to_pylist() == [["Crime", "War"], []]
    assert arrow_words(pa.array([2, 0]), NAMES).to_pylist() == ["War", "Crime"]


def test_a_fit_takes_one_thread_and_gives_the_others_back() -> None:
    threads = torch.get_num_threads()
    seen = []

    class Watching(Multilabel):
        def loss(self, *given: object) -> torch.Tensor:
            seen.append(torch.get_num_threads())
            return super().loss(*given)  # type: ignore[arg-type]

    columns = {"x": Scaled("x"), "z": Scaled("z")}
    data = Data(Frame(frame()), columns, Flags(NAMES), ByFingerprint(["id"]), batch_size=32).prepare()
    torch.set_num_threads(2)
    try:
        fit(data, head=Watching, epochs=1, progress_bar=False)
        assert set(seen) == {1}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
