"""The report of a whole table: counts of all rows, a sample that is always the same, policies, bad input."""

import numpy as np
import pyarrow as pa
import pytest

from mlp_torch.datasets.flights import Flights
from mlp_torch.errors import ConfigError, DataError
from mlp_torch.profile import report as module
from mlp_torch.profile.described import Described
from mlp_torch.profile.report import DataReport, chosen, report_of
from mlp_torch.profile.source import Opened, opened
from mlp_torch.profile.table import printed, quantiles

DRAW = np.random.default_rng(0)


def field(report: DataReport, name: str) -> Described:
    return next(described for described in report.fields if described.facts.name == name)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if 1,000 rows were many."""
    monkeypatch.setattr(module, "LOOKED_AT", 1000)


@pytest.mark.usefixtures("small")
def test_missing_and_invalid_cells_and_repeated_rows_are_counted_over_all_rows() -> None:
    text = [str(i) for i in range(5000)]
    text[::10] = ["NA"] * 500
    text[7] = "old"
    table = pa.table({"a": text, "b": [None, 1.0] * 2500, "c": [None, "x"] * 2500, "d": DRAW.normal(size=5000)})
    report = report_of(pa.concat_tables([table, table.slice(0, 3)]))
    assert (report.rows, report.looked_at) == (5003, 1000)
    assert [(d.missing, d.invalid) for d in report.fields] == [(501, 1), (2502, 0), (2502, 0), (0, 0)]
    assert [f.count for f in report.findings if f.code == "duplicate_rows"] == [3]
    assert "1,000 of them, chosen by fingerprint" in printed(report)
    assert "chosen" not in printed(report_of(table.slice(0, 1000)))


@pytest.mark.usefixtures("small")
def test_one_cell_in_many_that_training_would_refuse_is_found_wherever_it_lies() -> None:
    rows = 20_000
    text = [str(i) for i in DRAW.permutation(rows)]
    infinite = DRAW.normal(size=rows)
    some = chosen(rows)
    assert some is not None
    hidden = int(np.setdiff1d(np.arange(rows), some.to_numpy())[0])
    text[hidden], infinite[hidden] = "old", np.inf
    rare: list[str | None] = [None] * rows
    rare[hidden] = "word"
    report = report_of(pa.table({"a": text, "b": infinite, "c": rare, "d": pa.array([None] * rows, pa.float64())}))
    found = {(finding.code, *finding.fields): finding for finding in report.findings}
    assert found["invalid", "a"].examples == ("old",)
    assert (found["invalid", "a"].count, found["invalid", "a"].total) == (1, rows)
    assert found["invalid", "b"].count == 1
    assert found["few_values", "c"].count == 1
    assert ("empty", "c") not in found
    assert ("empty", "d") in found
    assert [(described.missing, described.invalid) for described in report.fields] == [
        (0, 1),
        (0, 1),
        (rows - 1, 0),
        (rows, 0),
    ]


@pytest.mark.usefixtures("small")
def test_the_same_rows_are_looked_at_each_time_and_they_are_spread_over_the_table() -> None:
    some = chosen(50_000)
    assert some is not None
    assert some.equals(chosen(50_000))
    assert len(set(some.to_pylist())) == 1000
    assert 20_000 < np.mean(some.to_numpy()) < 30_000
    assert chosen(1000) is None


def with_bytes(cells: list[str], row: int, content: bytes) -> pa.Array:
    """Text with one cell of any bytes."""
    raw = pa.array([content if i == row else cell.encode() for i, cell in enumerate(cells)], pa.binary())
    return pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())


@pytest.mark.parametrize("cells", [["Rome", "Oslo"] * 50, [str(i) for i in range(100)], ["2024-05-01"] * 100])
def test_text_with_a_cell_that_is_no_utf8_is_a_finding_whatever_the_others_spell(cells: list[str]) -> None:
    table = pa.table({"a": with_bytes(cells, 7, b"caf\xe9"), "b": cells, "c": with_bytes(cells, 7, "café".encode())})
    for target in (None, "a", "b"):
        report = report_of(table, target=target)
        one, other, fine = report.fields
        assert one.facts.kind == "unreadable"
        assert "unreadable" not in (other.facts.kind, fine.facts.kind)
        (found,) = (finding for finding in report.findings if finding.code == "unreadable")
        assert found.fields == ("a",)
        assert "1 of 100 cells are not, the first in row 7: b'caf\\xe9'" in found.text
        assert "caf" in printed(report)


@pytest.mark.usefixtures("small")
def test_one_cell_in_many_that_is_no_utf8_is_found_wherever_it_lies() -> None:
    rows = 20_000
    some = chosen(rows)
    assert some is not None
    hidden = int(np.setdiff1d(np.arange(rows), some.to_numpy())[0])
    for cells in (["Rome", "Oslo"] * (rows // 2), [str(i) for i in range(rows)]):
        report = report_of(pa.table({"a": with_bytes(cells, hidden, b"\xff"), "b": cells}))
        (found,) = (finding for finding in report.findings if finding.code == "unreadable")
        assert f"the first in row {hidden}: b'\\xff'" in found.text
        assert (report.looked_at, field(report, "a").facts.rows) == (1000, 1000)


def test_declared_policies_are_taken_into_account() -> None:
    table = pa.table({"age": [str(x) for x in DRAW.integers(18, 90, 400)] + ["?"] * 5 + ["-999"] * 9 + ["400"]})
    plain = report_of(table)
    assert {finding.code for finding in plain.findings} == {"sentinel", "na_words", "outliers", "duplicate_rows"}
    policy = {"na_values": ["?", "-999"], "max": 120, "invalid": "missing"}
    report = report_of(table, policies={"age": policy})
    assert (field(report, "age").missing, field(report, "age").invalid) == (14, 1)
    (outside,) = (finding for finding in report.findings if finding.code == "out_of_range")
    assert (outside.count, outside.loud) == (1, False)
    assert {finding.code for finding in report.findings} == {"out_of_range", "outliers", "duplicate_rows"}
    strict = report_of(table, policies={"age": {"max": 120}})
    assert [finding.code for finding in strict.findings if finding.loud] == ["sentinel", "out_of_range"]
    with pytest.raises(ConfigError, match="did you mean max"):
        report_of(table, policies={"age": {"mx": 120}})


def test_findings_that_must_not_be_overlooked_come_first() -> None:
    y = DRAW.choice(["a", "b"], 200)
    report = report_of(pa.table({"const": ["k"] * 200, "copy": y, "y": y}), target="y")
    assert [finding.code for finding in report.findings] == ["copy_of_target", "constant", "duplicate_rows"]
    assert "TARGET" in printed(report)


@pytest.mark.parametrize(
    ("table", "target", "code"),
    [
        (pa.table({"a": pa.array([], pa.int64())}), None, "no_rows"),
        (pa.table({}), None, "no_rows"),
        (pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), None, "duplicate_column"),
        (pa.table({"age": [1, 2]}), "aeg", "missing_column"),
    ],
)
def test_tables_that_cannot_be_reported_on_are_data_errors(table: pa.Table, target: str | None, code: str) -> None:
    with pytest.raises(DataError) as error:
        report_of(table, target=target)
    assert error.value.problems[0].code == code


def test_any_type_of_cell_is_reported() -> None:
    table = pa.table(
        {
            "flag": [True, False, None],
            "list": [[1], [2], None],
            "whole": pa.array([2**60, 1, None]),
            "money": pa.array(["1.50", "2.50", None]).cast(pa.decimal128(9, 2)),
            "zone": pa.array([0, 1, None], pa.timestamp("s", tz="UTC")),
            "day": pa.array([0, 1, None], pa.date32()),
            "bytes": [b"\xff", b"b", None],
            "nothing": pa.nulls(3),
            "word": pa.array(["a", "b", None]).dictionary_encode(),
            "view": pa.array(["a", "b", None], pa.string_view()),
        }
    )
    report = report_of(table)
    kinds = ["text", "several", "text", "number", "unreadable", "time", "several", "empty", "text", "text"]
    assert [described.facts.kind for described in report.fields] == kinds
    assert [described.missing for described in report.fields] == [1, 1, 1, 1, 1, 1, 1, 3, 1, 1]
    assert len(printed(report).splitlines()) > 12


def test_quantiles_are_values_of_the_field() -> None:
    facts = field(report_of(pa.table({"x": [5.0, 1.0, None, 3.0, 1.0, 4.0]})), "x").facts
    assert quantiles(facts, (0, 0.25, 0.5, 0.75, 1)) == [1, 1, 3, 4, 5]
    assert quantiles(field(report_of(pa.table({"x": [float("inf")]})), "x").facts, (0, 1)) == []


def test_the_report_of_the_flights_finds_what_is_known_of_them() -> None:
    block = Flights().read()
    report = report_of(block.table, target="arr_delay", name=block.name)
    assert report.rows == 336_776
    assert {(finding.code, *finding.fields) for finding in report.findings} == {
        ("constant", "year"),
        ("outliers", "dep_delay"),
        ("outliers", "arr_delay"),
        ("other_times", "time_hour"),
        ("mostly_missing", "wind_gust"),
    }
    assert field(report, "dep_time").missing == 8255
    assert field(report, "wind_gust").missing == 256_391


def test_a_file_is_opened_by_its_first_bytes_and_read_once(tmp_path) -> None:
    (tmp_path / "a.csv").write_text("a;b\n1,5;x\n2,5;y\n")
    table = opened(str(tmp_path / "a.csv"))
    assert isinstance(table, Opened)
    assert (table.node["delimiter"], table.decimal, table.rows) == (";", ",", 2)
