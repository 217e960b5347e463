"""The HTML page: whole, small, without anything from elsewhere, whatever names and values hold."""

import base64
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mlp_torch.profile.facts import look
from mlp_torch.profile.page import html, write
from mlp_torch.profile.plots import histogram
from mlp_torch.profile.report import report_of

DRAW = np.random.default_rng(0)
HOSTILE = [
    "<script>alert(1)</script>",
    "</title></style><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "&lt;b&gt; & <b>",
    "a\x00b\x1b[31m\r\n\u2028",
    "\u202eabc",
    "日本 naïve",
    "",
    " ",
    "x" * 5000,
]


class Seen(HTMLParser):
    """Tags, their attributes and the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def parsed(text: str) -> Seen:
    page = Seen()
    page.feed(text)
    page.close()
    return page


def hostile() -> str:
    """The page of a table whose names and cells are all hostile."""
    columns = {name: [*HOSTILE, *HOSTILE[:3]] for name in HOSTILE}
    numbers = {f"<i>{i}": DRAW.normal(size=len(HOSTILE) + 3) for i in range(2)}
    name = '<script>alert("file")</script>.csv'
    return html(report_of(pa.table({**columns, **numbers}), target=HOSTILE[0], name=name, notes=["<b>note</b>"]))


def test_hostile_names_and_values_are_text_and_nothing_else() -> None:
    page = parsed(hostile())
    assert not {"script", "i", "b", "iframe", "object", "link"} & set(page.tags)
    assert set(page.tags) >= {"html", "title", "table", "img", "section"}
    assert not [key for key, _ in page.attributes if key.startswith("on")]
    assert {value for key, value in page.attributes if key == "href" if value and not value.startswith("#f")} == set()
    text = " ".join(page.words)
    for word in HOSTILE[:7]:
        assert word[:20] in text
    assert "日本 naïve" in text
    assert "49" not in re.findall(r"\b49\b", " ".join(word for word in page.words if "7 * 7" in word))
    assert not re.search("[\x00\x1b\u202e\u2028]", hostile())
    assert "x" * 101 not in text


def test_a_page_loads_nothing_from_elsewhere() -> None:
    text = hostile()
    page = parsed(text)
    sources = [value or "" for key, value in page.attributes if key in ("src", "srcset", "data")]
    assert sources
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert "default-src 'none'" in text
    for source in sources:
        picture = base64.b64decode(source.partition(",")[2]).decode()
        assert "<script" not in picture
        assert not re.search(r'href="(?!#)', picture)
    assert not re.search(r"url\(|@import", text)


def test_a_hundred_fields_of_all_kinds_stay_below_five_megabytes() -> None:
    rows = 2000
    columns: dict[str, object] = {f"number {i}": DRAW.normal(size=rows) for i in range(60)}
    columns |= {f"word {i}": [f"{'w' * 200}{n}" for n in DRAW.integers(0, 900, rows)] for i in range(30)}
    columns |= {f"time {i}": DRAW.integers(0, 10**9, rows).astype("M8[s]") for i in range(10)}
    assert len(html(report_of(pa.table(columns)))) < 5_000_000


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    table = pa.table({"x": [1.0, 2.0, None, 4.5], "town": ["Ulm", "Ulm", "Rome", None]})
    write(tmp_path / "a.html", report_of(table))
    write(tmp_path / "b.html", report_of(table))
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert html(report_of(table)) != html(report_of(table.slice(1)))


@pytest.mark.parametrize(
    "values",
    [[1e-320, 2e-320], [1e16, 1e16 + 2], [-1e200, 1e200], DRAW.lognormal(0, 3, 500), [0, 1, 1]],
)
def test_any_numbers_can_be_drawn(values: object) -> None:
    assert histogram(look("x", pa.array(values))).startswith("data:image")


def test_what_spans_all_of_float64_is_constant_or_missing_has_no_picture() -> None:
    assert histogram(look("x", pa.array([1e300, 1e300]))) == ""
    assert histogram(look("x", pa.array([-1.7e308, 1.7e308]))) == ""
    assert histogram(look("x", pa.array([np.inf, np.inf]))) == ""


def test_the_outermost_bars_hold_what_lies_beyond_the_window() -> None:
    near = DRAW.normal(size=2000)
    ticks = re.findall(r">([-−]?[\d.e+]+)<", svg(histogram(look("x", pa.array(np.r_[near, 1e6])))))
    assert len(ticks) == 3
    assert all(abs(float(tick.replace("−", "-"))) < 20 for tick in ticks)


def test_bars_are_as_high_as_their_share_of_the_cells() -> None:
    values = np.repeat([1.0, 2.0, 3.0, 4.0], [10, 40, 20, 30])
    (bars,) = re.findall(r'd="M9,124(V[^"]+)Z" fill', svg(histogram(look("x", pa.array(values)))))
    steps = re.findall(r"V([\d.]+)H([\d.]+)", bars)
    assert [float(right) for _, right in steps] == [112.5, 216.0, 319.5, 423.0]
    assert [(124 - float(top)) / 116 for top, _ in steps] == pytest.approx([0.25, 1, 0.5, 0.75])


def svg(picture: str) -> str:
    """The text of a data URI."""
    return base64.b64decode(picture.partition(",")[2]).decode()


@pytest.mark.skipif(not (shutil.which("chromium") or "CI" in os.environ), reason="apt-get install chromium")
def test_chromium_shows_the_page_and_runs_nothing_in_it(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(hostile(), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    done = subprocess.run(
        ["chromium", *options, (tmp_path / "page.html").as_uri()], capture_output=True, text=True, timeout=120
    )
    page = parsed(done.stdout)
    assert page.tags.count("section") == len(HOSTILE) + 2
    assert "script" not in page.tags
    assert page.tags.count("img") == 2
