"""Pretrained vectors: four kinds of files, what is covered, what is frozen, and that the file is needed once."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny
import torch
from torch import Tensor, nn

import mlp_torch
from mlp_torch.build import ship
from mlp_torch.column import Column, Sample
from mlp_torch.ingest.fingerprint import fingerprints
from mlp_torch.ingest.source import Frame
from mlp_torch.representation import pretrained
from mlp_torch.representation.embeddings import Embedding
from mlp_torch.representation.numbers import Scaled
from mlp_torch.representation.pretrained import Kept, Pretrained
from mlp_torch.reproducibility.split import ByFingerprint
from mlp_torch.reproducibility.transform import Transform, restore
from mlp_torch.target import Category
from mlp_torch.training.data import Data
from mlp_torch.training.task import Task, outputs
from tests.representation.fitted import fitted

VECTORS = {"Oslo": [0.5, -1.0, 2.0], "Rome": [1.0, 1.0, 1.0], "naïve": [0.0, 0.25, -3.0]}
WORDS = ["Rome", "Ulm", None, "naïve", "Oslo"]


def lines(header: str = "") -> str:
    return header + "".join(f"{word} {' '.join(map(str, numbers))}\n" for word, numbers in VECTORS.items())


def written(folder: Path, kind: str) -> Path:
    """The vectors in a file."""
    words, vectors = list(VECTORS), np.array(list(VECTORS.values()), np.float32)
    path = folder / f"some.{kind.split()[-1]}"
    if kind == "npz":
        np.savez(path, words=np.array(words), vectors=vectors)
    elif kind == "lists parquet":
        pq.write_table(pa.table({"word": words, "vector": vectors.tolist()}), path)
    elif kind == "columns parquet":
        pq.write_table(pa.table({"word": words, **{f"d{i}": vectors[:, i] for i in range(3)}}), path)
    else:
        path.write_text(lines("3 3\n" if kind == "counted vec" else ""))
    return path


def inputs(words: list[str | None]) -> dict[str, Tensor]:
    return {"x:string": fingerprints(words)}


def fit(column: Column, words: list[str | None] = WORDS) -> Column:
    return fitted(column, inputs(words))


def vectors_of(layer: nn.Module, column: Column, words: list[str | None]) -> list[list[float]]:
    found: list[list[float]] = layer.eval()(column.encode(inputs(words))).tolist()
    return found


@pytest.mark.parametrize("kind", ["vec", "counted vec", "txt", "npz", "lists parquet", "columns parquet"])
def test_words_begin_with_the_vectors_of_any_kind_of_file_and_others_at_their_mean(kind: str, tmp_path: Path) -> None:
    column = fit(Embedding("x", vectors=Pretrained(written(tmp_path, kind))))
    layer = column.layer()
    assert column.dim == 3
    assert vectors_of(layer, column, ["Rome", "Oslo", "naïve"]) == [VECTORS[word] for word in ("Rome", "Oslo", "naïve")]
    mean = np.mean(list(VECTORS.values()), axis=0).tolist()
    for found in vectors_of(layer, column, ["Ulm", "unseen", None]):
        assert found == pytest.approx(mean)


def test_rows_of_other_words_begin_at_random_as_the_vectors_are_spread_and_the_unknown_one_at_the_mean(
    tmp_path: Path,
) -> None:
    draw = np.random.default_rng(0)
    known = draw.normal([1, -2], [0.5, 3], (500, 2))
    np.savez(tmp_path / "a.npz", words=np.array([f"w{i}" for i in range(500)]), vectors=known)
    column = Embedding("x", vectors=Pretrained(tmp_path / "a.npz", others="random"))
    fit(column, [f"w{i}" for i in range(500)] + [f"other {i}" for i in range(4000)])
    torch.manual_seed(0)
    layer = column.layer()
    others = torch.tensor(vectors_of(layer, column, [f"other {i}" for i in range(4000)]))
    assert torch.allclose(others.mean(dim=0), torch.tensor([1.0, -2.0]), atol=0.3)
    assert torch.allclose(others.std(dim=0), torch.tensor([0.5, 3.0]), rtol=0.1)
    assert vectors_of(layer, column, ["unseen"])[0] == pytest.approx(known.mean(axis=0).tolist(), rel=1e-5)


def stepped(layer: nn.Module, codes: Tensor) -> None:
    """Some steps away from where it began, with weight decay."""
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(20):
        optimizer.zero_grad()
        layer.train()(codes).square().sum().backward()
        optimizer.step()


@pytest.mark.parametrize("freeze", [False, True])
def test_frozen_vectors_stay_to_the_bit_while_all_other_rows_are_learned(freeze: bool, tmp_path: Path) -> None:
    column = fit(Embedding("x", hide=0.3, vectors=Pretrained(written(tmp_path, "vec"), freeze=freeze)))
    torch.manual_seed(0)
    layer = column.layer()
    assert isinstance(layer, Kept) == freeze
    before = vectors_of(layer, column, ["Ulm", "unseen", None])
    stepped(layer, column.encode(inputs(WORDS * 10)))
    known = vectors_of(layer, column, ["Rome", "Oslo"]) == [VECTORS["Rome"], VECTORS["Oslo"]]
    assert known == freeze
    assert all(old != new for old, new in zip(before, vectors_of(layer, column, ["Ulm", "unseen", None]), strict=True))


@pytest.mark.parametrize("freeze", [False, True])
def test_the_file_is_needed_once(freeze: bool, tmp_path: Path) -> None:
    path = written(tmp_path, "vec")
    make = lambda: Transform({"x": Embedding("x", vectors=Pretrained(path, freeze=freeze))})  # noqa: E731
    rows = inputs(WORDS)
    first = make().fit(Sample(rows, torch.zeros(5), lambda read: []))
    first.see(first(rows))
    path.unlink()
    second = make()
    restore(second, first.state_dict())
    old, new = (transform.named_columns()["x"] for transform in (first, second))
    assert new.dim == 3
    layers = []
    for column in (old, new):
        torch.manual_seed(0)
        layers.append(column.layer())
    assert torch.equal(layers[0](old.encode(rows)), layers[1](new.encode(rows)))
    with pytest.raises(ValueError, match=r"some\.vec is missing; x:string begins with the vectors that it holds"):
        fit(Embedding("x", vectors=Pretrained(path)))


@pytest.mark.parametrize("freeze", [False, True])
def test_a_run_goes_on_and_is_shipped_without_the_file(freeze: bool, tmp_path: Path) -> None:
    path = written(tmp_path, "vec")

    def unprepared() -> Data:
        columns = {"city": Embedding("city", vectors=Pretrained(path, freeze=freeze)), "age": Scaled("age")}
        split = ByFingerprint(["id"], val=0.2, test=0.2, calibration=0.1)
        return Data(Frame(tiny.table(400)), columns, Category("late"), split)

    data = unprepared().prepare()
    torch.manual_seed(0)
    task = Task(data.transform, data.target, tiny.model(data))
    for parameter in task.model.parameters():
        nn.init.normal_(parameter)  # as if it were trained
    state = task.state_dict()
    path.unlink()
    again = unprepared().prepare(state)
    resumed = Task(again.transform, again.target, tiny.model(again))
    restore(resumed, state)
    wanted = outputs(task, data.tables["test"])
    assert torch.equal(outputs(resumed, again.tables["test"]), wanted)
    assert again.notes() == data.notes()
    ship(resumed, again, tmp_path / "model", name="tiny", metrics={})
    (answer,) = mlp_torch.load(tmp_path / "model").predict([{"city": "Rome", "age": 40.0}])
    one = {"city:string": fingerprints(["Rome"]), "age": torch.tensor([40.0], dtype=torch.float64)}
    table = data.tables["test"]._replace(features=data.transform(one), y=torch.zeros(1))
    wanted = task.model.predict(outputs(task, table))["probability"]
    assert answer["probability"] == pytest.approx(wanted.item(), rel=1e-5)


def test_the_note_tells_how_many_words_are_covered(tmp_path: Path) -> None:
    path = written(tmp_path, "vec")
    (told,) = fit(Embedding("x", vectors=Pretrained(path))).notes()
    assert told == "3 of 4 words begin with a vector of some.vec"
    (told,) = fit(Embedding("x", vectors=Pretrained(path, freeze=True))).notes()
    assert told == "3 of 4 words keep the vector of some.vec"


def test_a_large_file_is_read_in_parts_and_of_equal_words_the_first_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrained, "BLOCK", 100)
    rows = [f"w{i % 900} {i} {-i}" for i in range(1000)]
    (tmp_path / "a.vec").write_text("\n".join(rows))  # without a last line end
    column = fit(Embedding("x", vectors=Pretrained(tmp_path / "a.vec")), [f"w{i}" for i in range(900)])
    found = vectors_of(column.layer(), column, ["w0", "w7", "w899"])
    assert found == [[0, 0], [7, -7], [899, -899]]


def test_a_word_of_two_words_is_not_taken_for_its_first(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Rome 1 2\nOslo S 3 4\nOslo 5 6\n")
    column = fit(Embedding("x", vectors=Pretrained(tmp_path / "a.txt")))
    assert vectors_of(column.layer(), column, ["Rome", "Oslo"]) == [[1, 2], [5, 6]]


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.vec", "rome 1 2\n", r"a\.vec must hold words of x:string, byte for byte, however: none of 4"),
        (
            "a.vec",
            "Rome 1 2\nOslo 1\n",
            r"hold words and vectors, however: each line must hold a word and 2 num",
        ),
        ("a.vec", "Rome 1 2\nOslo 1 2 3\n", "must hold a word and 2 numbers, however: 3 stand behind 'Oslo'"),
        ("a.vec", "Rome 1 2\nOslo 1 two\n", r"a\.vec must hold words and vectors, however: could not convert string"),
        ("a.vec", "Rome 1 nan\n", r"vectors of \S*a\.vec must be finite, however: nan"),
        (
            "a.csv",
            "Rome,1,2\n",
            r"a\.csv must hold words and vectors, however: its name must end in \.vec, ",
        ),
        ("a.vec", "1000000 2\nRome 1 2\nOslo 1 2\n", r"1,000,000 words must follow, .* however: 2; it may be cut off"),
        ("a.vec", "3 2\nRome 1 2\nOslo 1 2\n\n", "3 words must follow, as its first line says, however: 2"),
        ("a.vec", "3 2\n", "3 words must follow, as its first line says, however: 0"),
        ("a.vec", "Rome\t1\t2\n", r"must be parted by blanks, not by tabs or commas, however: 'Rome\\t1\\t2\\n'"),
        ("a.vec", "1 2\nRome\t1 2\n", r"a\.vec must hold .* must be parted by blanks"),
        ("a.vec", "Rome,1,2\n", r"must be parted by blanks, not by tabs or commas, however: 'Rome,1,2\\n'"),
        ("a.vec", "\ufeffRome 1 2\n", r"a\.vec must hold .* must be UTF-8 without a byte order mark \(BOM\)"),
        ("a.npz", "Rome 1 2\n", r"a\.npz must hold words and vectors, however: "),
        ("a.parquet", "Rome 1 2\n", r"a\.parquet must hold words and vectors, however: "),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(name: str, content: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=text):
        fit(Embedding("x", vectors=Pretrained(tmp_path / name)))


def test_arrays_and_columns_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", words=np.array(["Rome", "Oslo"]), vectors=np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"words must be \(W,\) and vectors \(W, d\), however: \(2,\), \(3, 2\)"):
        fit(Embedding("x", vectors=Pretrained(tmp_path / "a.npz")))
    pq.write_table(pa.table({"word": ["Rome"], "other": ["Oslo"]}), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="a column must be text and another lists or numbers, however: word, other"):
        fit(Embedding("x", vectors=Pretrained(tmp_path / "a.parquet")))


@pytest.mark.parametrize("kind", ["npz", "parquet"])
def test_vectors_without_a_number_are_refused_by_the_name_of_their_file(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{kind}"
    if kind == "npz":
        np.savez(path, words=np.array(["Rome", "Oslo"]), vectors=np.ones((2, 0)))
    else:
        pq.write_table(pa.table({"word": ["Rome"], "v": pa.array([[]], pa.list_(pa.float32()))}), path)
    text = rf"a\.{kind} must hold words and vectors, however: a vector must hold one number at least, however: 0"
    with pytest.raises(ValueError, match=text):
        fit(Embedding("x", vectors=Pretrained(path)))


def test_as_many_words_as_the_first_line_says_and_more_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.vec").write_text("1 2\nRome 1 2\nOslo 5 6\n")
    column = fit(Embedding("x", vectors=Pretrained(tmp_path / "a.vec")))
    assert vectors_of(column.layer(), column, ["Rome", "Oslo"]) == [[1, 2], [5, 6]]


def test_of_the_columns_of_a_file_an_id_is_no_part_of_a_vector_and_empty_cells_are_refused(tmp_path: Path) -> None:
    table = pa.table({"id": [7, 8], "word": ["Rome", "Oslo"], "x": [1.0, 3.0], "y": [2.0, 4.0]})
    pq.write_table(table, tmp_path / "a.parquet")
    column = fit(Embedding("x", vectors=Pretrained(tmp_path / "a.parquet")))
    assert vectors_of(column.layer(), column, ["Rome", "Oslo"]) == [[1, 2], [3, 4]]
    pq.write_table(pa.table({"word": ["Rome", "Oslo"], "v": [[1.0, 2.0], None]}), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="each row must have a word and a vector, however: v has empty cells"):
        fit(Embedding("x", vectors=Pretrained(tmp_path / "a.parquet")))


def test_a_width_that_is_not_the_files_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "vec")
    assert fit(Embedding("x", dim=3, vectors=Pretrained(path))).dim == 3
    with pytest.raises(ValueError, match=r"dim and all vectors of \S+ must be of one width, however: \[3, 5\]"):
        fit(Embedding("x", dim=5, vectors=Pretrained(path)))


def test_an_unknown_start_is_refused() -> None:
    with pytest.raises(ValueError, match="others must be mean or random, however: others='zero'"):
        Pretrained("a.vec", others="zero")  # type: ignore[arg-type]
