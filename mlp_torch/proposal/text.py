"""A proposal as an experiment's YAML, each decision with its reason, and as the table that is printed.

The text is loaded again before it is written: every name, value and `_target_` must come out as it went in.
"""

from typing import Any

from omegaconf import DictConfig, OmegaConf

from mlp_torch.configuration import check_targets
from mlp_torch.errors import quote
from mlp_torch.proposal.columns import Decision
from mlp_torch.proposal.plan import Plan
from mlp_torch.proposal.yaml import block, comment, flow, joined, key_of, keys


def yaml_of(plan: Plan, name: str, *, command: str, origin: str) -> str:
    """The experiment.

    Args:
        plan: what is proposed.
        name: of the experiment.
        command: that trains it.
        origin: the command that wrote it.
    """
    lines = [
        "# @package _global_",
        *comment(f"{name}: {quote(plan.goal.facts.name)} ({plan.goal.head}), a proposal by `{origin}`", 0),
        f"#   {command}",
        *comment(f"{plan.table.rows:,} rows, {len(plan.table.columns)} fields. {'; '.join(plan.notes)}".rstrip(), 0),
        "# Every line below is a proposal made from the rows of that file: change what you know better.",
        "defaults:",
        "  - override /data: table",
        f"  - override /head: {plan.goal.head}",
        f"name: {name}",
        "data:",
        *data_lines(plan),
        *training_lines(plan),
    ]
    text = "\n".join(lines) + "\n"
    check(text, plan)
    return text


def data_lines(plan: Plan) -> list[str]:
    """All below `data:`."""
    key = [plan.key.name] if plan.key else []
    named = f"{quote(plan.key.name)} names a row in predictions/*.parquet" if plan.key else "no field names a row"
    return [
        *comment("; ".join(plan.table.notes) or "fields have the types of the file", 2),
        "  source:",
        *block(plan.table.node, 4),
        *comment(". ".join(plan.goal.notes), 2),
        "  target:",
        *block(plan.goal.node, 4),
        *comment(f"{named}; it is no feature and is not asked for in serving", 2),
        f"  key: {flow(key)}",
        *field_lines(plan),
        *comment(". ".join([*plan.choice.notes, f"Rows: {plan.choice.sizes}"]), 2),
        "  split:",
        *block(plan.choice.node, 4),
        "  columns: # by a key of one word, which the command line takes: data.columns.KEY=null leaves one out",
        *column_lines(plan),
        f"  batch_size: {plan.batch_size} # about fifty steps an epoch over {plan.training_rows:,} training rows",
    ]


def field_lines(plan: Plan) -> list[str]:
    """Policies of the fields that need one."""
    policies = {d.facts.name: d.policy for d in plan.decisions if d.policy and not d.left_out}
    if plan.goal.policy:
        policies[plan.goal.facts.name] = plan.goal.policy
    if not policies:
        return ["  fields: {} # which cells are missing, invalid or out of range; no field needs a word on that"]
    lines = ["  fields: # by the field's name: which words mean missing, and what becomes of invalid and missing cells"]
    return lines + [f"    {key_of(name)}: {flow_policy(policy)}" for name, policy in policies.items()]


def flow_policy(policy: dict[str, Any]) -> str:
    """A policy in one line; its texts are quoted."""
    return "{" + ", ".join(f"{key}: {flow(v) if isinstance(v, list) else v}" for key, v in policy.items()) + "}"


def column_lines(plan: Plan) -> list[str]:
    """Columns, and what was left out, in the file's order."""
    lines = []
    for decision, key in zip(plan.decisions, column_keys(plan), strict=True):
        if decision.left_out:
            loud = "LOOK: " if decision.loud else ""
            lines += comment(f"{loud}{quote(decision.facts.name)} is left out: {decision.left_out}", 4)
        entries = [entry for entry in decision.entries if not decision.left_out or decision.facts.present.any()]
        for entry in entries:
            line = f"{key}{entry.suffix}: {flow(entry.node)}"
            lines += [] if decision.left_out else comment(entry.why, 4)
            lines.append(f"    {line}" if entry.active else f"    # {line}")
    return lines


def column_keys(plan: Plan) -> list[str]:
    """A key for each decision; a time field has several columns, whose suffixes may meet another field's key."""
    suffixes = [[entry.suffix for entry in decision.entries] for decision in plan.decisions]
    found: list[str] = []
    taken: set[str] = set()
    for key, own in zip(keys(decision.facts.name for decision in plan.decisions), suffixes, strict=True):
        word, number = key, 2
        while taken & {f"{word}{suffix}" for suffix in own}:
            word, number = f"{key}_{number}", number + 1
        taken |= {f"{word}{suffix}" for suffix in own}
        found.append(word)
    return found


def training_lines(plan: Plan) -> list[str]:
    """How long and how large, for so many rows."""
    epochs, patience, hidden = plan.effort
    return [
        f"# for {plan.training_rows:,} training rows",
        f"trainer: {{max_epochs: {epochs}}} # at most; the best epoch's weights are kept",
        f"callback: {{early_stopping: {{patience: {patience}}}}} # epochs without a better val/loss until it stops",
        f"backbone: {{hidden: {flow(hidden)}}} # widths of the layers",
    ]


def check(text: str, plan: Plan) -> None:
    """Loads the text as training will and compares the names in it with those of the file."""
    cfg = OmegaConf.create(text)
    assert isinstance(cfg, DictConfig)
    check_targets(cfg.data)  # the rest is a delta on parts that only the whole configuration names
    data = joined(OmegaConf.to_container(cfg.data, resolve=True))
    used = [d for d in plan.decisions if not d.left_out]
    expected = [(d.facts.name, entry.node) for d in used for entry in d.entries if entry.active]
    found = [(node["field"], node) for node in data["columns"].values()]
    kept = data["target"] == plan.goal.node and data["split"] == plan.choice.node and data["source"] == plan.table.node
    if found != expected or not kept:
        raise AssertionError(f"the YAML must say what was decided, however:\n{text}")


def printed(plan: Plan) -> str:
    """What was found, a line a field."""
    goal = plan.goal
    rows = [("field", "kind", "missing", "distinct", "range or words", "becomes")]
    rows.append((*described(goal.facts), f"TARGET, {goal.head}"))
    rows += [(*described(decision.facts), decision.becomes) for decision in plan.decisions]
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[5]]) for row in rows
    ]
    told = [*plan.table.notes, *plan.notes, *goal.notes, *plan.choice.notes, plan.choice.sizes]
    return "\n".join([*lines, "", *told, *loud(plan.decisions)])


def described(facts: Any) -> tuple[str, str, str, str, str]:
    """The facts of a field as cells of the printed table."""
    span = facts.span if len(facts.span) <= 45 else facts.span[:44] + "…"
    return quote(facts.name)[1:-1][:30] or '""', facts.kind, f"{facts.missing:,}", f"{facts.distinct:,}", span


def loud(decisions: list[Decision]) -> list[str]:
    """What must not be overlooked."""
    left = [f"WARNING: {quote(d.facts.name)} is left out, {d.left_out}" for d in decisions if d.loud]
    seen = [e.why.partition("SUSPECT: ")[2] for d in decisions for e in d.entries[:1]]
    return left + [f"WARNING: {quote(d.facts.name)}: {why}" for d, why in zip(decisions, seen, strict=True) if why]
