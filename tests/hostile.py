"""Files of an attacker, each in a copy of an honest run's folder; what runs in one leaves a file called canary."""

import io
import json
import os
import pickle
import shutil
import struct
import subprocess
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch

from mlp_torch import files


class Attack(NamedTuple):
    """A hostile file.

    Args:
        make: writes it into a run's folder; is given that and the canary's path.
        reader: of `hostile_reader.READERS`, that is to open it.
        says: what the refusal must say, besides the file's name.
        file: by which the refusal names it.
    """

    make: Callable[[Path, Path], None]
    reader: str
    says: str
    file: str


ATTACKS: dict[str, Attack] = {}


class Payload:
    """What calls a function when it is unpickled."""

    def __init__(self, function: Callable[..., object], *arguments: object):
        self.called = (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.called


class Custom:
    """An object of a class of one's own, as torch.save takes any."""


def command(canary: Path) -> str:
    return f"touch {canary}"


# --- checkpoints and other archives of tensors

PAYLOADS: dict[str, Callable[[Path], object]] = {
    "os.system": lambda canary: Payload(os.system, command(canary)),
    "builtins.eval": lambda canary: Payload(eval, f"__import__('os').system({command(canary)!r})"),
    "builtins.exec": lambda canary: Payload(exec, f"import os; os.system({command(canary)!r})"),
    "subprocess": lambda canary: Payload(subprocess.check_call, ["touch", str(canary)]),
    "getattr": lambda canary: Payload(getattr, Payload(__import__, "os"), "system"),
    "a class of its own": lambda canary: Custom(),
    "torch.hub.load": lambda canary: Payload(torch.hub.load, str(canary.parent), "anything"),
    "bytearray of 64 GB": lambda canary: Payload(bytearray, 2**36),
}
NAMES = {
    "os.system": "posix.system",
    "subprocess": "subprocess.check_call",
    "getattr": "builtins.getattr|builtins.__import__",
    "a class of its own": "hostile.Custom",
    "bytearray of 64 GB": "builtins.bytearray",
}
HONEST = {"format": 1, "epoch": 0, "callbacks": {}, "state_dict": {"weight": torch.arange(4.0)}}


def with_payload(payload: Callable[[Path], object], key: str) -> Callable[[Path, Path], None]:
    return lambda run, canary: torch.save({**HONEST, key: payload(canary)}, run / "checkpoints" / "step_00000001.ckpt")


for name, payload in PAYLOADS.items():
    ATTACKS[f"a checkpoint with {name}"] = Attack(
        with_payload(payload, "state"), "checkpoint", f"it names ({NAMES.get(name, name)}), which", "step_00000001.ckpt"
    )
for key in ("_instantiator", "hyper_parameters", "_class_path"):
    ATTACKS[f"a checkpoint whose {key} runs a command"] = Attack(
        with_payload(PAYLOADS["os.system"], key), "checkpoint", r"it names posix\.system", "step_00000001.ckpt"
    )


def bare_pickle(run: Path, canary: Path) -> None:
    (run / "checkpoints" / "step_00000001.ckpt").write_bytes(
        pickle.dumps({**HONEST, "state": PAYLOADS["os.system"](canary)})
    )


def honest_members() -> dict[str, bytes]:
    file = io.BytesIO()
    torch.save(HONEST, file)
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rezipped(
    change: Callable[[zipfile.ZipFile], None], *, tensors: bytes | None = None
) -> Callable[[Path, Path], None]:
    """An honest checkpoint, written again with other members besides, or another pickle of tensors."""

    def make(run: Path, canary: Path) -> None:
        with zipfile.ZipFile(run / "checkpoints" / "step_00000001.ckpt", "w") as archive:
            for name, content in honest_members().items():
                archive.writestr(name, tensors if tensors is not None and name.endswith("data.pkl") else content)
            change(archive)

    return make


def bomb(archive: zipfile.ZipFile) -> None:
    """A member of two megabytes that inflates to two gigabytes of zeros."""
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    block = deflate.compress(bytes(2**24)) + deflate.flush(zlib.Z_FULL_FLUSH)
    info = zipfile.ZipInfo("archive/data/10")
    archive.writestr(info, block * 128 + deflate.flush())
    info.compress_type, info.file_size = zipfile.ZIP_DEFLATED, 2**31


def link(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("archive/data/9")
    info.external_attr = 0o120777 << 16
    archive.writestr(info, "/etc/passwd")


def twice(archive: zipfile.ZipFile) -> None:
    archive.fp.flush()  # type: ignore[union-attr]
    info = zipfile.ZipInfo("archive/data/0")
    archive.NameToInfo.pop("archive/data/0")
    archive.writestr(info, bytes(16))


def nothing(archive: zipfile.ZipFile) -> None:
    pass


def edited(find: bytes, put: bytes, *, after: bytes = b"") -> bytes:
    """The honest pickle with one place of it replaced."""
    content = honest_members()["archive/data.pkl"]
    at = content.index(find, content.index(after))
    return content[:at] + put + content[at + len(find) :]


STORED = b"X\x03\x00\x00\x00cpu"  # in the pickle, before a storage's number of elements
SHAPE = b"Q"  # before a tensor's offset, size and stride


def overlapping(archive: zipfile.ZipFile) -> None:
    """A second member that lies where the first does: a few bytes that are listed any number of times."""
    archive.writestr(zipfile.ZipInfo("archive/data/9"), bytes(16))
    archive.getinfo("archive/data/9").header_offset = archive.getinfo("archive/data/0").header_offset


def without_pickle(archive: zipfile.ZipFile) -> None:
    archive.filelist = [member for member in archive.filelist if not member.filename.endswith("data.pkl")]


def preceded(archive: bytes) -> Callable[[Path, Path], None]:
    """Something before an archive, which one reader skips and another does not."""

    def make(run: Path, canary: Path) -> None:
        (run / "checkpoints" / "step_00000001.ckpt").write_bytes(b"#!/bin/sh\n" + archive)

    return make


def saved(by_torch: bool) -> bytes:
    """An honest checkpoint: torch ends it with long offsets, zipfile with short ones."""
    file = io.BytesIO()
    if by_torch:
        torch.save(HONEST, file)
    else:
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in honest_members().items():
                archive.writestr(name, content)
    return file.getvalue()


def appended(name: str) -> Callable[[zipfile.ZipFile], None]:
    return lambda archive: archive.writestr(zipfile.ZipInfo(name), b"x")


for name, change, says in (
    ("bomb of 2 GB", bomb, r"must not be compressed, however: 'archive/data/10' would become 2,147,483,648 bytes"),
    ("name that leads out", appended("../../canary"), r"must lie in one folder, however: '../../canary'"),
    ("name that leads out of its folder", appended("archive/../../canary"), "must lie in one folder"),
    ("name from the root", appended("/tmp/canary"), "must lie in one folder, however: '/tmp/canary'"),
    ("name of another system", appended("archive\\..\\canary"), "must lie in one folder"),
    ("link", link, "must be plain files, however: 'archive/data/9'"),
    ("member on another", overlapping, "members must lie side by side"),
    ("list without a pickle", without_pickle, "must hold data.pkl"),
    ("member that is there twice", twice, "holds 'archive/data/0' twice"),
):
    ATTACKS[f"an archive with a {name}"] = Attack(rezipped(change), "checkpoint", says, "step_00000001.ckpt")
for name, tensors, says in (
    ("a storage larger than the file", edited(b"K\x04", b"J" + struct.pack("<i", 10**9), after=STORED), "claims 4,000"),
    ("a storage of 2**60 elements", edited(b"K\x04", b"\x8a\x08" + struct.pack("<q", 2**60), after=STORED), "claims"),
    ("a negative storage", edited(b"K\x04", b"J" + struct.pack("<i", -4), after=STORED), "claims -16 bytes"),
    ("a tensor of 2**60 elements", edited(b"K\x04", b"\x8a\x08" + struct.pack("<q", 2**60), after=SHAPE), "the shape"),
    ("a negative shape", edited(b"K\x04", b"J" + struct.pack("<i", -4), after=SHAPE), "shape must be"),
    (
        "a number of 10**7 digits",
        edited(b"K\x04", b"\x8b" + struct.pack("<i", 2**22) + b"\x7f" * 2**22, after=SHAPE),
        "s",
    ),
    ("a text of 2**60 characters", b"\x80\x04\x8d" + struct.pack("<Q", 2**60) + b"x.", "UnpicklingError"),
    ("a pickle that ends early", b"\x80\x02}q\x00(", "is damaged"),
    ("no pickle", b"hello", "is damaged"),
):
    ATTACKS[f"an archive with {name}"] = Attack(
        rezipped(nothing, tensors=tensors), "checkpoint", says, "step_00000001.ckpt"
    )


def header(run: Path, canary: Path) -> None:
    """As safetensors begins: the length of a header of JSON."""
    (run / "checkpoints" / "step_00000001.ckpt").write_bytes(
        struct.pack("<Q", 2**60) + b'{"weight": {"shape": [1152921504606846976]}}'
    )


def endless_directory(run: Path, canary: Path) -> None:
    """The end of an archive that says it lists 2**32 - 2 bytes of members."""
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 65_000, 65_000, 2**32 - 2, 0, 0)
    with (run / "checkpoints" / "step_00000001.ckpt").open("wb") as file:
        file.truncate(2**33)  # of nothing: it takes no room
        file.seek(0, os.SEEK_END)
        file.write(end)


def endless_file(run: Path, canary: Path) -> None:
    with (run / "checkpoints" / "step_00000001.ckpt").open("wb") as file:
        file.truncate(2**42)


def target_of(name: str) -> Callable[[Path, Path], None]:
    """target.pt with a payload, vouched for by the manifest."""

    def make(run: Path, canary: Path) -> None:
        torch.save({"format": 1, "target": PAYLOADS[name](canary)}, run / "model" / "target.pt")
        vouch(run)

    return make


def vouch(run: Path) -> None:
    """Writes the manifest anew, as whoever changes a file can."""
    path = run / "model" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["sha256"] = {name: files.sha256(run / "model" / name) for name in manifest["sha256"]}
    path.write_text(json.dumps(manifest))


ATTACKS |= {
    "a bare pickle as a checkpoint": Attack(bare_pickle, "checkpoint", "must end as an archive", "step_00000001.ckpt"),
    "an archive behind a program": Attack(
        preceded(saved(True)), "checkpoint", "must end as an archive", "step_00000001.ckpt"
    ),
    "a short archive behind a program": Attack(
        preceded(saved(False)), "checkpoint", "list of members", "step_00000001.ckpt"
    ),
    "a header of 2**60 bytes": Attack(header, "checkpoint", "must end as an archive", "step_00000001.ckpt"),
    "an endless list of members": Attack(endless_directory, "checkpoint", "must have at most", "step_00000001.ckpt"),
    "a file larger than memory": Attack(endless_file, "checkpoint", "machine's memory", "step_00000001.ckpt"),
    "a target.pt that runs a command": Attack(target_of("os.system"), "evaluate", "it names posix", "target.pt"),
    "a target.pt that is no dict": Attack(
        lambda run, canary: (torch.save([1], run / "model" / "target.pt"), vouch(run))[1],
        "evaluate",
        "must hold a dict",
        "target.pt",
    ),
}


# --- what is no file, in the place of one


def replaced(name: str, make: Callable[[Path], object]) -> Callable[[Path, Path], None]:
    def put(run: Path, canary: Path) -> None:
        path = run / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        make(path)

    return put


for place, reader in (
    ("checkpoints/step_00000001.ckpt", "checkpoint"),
    ("model/manifest.json", "load"),
    ("model/schema.json", "schema"),
    ("config.yaml", "resume"),
    ("sweep.json", "sweep"),
):
    name = place.rpartition("/")[2]
    for kind, make in {
        "a link to /etc/passwd": lambda path: path.symlink_to("/etc/passwd"),
        "a link to an endless device": lambda path: path.symlink_to("/dev/zero"),
        "a pipe that nobody writes to": os.mkfifo,
        "a folder": Path.mkdir,
    }.items():
        # it is told as a model or a run that is not there where its file is no file
        ATTACKS[f"{kind} as {name}"] = Attack(replaced(place, make), reader, "", name)


# --- JSON


def written(name: str, content: bytes) -> Callable[[Path, Path], None]:
    def make(run: Path, canary: Path) -> None:
        (run / name).write_bytes(content)

    return make


def changed(name: str, change: Callable[[dict[str, Any]], object]) -> Callable[[Path, Path], None]:
    """An honest JSON file with something else in it, vouched for by the manifest."""

    def make(run: Path, canary: Path) -> None:
        found = json.loads((run / name).read_text())
        change(found)
        (run / name).write_text(json.dumps(found))
        if name == "model/schema.json":
            vouch(run)

    return make


PLACES = {"model/manifest.json": "load", "sweep.json": "sweep", "report.json": "report", "model/schema.json": "schema"}
for place, reader in PLACES.items():
    name = place.rpartition("/")[2]
    for kind, content, says in (
        ("250,000 nested lists", b"[" * 250_000 + b"]" * 250_000, "is damaged"),
        ("a number of a million digits", b'{"format": ' + b"9" * 1_000_000 + b"}", "is damaged"),
        ("42 MB of lists", b"[" + b"[]," * 14_000_000 + b"[]]", "must have at most"),
        ("a list", b"[]", "must hold one JSON object"),
        ("bytes that are no text", b'{"format": "\xff"}', "is damaged"),
        ("nothing but a format", b'{"format": 1}', ""),
    ):
        ATTACKS[f"{name} of {kind}"] = Attack(written(place, content), reader, says, name)

for name, change, says in (
    ("a file above it", {"../../canary": "0" * 64}, "must name files of its folder, however: ../../canary"),
    ("a file from the root", {"/etc/passwd": "0" * 64}, "must name files of its folder, however: /etc/passwd"),
):
    ATTACKS[f"a manifest with {name}"] = Attack(
        changed("model/manifest.json", lambda found, more=change: found["sha256"].update(more)),
        "load",
        says,
        "manifest",
    )
for name, change, says in (
    ("a vector of 2**40 numbers", lambda found: found["reads"].append(["v", "vector", {"size": [2**40]}]), "cell must"),
    ("a picture of a negative size", lambda found: found["reads"].append(["v", "image", {"size": [3, -8, 8]}]), "cell"),
    (
        "a word of 10**9 tokens",
        lambda found: found["reads"].append(["v", "tokens", {"max_tokens": 10**9}]),
        "cell must",
    ),
    ("a range of text", lambda found: found["fields"][0].update(low="__import__('os')"), "must be a finite number"),
    ("a kind that names code", lambda found: found["reads"].append(["v", "os.system"]), "os.system"),
):
    ATTACKS[f"a schema with {name}"] = Attack(changed("model/schema.json", change), "schema", says, "schema")
for name, folder in (("above", "../../elsewhere"), ("from the root", "/etc"), ("of itself", ".."), ("of no name", "")):
    ATTACKS[f"a sweep with a member {name}"] = Attack(
        changed("sweep.json", lambda found, folder=folder: found["members"][0].update(folder=folder)),
        "sweep",
        "a member must be a folder beside it",
        "sweep.json",
    )
ATTACKS |= {
    "a sweep whose members are no runs": Attack(
        changed("sweep.json", lambda found: found.update(members=["a"])),
        "sweep",
        "a member must have name",
        "sweep.json",
    ),
    "a report whose figures are text": Attack(
        changed("report.json", lambda found: found.update(higher={"auroc": "true"})), "report", "figures", "report.json"
    ),
}


# --- YAML


def configured(old: str, new: str) -> Callable[[Path, Path], None]:
    """The honest config.yaml of run and model with one piece replaced; CANARY stands for a command."""

    def make(run: Path, canary: Path) -> None:
        for path in (run / "config.yaml", run / "model" / "config.yaml"):
            text = path.read_text()
            assert old in text, old
            path.write_text(text.replace(old, new.replace("CANARY", command(canary)), 1))
        vouch(run)

    return make


def laughs() -> str:
    """Nine lists of nine times the list before."""
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10)]
    return "\n".join(lines) + "\n"


TOP = "name: tiny\n"
AGE = "_target_: mlp_torch.representation.numbers.Scaled"
FIRST = "monitor: val/loss\n    "
HEAD = "_target_: mlp_torch.problem.classification.Binary"
for name, text, says in (
    ("a tag that calls", "{TOP}x: !!python/object/apply:os.system ['CANARY']\n", "has no tags, however: .*os.system"),
    ("a tag of an object", "{TOP}x: !!python/object/new:os.system ['CANARY']\n", "has no tags"),
    ("a tag of a name", "{TOP}x: !!python/name:os.system\n", "has no tags"),
    ("a billion laughs", "{TOP}" + laughs(), "has no anchors, however: .a0"),
    ("a reference to itself", "{TOP}x: &x [*x]\n", "has no anchors"),
    ("a secret of the environment", "{TOP}x: ${oc.env:SECRET}\n", "is resolved, however: .*SECRET"),
    ("a value to be decoded", "{TOP}x: ${oc.decode:'1'}\n", "is resolved"),
    ("a value of Hydra's", "{TOP}x: ${hydra:runtime.cwd}\n", "is resolved"),
    ("a created table", "{TOP}x: ${oc.create:{_target_: os.system}}\n", "is resolved"),
    ("an interpolated key", "{TOP}${oc.env:SECRET}: 1\n", "is resolved"),
    ("lists in lists", "{TOP}x: " + "[" * 5000 + "]" * 5000 + "\n", "at most"),
    ("a million lists", "{TOP}x: [" + "[]," * 1_000_000 + "]\n", "at most"),
    ("five megabytes", "{TOP}x: [" + "a," * 2_500_000 + "]\n", "at most"),
    ("a number to the base of 60", "{TOP}x: 1" + ":59" * 500_000 + "\n", "at most"),
    ("a number of a million digits", "{TOP}x: " + "9" * 1_000_000 + "\n", "at most"),
    ("a hidden key of Hydra's", "{TOP}hydra: {callbacks: {a: {_target_: os.system}}}\n", "no key hydra"),
    ("a key that is there twice", "{TOP}name: other\n", "duplicate key"),
    ("control characters", "{TOP}x: \x00\n", "config.yaml"),
):
    ATTACKS[f"a configuration with {name}"] = Attack(
        configured(TOP, text.replace("{TOP}", TOP)), "stored", says, "config.yaml"
    )

NAMED = (
    *("os.system", "posix.system", "subprocess.call", "builtins.eval", "pty.spawn", "runpy.run_path", "shutil.rmtree"),
    *("torch.load", "torch.hub.load", "torch.jit.load", "torch.multiprocessing.spawn", "torch.save"),
    *("torch.multiprocessing.spawn.ProcessContext", "torch.utils.cpp_extension.load", "torch.utils.data.DataLoader"),
    *("torch.distributed.run.main", "torch.distributed.elastic.multiprocessing.api.start_processes"),
    *("torch.nn.modules.module.Module.load_state_dict", "torch.nn.parallel.DistributedDataParallel"),
    *("torch.ops.load_library", "torch.classes.load_library", "torch.jit.ScriptModule"),
    "lightning.fabric.strategies.launchers.subprocess_script._SubprocessScriptLauncher",
    "lightning.pytorch.strategies.launchers.multiprocessing._MultiProcessingLauncher",
    *("lightning.pytorch.cli.LightningCLI", "lightning.pytorch.loggers.MLFlowLogger"),
    *("torchmetrics.text.bert.BERTScore", "torchmetrics.image.fid.FrechetInceptionDistance"),
    *(
        "mlp_torch.files.write_text",
        "mlp_torch.files.os.system",
        "mlp_torch.verbs.train.main",
        "mlp_torch.__main__.main",
    ),
    *("mlp_torch.training.checkpoints.torch.load", "mlp_torch.training.checkpoints.AtomicFiles", "mlp_torch.load"),
    *("mlp_torch.datasets.packages.subprocess.run", "mlp_torch.datasets.fetch.main", "mlp_torch.signatures.imported"),
    *("mlp_torch.serving.predictor.Predictor", "mlp_torch.ingest.adbc.loaded", "mlp_torch..files.os.system"),
    *("foreign_package.Code", "mlp_torch.foreign_package.Code"),
)
for name in NAMED:
    ATTACKS[f"a configuration that builds {name}"] = Attack(
        configured(AGE, f"_target_: {name}"),
        "stored",
        rf"data\.columns\.age\._target_ must name a part of a run, however: {name}",
        "config.yaml",
    )
for name, old, new, says in (
    ("deep in lists", AGE, "a: [[{b: [{_target_: os.system, command: CANARY}]}]]\n      " + AGE, r"a\[0\]\[0\].b\[0\]"),
    ("without a name for its argument", AGE, "_target_: os.system\n      _args_: ['CANARY']", "age._args_"),
    ("as a partial", AGE, "_target_: os.system\n      _partial_: true", "age._target_"),
    ("in place of everything", TOP, TOP + "_target_: os.system\ncommand: CANARY\n", "_target_ must name"),
    ("in a callback", "last:\n", "mine: {_target_: os.system, command: CANARY}\n  last:\n", "callback.mine._target_"),
    (
        "and allows that itself",
        "allow: []",
        "allow: [os.system]\nx: {_target_: os.system, command: CANARY}",
        "never builds",
    ),
    (
        "by a driver of a database",
        TOP,
        TOP + "x: {_target_: mlp_torch.ingest.sql.Sql, query: a, uri: b, driver: evil}\n",
        "x.driver must name",
    ),
    ("of an unknown package", AGE, "_target_: mypackage.squared.Squared", r"add 'allow=\[mypackage.squared.Squared\]'"),
):
    ATTACKS[f"a configuration that builds a command {name}"] = Attack(
        configured(old, new), "stored", says, "config.yaml"
    )
for name, old, new, says in (
    (
        "a callback's folder",
        "/checkpoints\n    minutes",
        "/../../elsewhere\n    minutes",
        "callback.last.folder must lie in",
    ),
    ("a checkpoint's name", FIRST, FIRST + "filename: ../../elsewhere/best\n    ", "filename must lie in"),
    ("a checkpoint on another machine", FIRST, FIRST + "filename: s3://bucket/best\n    ", "filename must"),
    ("a stage", "stages: {}", "stages: {../../elsewhere: {}}", "a stage's name must be"),
):
    ATTACKS[f"a configuration that writes elsewhere by {name}"] = Attack(
        configured(old, new), "stored", says, "config.yaml"
    )
for name in ("os.system", "torch.hub.load", "foreign_package.Code", "mlp_torch.files.write_text"):
    ATTACKS[f"a model whose head is {name}"] = Attack(
        configured(HEAD, f"_target_: {name}"), "evaluate", f"must name a part of a run, however: {name}", "config.yaml"
    )
ATTACKS |= {
    "a configuration that is a list": Attack(
        written("config.yaml", b"[1, 2]"), "stored", "however: List", "config.yaml"
    ),
    "a model whose configuration has tags": Attack(
        configured(TOP, TOP + "x: !!python/object/apply:os.system ['CANARY']\n"), "evaluate", "no tags", "config.yaml"
    ),
    "a model whose source has a secret": Attack(
        configured(TOP, TOP + "x: ${oc.env:SECRET}\n"), "rows", "is resolved", "config.yaml"
    ),
}


# --- links in a run's folder that lead out: what goes on writes there


def linked(name: str) -> Callable[[Path, Path], None]:
    def make(run: Path, canary: Path) -> None:
        outside = canary.parent / "outside"
        outside.mkdir()
        path = run / name
        shutil.rmtree(path, ignore_errors=True)
        path.symlink_to(outside)

    return make


for name in ("checkpoints", "model", "tensorboard", ".lock"):
    ATTACKS[f"a link that leads out as {name}"] = Attack(linked(name), "resume", "no link may lead out", name)
