"""Experiments with stages on the tiny table: a cascade whose gate says `late`, a stack, and a student."""

from pathlib import Path

import tiny

CASCADE = (
    """
stages:
  gate:
    folds: 3
    target: {_target_: mlp_torch.target.Category, field: late, classes: [on time, late]}
    head: {_target_: mlp_torch.problem.classification.Binary, _partial_: true}
    optimizer: {lr: 0.02}
    trainer: {max_epochs: 8}
  early: {rows: {stage: gate, label: on time}}
  tardy: {rows: {stage: gate, label: late}}
  whole: {}
model: {gate: gate, branches: {on time: early, late: tardy}}
baseline: {trees: null, whole: {_target_: mlp_torch.responsible.reference.Reference, stage: whole}}
trainer: {max_epochs: 2, enable_progress_bar: false}
""",
    {
        "defaults:\n": "defaults:\n  - override /model: cascade\n  - override /head: regression\n",
        "mlp_torch.target.Category, field: late, classes: [on time, late]": "mlp_torch.target.Number, field: size",
        "baseline: {trees: null}\n": "",
        "trainer: {max_epochs: 3, enable_progress_bar: false}\n": "",
    },
)
STACK = (
    """
stages:
  narrow:
    folds: 3
    backbone: {_target_: mlp_torch.backbone.mlp.MLP, _partial_: true, hidden: [8]}
    columns: [city, age]
  wide:
    folds: 3
    backbone: {_target_: mlp_torch.backbone.mlp.MLP, _partial_: true, hidden: [16]}
    seed: 5
model: {members: [narrow, wide], columns: [city]}
""",
    {
        "defaults:\n": "defaults:\n  - override /model: stacked\n  - override /backbone: linear\n",
        "backbone: {hidden: [16, 8], dropout: 0.3}\n": "",
    },
)
STUDENT = (
    """
stages:
  teacher:
    folds: 3
    backbone: {_target_: mlp_torch.backbone.mlp.MLP, _partial_: true, hidden: [64, 64]}
    trainer: {max_epochs: 2}
  alone: {}
model: {teacher: teacher}
baseline:
  trees: null
  teacher: {_target_: mlp_torch.responsible.reference.Reference, stage: teacher}
  alone: {_target_: mlp_torch.responsible.reference.Reference, stage: alone}
""",
    {
        "defaults:\n": "defaults:\n  - override /model: distilled\n",
        "baseline: {trees: null}\n": "",
    },
)


def experiment(folder: Path, kind: tuple[str, dict[str, str]], **changes: str) -> list[str]:
    """Writes the table and an experiment of the name `tiny`; gives the arguments that train it.

    Args:
        folder: where.
        kind: `CASCADE`, `STACK` or `STUDENT`.
        changes: by any name, "old -> new" pieces of the YAML.
    """
    added, replaced = kind
    arguments = tiny.experiment(folder)
    path = folder / "configs" / "experiment" / "tiny.yaml"
    text = path.read_text()
    for old, new in replaced.items():
        assert old in text, old
        text = text.replace(old, new)
    text += added
    for change in changes.values():
        old, new = change.split(" -> ")
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text)
    return arguments
