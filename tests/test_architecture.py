"""The house rules, read from the source: who may import whom, how large things may grow, what stands in one place."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mlp_torch"
LAYERS = {
    **dict.fromkeys(["errors", "archives", "files", "forked", "interruption", "script", "ingest"], 0),
    **dict.fromkeys(["column", "target", "head", "model", "parts"], 1),
    **dict.fromkeys(["representation", "backbone", "problem"], 2),
    **dict.fromkeys(["reproducibility", "datasets", "responsible"], 3),
    **dict.fromkeys(["training", "serving"], 4),
    **dict.fromkeys(
        [
            "build",
            "fitting",
            "foreign",
            "stages",
            "transfer",
            "notebook",
            "run",
            "configuration",
            "overrides",
            "resumption",
            "resuming",
            "evaluation",
            "judgement",
            "signatures",
            "stored",
            "profile",
            "proposal",
            "validation",
            "verbs",
            "__init__",
            "__main__",
            "train",
            "serve",
            "tuning",
            "mlp_torch_tuning",
        ],
        5,
    ),
}
OPEN = (0, 1, 5)  # layers whose members may import each other
SCRIPTS = [ROOT / "train.py", ROOT / "serve.py", *sorted((ROOT / "hydra_plugins").glob("*.py"))]
TOP_LEVEL_NEVER = {"pandas", "sklearn", "lightgbm", "matplotlib", "scipy", "captum", "onnx", "onnxruntime"}
LONG_NAMES = re.compile(r"^(Base[A-Z].*|.*Mixin|.*Manager|Lit[A-Z].*)$")


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def sources() -> list[Path]:
    """Every file of the package, and the scripts beside it."""
    return sorted(PACKAGE.rglob("*.py")) + SCRIPTS


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def chapter(path: Path) -> str:
    """`ingest` of mlp_torch/ingest/cells.py, `head` of mlp_torch/head.py."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py") if path.is_relative_to(PACKAGE) else path.stem


def imports(tree: ast.AST, *, types: bool = False) -> Iterator[str]:
    """Dotted names of all imports, wherever they stand; those for type checkers only if asked for."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and not types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        else:
            yield from imports(node, types=types)


def imports_at_top(tree: ast.Module) -> list[str]:
    """Dotted names of the imports that run when the module is imported."""
    found: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Try | ast.With):
            found += imports(ast.Module([node], []))
    return found


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def classes(tree: ast.AST) -> Iterator[ast.ClassDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def lines(node: ast.stmt) -> int:
    """Lines of a definition without its docstring."""
    total = (node.end_lineno or 0) - node.lineno + 1
    first = node.body[0] if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) else node
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        total -= (first.end_lineno or 0) - first.lineno + 1
    return total


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Calls by the text of what is called."""
    return ((ast.unparse(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call))


def outside(found: dict[str, list[str]]) -> str:
    """The offenders, a line each."""
    return "\n".join(f"{name}: {', '.join(items)}" for name, items in found.items() if items)


def forbidden(path: Path, tree: ast.Module) -> list[str]:
    """Imports of our own that reach up, or sideways where a layer is closed."""
    own = chapter(path)
    found = []
    for name in imports(tree):
        parts = name.split(".")
        if parts[0] != "mlp_torch" or len(parts) < 2:
            continue
        other = parts[1] if parts[1] in LAYERS else "__init__"
        reaches_up = LAYERS[other] > LAYERS[own]
        sideways = other != own and LAYERS[other] == LAYERS[own] and LAYERS[own] not in OPEN
        if reaches_up or sideways:
            found.append(name)
    return found


def test_every_file_has_a_layer():
    assert {chapter(path) for path in sources()} <= set(LAYERS)
    assert {
        name for name in LAYERS if not list(PACKAGE.glob(f"{name}*")) and name not in {path.stem for path in SCRIPTS}
    } == set()


def test_imports_reach_down_only():
    assert outside({name_of(path): forbidden(path, parsed(path)) for path in sources()}) == ""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("ingest/cells.py", "from mlp_torch.head import Head"),
        ("problem/bins.py", "from mlp_torch.representation.numbers import Scaled"),
        ("serving/export.py", "from mlp_torch.training import task"),
        ("model.py", "def f():\n    from mlp_torch.run import train"),
    ],
)
def test_an_import_that_reaches_up_or_sideways_would_be_found(path, line):
    assert forbidden(PACKAGE / path, ast.parse(line))
    assert not forbidden(PACKAGE / "run.py", ast.parse(line))
    assert not forbidden(PACKAGE / "head.py", ast.parse("from mlp_torch.target import Target"))


def test_configuration_stays_out_of_everything_below_the_top_layer():
    found = {
        name_of(path): [name for name in imports(parsed(path)) if name.split(".")[0] in ("hydra", "omegaconf")]
        for path in sources()
        if LAYERS[chapter(path)] < 5
    }
    assert outside(found) == ""


def test_lightning_is_imported_by_training_and_the_build_alone():
    allowed = {"training", "run", "fitting", "build", "notebook", "resuming"}
    found = {
        name_of(path): [name for name in imports(parsed(path)) if "lightning" in name.split(".")[0]]
        for path in sources()
        if chapter(path) not in allowed
    }
    assert outside(found) == ""


def test_heavy_libraries_are_imported_where_they_are_used():
    found = {
        name_of(path): [name for name in imports_at_top(parsed(path)) if name.split(".")[0] in TOP_LEVEL_NEVER]
        for path in sources()
    }
    assert outside(found) == ""


def test_no_import_at_the_top_is_tried():
    found = {
        name_of(path): [f"line {node.lineno}" for node in parsed(path).body if isinstance(node, ast.Try)]
        for path in sources()
    }
    assert outside(found) == ""


def test_no_name_says_nothing():
    words = {"utils", "util", "helpers", "helper", "common", "misc"}
    files = [name_of(path) for path in sources() if words & set(re.split(r"[_/.]", name_of(path)))]
    named = {name_of(path): [c.name for c in classes(parsed(path)) if LONG_NAMES.match(c.name)] for path in sources()}
    assert files == []
    assert outside(named) == ""
    assert all(LONG_NAMES.match(name) for name in ("BaseColumn", "SaveMixin", "RunManager", "LitModel"))
    assert not any(LONG_NAMES.match(name) for name in ("Baseline", "Literal", "Base"))


def test_functions_are_short():
    sizes = {f"{name_of(path)}:{f.name}": lines(f) for path in sources() for f in functions(parsed(path))}
    assert {name: size for name, size in sizes.items() if size > 60} == {}
    assert median(sizes.values()) <= 10
    assert sum(size <= 30 for size in sizes.values()) >= 0.9 * len(sizes)


def test_files_and_classes_are_short():
    files = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in sources()}
    assert {name: size for name, size in files.items() if size > 300} == {}
    sizes = {f"{name_of(path)}:{c.name}": lines(c) for path in sources() for c in classes(parsed(path))}
    assert {name: size for name, size in sizes.items() if size > 150} == {}


def test_functions_take_at_most_eight_arguments():
    found = {}
    for path in sources():
        for f in functions(parsed(path)):
            a = f.args
            names = [x.arg for x in (*a.posonlyargs, *a.args, *a.kwonlyargs) if x.arg not in ("self", "cls")]
            found[f"{name_of(path)}:{f.name}"] = len(names)
    assert {name: n for name, n in found.items() if n > 8} == {}


def test_torchscript_is_called_in_one_place():
    found = {
        name_of(path): [text for text, _ in calls(parsed(path)) if text in ("torch.jit.script", "jit.script")]
        for path in sources()
        if chapter(path) != "script"
    }
    assert outside(found) == ""
    assert "torch.jit.script" in [text for text, _ in calls(parsed(PACKAGE / "script.py"))]


def writes(tree: ast.AST) -> list[str]:
    """Calls that put something into a file other than by `mlp_torch.files`."""
    found = []
    for text, call in calls(tree):
        last = text.rpartition(".")[2]
        modes = [str(x.value) for x in (*call.args, *(k.value for k in call.keywords)) if isinstance(x, ast.Constant)]
        target = call.args[1] if len(call.args) > 1 else None
        by_hand = (
            (last in ("write_text", "write_bytes", "write_json") and not text.startswith("files.")),
            (last == "open" and any(re.fullmatch(r"[wax]b?\+?|r\+b?|rb\+", mode) for mode in modes)),
            (text in ("torch.save", "torch.jit.save") and not (isinstance(target, ast.Name) and target.id == "file")),
            last in ("to_csv", "to_parquet", "savefig", "mkstemp"),
        )
        if any(by_hand):
            found.append(text)
    return found


def test_files_are_written_in_one_place():
    found = {name_of(path): writes(parsed(path)) for path in sources() if chapter(path) != "files"}
    assert outside(found) == ""


@pytest.mark.parametrize(
    "line", ["path.write_text('x')", "open(p, 'w')", "p.open('wb')", "torch.save(x, path)", "frame.to_csv(p)"]
)
def test_a_writer_elsewhere_would_be_found(line):
    assert writes(ast.parse(line))
    assert not writes(ast.parse("files.write_text(p, 'x'); open(p, 'rb'); torch.save(x, file); p.open()"))


def test_a_chapter_imports_nothing_and_names_each_of_its_modules():
    for path in sorted(PACKAGE.glob("*/__init__.py")):
        tree, text = parsed(path), ast.get_docstring(parsed(path)) or ""
        assert [type(node) for node in tree.body] == [ast.Expr], f"{name_of(path)} holds more than its docstring"
        members = {p.stem for p in path.parent.glob("*.py")} | {
            p.parent.name for p in path.parent.glob("*/__init__.py")
        }
        unnamed = [m for m in sorted(members - {"__init__"}) if not re.search(rf"^ *(- )?`?{m}`?: ", text, re.M)]
        assert unnamed == [], name_of(path)


def test_exceptions_are_caught_by_name():
    found: dict[str, list[str]] = {}
    for path in sources():
        for node in ast.walk(parsed(path)):
            if not isinstance(node, ast.ExceptHandler):
                continue
            caught = ast.unparse(node.type) if node.type else ""
            raises = any(isinstance(inner, ast.Raise) and inner.exc is None for inner in node.body)
            if caught in ("", "Exception", "BaseException") and not raises:
                found.setdefault(name_of(path), []).append(caught)
    assert found == {}


def test_every_file_opens_with_what_it_is():
    assert [name_of(path) for path in sources() if not ast.get_docstring(parsed(path))] == []


def test_every_class_says_what_it_is():
    found = {name_of(p): [c.name for c in classes(parsed(p)) if not ast.get_docstring(c)] for p in sources()}
    assert outside(found) == ""


def test_nothing_is_left_over():
    for path in sources():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", text), name_of(path)
        assert not re.search(r"^\s*(print\(.*\)\s*#\s*debug|breakpoint\(\)|import pdb)", text, re.M), name_of(path)


def test_what_benchmarks_import_is_there():
    """They run seldom: a name that has moved would be found missing when somebody needs their figures."""
    found = {}
    for path in sorted((ROOT / "benchmarks").glob("*.py")):
        names = [name for name in imports(parsed(path)) if name.startswith("mlp_torch.")]
        found[name_of(path)] = [name for name in names if not is_there(name)]
    assert outside(found) == ""
    assert is_there("mlp_torch.training.batches")
    assert not is_there("mlp_torch.training.nothing")
    assert not is_there("mlp_torch.run.nothing")


def is_there(name: str) -> bool:
    """Whether a module is, or another holds, what a dotted name says."""
    home, _, last = name.rpartition(".")
    module = import_module(home)
    return hasattr(module, last) or (hasattr(module, "__path__") and find_spec(name) is not None)
