"""Files and frames to Arrow: every way that a file is broken has a code, a place and a hint."""

import datetime
import decimal
import json
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlp_torch.errors import ConfigError, DataError
from mlp_torch.ingest.block import Block
from mlp_torch.ingest.reads import Read
from mlp_torch.ingest.schema import Schema
from mlp_torch.ingest.source import Csv, Frame, Parquet, source


@pytest.fixture
def written(tmp_path):
    def write(content, name="rows.csv"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def only_problem(act):
    with pytest.raises(DataError) as caught:
        act()
    assert len(caught.value.problems) == 1
    return caught.value.problems[0]


def test_every_cell_of_a_csv_is_text_and_an_empty_one_is_missing_unless_quoted(written):
    rows = Csv(written(b'id,word\n00123,""\n5.0,\n1e3,NA\n')).read()
    assert rows.table.to_pydict() == {"id": ["00123", "5.0", "1e3"], "word": ["", None, "NA"]}
    assert rows.table.schema.types == [pa.large_string()] * 2
    assert rows.places[:2] == ("line", 2)


def test_line_numbers_in_messages_are_those_of_the_file(written):
    rows = Csv(written(b"age\n1\n2\nold\n")).read()
    problem = only_problem(lambda: Schema.of([Read("age")]).check(rows))
    assert (problem.rows, problem.unit) == ((4,), "line")


def test_with_line_ends_inside_quotes_and_blank_lines_each_row_still_knows_its_line(written):
    rows = Csv(written(b'\na,b\n1,"x\ny"\n\n2,z\n3,w\n')).read()
    assert rows.table.column("b").to_pylist() == ["x\ny", "z", "w"]
    assert rows.places.unit == "line"
    assert rows.places.of([0, 1, 2]) == (3, 6, 7)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_line_ends_and_trailing_blank_lines_change_nothing(written, end):  # row 38
    plain = Csv(written(b"a,b\n1,2\n3,4\n")).read()
    other = Csv(written(end.join([b"a,b", b"1,2", b"3,4", b"", b"", b""]), "other.csv")).read()
    assert other.table.equals(plain.table)
    assert other.places[:2] == ("line", 2)


def test_an_empty_line_of_a_single_column_is_a_missing_value(written):
    assert Csv(written(b"a\n1\n\n3\n")).read().table.column("a").to_pylist() == ["1", None, "3"]


def test_row_29_an_empty_file_is_named_as_such(written):
    assert only_problem(Csv(written(b"")).read).code == "empty_file"
    assert only_problem(Parquet(written(b"", "rows.parquet")).read).code == "empty_file"


@pytest.mark.parametrize("content", [b"a,b", b"a,b\n", b"a,b\r\n\r\n"])
def test_row_30_a_header_alone_has_no_rows(written, content):
    problem = only_problem(Csv(written(content)).read)
    assert problem.code == "no_rows"
    assert "0 rows" in str(problem)


def test_a_missing_file_is_named_with_near_names(written, tmp_path):
    written(b"a\n1\n", "flights.csv")
    problem = only_problem(Csv(tmp_path / "flihgts.csv").read)
    assert problem.code == "no_file"
    assert "did you mean flights.csv?" in str(problem)
    assert only_problem(Parquet(tmp_path / "none" / "x.parquet").read).code == "no_file"
    assert only_problem(Csv(tmp_path).read).code == "no_file"


def test_row_25_invalid_utf8_is_named_by_byte_and_line_and_the_encoding_helps(written):
    path = written("a,b\n1,x\n2,naïve\n".encode("latin-1"))
    problem = only_problem(Csv(path).read)
    assert problem.code == "encoding"
    assert "byte 12, line 3" in str(problem)
    assert problem.key == "data.source.encoding: cp1252"
    assert Csv(path, encoding="latin-1").read().table.column("b").to_pylist() == ["x", "naïve"]


def test_row_26_a_utf8_mark_is_no_part_of_the_first_name(written):
    assert Csv(written(b"\xef\xbb\xbfa,b\n1,2\n")).read().table.column_names == ["a", "b"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_row_27_another_unicode_encoding_is_named_by_its_mark(written, encoding):
    path = written("a,b\n1,日本\n".encode(encoding))
    problem = only_problem(Csv(path).read)
    assert problem.code == "encoding"
    assert encoding.upper() in str(problem)
    assert Csv(path, encoding=encoding).read().table.to_pydict() == {"a": ["1"], "b": ["日本"]}


def test_row_4_duplicate_names_are_refused_in_every_source(written):
    assert only_problem(Csv(written(b"a,b,a\n1,2,3\n")).read).columns == ("a",)
    frame = pd.DataFrame([[1, 2]], columns=["a", "a"])
    assert only_problem(Frame(frame).read).code == "duplicate_column"


def test_rows_33_and_34_another_number_of_cells_is_refused_with_its_lines(written):
    problem = only_problem(Csv(written(b"a,b\n1,2,3\n4,5\n6\n")).read)
    assert (problem.code, problem.bad, problem.total, problem.rows) == ("wrong_field_count", 2, 3, (2, 4))
    assert "2 fields, rows have 1, 3" in str(problem)
    assert problem.examples == ("1,2,3", "6")


def test_row_35_an_unclosed_quote_is_refused_and_not_swallowed(written):
    problem = only_problem(Csv(written(b'a,b\n1,x\n2,"y\n3,z\n')).read)
    assert (problem.code, problem.rows) == ("unclosed_quote", (3,))
    closed = Csv(written(b'a,b\n1,"say ""hi"", you"\n2,5" disk\n')).read()
    assert closed.table.column("b").to_pylist() == ['say "hi", you', '5" disk']


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_row_36_a_wrong_delimiter_is_suspected_from_the_header(written, mark):
    path = written(f"a{mark}b\n1{mark}2\n".encode())
    problem = only_problem(Csv(path).read)
    assert (problem.code, problem.key) == ("wrong_delimiter", f"data.source.delimiter: {json.dumps(mark)}")
    assert Csv(path, delimiter=mark).read().table.to_pydict() == {"a": ["1"], "b": ["2"]}


def test_row_37_a_decimal_comma_is_read_when_asked_for_and_hinted_at_otherwise(written):
    path = written(b"a;b\n1,5;x\n-2,25e1;y\n")
    schema = Schema.of([Read("a")])
    rows = Csv(path, delimiter=";", decimal=",").read()
    assert schema.check(rows).arrays["a"].to_pylist() == [1.5, -22.5]
    plain = Csv(path, delimiter=";").read()
    problem = only_problem(lambda: schema.check(plain))
    assert (problem.code, problem.bad) == ("not_a_number", 2)
    assert "data.source.decimal" in str(problem)
    points = pa.table({"a": ["1.5"]})
    assert only_problem(lambda: schema.check(Block(points, decimal=","))).code == "not_a_number"


def test_row_23_a_cell_above_the_limit_is_refused_with_its_line(written):
    path = written(b"a,b\n1,x\n2," + b"y" * 101 + b"\n")
    schema = Schema.of([Read("b", "string")])
    problem = only_problem(lambda: schema.check(Csv(path, max_cell_bytes=100).read()))
    assert (problem.code, problem.columns, problem.rows, problem.bad) == ("cell_too_large", ("b",), (3,), 1)
    assert problem.key == "data.source.max_cell_bytes"
    assert schema.check(Csv(path, max_cell_bytes=101).read()).counts["used"] == 2


def test_a_cell_may_be_longer_than_arrows_own_block(written):
    path = written(b"a,b\n1," + b"y" * 3_000_000 + b"\n")
    assert len(Csv(path, max_cell_bytes=4_000_000).read().table.column("b")[0].as_py()) == 3_000_000


def test_row_24_control_characters_stay(written):
    assert Csv(written(b"a\nx\0y\x1b\n")).read().table.column("a").to_pylist() == ["x\0y\x1b"]


def test_parquet_keeps_its_types_and_row_40_truncated_is_refused(written, tmp_path):
    table = pa.table({"a": [1, 2], "b": ["x", None]})
    path = tmp_path / "rows.parquet"
    pq.write_table(table, path)
    assert Parquet(path).read().table.equals(table)
    short = written(path.read_bytes()[:-20], "short.parquet")
    problem = only_problem(Parquet(short).read)
    assert problem.code == "damaged_file"
    assert "short.parquet" in str(problem)


def test_row_41_a_flipped_bit_in_a_page_with_checksums_is_refused(written, tmp_path):
    path = tmp_path / "rows.parquet"
    table = pa.table({"a": list(range(1000))})
    pq.write_table(table, path, write_page_checksum=True, compression="none", use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[2000] ^= 1
    assert only_problem(Parquet(written(bytes(content), "flipped.parquet")).read).code == "damaged_file"
    assert Parquet(path).read().table.num_rows == 1000


def test_the_ending_of_a_file_chooses_its_reader(written, tmp_path):
    assert source(written(b"a\tb\n1\t2\n", "rows.tsv")).read().table.to_pydict() == {"a": ["1"], "b": ["2"]}
    assert isinstance(source("x.csv"), Csv)
    assert isinstance(source("x.parquet"), Parquet)
    assert isinstance(source(tmp_path), Parquet)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("x.xlsx", "save the sheet as CSV UTF-8"),
        ("x.db", "query: SELECT"),
        ("x.SQLITE", "query: SELECT"),
        ("x.csv.gz", "gunzip -k"),
        ("x.parquet.zip", "unpack it first"),
        ("x.jsonl", "pyarrow.json.read_json"),
        ("x.feather", "pyarrow.feather.read_table"),
        ("x.txt", "data.source.delimiter"),
        ("x.sas7bdat", "however: x.sas7bdat"),
    ],
)
def test_a_file_of_another_format_is_refused_with_what_to_do(name, remedy):
    problem = only_problem(lambda: source(name))
    assert problem.code == "unknown_format"
    assert "must end in one of .csv, .tsv, .parquet, .pq, however: x" in str(problem)
    assert remedy in str(problem)


@pytest.mark.parametrize(
    "options", [{"delimiter": "::"}, {"decimal": ";"}, {"decimal": ","}, {"max_cell_bytes": 0}, {"encoding": "utf9"}]
)
def test_options_that_cannot_be_are_refused_by_their_key(options):
    with pytest.raises(ConfigError, match=f"data.source.{next(iter(options))} must .*, however: "):
        Csv("x.csv", **options)


def judged(array, kind):
    """The values of a column read as one kind, or the code of its only problem, which names column and rows."""
    frame = pd.DataFrame({"a": array}) if not isinstance(array, pa.Array | pa.ChunkedArray) else pa.table({"a": array})
    read = Read("a", kind)
    try:
        return Schema.of([read]).check(Frame(frame).read()).arrays[read.key].to_pylist()
    except DataError as error:
        (problem,) = error.problems
        assert (problem.columns, problem.total) == (("a",), len(array))
        assert 0 < problem.bad <= len(array)
        return problem.code


def objects(*values):
    return pd.Series(values, dtype=object)


NAN = pytest.approx(math.nan, nan_ok=True)
BERLIN = datetime.timezone(datetime.timedelta(hours=1))
MORNING, AWARE = datetime.datetime(2026, 1, 1, 10), datetime.datetime(2026, 1, 1, 10, tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("array", "kind", "expected"),
    [
        (pd.array([1, None], "Int64"), "number", [1.0, NAN]),
        (pd.array([2**53 + 1, None], "Int64"), "string", ["9007199254740993", None]),
        (pd.array([2**53 + 1, None], "Int64"), "number", "too_large_integer"),
        (pd.array([True, None], "boolean"), "string", ["1", None]),
        (pd.array([0.5, None], "Float32"), "number", [0.5, NAN]),
        (pd.Categorical(["x", None, "x"]), "string", ["x", None, "x"]),
        (pd.Categorical([3, None]), "string", ["3", None]),
        (pd.Categorical(["x", 3]), "string", ["x", "3"]),
        (pd.to_datetime(["2026-01-01", None]), "time", [1767225600.0, NAN]),
        (pd.to_datetime(["2026-01-01", None]), "number", "wrong_type"),
        (pd.to_datetime(["2026-01-01", None]).tz_localize("Europe/Berlin"), "time", "aware_time"),
        (pd.to_timedelta([1, 2], "s"), "number", "wrong_type"),
        (pd.period_range("2026-01", periods=2, freq="M"), "string", "wrong_type"),
        (pd.interval_range(0, 2), "number", "wrong_type"),
        (pd.arrays.SparseArray([1.0, math.nan]), "number", [1.0, NAN]),
        (pd.array(["x", None], "string[pyarrow]"), "string", ["x", None]),
        (pd.array(["x", None], "string[python]"), "string", ["x", None]),
        (pd.array(["x", None], pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string()))), "string", ["x", None]),
        (np.array([1.5], np.float16), "number", [1.5]),
        (np.array([1 + 2j]), "number", "wrong_type"),
        (objects("x", 1, None, True), "string", ["x", "1", None, "1"]),
        (objects("x", 2.5), "string", "not_whole"),
        (objects("1.5", 1, None), "number", [1.5, 1.0, NAN]),
        (objects(2**53 + 1, 2.5), "number", "too_large_integer"),
        (objects(2**70, 1), "string", "too_large_integer"),
        (objects(decimal.Decimal("1.50"), decimal.Decimal(2)), "number", [1.5, 2.0]),
        (objects("x", b"y"), "string", "wrong_type"),
        (objects(1, [1, 2]), "number", "nested_value"),
        (objects({"b": 1}, None), "string", "nested_value"),
        (objects("x", "\ud800"), "string", "invalid_unicode"),
        (objects(object()), "string", "wrong_type"),
        (objects(datetime.date(2026, 1, 1), None), "time", [1767225600.0, NAN]),
        (objects(MORNING, pd.NaT), "time", [1767261600.0, NAN]),
        (objects(datetime.date(2026, 1, 1), MORNING), "time", "wrong_type"),  # Arrow alone cuts ten hours off
        (objects(MORNING, AWARE), "time", "wrong_type"),  # and moves the second by an hour
        (objects(AWARE, AWARE), "time", "aware_time"),
        (objects(None, math.nan), "number", [NAN, NAN]),
    ],
)
def test_a_column_of_pandas_is_read_right_or_refused_by_name(array, kind, expected):
    assert judged(array, kind) == expected


@pytest.mark.parametrize(
    ("array", "kind", "expected"),
    [
        (pa.array(["x", None], pa.large_string()), "string", ["x", None]),
        (pa.array(["x", None], pa.string_view()), "string", ["x", None]),
        (pa.array(["x", None, "x"]).dictionary_encode(), "string", ["x", None, "x"]),
        (pa.DictionaryArray.from_arrays([0, 1], pa.array(["x", None])), "string", ["x", None]),
        (pa.array([5, None]).dictionary_encode(), "number", [5.0, NAN]),
        (pa.RunEndEncodedArray.from_arrays([2, 3], pa.array(["x", None])), "string", ["x", "x", None]),
        (pa.array([decimal.Decimal("1.50"), None], pa.decimal128(9, 2)), "number", [1.5, NAN]),
        (pa.array([decimal.Decimal("3.00"), None], pa.decimal256(50, 2)), "string", ["3", None]),
        (pa.array([decimal.Decimal("1.50")], pa.decimal128(9, 2)), "string", "not_whole"),
        (pa.array([decimal.Decimal(2**53 + 1)], pa.decimal128(20, 0)), "number", "too_large_integer"),
        (pa.array([1.5, None], pa.float16()), "number", [1.5, NAN]),
        (pa.array([0.1], pa.float32()), "number", [0.10000000149011612]),
        (pa.array([2**64 - 1], pa.uint64()), "string", ["18446744073709551615"]),
        (pa.array([2**64 - 1], pa.uint64()), "number", "too_large_integer"),
        *((pa.array([15 * 10**n, None], pa.timestamp(u)), "time", [15 * 10.0 ** (n - d), NAN])
          for u, d, n in [("s", 0, 1), ("ms", 3, 2), ("us", 6, 5), ("ns", 9, 8)]),
        (pa.array([2**62], pa.timestamp("s")), "time", "not_a_time"),
        (pa.array([0], pa.timestamp("s", "UTC")), "time", "aware_time"),
        (pa.array([1, None], pa.date32()), "time", [86400.0, NAN]),
        (pa.array([86_400_000], pa.date64()), "time", [86400.0]),
        (pa.array([1], pa.date32()), "number", "wrong_type"),
        (pa.array([1], pa.time32("s")), "time", "wrong_type"),
        (pa.array([1], pa.duration("s")), "number", "wrong_type"),
        (pa.array([[1], None]), "number", "nested_value"),
        (pa.array([{"b": 1}]), "string", "nested_value"),
        (pa.array([[("b", 1)]], pa.map_(pa.string(), pa.int8())), "string", "nested_value"),
        (pa.array([b"x", None]), "string", "wrong_type"),
        (pa.array([b"x"], pa.binary_view()), "string", "wrong_type"),
        (pa.nulls(2), "number", [NAN, NAN]),
        (pa.nulls(2), "string", [None, None]),
        (pa.array([b"x" * 16], pa.uuid()), "string", "wrong_type"),
        (pa.chunked_array([["x"], [], ["y", None]]), "string", ["x", "y", None]),
        (pa.chunked_array([pa.array([w]).dictionary_encode() for w in "xyx"]), "string", ["x", "y", "x"]),
        (pa.chunked_array([], pa.dictionary(pa.int8(), pa.string())), "string", []),
        (pa.array(["x", "y", "z"]).slice(1, 1), "string", ["y"]),
    ],
)  # fmt: skip
def test_a_column_of_arrow_is_read_right_or_refused_by_name(array, kind, expected):
    assert judged(array, kind) == expected


def test_odd_names_of_columns_are_their_text():
    names = {
        "0": [0, "b"],
        "('a', 'x')": pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")]),
        "2026-01-01 00:00:00": [pd.Timestamp("2026-01-01"), "b"],
        "": ["", "b"],
        "日本": ["日本", " "],
    }
    for name, columns in names.items():
        frame = pd.DataFrame([[5, 6]], columns=columns, index=pd.MultiIndex.from_tuples([(1, 2)]))
        assert Schema.of([Read(name)]).check(Frame(frame).read()).arrays[name].to_pylist() == [5.0]
    twice = pd.DataFrame([[1, 2]], columns=[0, "0"])
    assert only_problem(Frame(twice).read).columns == ("0",)


def test_what_holds_no_rows_is_refused_by_its_type():
    for rows in (pd.Series([1]), np.zeros((2, 2)), "rows.csv", None):
        problem = only_problem(Frame(rows).read)
        assert problem.code == "not_rows"
        assert type(rows).__name__ in str(problem)
