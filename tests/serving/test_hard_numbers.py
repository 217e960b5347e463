"""A model with a column of every chain of steps and every kind of bucket: bad and hard numbers in training and serving.

The rows are those of the list of bad inputs. What a column alone makes of such numbers is in
tests/representation/test_hard_numbers.py.
"""

import json
import math
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tiny
import torch

from mlp_torch.column import Column
from mlp_torch.errors import DataError
from mlp_torch.ingest.source import Frame
from mlp_torch.representation.bucketized import Bucketized
from mlp_torch.representation.curves import Log, Log1p, Polynomial, Power, Quantile, Sigmoid, SquareRoot
from mlp_torch.representation.numbers import Scaled
from mlp_torch.representation.steps import Clip, Identity, MinMax, Winsorize, ZScore
from mlp_torch.reproducibility.split import ByFingerprint
from mlp_torch.run import describe
from mlp_torch.serving.predictor import Predictor
from mlp_torch.serving.server import build_app
from mlp_torch.target import Category
from mlp_torch.training.data import Data

with warnings.catch_warnings():
    # starlette would rather have httpx2, which the project does without
    warnings.filterwarnings("ignore", message="Using `httpx` with `starlette.testclient`")
    from starlette.testclient import TestClient

ROWS = 400
COLUMNS: dict[str, Callable[[], Column]] = {
    "plain": lambda: Scaled("pay", clip=10),
    "bounds": lambda: Scaled("pay", steps=[MinMax()], missing="median"),
    "clipped": lambda: Scaled("pay", steps=[Clip(0.0, 50.0), Identity()]),
    "winsorized": lambda: Scaled("pay", steps=[Winsorize(), ZScore()]),
    "log": lambda: Scaled("pay", steps=[Log(), ZScore()]),
    "log1p": lambda: Scaled("pay", steps=[Log1p(), ZScore()]),
    "root": lambda: Scaled("pay", steps=[SquareRoot(), ZScore()]),
    "power": lambda: Scaled("pay", steps=[Power(), ZScore()]),
    "sigmoid": lambda: Scaled("pay", steps=[ZScore(), Sigmoid()]),
    "cubes": lambda: Scaled("pay", steps=[ZScore(), Polynomial(3), ZScore()]),
    "ranks": lambda: Scaled("pay", steps=[Quantile()]),
    "normal_scores": lambda: Scaled("pay", steps=[Quantile(output="normal"), ZScore()]),
    "quantiles": lambda: Bucketized("pay", buckets=5),
    "widths": lambda: Bucketized("pay", buckets=5, by="width"),
    "tree": lambda: Bucketized("pay", buckets=5, by="tree"),
    "edges": lambda: Bucketized("pay", edges=[10.0, 100.0]),
}
HARD = [0.0, -0.0, -1.0, 5e-324, -5e-324, 1e-300, 2.0**53, 1e18, 1e308, -1e308, 1.7976931348623157e308]


def table(pay: Any = None) -> pa.Table:
    draw = np.random.default_rng(0)
    found = draw.lognormal(3, 1, ROWS)
    late = np.where(found + draw.normal(0, 9, ROWS) > 20, "yes", "no")
    cells = pa.array(np.where(draw.random(ROWS) < 0.1, np.nan, found), from_pandas=True) if pay is None else pay
    return pa.table({"id": [f"c{i}" for i in range(ROWS)], "pay": cells, "late": late})


def unprepared(pay: Any = None, columns: dict[str, Column] | None = None) -> Data:
    made = columns or {name: make() for name, make in COLUMNS.items()}
    split = ByFingerprint(["id"], val=0.2, test=0.2, calibration=0.0)
    return Data(Frame(table(pay)), made, Category("late", classes=["no", "yes"]), split, key=["id"])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    data = unprepared().prepare()
    torch.manual_seed(0)
    return tiny.loaded(tiny.shipped(data, tmp_path_factory.mktemp("run") / "model"))


@pytest.fixture(scope="module")
def client(served: Predictor) -> Iterator[TestClient]:
    with TestClient(build_app(served)) as client:
        yield client


def post(client: TestClient, values: list[Any]) -> tuple[int, dict[str, Any]]:
    content = json.dumps({"instances": [{"pay": value} for value in values]}, allow_nan=False)
    found = client.post("/v1/models/tiny:predict", content=content, headers={"Content-Type": "application/json"})
    return found.status_code, found.json()


def cause(pay: Any, columns: dict[str, Column] | None = None) -> list[tuple[str, tuple[str, ...], int]]:
    """Code, columns and count of what training refuses."""
    with pytest.raises(DataError) as caught:
        unprepared(pay, columns).prepare()
    return [(problem.code, problem.columns, problem.bad) for problem in caught.value.problems]


def test_row_6_text_is_refused_whatever_the_column(served: Predictor, client: TestClient) -> None:
    cells = [*["1.5"] * (ROWS - 2), "old", "1,5"]
    assert cause(pa.array(cells)) == [("not_a_number", ("pay",), 2)]
    with pytest.raises(DataError, match=r'not_a_number: column "pay".*1 of 2 rows, row 1'):
        served.answer([{"pay": 1.5}, {"pay": "old"}])
    status, content = post(client, [1.5, "old"])
    assert status == 400
    assert "not_a_number" in json.dumps(content)


def test_row_15_a_column_without_values_is_refused_once_in_training_and_answered_in_serving(
    served: Predictor, client: TestClient
) -> None:
    assert cause(pa.nulls(ROWS, pa.float64())) == [("all_missing", ("pay",), ROWS)]
    answer = served.answer([{"pay": None}] * 3)
    assert len(set(answer.columns["probability"])) == 1
    assert post(client, [None] * 3)[1]["predictions"] == answer.rows()


def test_row_16_a_constant_is_warned_of_and_finite_or_refused_by_each_column_that_needs_two_values() -> None:
    same = pa.array([7.0] * ROWS)
    needs_two = ["power", "ranks", "normal_scores", "quantiles", "widths", "tree"]
    with pytest.raises(DataError) as caught:
        unprepared(same).prepare()
    assert [problem.key for problem in caught.value.problems] == [f"data.columns.{name}" for name in needs_two]
    assert all(" (else " in problem.text for problem in caught.value.problems)
    rest = {name: make() for name, make in COLUMNS.items() if name not in needs_two}
    data = unprepared(same, rest).prepare()
    assert [line for line in data.notes() if line.startswith('constant: column "pay"')]
    for split in data.tables.values():
        assert all(bool(x.double().isfinite().all()) for x in split.features.values())
    features = data.transform({"pay": torch.tensor([*HARD, math.nan], dtype=torch.float64)})
    assert all(bool(x.double().isfinite().all()) for x in features.values())


def test_row_17_a_whole_number_of_its_own_in_each_row_is_warned_of(tmp_path: Path) -> None:
    data = unprepared(pa.array(range(ROWS)), {"log": Scaled("pay", steps=[Log1p(), ZScore()])})
    data.prepare(look=partial(describe, data, tmp_path / "data.html"))
    assert [line for line in data.notes() if line.startswith('WARNING: id_like: "pay"')]


def test_row_22_numbers_that_training_never_showed_are_answered_finite_and_counted(
    served: Predictor, client: TestClient
) -> None:
    answer = served.answer([{"pay": value} for value in HARD])
    found = answer.columns["probability"]
    assert all(0 <= value <= 1 for value in found)
    beyond = sum(not 0.5 < value < 500 for value in HARD)
    assert answer.warnings == [line for line in answer.warnings if line.startswith("beyond_training: column")]
    assert f'column "pay" has {beyond} of {len(HARD)} rows outside the training range' in answer.warnings[0]
    status, content = post(client, HARD)
    assert (status, content["predictions"]) == (200, answer.rows())
    assert [served.answer([{"pay": value}]).columns["probability"][0] for value in HARD] == found


def test_the_answer_depends_on_the_number_so_that_the_tests_above_mean_something(served: Predictor) -> None:
    values = served.answer([{"pay": value} for value in (None, 1.0, 20.0, 400.0)]).columns["probability"]
    assert len(set(values)) == 4
