"""What embeddings have learned: their rows by word, as files that another run begins with, and for the projector."""

import json
import time
import urllib.request
import warnings
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor, nn

from mlp_torch.column import Column, Sample
from mlp_torch.ingest.fingerprint import fingerprints
from mlp_torch.model import Encoder
from mlp_torch.representation.calendar import Calendar
from mlp_torch.representation.embeddings import Embedding
from mlp_torch.representation.hashed import Hashed
from mlp_torch.representation.pretrained import Pretrained
from mlp_torch.representation.sets import MultiHot
from mlp_torch.representation.shared import SharedEmbedding
from mlp_torch.training.learned import Learned, learned, write
from mlp_torch.training.tensorboard import MOST_WORDS, TensorBoard

WORDS = ["Oslo", "tab\there", "日本", ""]
ROWS = {"a:string": fingerprints([*WORDS, None]), "b:string": fingerprints(["Oslo", "x", "x", "x", "x"])}


def fit(column: Column) -> Column:
    known = [*WORDS, "x"]
    column.fit(Sample(ROWS, torch.zeros(5), lambda read: list(zip(fingerprints(known).tolist(), known, strict=True))))
    column.resize()
    column.see(column.encode(ROWS))
    return column


def columns() -> dict[str, Column]:
    return {
        "city": fit(Embedding("a", dim=3)),
        "both": fit(SharedEmbedding(["a", "b"], dim=2)),
        "bucket": fit(Hashed("a", buckets=7)),
        "hour": Calendar("at", "hour"),
    }


def of(columns: dict[str, Column], name: str, *words: str | None) -> Tensor:
    """What the encoder makes of cells, one a row."""
    inputs = {"a:string": fingerprints(list(words)), "b:string": fingerprints(list(words))}
    return columns[name].encode(inputs)


def test_a_words_vector_is_what_the_encoder_makes_of_it() -> None:
    fitted = columns()
    encoder = Encoder(fitted)
    found = learned(encoder, fitted)
    assert list(found) == ["city", "both"]  # buckets and hours have no words
    words, vectors = found["city"]
    assert sorted(words) == sorted(["(unknown)", "(missing)", *WORDS])
    for word in [*WORDS, None]:
        row = words.index("(missing)" if word is None else word)
        assert torch.equal(encoder.layers["city"](of(fitted, "city", word))[0], vectors[row])
    words, vectors = found["both"]
    there = encoder.layers["both"](of(fitted, "both", "x"))
    assert torch.equal(there[0], vectors[words.index("x")].repeat(2))


def test_members_of_a_model_have_theirs_side_by_side() -> None:
    fitted = columns()
    model = nn.Module()
    model.members = nn.ModuleList(nn.ModuleDict({"encoder": Encoder(fitted)}) for _ in range(2))
    found = learned(model, fitted)
    assert list(found) == ["members.0/city", "members.0/both", "members.1/city", "members.1/both"]
    assert not torch.equal(found["members.0/city"].vectors, found["members.1/city"].vectors)


def test_a_column_whose_layer_learns_nothing_has_no_vectors() -> None:
    marks = MultiHot("tags", max_tokens=2)
    x = fingerprints(["a", "b", "a", None]).reshape(2, 2)
    marks.fit(Sample({marks.key: x}, torch.zeros(2), lambda read: [(int(x[0, 0]), "a"), (int(x[0, 1]), "b")]))
    marks.resize()
    assert marks.meanings()
    assert learned(Encoder({"tags": marks}), {"tags": marks}) == {}


def test_another_run_begins_with_the_file_of_this_one(tmp_path: Path) -> None:
    fitted = columns()
    encoder = Encoder(fitted)
    write(tmp_path, learned(encoder, fitted))
    assert pq.read_table(tmp_path / "city.parquet")["word"].to_pylist() == [
        word for word in fitted["city"].meanings() if word in WORDS
    ]
    again = fit(Embedding("a", vectors=Pretrained(tmp_path / "city.parquet")))
    assert again.notes() == ["4 of 4 words begin with a vector of city.parquet"]
    codes = of(fitted, "city", *WORDS)
    assert torch.equal(again.layer().eval()(codes), encoder.eval().layers["city"](codes))


def test_names_of_columns_make_no_paths(tmp_path: Path) -> None:
    write(tmp_path / "in", {"/a b": Learned(["Oslo"], torch.ones(1, 2))})
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.parquet")] == ["in/%2Fa%20b.parquet"]


def served(folder: Path) -> dict[str, list[str]]:
    """By embedding, what TensorBoard's projector serves as the words of its points, over a socket."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what TensorBoard imports
        from tensorboard import program

        board = program.TensorBoard()
        board.configure(argv=["", "--logdir", str(folder), "--port", "0", "--load_fast", "false"])
        url = f"{board.launch()}data/plugin/projector/"

    def get(what: str) -> bytes:
        with urllib.request.urlopen(url + what, timeout=30) as answer:
            found: bytes = answer.read()
            return found

    until = time.monotonic() + 30
    while not json.loads(get("runs")) and time.monotonic() < until:
        time.sleep(0.1)
    words = {}
    for each in json.loads(get("info?run=embeddings"))["embeddings"]:
        name = f"run=embeddings&name={each['tensorName']}"
        text = get(f"metadata?{name}&num_rows=100000").decode()
        words[each["tensorName"]] = text.removesuffix("\n").split("\n")
        rows, width = each["tensorShape"]
        assert len(words[each["tensorName"]]) == rows
        assert len(get(f"tensor?{name}&num_rows=100000")) == rows * width * 4
    return words


def test_the_projector_reads_words_one_a_line_whatever_they_hold(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fitted = columns()
    found = learned(Encoder(fitted), fitted)
    found["many"] = Learned([f"w{i}\n" for i in range(MOST_WORDS + 1)], torch.zeros(MOST_WORDS + 1, 2))
    for _ in range(2):  # the second time after a run that was stopped at its end
        logger = TensorBoard(tmp_path)
        logger.begin_report()
        logger.log_embeddings(found)
        logger.finalize("success")
    assert "warning" not in capfd.readouterr().out
    words = served(tmp_path)
    assert sorted(words) == ["both:00000", "city:00000", "many:00000"]
    assert sorted(words["city:00000"]) == sorted(["(unknown)", "(missing)", "Oslo", "tab\\there", "日本", '""'])
    assert words["many:00000"] == [f"w{i}\\n" for i in range(MOST_WORDS)]


def test_a_column_of_words_is_read_back_by_arrow_as_lists_of_one_width(tmp_path: Path) -> None:
    write(tmp_path, {"x": Learned(["a", "b"], torch.tensor([[1.0, 2.0], [3.0, 4.0]]))})
    schema = pq.read_schema(tmp_path / "x.parquet")
    assert schema.field("vector").type == pa.list_(pa.float32(), 2)
    assert pq.read_table(tmp_path / "x.parquet")["vector"].to_pylist() == [[1, 2], [3, 4]]
