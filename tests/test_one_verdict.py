"""10,000 random rows, good and bad: training, `evaluate`, `predict`, `validate`, library, server and model.pt agree.

The library call judges each row, as a dict. Every other way in must refuse the same rows, for the same reasons and
columns, and make the same bits of the others. Where a format cannot hold a value, the test says so by what the value
is, never by what came of it. The rules by which a way in differs stand in `settled` (training drops rows where its
policies say so), `is_json` (JSON has no NaN) and `graph_refuses` (model.pt takes numbers as tensors).
"""

import json
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rough_rows
import tiny
import torch
from omegaconf import OmegaConf
from rough_rows import DELAY, FLOATS, INTS, KINDS, POLICIES, Row, rough
from starlette.applications import Starlette

from mlp_torch.errors import DataError, Problem
from mlp_torch.evaluation import evaluation
from mlp_torch.ingest.block import Block
from mlp_torch.ingest.checks import FAULTS, Checked
from mlp_torch.ingest.inputs import table_of, tensor_of
from mlp_torch.ingest.reads import Inputs, Read
from mlp_torch.ingest.source import Csv, Frame, Parquet
from mlp_torch.serving.batch import predict
from mlp_torch.serving.predictor import Predictor
from mlp_torch.serving.scorer import Policies
from mlp_torch.serving.server import build_app
from mlp_torch.training.data import Data
from mlp_torch.training.table import memory
from mlp_torch.training.table.definition import Definition
from mlp_torch.validation.validation import validated

pytestmark = [
    pytest.mark.filterwarnings("ignore:on this machine a row's last bits:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:changed. :UserWarning"),  # what `invalid` of some fields blanks on purpose
]

SIZES = {"text": 4000, "typed": 3000, "wild": 3000}
Reasons = frozenset[tuple[str, tuple[str, ...]]]  # (code, columns)
READS = {item.key: item for item in (Read(name, kind) for name, kinds in KINDS.items() for kind in kinds)}
WHOLE: Row = {
    "age": 30.0, "wind": 1.0, "fare": 2, "hour": 5, "town": "Ulm", "tail": "N1", "at": "2024-01-01",
    "seen": "2024-01-01", "code": 3.0,
}  # fmt: skip


class Judged(NamedTuple):
    """A row and the library call's verdict on it.

    Args:
        row: the row.
        why: reasons of refusal; none = it was accepted. A field that it lacks is missing beside rows that have it.
        inputs: its Inputs, (1,) each; empty where it was refused.
    """

    row: Row
    why: Reasons
    inputs: Inputs


# --- one model, and what the library call says


@pytest.fixture(scope="module")
def data() -> Data:
    return rough_rows.data()


@pytest.fixture(scope="module")
def folder(data: Data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.shipped(data, tmp_path_factory.mktemp("run") / "model")


@pytest.fixture(scope="module")
def predictor(folder: Path) -> Predictor:
    return Predictor(folder)


@pytest.fixture(scope="module")
def judged(predictor: Predictor) -> dict[str, list[Judged]]:
    """All rows by form, and what the library call says of them."""
    draw = random.Random(0)
    rows = {form: [rough(draw, form) for _ in range(size)] for form, size in SIZES.items()}
    return {form: called(predictor, some) for form, some in rows.items()}


FIVE = 5  # bad rows are told of by number up to so many, so that in so few every row's verdict can be read


def fives(rows: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (rows[i : i + FIVE] for i in range(0, len(rows), FIVE))


def by_row(problems: Iterable[tuple[str, tuple[str, ...], Iterable[int]]], rows: int) -> list[Reasons]:
    """Reasons by row, of problems (code, columns, rows); the first row is a good one that stands beside the others."""
    listed = list(problems)
    assert not any(0 in at for _, _, at in listed)
    return [frozenset((code, columns) for code, columns, at in listed if row in at) for row in range(1, rows + 1)]


def refusals(judge: Callable[[], object]) -> list[tuple[str, tuple[str, ...], tuple[int | str, ...]]]:
    """Why rows are refused: code, columns, rows."""
    try:
        judge()
    except DataError as error:
        return [(problem.code, problem.columns, problem.rows) for problem in error.problems]
    return []


def called(predictor: Predictor, rows: list[Row]) -> list[Judged]:
    """The verdicts of the library call; the good rows' Inputs from one call with all of them."""
    why = [
        reasons
        for five in fives(rows)
        for reasons in by_row(refusals(lambda five=five: predictor.read([WHOLE, *five])), len(five))
    ]
    inputs, count, _ = predictor.read([row for row, reasons in zip(rows, why, strict=True) if not reasons])
    good = iter(range(count))
    return [
        Judged(row, reasons, {} if reasons else cut(inputs, next(good))) for row, reasons in zip(rows, why, strict=True)
    ]


def cut(inputs: Inputs, row: int) -> Inputs:
    return {key: x[row : row + 1] for key, x in inputs.items()}


def everything(judged: dict[str, list[Judged]]) -> list[Judged]:
    return [item for some in judged.values() for item in some]


def accepted(items: Iterable[Judged]) -> list[Judged]:
    return [item for item in items if not item.why]


def together(items: list[Judged]) -> Inputs:
    """The Inputs of accepted rows, (N,) each."""
    return {key: torch.cat([item.inputs[key] for item in items]) for key in items[0].inputs}


def assert_same_bits(found: Inputs, wanted: Inputs) -> None:
    for key, x in wanted.items():
        a, b = (x.masked_fill(x.isnan(), 0.5).view(torch.int64) for x in (found[key][: len(x)], x))  # any NaN is NaN
        assert torch.equal(found[key][: len(x)].isnan(), x.isnan()), key
        assert torch.equal(a, b), key


def test_the_rows_are_good_and_bad_in_every_way(judged):
    codes = Counter(code for item in everything(judged) for code, _ in item.why)
    assert set(codes) == {
        "not_a_number", "not_a_time", "not_finite", "out_of_range", "too_large_integer", "not_whole", "wrong_type",
        "invalid_unicode", "nested_value", "missing_value", "missing_field", "cell_too_large",
    }  # fmt: skip
    assert min(codes.values()) >= 20, codes
    for some in judged.values():
        assert 0.3 < len(accepted(some)) / len(some) < 0.7
    assert max(len(item.why) for item in everything(judged)) >= 4


def test_a_row_alone_is_judged_as_beside_others(judged, predictor):
    for row, why, inputs in everything(judged)[::10]:
        found: Inputs = {}
        told = refusals(lambda row=row, found=found: found.update(predictor.read(row)[0]))
        absent = {name for code, columns, _ in told if code == "missing_column" for name in columns}
        alone = {(code, columns) for code, columns, _ in told if code != "missing_column"}
        assert alone | {("missing_field", (name,)) for name in absent} == why, row  # beside others it is in some rows
        assert_same_bits(found, inputs)


# --- training and evaluate


def settled(why: Reasons) -> tuple[Reasons, Reasons]:
    """Reasons in training, where some drop the row: those that refuse it, and those that drop it."""
    drops = frozenset((code, columns) for code, columns in why if drops_row(code, columns[0]))
    return why - drops, drops


def drops_row(code: str, name: str) -> bool:
    policy = POLICIES.get(name, {})
    if code == "missing_value":
        return policy.get("missing") == "drop"
    return code in FAULTS and policy.get("invalid") == "drop"


def assert_trained_so(judge: Callable[[list[Row]], Checked], items: list[Judged]) -> None:
    """Rows are refused, dropped or made Inputs of, as the library call's verdict and the policies say."""
    refused = [item for item in items if settled(item.why)[0]]
    for five in fives(refused):
        rows = [{**item.row, **DELAY} for item in five]
        assert by_row(refusals(lambda rows=rows: judge([{**WHOLE, **DELAY}, *rows])), len(five)) == [
            settled(item.why)[0] for item in five
        ], five
    rest = [item for item in items if not settled(item.why)[0]]
    checked = judge([{**item.row, **DELAY} for item in rest])
    for item, reason in zip(rest, checked.reason, strict=True):
        told = {tuple(checked.reasons[reason].split(": "))} if reason >= 0 else set()
        assert told <= {(columns[0], code) for code, columns in item.why}, item
        assert bool(told) == bool(item.why), item
    fine = accepted(rest)
    assert checked.counts["used"] == len(fine) == len(rest) - sum(checked.counts["dropped"].values())
    assert_same_bits(
        {key: tensor_of(array, READS[key]) for key, array in checked.arrays.items() if key in READS}, together(fine)
    )


def test_training_refuses_or_drops_what_the_library_call_refuses(judged, data):
    wanted = Definition(data.transform, data.target, data.split, [], POLICIES)
    assert_trained_so(lambda rows: memory.read(Frame(rows), wanted, None)[1], everything(judged))


def test_evaluate_refuses_or_drops_what_the_library_call_refuses(judged, data, predictor):
    schema = evaluation.whole(predictor.schema, data.target, OmegaConf.create({"data": {"fields": POLICIES}}))
    assert_trained_so(lambda rows: evaluation.check(Block(table_of(rows)), schema, data.target), everything(judged))


# --- the server


def is_json(value: object) -> bool:
    """Whether JSON has such a value; its numbers have neither NaN nor infinities."""
    return value is None or isinstance(value, bool | int | str | list | tuple | dict) or is_finite(value)


def is_finite(value: object) -> bool:
    return isinstance(value, float) and math.isfinite(value)


async def posted(app: Starlette, rows: list[Row]) -> tuple[int, Any]:
    """Status and JSON of the service's answer, by ASGI; NaN and Infinity are sent as Python writes them."""
    body = json.dumps({"instances": rows}).encode()
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    path = "/v1/models/tiny:predict"
    await app({"type": "http", "method": "POST", "path": path, "headers": headers}, receive, send)
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent))


async def ask(app: Starlette, items: list[Judged], predictor: Predictor) -> None:
    """Bad rows five at a time beside a good one, good rows many at a time."""
    bad = [item for item in items if item.why]
    for five in fives(bad):
        status, answer = await posted(app, [WHOLE, *(item.row for item in five)])
        assert status == 400
        problems = ((problem["code"], tuple(problem["columns"]), problem["rows"]) for problem in answer["problems"])
        assert by_row(problems, len(five)) == [item.why for item in five], five
    fine = [item.row for item in accepted(items)]
    for i in range(0, len(fine), 500):
        status, answer = await posted(app, fine[i : i + 500])
        assert (status, answer["predictions"]) == (200, predictor.predict(fine[i : i + 500]))


async def ask_without_json(app: Starlette, rows: list[Row]) -> None:
    """Numbers that JSON has not are refused before any row is looked at."""
    for row in rows:
        status, answer = await posted(app, [row])
        assert (status, [problem["code"] for problem in answer["problems"]]) == (400, ["not_a_json_number"]), row


def test_the_server_refuses_what_the_library_call_refuses(judged, predictor):
    app, items = build_app(predictor), everything(judged)
    held = [item for item in items if all(map(is_json, item.row.values()))]
    floats = [item.row for item in items if any(map(is_no_json_number, item.row.values()))]
    python = [row for row in floats if all(is_json(x) or is_no_json_number(x) for x in row.values())]
    assert len(held) > 7000
    anyio.run(ask, app, held, predictor)
    anyio.run(ask_without_json, app, python)


def is_no_json_number(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


# --- model.pt


def is_tensor_or_text(value: object) -> bool:
    """Whether tensors of torch's usual types, or lists of text, hold the value."""
    if isinstance(value, str):
        return not any("\ud800" <= letter <= "\udfff" for letter in value)
    return value is None or isinstance(value, float) or (isinstance(value, int) and -(2**63) <= value < 2**63)


def graph_refuses(row: Row, why: Reasons) -> bool:
    """The stated rules: numbers are tensors, so text in a number field is none; and cells may have any length."""
    if any(isinstance(value, str) and "number" in KINDS[name] for name, value in row.items()):
        return True
    return any(code != "cell_too_large" or KINDS[columns[0]] != ("string",) for code, columns in why)


def arguments(row: Row) -> tuple[dict[str, torch.Tensor], dict[str, list[str | None]]]:
    """One row as a host of TorchScript holds it."""
    strings = {name: [value] for name, value in row.items() if is_told(name, value)}
    tensors = {
        name: torch.tensor([math.nan if value is None else value], dtype=None if is_whole(value) else torch.float64)
        for name, value in row.items()
        if name not in strings
    }
    return tensors, strings


def is_told(name: str, value: object) -> bool:
    return isinstance(value, str) or (value is None and "number" not in KINDS[name])


def is_whole(value: object) -> bool:
    return isinstance(value, int)


def test_the_graph_refuses_what_the_library_call_refuses(judged, predictor):
    # of rows that are text, numbers too, the graph refuses all: a few will do
    items = [*judged["text"][:500], *judged["typed"], *judged["wild"]]
    held = [item for item in items if all(map(is_tensor_or_text, item.row.values()))]
    assert len(held) > 5000
    for row, why, inputs in held:
        try:
            found = predictor.module.ingest(*arguments(row))
        except (RuntimeError, torch.jit.Error):
            assert graph_refuses(row, why), row
        else:
            assert not graph_refuses(row, why), row
            assert_same_bits(found, inputs)


# --- tables and files


def assert_tells_all(judge: Callable[[], object], items: list[Judged], places: list[int]) -> None:
    """One error with every reason of every row: how many rows have it, and the first five of them."""
    with pytest.raises(DataError) as caught:
        judge()
    wanted: dict[Any, list[int]] = {}
    for place, item in zip(places, items, strict=True):
        for reason in item.why:
            wanted.setdefault(reason, []).append(place)
    found = {(item.code, item.columns): (item.bad, item.rows) for item in caught.value.problems}
    assert found == {reason: (len(rows), tuple(rows[:5])) for reason, rows in wanted.items()}
    assert {item.total for item in caught.value.problems} == {len(items)}


def arrow(form: str, rows: list[Row]) -> pa.Table:
    """A table with one type a column; text of a lone surrogate as the bytes that other languages write for it."""
    table = {}
    for name in KINDS:
        values = [row[name] for row in rows]
        if form == "typed" and name in FLOATS + INTS:
            table[name] = pa.array(values, pa.float64() if name in FLOATS else pa.int64())
        else:
            raw = [None if value is None else value.encode("utf8", "surrogatepass") for value in values]
            table[name] = pa.Array.from_buffers(pa.large_string(), len(raw), pa.array(raw, pa.large_binary()).buffers())
    return pa.table(table)


def frame(form: str, rows: list[Row]) -> pd.DataFrame:
    """A pandas frame; whole numbers with gaps as Int64, since float64 would round them."""
    columns = {}
    for name in KINDS:
        kind = {"Int64": name in INTS, "float64": name in FLOATS} if form == "typed" else {}
        dtype = next((dtype for dtype, is_so in kind.items() if is_so), "object")
        columns[name] = pd.Series([row[name] for row in rows], dtype=dtype)
    return pd.DataFrame(columns)


@pytest.mark.parametrize(
    ("form", "made"), [("text", arrow), ("typed", arrow), ("text", frame), ("typed", frame), ("wild", frame)]
)
def test_arrow_and_pandas_are_refused_for_the_same_rows(form, made, judged, predictor):
    items = [item for item in judged[form] if item.row.keys() == KINDS.keys()]  # a table has all of its columns
    assert_tells_all(lambda: predictor.predict(made(form, [item.row for item in items])), items, [*range(len(items))])
    fine = accepted(items)
    inputs, _, _ = predictor.read(made(form, [item.row for item in fine]))
    assert_same_bits(inputs, together(fine))


def test_records_are_refused_for_the_same_rows_together(judged, predictor):
    items = everything(judged)
    assert_tells_all(lambda: predictor.predict([item.row for item in items]), items, [*range(len(items))])


@pytest.mark.parametrize("kind", ["datetime64[us]", "object"])
def test_times_and_decimals_are_for_typed_columns_and_records_hold_what_json_holds(kind, predictor):
    moment, price = datetime(2024, 1, 1, 10), Decimal("2.5")
    told = refusals(lambda: predictor.read({**WHOLE, "at": moment, "age": price}))
    assert {(code, columns) for code, columns, _ in told} == {("wrong_type", ("at",)), ("wrong_type", ("age",))}
    table = pd.DataFrame([WHOLE]).assign(at=pd.Series([moment], dtype=kind), age=pd.Series([price], dtype="object"))
    wanted, _, _ = predictor.read({**WHOLE, "at": moment.isoformat(), "age": 2.5})
    for rows in (table, pa.Table.from_pandas(table)):
        assert_same_bits(predictor.read(rows)[0], cut(wanted, 0))


def csv(path: Path, rows: list[Row]) -> list[int]:
    """Writes a CSV, a missing cell as an empty one and text in quotes; gives the line of each row."""
    lines = [",".join(KINDS)]
    for row in rows:
        lines.append(",".join("" if x is None else '"' + x.replace('"', '""') + '"' for x in row.values()))
    path.write_bytes("\n".join(lines).encode())
    starts = [1]
    for line in lines[:-1]:
        starts.append(starts[-1] + line.count("\n") + 1)
    return starts[1:]


def assert_batches_agree(source: Csv | Parquet, items: list[Judged], places: list[int], predictor: Predictor) -> None:
    """Files: `predict` and `validate` tell all reasons, or each bad row is left out with one of its reasons."""
    folder, out = source.path.parent.parent / "model", source.path.with_name("out.parquet")
    assert_tells_all(lambda: predict(folder, source, out), items, places)
    found = validated(source.blocks(), predictor.schema)
    assert found.counts["used"] == len(accepted(items))
    assert_tells_all(lambda: raised(found.problems), items, places)
    assert predict(folder, source, out, policies=Policies(on_bad="skip"))
    skipped = pq.read_table(source.path.with_name("out.skipped.parquet")).to_pylist()
    refused = {place: item for place, item in zip(places, items, strict=True) if item.why}
    assert [row[next(iter(row))] for row in skipped] == [*refused]
    for row, item in zip(skipped, refused.values(), strict=True):
        assert tuple(row["reason"].split(": ")) in {(columns[0], code) for code, columns in item.why}
    fine = accepted(items)
    scored = pq.read_table(out).to_pylist()
    answers = predictor.predict([item.row for item in fine])
    assert [{name: row[name] for name in answers[0]} for row in scored] == answers


def raised(problems: list[Problem]) -> None:
    raise DataError(problems)


@pytest.mark.parametrize("form", ["text", "typed"])
def test_parquet_files_are_refused_for_the_same_rows(form, judged, predictor, folder):
    path = folder.parent / form / "rows.parquet"
    path.parent.mkdir()
    pq.write_table(arrow(form, [item.row for item in judged[form]]), path)
    assert_batches_agree(Parquet(path), judged[form], [*range(len(judged[form]))], predictor)


def test_csv_files_are_refused_for_the_same_rows(judged, predictor, folder):
    # a file with bytes that are no UTF-8 is refused at its first such byte, before there are cells
    items = [item for item in judged["text"] if all(map(is_tensor_or_text, item.row.values()))]
    path = folder.parent / "csv" / "rows.csv"
    path.parent.mkdir()
    places = csv(path, [item.row for item in items])
    assert_batches_agree(Csv(path), items, places, predictor)
