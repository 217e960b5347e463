"""What the library call and the server make of bad inputs, by their row in the list of them.

What is wrong with a body as such, rows 58 to 68 among it, is in test_server.py and test_predictor.py.
"""

import json
import warnings
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
import tiny
import torch
from bad_rows import BAD, POLICIES, Bad, records

from mlp_torch.errors import DataError
from mlp_torch.ingest.source import Frame
from mlp_torch.serving.predictor import Answer, Predictor
from mlp_torch.serving.server import build_app

with warnings.catch_warnings():
    # starlette would rather have httpx2, which the project does without
    warnings.filterwarnings("ignore", message="Using `httpx` with `starlette.testclient`")
    from starlette.testclient import TestClient

ROWS = records(6)
GOOD = next(row for row in ROWS if all(row.values()))
GOOD = {name: GOOD[name] for name in ("city", "tail", "at", "age", "size")}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """The tiny model, untrained: its answers depend on each field."""
    data = tiny.unprepared(1, fields=POLICIES)
    data.source = Frame(records(400))
    data.prepare()
    torch.manual_seed(0)
    return tiny.loaded(tiny.shipped(data, tmp_path_factory.mktemp("run") / "model"))


@pytest.fixture(scope="module")
def client(served: Predictor) -> Iterator[TestClient]:
    with TestClient(build_app(served)) as client:
        yield client


def post(client: TestClient, rows: list[Any], **more: Any) -> tuple[int, dict[str, Any]]:
    """Status and content of an answer."""
    content = json.dumps({"instances": rows, **more}, allow_nan=False)
    found = client.post("/v1/models/tiny:predict", content=content, headers={"Content-Type": "application/json"})
    return found.status_code, found.json()


def answered(served: Predictor, client: TestClient, *changes: dict[str, Any]) -> Answer:
    """The answer to the good row with changes, which is the same by call and server."""
    rows = [{**GOOD, **change} for change in changes]
    answer = served.answer(rows)
    status, content = post(client, rows)
    assert status == 200
    assert content["predictions"] == answer.rows() == served.predict(rows)
    assert content["warnings"] == answer.warnings
    return answer


def values(answer: Answer) -> list[float]:
    """One number a row."""
    found: list[float] = answer.columns["probability"]
    return found


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_a_bad_cell_is_refused_by_code_column_rows_and_count(bad: Bad, served: Predictor, client: TestClient) -> None:
    rows = [GOOD, {**GOOD, bad.field: bad.value}, GOOD, {**GOOD, bad.field: bad.value}]
    with pytest.raises(DataError) as caught:
        served.predict(rows)
    (problem,) = caught.value.problems
    found = (problem.code, problem.columns, problem.bad, problem.total, problem.rows)
    assert found == (bad.code, (bad.field,), 2, 4, (1, 3))
    assert "2 of 4 rows, rows 1, 3" in str(problem)
    assert bad.says in str(problem) or bad.says.startswith("data.")
    assert "data." not in str(problem)  # no caller can set the training's policies
    if bad.in_json:
        status, content = post(client, rows)
        assert (status, content["error"]) == (400, str(caught.value))
        assert content["problems"] == json.loads(json.dumps(caught.value.to_json()))
    assert served.predict([GOOD, GOOD]) == [served.predict(GOOD)] * 2


@pytest.mark.parametrize("bad", [bad for bad in BAD if not isinstance(bad.value, complex | list | dict)], ids=str)
def test_the_same_cell_of_a_frame_is_refused_alike(bad: Bad, served: Predictor) -> None:
    frame = pd.DataFrame([GOOD, GOOD]).astype({bad.field: object})
    frame.loc[1, bad.field] = bad.value
    with pytest.raises(DataError) as caught:
        served.predict(frame)
    (problem,) = caught.value.problems
    assert (problem.code, problem.columns, problem.bad, problem.total) == (bad.code, (bad.field,), 1, 2)


def test_row_1_a_missing_field_is_refused_and_row_56_one_that_some_rows_lack(
    served: Predictor, client: TestClient
) -> None:
    without = {name: value for name, value in GOOD.items() if name != "age"}
    for rows, code, count in (([without] * 2, "missing_column", 0), ([GOOD, without], "missing_field", 1)):
        with pytest.raises(DataError) as caught:
            served.predict(rows)
        (problem,) = caught.value.problems
        assert (problem.code, problem.columns, problem.bad) == (code, ("age",), count)
        status, content = post(client, rows)
        assert (status, content["error"]) == (400, str(caught.value))
    assert "available: " in str(refusal(served, [without]))


def refusal(served: Predictor, rows: Any) -> DataError:
    """What rows are refused with."""
    with pytest.raises(DataError) as caught:
        served.predict(rows)
    return caught.value


def test_row_2_an_extra_column_and_row_43_the_label_are_ignored_with_a_warning(
    served: Predictor, client: TestClient
) -> None:
    plain = answered(served, client, {})
    assert plain.warnings == []
    for label in ("late", "no such class", None, 7):
        found = answered(served, client, {"late": label})
        assert values(found) == values(plain)
        assert found.warnings == ["columns that the model does not read: late"]


def test_row_3_fields_in_another_order_change_no_bit(served: Predictor, client: TestClient) -> None:
    turned = dict(reversed(GOOD.items()))
    assert served.predict(turned) == served.predict(GOOD)
    assert post(client, [turned]) == post(client, [GOOD])


def test_row_4_two_columns_of_one_name_are_refused(served: Predictor) -> None:
    names = [*GOOD, "age"]
    for rows in (
        pa.table([pa.array([GOOD[name]]) for name in names], names=names),
        pd.DataFrame([[GOOD[name] for name in names]], columns=names),
    ):
        (problem,) = refusal(served, rows).problems
        assert (problem.code, problem.columns) == ("duplicate_column", ("age",))


def test_rows_7_and_8_text_integers_and_booleans_are_the_numbers_they_are(
    served: Predictor, client: TestClient
) -> None:
    for same in ((12, 12.0, "12", "12.0", "1.2e1"), (1, 1.0, True, "1")):
        found = values(answered(served, client, *({"age": value} for value in same)))
        assert found == [found[0]] * len(same)
    assert len(set(values(answered(served, client, {"age": 12}, {"age": 13})))) == 2


def test_row_12_a_missing_number_and_row_72_a_missing_category_are_answered(
    served: Predictor, client: TestClient
) -> None:
    gone, there, none = values(answered(served, client, {"age": None}, {}, {"city": None}))
    assert len({gone, there, none}) == 3
    nan = served.predict([{**GOOD, "age": float("nan")}, {**GOOD, "city": float("nan")}])
    assert [row["probability"] for row in nan] == [gone, none]


def test_row_15_a_column_without_any_value_is_legal_where_one_row_without_it_is(
    served: Predictor, client: TestClient
) -> None:
    together = values(answered(served, client, {"age": None}, {"age": None, "size": 3.0}))
    assert together == [*values(answered(served, client, {"age": None})), together[1]]


def test_row_18_unseen_categories_are_answered_and_told(served: Predictor, client: TestClient) -> None:
    found = answered(served, client, {"city": "Atlantis"}, {"city": "El Dorado"}, {})
    first, second, third = values(found)
    assert third not in (first, second)
    assert found.warnings == ["city: 2 rows with a category that training never showed"]


@pytest.mark.parametrize("other", ["rome", " Rome", "Rome ", "Ro\u0301me", "Rome\0", "R\u200bome", "NA", "nan", "null"])
def test_rows_19_20_24_and_39_categories_are_bytes_as_they_come(
    other: str, served: Predictor, client: TestClient
) -> None:
    found = answered(served, client, {"city": "Rome"}, {"city": other}, {"city": "Atlantis"}, {"city": None})
    rome, changed, unseen, missing = values(found)
    assert len({rome, changed, missing}) == len({rome, unseen, missing}) == 3
    assert found.warnings == ["city: 2 rows with a category that training never showed"]


def test_row_20_the_empty_text_is_a_category_and_no_missing_cell(served: Predictor, client: TestClient) -> None:
    found = answered(served, client, {"city": ""}, {"city": None})
    assert len(set(values(found))) == 2
    assert found.warnings == []  # training showed it
    assert answered(served, client, {"city": "  "}).warnings != []


def test_row_11_leading_zeros_make_another_word(served: Predictor, client: TestClient) -> None:
    found = answered(served, client, {"city": "00123"}, {"city": 123})
    assert found.warnings == ["city: 2 rows with a category that training never showed"]
    cells = pa.table({name: [value] * 2 for name, value in GOOD.items()} | {"city": ["00123", "123"]})
    assert served.schema.check(cells).arrays["city:string"].to_pylist() == ["00123", "123"]


def test_row_22_numbers_beyond_training_are_answered_finite_and_counted(served: Predictor, client: TestClient) -> None:
    found = answered(served, client, {"size": 1e300}, {"size": -1e300}, {"age": 119.5}, {})
    assert all(0 <= value <= 1 for value in values(found))
    assert len(found.warnings) == 2
    age, size = sorted(found.warnings)
    assert age.startswith('beyond_training: column "age" has 1 of 4 rows outside the training range')
    assert size.startswith('beyond_training: column "size" has 2 of 4 rows')


def test_row_31_one_row_is_answered_as_among_others(served: Predictor, client: TestClient) -> None:
    alone = values(answered(served, client, {"age": 33}))
    assert values(answered(served, client, *({"age": 20 + i} for i in range(40))))[13] == alone[0]


def test_row_53_aware_times_of_typed_columns_are_refused(served: Predictor) -> None:
    aware = pa.array([1, 2], pa.timestamp("s", "Europe/Berlin"))
    table = pa.table({**{name: [value] * 2 for name, value in GOOD.items()}, "at": aware})
    for rows in (table, table.to_pandas()):
        (problem,) = refusal(served, rows).problems
        assert (problem.code, problem.columns, problem.bad, problem.total) == ("aware_time", ("at",), 2, 2)


def test_row_53_mixed_forms_of_time_are_refused_by_the_wrong_ones_and_all_years_are_taken(
    served: Predictor, client: TestClient
) -> None:
    forms = ["2024-03-01", "2024-03-01T10:00", "01.03.2024", "2024-03-01 10:00:00", "March 1"]
    (problem,) = refusal(served, [{**GOOD, "at": form} for form in forms]).problems
    assert (problem.code, problem.bad, problem.rows) == ("not_a_time", 2, (2, 4))
    assert problem.examples == ("01.03.2024", "March 1")
    answered(served, client, {"at": "0001-01-01"}, {"at": "9999-12-31T23:59:59"})


def test_row_54_a_time_to_come_is_answered_since_a_schedule_may_lie_ahead(
    served: Predictor, client: TestClient
) -> None:
    assert answered(served, client, {"at": "2999-01-01"}).warnings == []


def test_rows_30_and_57_no_rows_give_no_rows(served: Predictor, client: TestClient) -> None:
    assert served.predict([]) == []
    assert post(client, [])[0] == 200
    assert post(client, [])[1]["predictions"] == []
    assert len(served.predict(pd.DataFrame([GOOD]).iloc[:0])) == 0


def test_row_55_repeated_keys_are_answered_each_and_row_56_null_is_no_key(
    served: Predictor, client: TestClient
) -> None:
    _, content = post(client, [GOOD, GOOD], keys=["a", "a"])
    assert [row["key"] for row in content["predictions"]] == ["a", "a"]
    status, content = post(client, [GOOD, GOOD, GOOD], keys=["a", None, None])
    (problem,) = content["problems"]
    assert (status, problem["code"], problem["columns"]) == (400, "wrong_key", ["keys"])
    assert (problem["bad"], problem["total"], problem["rows"]) == (2, 3, [1, 2])


def test_row_71_a_range_is_refused_at_its_ends_only(served: Predictor, client: TestClient) -> None:
    assert len(values(answered(served, client, {"age": -50}, {"age": 120}))) == 2
    (problem,) = refusal(served, [{**GOOD, "age": age} for age in (-50.001, 120, 120.001)]).problems
    assert (problem.code, problem.rows, problem.bad) == ("out_of_range", (0, 2), 2)
