"""Pictures of numbers before and after `encode`: which columns show what, and that any name and number can be drawn."""

from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from mlp_torch.column import Sample
from mlp_torch.configuration import composed
from mlp_torch.profile.before_after import figures, pairs
from mlp_torch.representation.curves import Log, Polynomial
from mlp_torch.representation.numbers import Scaled
from mlp_torch.representation.steps import ZScore
from mlp_torch.reproducibility.transform import Transform
from mlp_torch.run import log_closing
from mlp_torch.training.task import Task
from mlp_torch.training.tensorboard import TensorBoard

NAN = float("nan")


def fitted(transform: Transform, inputs: dict[str, Tensor]) -> Transform:
    return transform.fit(Sample(inputs, torch.zeros(len(next(iter(inputs.values())))), lambda read: []))


def bars(figure: Figure) -> list[StepPatch]:
    """The histograms, in the order of fields, raw before encoded."""
    return [patch for patch in figure.axes[0].patches if isinstance(patch, StepPatch)]


def test_a_number_is_shown_with_what_its_chain_made_of_it_without_missing_cells() -> None:
    x = torch.tensor([1.0, 10.0, NAN, 100.0], dtype=torch.float64)
    columns = {"a": Scaled("x", steps=[Log(), ZScore()]), "b": Scaled("x"), "c": Scaled("x", steps=[Polynomial(2)])}
    shown = pairs(fitted(Transform(columns), {"x": x}), {"x": x})
    assert list(shown) == ["x", "x (b)", "x (c)"]
    for before, _ in shown.values():
        assert before.tolist() == [1, 10, 100]
    assert shown["x"][1].tolist() == pytest.approx([-1.2247449, 0, 1.2247449])
    assert shown["x (c)"][1].tolist() == [1, 10, 100]  # of two powers the first


def test_columns_of_words_show_nothing_and_those_of_numbers_training_rows_alone() -> None:
    data = tiny.data()
    shown = pairs(data.transform, data.drawn)
    assert list(shown) == ["age"]  # what is bucketized or cyclical has nothing to show
    before, after = shown["age"]
    train = data.tables["train"].features["age"]
    assert len(before) == len(after) == int((train[:, 1] == 0).sum())
    assert torch.equal(after, train[train[:, 1] == 0, 0])


def test_bars_are_the_histogram_of_the_values() -> None:
    values = torch.tensor(np.repeat([1.0, 2.0, 3.0, 4.0], [10, 40, 20, 30]))
    (figure,) = figures({"x": (values, -values)}).values()
    for patch, wanted in zip(bars(figure), ([10, 40, 20, 30], [30, 20, 40, 10]), strict=True):
        heights, edges, base = patch.get_data()
        assert (heights - base) / (heights - base).max() * 40 == pytest.approx(wanted)
        assert np.diff(edges) == pytest.approx([0.225] * 4)


@pytest.mark.parametrize("name", ["$x_1$", "$", "a\nb\x1b", "日本", "", "x" * 1000, "\\frac", "<b>"])
def test_any_name_is_drawn_as_it_is_without_a_warning(name: str) -> None:
    (figure,) = figures({name: (torch.arange(9.0), torch.arange(9.0))}).values()
    figure.canvas.draw()  # type: ignore[attr-defined]
    text = figure.axes[0].texts[2].get_text()
    assert text.isprintable()
    assert len(text) <= 40
    if name.isascii() and name.isprintable():
        assert text == name[:40]


@pytest.mark.parametrize("values", [[], [3.0], [3.0] * 9, [1e308, -1e308], [5e-324, 0.0], [1e300, 1e-300], [0.0, 1.0]])
def test_any_numbers_can_be_drawn(values: list[float]) -> None:
    x = torch.tensor(values, dtype=torch.float64)
    (figure,) = figures({"x": (x, x.clamp(-1e6, 1e6).float())}).values()
    figure.canvas.draw()  # type: ignore[attr-defined]
    heights = [patch.get_data()[0] for patch in bars(figure)]
    assert all(np.isfinite(height).all() for height in heights)
    assert bool(heights) == (len(set(values)) > 1)


def test_many_fields_are_parted_and_none_give_no_figure() -> None:
    x = torch.arange(9.0)
    found = figures({f"f{i}": (x, x) for i in range(45)})
    assert list(found) == ["before and after 1", "before and after 2", "before and after 3"]
    assert [len(bars(figure)) for figure in found.values()] == [40, 40, 10]
    assert figures({}) == {}


def test_a_run_writes_them_once_also_where_it_was_stopped_at_its_end(tmp_path: Path) -> None:
    data = tiny.data()
    torch.manual_seed(0)
    task = Task(data.transform, data.target, tiny.model(data))
    for _ in range(2):
        logger = TensorBoard(tmp_path)
        logger.begin_report()
        log_closing(logger, composed(["experiment=quickstart"]), task, data, {"test/auroc": 0.5})
    found = EventAccumulator(str(tmp_path / "columns"), size_guidance={"images": 0}).Reload()
    assert found.Tags()["images"] == ["before and after"]
    (image,) = found.Images("before and after")
    assert image.encoded_image_string.startswith(b"\x89PNG")
    assert image.width > 400
