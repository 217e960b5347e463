"""Targets that leave the middle undecided. Golden values: tables by hand."""

import pyarrow as pa
import pytest
import tiny
import torch
from torch import Tensor

from mlp_torch.errors import ConfigError, DataError
from mlp_torch.ingest.fingerprint import fingerprints
from mlp_torch.ingest.source import Frame
from mlp_torch.problem.undecided import Agreed, Band

NAN = float("nan")


def votes(**raters: list[str | None]) -> dict[str, Tensor]:
    return {f"{name}:string": fingerprints(said) for name, said in raters.items()}


def words(**raters: list[str | None]) -> dict[str, list[tuple[int, str]]]:
    found = {name: sorted({word for word in said if word is not None}) for name, said in raters.items()}
    return {name: list(zip(fingerprints(each).tolist(), each, strict=True)) for name, each in found.items()}


def test_a_band_is_neutral_from_its_lower_to_below_its_upper_end() -> None:
    target = Band("rating", 3, 4, classes=("bad", "so so", "good"))
    y = target.encode({"rating": torch.tensor([1, 2.999, 3, 3.999, 4, 5, NAN], dtype=torch.float64)})
    assert y[:6].tolist() == [0, 0, 1, 1, 2, 2]
    assert bool(y[6].isnan())
    assert y.dtype == torch.float64
    assert target.classes == ["bad", "so so", "good"]


@pytest.mark.parametrize(("low", "high"), [(4, 3), (3, 3), (NAN, 3), (3, float("inf"))])
def test_impossible_bands_are_refused(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="low must be less than high, and both finite, however: low="):
        Band("rating", low, high)


@pytest.mark.parametrize("classes", [("no", "yes"), ("no", "no", "yes"), ("a", "b", "c", "d")])
def test_a_band_names_three_classes(classes: tuple[str, str, str]) -> None:
    with pytest.raises(ValueError, match="classes must name the first, the neutral and the last class, however"):
        Band("rating", 3, 4, classes=classes)
    with pytest.raises(ValueError, match="classes must name the first, the neutral and the last class, however"):
        Agreed(["a", "b"], classes=classes)


def test_a_bare_no_of_yaml_is_told_as_what_it_became() -> None:
    with pytest.raises(
        ValueError, match=r"classes must be text .*quote it.*however: classes=\[False, 'neutral', True\]"
    ):
        Band("rating", 3, 4, classes=[False, "neutral", True])  # type: ignore[arg-type]


#                  all agree, two of three, one silent, both silent ones differ, one speaks, nobody, all unsure
ANN: list[str | None] = ["yes", "no", None, None, None, None, "neutral"]
BEN: list[str | None] = ["yes", "no", "no", "yes", None, None, "neutral"]
CAT: list[str | None] = ["yes", "yes", "no", "no", "yes", None, "neutral"]


@pytest.mark.parametrize(("share", "second"), [(1.0, 1.0), (0.67, 1.0), (2 / 3, 0.0), (0.6, 0.0)])
def test_raters_who_agree_give_the_label_and_others_none_of_the_two(share: float, second: float) -> None:
    target = Agreed(["ann", "ben", "cat"], share=share)
    y = target.encode(votes(ann=ANN, ben=BEN, cat=CAT))
    assert y[:5].tolist() == [2.0, second, 0.0, 1.0, 2.0]
    assert bool(y[5].isnan())
    assert y[6] == 1.0


def test_three_of_five_raters_are_a_share_of_six_tenths() -> None:
    raters = {name: [said] for name, said in zip("abcde", ["no", "no", "no", "yes", "yes"], strict=True)}
    target = Agreed(list(raters), share=0.6)
    assert target.encode(votes(**raters)).tolist() == [0.0]


def test_what_no_rater_may_say_is_told_for_each_of_them() -> None:
    target = Agreed(["ann", "ben"])
    said: dict[str, list[str | None]] = {"ann": ["yes", "maybe", "maybe", None], "ben": ["Yes", "no", "no", "no"]}
    with pytest.raises(DataError) as caught:
        target.encode(votes(**said))
    found = [(each.code, each.columns, each.bad, each.total, each.rows) for each in caught.value.problems]
    assert found == [("unknown_label", ("ann",), 2, 4, (1, 2)), ("unknown_label", ("ben",), 1, 4, (0,))]
    known = words(**said)
    with pytest.raises(DataError) as caught:
        target.fit(votes(**said), lambda read: known[read.field])
    assert [each.examples for each in caught.value.problems] == [("maybe",), ("Yes",)]


def test_labels_that_are_known_need_no_fit() -> None:
    said: dict[str, list[str | None]] = {"ann": ["yes", None], "ben": ["yes", "no"]}
    known, target = words(**said), Agreed(["ann", "ben"])
    before = target.encode(votes(**said)).tolist()
    target.fit(votes(**said), lambda read: known[read.field])
    assert target.encode(votes(**said)).tolist() == before == [2.0, 0.0]


@pytest.mark.parametrize("fields", [["ann"], ["ann", "ann"], []])
def test_one_rater_cannot_disagree(fields: list[str]) -> None:
    with pytest.raises(ValueError, match="fields must be two or more, and distinct, however: fields="):
        Agreed(fields)


@pytest.mark.parametrize("share", [0.5, 1.01, NAN])
def test_half_of_the_raters_are_no_agreement(share: float) -> None:
    with pytest.raises(ValueError, match=r"share must be more than 0.5 and at most 1, however: share="):
        Agreed(["ann", "ben"], share=share)


def test_no_rows_are_no_labels() -> None:
    assert Agreed(["ann", "ben"]).encode(votes(ann=[], ben=[])).shape == (0,)
    assert Band("x", 0, 1).encode({"x": torch.zeros(0).double()}).shape == (0,)


def rated(silent: int) -> tiny.Data:
    """A table with two raters, the first of whom says nothing of 100 rows, the second of `silent` of those."""
    data, table = tiny.unprepared(600), tiny.table(600)
    ann = [None] * 100 + ["yes", "no"] * 250
    ben = [None] * silent + ["no"] * (100 - silent) + ["yes", "yes", "no", "no"] * 125
    data.source = Frame(table.append_column("ann", pa.array(ann)).append_column("ben", pa.array(ben)))
    data.target = Agreed(["ann", "ben"])
    return data


def test_a_table_may_lack_some_raters_of_a_row() -> None:
    tables = rated(silent=0).prepare().tables
    y = torch.cat([tables[name].y for name in tables])
    assert torch.bincount(y.long()).tolist() == [100 + 125, 250, 125]


def test_a_row_of_which_no_rater_speaks_is_refused_without_advice_to_drop_all_that_one_rater_left_out() -> None:
    with pytest.raises(DataError) as caught:
        rated(silent=7).prepare()
    (found,) = caught.value.problems
    assert (found.code, found.columns, found.bad) == ("missing_label", ("ann", "ben"), 7)
    assert found.key == "data.fields.ann.missing=drop_together, and so for each of these columns"


def test_rows_of_which_no_rater_speaks_are_dropped_and_no_others_where_each_rater_says_so() -> None:
    data = rated(silent=7)
    data.policies = {name: {"missing": "drop_together"} for name in ("ann", "ben")}
    prepared = data.prepare()
    assert prepared.counts["dropped"] == {"ann, ben: missing_value": 7}
    assert sum(len(table.y) for table in prepared.tables.values()) == 600 - 7


def test_a_rater_alone_who_drops_together_drops_the_rows_he_left_out() -> None:
    data = rated(silent=7)
    data.policies = {"ann": {"missing": "drop_together"}}
    assert data.prepare().counts["dropped"] == {"ann: missing_value": 100}


def test_a_feature_drops_no_rows_together_with_others() -> None:
    data = rated(silent=0)
    data.policies = {"age": {"missing": "drop_together"}}
    with pytest.raises(ConfigError, match=r'the target\'s fields "ann", "ben", however: data.fields.age.missing='):
        data.prepare()
