"""How full buckets are: against numbers counted by hand and against what ideal hashing would do."""

import random

import pytest
import torch

from mlp_torch.ingest.fingerprint import fingerprints
from mlp_torch.representation.loads import Loads, collisions


def loads(buckets: list[int], rows: list[int], second: list[int] | None = None, *, size: int) -> Loads:
    found = Loads(size)
    found.fit(torch.tensor(buckets), torch.tensor(rows), None if second is None else torch.tensor(second))
    return found


def test_the_report_counts_values_empty_buckets_collisions_and_rows() -> None:
    report = loads([0, 0, 0, 2, 3, 3], [1, 1, 8, 20, 5, 5], size=5).report()
    expected = {"values": 6, "buckets": 5, "least": 0, "median": 1, "most": 3, "empty": 2, "collisions": 3}
    assert {name: report[name] for name in expected} == expected
    assert report["rows_shared"] == pytest.approx(20 / 40)
    assert report["collisions_expected"] == pytest.approx(6 - 5 * (1 - (1 - 1 / 5) ** 6))
    assert report["empty_expected"] == pytest.approx(5 * 0.8**6)
    assert "collisions_of_both" not in report


def test_the_note_says_the_same() -> None:
    assert loads([0, 0, 0, 2, 3, 3], [1, 1, 8, 20, 5, 5], size=5).note() == (
        "6 values in 5 buckets, 0 to 3 in one, median 1, 2 empty (1 expected), 3 collisions (2 expected), "
        "50.0% of rows in a shared one"
    )


def test_of_two_hashes_values_count_that_share_both_buckets() -> None:
    found = loads([0, 0, 0, 2, 3, 3], [1] * 6, [1, 1, 1, 1, 4, 0], size=5)
    assert found.report()["collisions_of_both"] == 2
    assert found.report()["collisions_of_both_expected"] == pytest.approx(6 - 25 * (1 - (1 - 1 / 25) ** 6))
    assert found.note().endswith(", 2 collisions in both buckets (0.6 expected)")


@pytest.mark.parametrize(("n", "m"), [(23, 365), (30, 20), (4000, 1000)])
def test_expected_collisions_are_what_throwing_at_random_gives(n: int, m: int) -> None:
    draw = random.Random(0)
    found = [n - len({draw.randrange(m) for _ in range(n)}) for _ in range(2000)]
    mean = sum(found) / 2000
    deviation = (sum((x - mean) ** 2 for x in found) / 1999) ** 0.5
    assert collisions(n, m) == pytest.approx(mean, abs=5 * deviation / 2000**0.5)


def test_expected_collisions_are_exact_where_buckets_are_far_more_than_values() -> None:
    assert collisions(4000, 10**14) == pytest.approx(4000 * 3999 / 2 / 1e14, rel=1e-3)  # pairs, each with chance 1/m
    assert collisions(1, 10**6) == pytest.approx(0, abs=1e-9)


def test_fingerprints_collide_as_often_as_expected() -> None:
    words = fingerprints([f"N{i}AA" for i in range(4000)])
    report = loads((words % 1000).tolist(), [1] * 4000, size=1000).report()
    assert report["collisions"] == pytest.approx(report["collisions_expected"], abs=30)  # five standard deviations


def test_without_values_there_is_nothing_to_share() -> None:
    report = Loads(4).report()
    assert (report["values"], report["empty"], report["collisions"], report["rows_shared"]) == (0, 4, 0, 0)
