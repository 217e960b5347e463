"""Distillation: what a student learns from, what it refuses, and that nothing of its teacher is served."""

import json
from pathlib import Path
from typing import Any

import pytest
import staged
import tiny
import torch
from test_contracts_heads import CASES, Rows, fitted, rows, told
from test_contracts_models import parts_of
from torch import Tensor, nn

from mlp_torch.configuration import composed
from mlp_torch.errors import ConfigError
from mlp_torch.head import Batch, Head
from mlp_torch.problem.classification import Binary, Multiclass
from mlp_torch.problem.regression import Regression
from mlp_torch.stages.configured import check
from mlp_torch.training.distillation import Distilled
from mlp_torch.verbs.train import main

DATA = rows(Regression, 64)


def student(kind: type[Head], said: Tensor, data: Rows, *, point: str = "", **options: Any) -> Distilled:
    """A student of a stage that has said something of training rows."""
    torch.manual_seed(0)
    teacher = parts_of(kind, {}, data).single()
    teacher.head.point = point or teacher.head.point
    own = {name: options.pop(name) for name in ("teacher", "share") if name in options}
    parts = parts_of(
        kind,
        options.pop("head", {}),
        data,
        stages={"teacher": teacher},
        features={f"teacher.{teacher.head.point}": said},
        **options,
    )
    return Distilled(parts, **{"teacher": "teacher", **own})


def batch(data: Rows, said: Tensor, key: str = "teacher.prediction") -> Batch:
    return data.batch()._replace(features={"x": data.x, key: said})


def test_in_training_the_loss_is_a_blend_of_that_of_the_label_and_that_of_what_the_teacher_said() -> None:
    said = DATA.y.float() + 1
    model = student(Regression, said, DATA, share=0.25).train()
    out = torch.zeros(64, 1)
    mean, scale = DATA.y.mean(), DATA.y.std(correction=0)
    wanted = 0.75 * ((mean - DATA.y) / scale) ** 2 + 0.25 * ((mean - DATA.y - 1) / scale) ** 2
    assert model.loss(out, batch(DATA, said)).tolist() == pytest.approx(wanted.tolist(), rel=1e-4, abs=1e-6)
    own = ((mean - DATA.y) / scale) ** 2
    assert model.eval().loss(out, DATA.batch()).tolist() == pytest.approx(own.tolist(), rel=1e-4, abs=1e-6)


def test_each_member_of_a_student_learns_from_the_teacher() -> None:
    said = DATA.y.float() + 1
    one = student(Regression, said, DATA).train()
    several = student(Regression, said, DATA, members=3).train()
    out = torch.randn(64, 3, 1)
    each = torch.stack([one.loss(out[:, k], batch(DATA, said)) for k in range(3)])
    assert torch.allclose(several.loss(out, batch(DATA, said)), each.mean(dim=0), atol=1e-6)


SOFT = [(kind, options) for kind, options in CASES if kind.softens and not options.get("gamma")]


@pytest.mark.parametrize(("kind", "options"), SOFT, ids=[f"{kind.__name__}{told(options)}" for kind, options in SOFT])
def test_a_teacher_that_is_certain_is_a_label(kind: type[Head], options: dict[str, Any]) -> None:
    data = rows(kind, 64)
    head = fitted(kind, options, data).train()
    out = head(torch.randn(64, 8))
    said = nn.functional.one_hot(data.y.long(), 3).float() if issubclass(kind, Multiclass) else data.y.float()
    soft = head.loss(out, data.batch()._replace(y=head.soften(said)))
    assert torch.allclose(soft, head.loss(out, data.batch()), rtol=1e-4, atol=1e-6)
    if head.target_classes:  # no mean of two labels' losses is below that of what lies between
        blurred = head.loss(out, data.batch()._replace(y=head.soften(0.9 * said + 0.1 * said.roll(1, 0))))
        assert not torch.allclose(blurred, soft, atol=1e-3)


@pytest.mark.parametrize("kind", [Binary, Multiclass])
def test_probabilities_of_rows_as_they_are_teach_a_model_of_rebalanced_rows(kind: type[Head]) -> None:
    data = rows(kind, 400)
    head = fitted(kind, {}, data)
    head.fit(data.y, data.weight, torch.where(data.y == 1, 9.0, 1.0))
    said = torch.tensor([0.2, 0.5, 0.9]) if kind is Binary else torch.tensor([[0.2, 0.3, 0.5], [0.1, 0.8, 0.1]])
    soft = head.soften(said)
    best = soft.logit().unsqueeze(1) if kind is Binary else soft.log()  # where the loss in training is least
    assert torch.allclose(head.predict(best)[head.point], said, atol=1e-6)
    assert not torch.allclose(soft.float(), said, atol=0.05)


def error(share: float, *, noise: float) -> float:
    """The error on new rows of a student that learns 64 rows, whose labels have noise, by heart."""
    draw = torch.Generator().manual_seed(0)
    x, new = torch.randn(64, 8, generator=draw), torch.randn(2000, 8, generator=draw)
    truth = x[:, 0].double()
    data = Rows(x, truth + noise * torch.randn(64, generator=draw).double(), torch.ones(64))
    model = student(Regression, truth.float(), data, share=share).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(400):
        optimizer.zero_grad()
        model.loss(model({"x": x}), batch(data, truth.float())).mean().backward()
        optimizer.step()
    with torch.no_grad():
        found = model.eval().predict(model({"x": new}))["prediction"]
    return float((found - new[:, 0]).square().mean().sqrt())


def test_a_student_of_a_teacher_without_noise_learns_less_of_the_labels_noise() -> None:
    alone, half, taught = (error(share, noise=1.0) for share in (0.0, 0.5, 1.0))
    assert taught < half < alone
    assert taught < alone / 2
    assert error(0.0, noise=0.0) < alone / 2  # it is the noise that the teacher spares


@pytest.mark.parametrize("share", [-0.1, 1.01, float("nan")])
def test_an_impossible_share_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match=f"share must be between 0 and 1, however: share={share}"):
        student(Regression, DATA.y.float(), DATA, share=share)


HARD = [case for case in CASES if case not in SOFT]


@pytest.mark.parametrize(("kind", "options"), HARD, ids=[f"{kind.__name__}{told(options)}" for kind, options in HARD])
def test_a_head_that_cannot_learn_from_an_answer_is_refused_by_name(kind: type[Head], options: dict[str, Any]) -> None:
    data = rows(kind, 64)
    with pytest.raises(ConfigError, match=rf"a student's head must be .* however: {kind.__name__}"):
        student(kind, data.y.float(), data, head=options)


def test_a_teacher_that_says_something_else_is_refused() -> None:
    data = rows(Multiclass, 64)
    with pytest.raises(ConfigError, match="must say probabilities, 3 a row, however: teacher says expected, 1 a row"):
        student(Multiclass, data.y.float(), data, point="expected")
    data = rows(Binary, 64)
    with pytest.raises(ConfigError, match="must say probabilities, 1 a row, however: teacher says mean, 1 a row"):
        student(Binary, data.y.float(), data, point="mean")


def test_a_teacher_that_does_not_exist_or_has_no_folds_is_refused() -> None:
    with pytest.raises(ConfigError, match="a stage must be one of stages, however: teachr; did you mean teacher"):
        student(Regression, DATA.y.float(), DATA, teacher="teachr")
    parts = parts_of(Regression, {}, DATA, stages={"teacher": parts_of(Regression, {}, DATA).single()})
    with pytest.raises(ConfigError, match=r"a stage must have folds, .* however: teacher"):
        Distilled(parts, teacher="teacher")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("{teacher: teacher} -> {teacher: teachr}", "model.teacher must be one of stages, however: teachr; did you"),
        (
            "    folds: 3\n -> ",
            "stage teacher is learned from by what it says of rows that it has not seen, so it must",
        ),
        (
            "    folds: 3\n ->     folds: 3\n    target: {_target_: mlp_torch.target.Number, field: size}\n",
            "model.teacher must predict what the run does, however: stage teacher has a target of its own",
        ),
    ],
)
def test_a_teacher_that_cannot_be_is_refused_before_anything_is_read(tmp_path: Path, change: str, message: str) -> None:
    arguments = staged.experiment(tmp_path, staged.STUDENT, change=change)
    with pytest.raises(ConfigError) as caught:
        check(composed([*arguments[2:], "~baseline.teacher"], Path(arguments[1])))
    assert message in str(caught.value)


# --- a run with a teacher


def trained(folder: Path, *overrides: str) -> Path:
    folder.mkdir()
    assert main([*staged.experiment(folder, staged.STUDENT), *overrides]) == 0
    return folder / "runs" / "tiny" / "latest"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("student") / "run")


def served(run: Path) -> dict[str, Tensor]:
    model = torch.jit.load(run / "model" / "model.pt")
    return dict(model.named_parameters()) | dict(model.named_buffers())


def learned(run: Path) -> dict[str, Tensor]:
    state = tiny.best(run / "checkpoints")["state_dict"]
    return {name: x for name, x in state.items() if name.startswith("model.")}


def test_nothing_of_the_teacher_is_served(run: Path, tmp_path: Path) -> None:
    alone = trained(
        tmp_path / "alone", "model=single", "~model.teacher", "stages=null", "~baseline.teacher", "~baseline.alone"
    )
    assert served(run).keys() == served(alone).keys()
    ours, theirs = ((each / "model" / "model.pt").stat().st_size for each in (run, alone))
    assert ours <= theirs + 1024
    assert b"teacher" not in (run / "model" / "model.pt").read_bytes()
    assert learned(run).keys() == learned(alone).keys()


def test_a_share_of_nothing_is_the_student_alone(tmp_path: Path, run: Path) -> None:
    nothing = trained(tmp_path / "nothing", "model.share=0")
    ours, theirs, taught = (learned(each) for each in (nothing, nothing / "stages" / "alone" / "whole", run))
    assert all(torch.equal(x, theirs[name]) for name, x in ours.items())
    assert not any(torch.equal(x, taught[name]) for name, x in ours.items() if name.endswith("weight"))


def test_the_report_has_the_teacher_and_the_student_alone_beside_the_student(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    assert {"test/auroc", "test/auroc_teacher", "test/auroc_alone"} <= metrics.keys()
