"""CSV in blocks: the same rows, lines and refusals whatever the size of the blocks."""

import csv
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlp_torch.errors import ConfigError, DataError
from mlp_torch.ingest.block import concatenated
from mlp_torch.ingest.csv import Csv
from mlp_torch.ingest.csv_text import Grammar
from mlp_torch.ingest.reads import Read
from mlp_torch.ingest.schema import Schema

CELLS = st.text(alphabet='a,;"\n\r 1é日', max_size=6)
SIZES = st.integers(1, 40)


def spelled(rows, end):
    """A file as Python's csv module writes it, line ends inside cells among it."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue()


def problems_of(path, size, **options):
    with pytest.raises(DataError) as caught:
        list(Csv(path, **options).blocks(size))
    return [str(problem) for problem in caught.value.problems]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=12), SIZES, st.sampled_from(["\n", "\r\n", "\r"]))
def test_blocks_of_any_size_give_the_rows_and_lines_of_the_whole_file(tmp_path_factory, rows, size, end):
    path = tmp_path_factory.mktemp("csv") / "rows.csv"
    path.write_text(spelled([("a", "b"), *rows], end), newline="", encoding="utf8")
    whole, blocks = Csv(path).read(), list(Csv(path).blocks(size))
    assert [tuple(row.values()) for row in whole.table.to_pylist()] == rows
    parts = concatenated(blocks)
    assert parts.table.equals(whole.table)
    everything = range(len(rows))
    assert parts.places.of(everything) == whole.places.of(everything)
    line, lines = 2, []
    for row in rows:
        lines.append(line)
        text = "".join(row)
        line += 1 + text.count("\n") + text.count("\r") - sum(cell.count("\r\n") for cell in row)
    assert whole.places.of(everything) == tuple(lines)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([",", '"', "a", "\n", "\r", "\r\n", "a,b\n", '"x\ny",b\n']), max_size=12), SIZES)
def test_whatever_a_file_holds_blocks_and_whole_agree_or_both_refuse(tmp_path_factory, parts, size):
    path = tmp_path_factory.mktemp("csv") / "rows.csv"
    path.write_bytes(b"a,b\n" + "".join(parts).encode())

    def outcome(read):
        try:
            block = read()
        except DataError as error:
            return sorted({problem.code for problem in error.problems})
        return block.table.to_pydict(), block.places.of(range(len(block.table))), block.torn

    assert outcome(lambda: concatenated(Csv(path).blocks(size))) == outcome(
        lambda: concatenated(Csv(path).blocks(10**6))
    )


@pytest.mark.parametrize("size", [1, 7, 64, 10**6])
def test_rows_with_another_number_of_cells_keep_their_lines_and_those_of_others(tmp_path, size):
    path = tmp_path / "rows.csv"
    path.write_bytes(b"a,b\n1,2\n3\n4,5\n\n6,7,8\n9,10\n")
    block = concatenated(Csv(path).blocks(size))
    assert [(row.place, row.cells, row.wanted, row.text) for row in block.torn] == [(3, 1, 2, "3"), (6, 3, 2, "6,7,8")]
    assert block.table.column("a").to_pylist() == ["1", "4", "9"]
    assert block.places.of(range(3)) == (2, 4, 7)
    with pytest.raises(DataError, match="wrong_field_count: the header has 2 fields, rows have 1, 3; 2 of 5 rows"):
        Csv(path).read()


@pytest.mark.parametrize("size", [3, 50, 10**6])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_byte_that_is_no_utf8_is_named_by_byte_and_line_in_any_block(tmp_path, size, end):
    content = end.join([b"a,b", *[b"1,na\xc3\xafve"] * 40, b"2,caf\xe9 au lait", b"3,x", b""])
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    (text,) = problems_of(path, size)
    assert f"is not utf-8: byte {content.index(bytes([0xE9])):,}, line 42: b'\\xe9 au'" in text


@pytest.mark.parametrize("size", [5, 10**6])
@pytest.mark.parametrize(("encoding", "letter"), [("latin-1", "é"), ("utf-16", "日"), ("shift_jis", "日")])
def test_other_encodings_are_read_in_blocks_too(tmp_path, size, encoding, letter):
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n" + f"1,x{letter}\n" * 30, encoding=encoding)
    block = concatenated(Csv(path, encoding=encoding).blocks(size))
    assert block.table.column("b").to_pylist() == [f"x{letter}"] * 30


@pytest.mark.parametrize("size", [4, 10**6])
def test_a_byte_that_another_encoding_lacks_is_named_too(tmp_path, size):
    content = "a,b\n1,日\n2,本\n".encode("shift_jis") + b"3,\xff\n"
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    (text,) = problems_of(path, size, encoding="shift_jis")
    assert f"is not shift_jis: byte {content.index(bytes([0xFF])):,}, line 4" in text


@pytest.mark.parametrize("size", [4, 10**6])
def test_a_quote_that_is_never_closed_is_named_by_its_line_in_any_block(tmp_path, size):
    path = tmp_path / "rows.csv"
    path.write_bytes(b'a,b\n1,"x\ny"\n2,z\n3,"w\n4,v\n')
    (text,) = problems_of(path, size)
    assert "never closed, opened in line 5" in text


def test_a_quoted_line_end_ends_no_row_and_a_torn_line_end_waits():
    grammar = Grammar.of(",")
    assert grammar.end_of_rows(b'a,"b\n') == 0
    assert grammar.end_of_rows(b'a,b\nc,"d\n') == 4
    assert grammar.end_of_rows(b"a,b\r") == 0  # perhaps the first half of a line end
    assert grammar.end_of_rows(b'"a",b\r\n1,"x\r') == 7
    assert grammar.end_of_rows(b'a,5" disk\n1,2\n') == 14


def test_numbers_of_a_file_in_which_all_is_text_are_not_counted_as_changed(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(b"age\n31\n?\n")
    schema = Schema.of([Read("age")], {"age": {"na_values": ["?"]}})
    assert schema.check(Csv(path).read()).counts["changed"] == {"age: na_values read as missing": 1}
    assert schema.check(Csv(path).read().table).counts["changed"]["age: text read as number"] == 1


@pytest.mark.parametrize("size", [6, 10**6])
def test_columns_that_nobody_reads_are_there_by_name_and_the_rows_are_the_same(tmp_path, size):
    path = tmp_path / "rows.csv"
    path.write_bytes(b'a,b,c\n1,"x\ny",2\n3\n4,z,5\n')
    whole, some = (concatenated(rows.blocks(size)) for rows in (Csv(path), Csv(path).only(["c", "nosuch"])))
    assert some.table.to_pydict() == {"a": [None] * 2, "b": [None] * 2, "c": ["2", "5"]}
    assert some.torn == whole.torn
    assert some.places.of([0, 1]) == whole.places.of([0, 1]) == (2, 5)
    assert len(next(Csv(path).only([]).blocks()).table) == 2


@pytest.mark.parametrize("size", [4, 10**6])
@pytest.mark.parametrize(
    ("encoding", "content", "told"),
    [
        ("utf-16", b"age\n31\n27\n", "is not utf-16: from byte 0, line 1 on: "),
        ("utf-32", b"age\n31\n27\n", "is not utf-32: "),
        ("utf-7", b"age\n31\n+2AA-\n", "is not utf-7: "),
    ],
)
def test_a_file_without_the_mark_or_with_half_of_a_character_is_refused(tmp_path, size, encoding, content, told):
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    (text,) = problems_of(path, size, encoding=encoding)
    assert text.startswith("encoding: ")
    assert told in text


@pytest.mark.parametrize(
    "encoding",
    [
        "hex",
        "rot13",
        "base64",
        "zlib",
        "bz2",
        "idna",
        "punycode",
        "undefined",
        "unicode_escape",
        "none",
        "",
        "a\0",
        "\udcff",
    ],
)
def test_what_is_no_encoding_of_files_is_refused_before_a_file_is_read(encoding):
    with pytest.raises(ConfigError, match="must be a text encoding of Python's, however: "):
        Csv("missing.csv", encoding=encoding)


def test_a_parquet_file_is_not_read_as_csv_and_told_how_to_be(tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"age": [31]}), path)
    (text,) = problems_of(path, 10**6)
    assert text.startswith("unknown_format: ")
    assert f"{path} is Parquet, not CSV; data=parquet or data=parquet_in_memory reads it" in text
    path.write_bytes(b"PAR1,b\n1,2\n")  # a header may be called so
    assert Csv(path).read().table.column_names == ["PAR1", "b"]
