"""A proposal as an experiment's YAML, each decision with its reason, and as the table that is printed.

The text is loaded again before it is written: every name, value and `_target_` must come out as it went in.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mlp_torch.configuration import check_targets
from mlp_torch.errors import printable, quote
from mlp_torch.ingest.policies import setting
from mlp_torch.profile.chains import ranking
from mlp_torch.profile.facts import Facts
from mlp_torch.profile.finding import Finding, loudest_first
from mlp_torch.profile.table import aligned, cut, distinct, short, warned
from mlp_torch.proposal.columns import Decision
from mlp_torch.proposal.plan import Plan
from mlp_torch.proposal.seen import Seen, lines_of
from mlp_torch.proposal.yaml import block, comment, flow, joined, key_of, keys

LARGE = " # larger than memory: rows are encoded once into files, below data.source.folder"
UNREAD = ("invalid", "mixed_dates")  # findings on cells that cannot be read as what their field is
SEVERAL = ("prose", "members", "json", "image_files", "several")  # findings of which the line of the column tells
TOLD = ("na_words", "invalid", "leading_zeros", "huge_integers", "sentinel", *SEVERAL)  # findings that stand elsewhere


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
        f"#   {printable(command)}",
        f"# {plan.table.rows:,} rows, {len(plan.table.columns)} fields.",
        *[line for finding in plan.findings if not finding.fields for line in comment(looked(finding), 0)],
        "# Every line below is a proposal made from the rows of that file: change what you know better.",
        "defaults:",
        f"  - override /data: {plan.reading}{'' if plan.total is None else LARGE}",
        f"  - override /head: {plan.goal.head}",
        f"name: {name}",
        "data:",
        *data_lines(plan),
        *training_lines(plan),
        *lines_of(seen(plan)),
    ]
    text = "\n".join(lines) + "\n"
    check(text, plan)
    return text


def data_lines(plan: Plan) -> list[str]:
    """All below `data:`."""
    recipe, rows, about = plan.recipe, plan.training_rows, "" if plan.total is None else "about "
    return [
        *comment("; ".join(plan.table.notes) or "fields have the types of the file", 2),
        "  source:",
        *block(source_of(plan), 4),
        *comment(". ".join(plan.goal.notes), 2),
        *[line for finding in on(plan, plan.goal.facts.name) for line in comment(looked(finding), 2)],
        "  target:",
        *block(plan.goal.node, 4),
        *key_lines(plan),
        *field_lines(plan),
        *[line for finding in plan.choice.findings for line in comment(named(finding), 2)],
        *comment(". ".join([*plan.choice.notes, f"Rows: {plan.choice.sizes}"]), 2),
        "  split:",
        *block(plan.choice.node, 4),
        "  columns: # by a key of one word, which the command line takes: data.columns.KEY=null leaves one out",
        *column_lines(plan),
        f"  batch_size: {recipe.batch_size} # {about}{recipe.steps(rows):,} steps an epoch, {rows:,} training rows",
    ]


def source_of(plan: Plan) -> dict[str, Any]:
    """Where the rows lie; what reads them is the option of the group `data`, so that another one can be taken."""
    return {key: value for key, value in plan.table.node.items() if key != "_target_"}


def key_lines(plan: Plan) -> list[str]:
    """The field that names a row, or why there is none."""
    text = named(plan.near_key) if plan.near_key else key_note(plan)
    return [*comment(text, 2), f"  key: {flow([plan.key.name] if plan.key else [])}"]


def key_note(plan: Plan) -> str:
    """A sentence on the key."""
    if plan.key:
        return f"key: {quote(plan.key.name)} names a row in predictions/*.parquet; serving does not ask for it"
    if plan.total:
        return "key: none, since some rows do not tell whether a field names each row of the file; data.key takes one"
    return "key: none, since no field names a row; in predictions/*.parquet the row's number does"


def field_lines(plan: Plan) -> list[str]:
    """Policies of the fields that need one, and as comments those that a look at the field decides."""
    name = plan.goal.facts.name
    own = [(name, plan.goal.policy, [finding for finding in plan.findings if finding.fields == (name,)])]
    kept = [d for d in plan.decisions if not d.left_out or d.facts.name == plan.choice.time]
    fields = [(d.facts.name, d.policy, () if d.left_out else d.findings) for d in kept] + own
    if any(policy for _, policy, _ in fields):
        lines = [line for field in fields for line in policy_lines(*field, is_target=field[0] == name)]
        head = (
            "  fields: # by the field's name: which words mean missing, and what becomes of invalid and missing cells"
        )
        return [head, *lines]
    lines = [line for field, _, findings in fields for line in sentinel_lines(field, findings, indent=2)]
    offers = {field: offered({}, findings, is_target=field == name) for field, _, findings in fields}
    if any(offers.values()):
        policies = ", ".join(f"{key_of(field)}: {flow_policy(offer)}" for field, offer in offers.items() if offer)
        told = "If that means missing, use the next line, without the one below it:"
        lines += [*comment(told, 2), f"  # fields: {{{policies}}}"]
    return [*lines, "  fields: {} # which cells are missing, invalid or out of range; no field needs a word on that"]


def policy_lines(
    name: str, policy: dict[str, Any], findings: Iterable[Finding], *, is_target: bool = False
) -> list[str]:
    """The policy of one field, and the one that makes suspicious values missing, as a comment.

    Args:
        name: of the field.
        policy: that it needs.
        findings: on the field.
        is_target: whether rows without a value are dropped.
    """
    findings = list(findings)
    lines = [f"    {key_of(name)}: {flow_policy(policy)}"] if policy else []
    lines += sentinel_lines(name, findings, indent=4)
    if changed := offered(policy, findings, is_target=is_target):
        instead = ", and without the line above" if policy else ""
        lines += comment(f"If that means missing, use the next line{instead}:", 4)
        lines.append(f"    # {key_of(name)}: {flow_policy(changed)}")
    return lines


def sentinel_lines(name: str, findings: Iterable[Finding], *, indent: int) -> list[str]:
    """Values of a field that may mean missing."""
    marks = [finding for finding in findings if finding.code == "sentinel"]
    return [line for mark in marks for line in comment(f"LOOK: {quote(name)}: {mark.clause}", indent)]


def offered(policy: dict[str, Any], findings: Iterable[Finding], *, is_target: bool) -> dict[str, Any]:
    """The policy that makes suspicious values missing too; empty where there are none."""
    marks = [finding for finding in findings if finding.code == "sentinel"]
    words = [word for mark in marks if "na_values" in mark.advice for word in mark.examples]
    changed = policy | {"na_values": [*policy.get("na_values", []), *words]} if words else {}
    return changed | {"missing": "drop"} if words and is_target else changed


def flow_policy(policy: dict[str, Any]) -> str:
    """A policy in one line; its texts are quoted."""
    return "{" + ", ".join(f"{key}: {flow(v) if isinstance(v, list) else v}" for key, v in policy.items()) + "}"


def column_lines(plan: Plan) -> list[str]:
    """Columns, and what was left out, in the file's order."""
    keyed = zip(plan.decisions, column_keys(plan.decisions), strict=True)
    return [line for decision, key in keyed for line in decision_lines(decision, key)]


def decision_lines(decision: Decision, key: str) -> list[str]:
    """The columns of a field with what is to be known about them."""
    lines = []
    if decision.left_out:
        loud = "LOOK: " if decision.loud else ""
        reason = next((f.clause for f in decision.findings if f.text == decision.left_out), decision.left_out)
        lines += comment(f"{loud}{quote(decision.facts.name)} is left out: {reason}", 4)
    for number, entry in enumerate(decision.entries if decision.facts.present.any() else ()):
        line = f"{key}{entry.suffix}: {flow(entry.node)}"
        if not decision.left_out:
            lines += comment(entry.why, 4)
            told = decision.findings if not number else ()
            lines += [line for finding in told if finding.code not in TOLD for line in comment(looked(finding), 4)]
        lines.append(f"    {line}" if entry.active else f"    # {line}")
    return lines


def seen(plan: Plan) -> list[Seen]:
    """What each field held, in the file's order."""
    known = {facts.name: facts for facts in (plan.goal.facts, *(decision.facts for decision in plan.decisions))}
    classes = plan.goal.facts.name if plan.goal.head != "multilabel" else None  # of whose cells none is a class
    return [Seen.of(known[name], is_target=name == classes) for name in plan.table.columns]


def on(plan: Plan, name: str) -> list[Finding]:
    """The findings on a field that its own lines do not tell."""
    return [finding for finding in plan.findings if finding.fields[:1] == (name,) and finding.code not in TOLD]


def named(finding: Finding) -> str:
    """A finding as a comment that names its fields."""
    told = ", ".join(map(quote, finding.fields))
    return f"{'LOOK: ' * finding.loud}{told}: {looked(replace(finding, loud=False))}"


def looked(finding: Finding) -> str:
    """A finding as a comment; LOOK marks those that must not be overlooked."""
    told = f"{finding.clause}; {finding.advice}" if finding.advice else finding.clause
    return f"LOOK: {told}" if finding.loud else told


def column_keys(decisions: Sequence[Decision], taken: Iterable[str] = ()) -> list[str]:
    """A key for each decision; a time field has several columns, whose suffixes may meet another field's key.

    Args:
        decisions: on fields.
        taken: keys that are no longer free.
    """
    suffixes = [[entry.suffix for entry in decision.entries] or [""] for decision in decisions]
    found: list[str] = []
    taken = set(taken)
    for key, own in zip(keys(decision.facts.name for decision in decisions), suffixes, strict=True):
        word, number = key, 2
        while taken & {f"{word}{suffix}" for suffix in own}:
            word, number = f"{key}_{number}", number + 1
        taken |= {f"{word}{suffix}" for suffix in own}
        found.append(word)
    return found


def training_lines(plan: Plan) -> list[str]:
    """How long and how large, for so many rows."""
    _, epochs, patience, hidden, _, why = plan.recipe
    return [
        *comment(why, 0),
        f"trainer: {{max_epochs: {epochs}}} # at most; the best epoch's weights are kept",
        f"callback: {{early_stopping: {{patience: {patience}}}}} # epochs without a better val/loss until it stops",
        f"backbone: {{hidden: {flow(hidden)}}} # widths of the layers",
    ]


def check(text: str, plan: Plan) -> None:
    """Loads the text as training will and compares what it says with what was decided."""
    cfg = OmegaConf.create(text)
    assert isinstance(cfg, DictConfig)
    check_targets(cfg.data)  # the rest is a delta on parts that only the whole configuration names
    data = joined(OmegaConf.to_container(cfg.data, resolve=True))
    used = [d for d in plan.decisions if not d.left_out]
    expected = [entry.node for decision in used for entry in decision.entries if entry.active]
    found = list(data["columns"].values())
    kept = data["target"] == plan.goal.node and data["split"] == plan.choice.node and data["source"] == source_of(plan)
    if found != expected or not kept:
        raise AssertionError(f"the YAML must say what was decided, however:\n{text}")


def printed(plan: Plan) -> str:
    """What was found, a line a field."""
    goal = plan.goal
    rows = [("field", "kind", "missing", "distinct", "range or words", "becomes")]
    rows.append((*described(goal.facts), f"TARGET, {goal.head}"))
    rows += [(*described(decision.facts), decision.becomes) for decision in plan.decisions]
    told = [*plan.table.notes, *goal.notes, *plan.choice.notes, plan.choice.sizes]
    told += [] if plan.near_key else [key_note(plan)]
    told += map(printable, ranking((d.facts.name, d.chains) for d in plan.decisions if not d.left_out))
    found = [*([plan.near_key] if plan.near_key else []), *plan.choice.findings, *still_open(plan)]
    return "\n".join([*aligned(rows), "", *told, *warned(loudest_first(found))])


def still_open(plan: Plan) -> list[Finding]:
    """The findings that no line of the YAML has settled; of cells that a policy settles, with that policy."""
    settled = {(d.facts.name, d.left_out) for d in plan.decisions if not d.loud}
    gone = {d.facts.name for d in plan.decisions if d.left_out}
    split_by = {name for finding in plan.choice.findings for name in finding.fields}
    policies = {d.facts.name: d.policy for d in plan.decisions} | {plan.goal.facts.name: plan.goal.policy}
    found = []
    for finding in plan.findings:
        name = finding.fields[0] if finding.fields else ""
        policy = policies.get(name, {})
        if (name, finding.text) in settled or (finding.code == "na_words" and "na_values" in policy):
            continue
        if finding.code in UNREAD and (name in gone or name in split_by):
            continue
        if finding.code in SEVERAL:
            continue
        if finding.code in UNREAD and "invalid" in policy:
            does = "their rows are dropped" if policy["invalid"] == "drop" else "they count as missing"
            advice = f"written: {setting(name, {'invalid': policy['invalid']}, mark=': ')}, {does}; or mend the file"
            finding = replace(finding, advice=advice)
        found.append(finding)
    return found


def described(facts: Facts) -> tuple[str, str, str, str, str]:
    """The facts of a field as cells of the printed table."""
    span = "-" if facts.is_opaque else cut(facts.span)
    return short(facts.name), facts.called, f"{facts.missing:,}", distinct(facts), span
