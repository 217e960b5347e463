"""A format that cannot be written is told before anything is trained."""

import subprocess
import sys

import pytest
import tiny

from mlp_torch.errors import ConfigError, MissingExtra
from mlp_torch.serving import formats, portable
from mlp_torch.serving.formats import check_formats, check_names
from mlp_torch.serving.predictor import Predictor
from mlp_torch.verbs.train import main


def test_every_format_can_be_asked_for():
    check_formats(["torchscript"])
    check_formats(["torchscript", "onnx", "pt2"])


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (["torchscript", "onxx"], "must be of torchscript, onnx, pt2, however: onxx; did you mean onnx?"),
        (["tensorflow"], "must be of torchscript, onnx, pt2, however: tensorflow"),
        (["onnx"], "must hold torchscript, which predict and serve load, however: export.formats=[onnx]"),
        ([], "must hold torchscript, which predict and serve load, however: export.formats=[]"),
        ("onnx", "must be a list, however: onnx; write export.formats=[torchscript,…]"),
        (None, "must be a list, however: None; write export.formats=[torchscript,…]"),
    ],
)
def test_other_formats_are_refused(given, text):
    with pytest.raises(ConfigError) as caught:
        check_formats(given)
    assert str(caught.value) == f"export.formats {text}"


def test_names_with_quotes_are_refused_for_onnx_alone():
    check_names(["torchscript", "pt2"], ["it's", "b"])
    check_names(["torchscript", "onnx"], ["its", "b"])
    with pytest.raises(ConfigError, match=r"fields whose names hold no quotes, however: it's, say \"hi\"; rename them"):
        check_names(["torchscript", "onnx"], ['say "hi"', "b", "it's"])


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr(formats, "find_spec", lambda name: None if name == "onnxscript" else object())
    check_formats(["torchscript", "pt2"])
    with pytest.raises(MissingExtra) as caught:
        check_formats(["torchscript", "onnx"])
    assert str(caught.value) == (
        "onnx among export.formats needs onnxscript, however: not installed; pip install 'mlp_torch[onnx]'"
    )


def test_the_check_needs_no_torch():
    text = "import sys; from mlp_torch.serving import formats; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", text], check=True, timeout=60)


def test_train_refuses_a_format_before_it_makes_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = tiny.experiment(tmp_path)
    with pytest.raises(ConfigError, match="must be of torchscript, onnx, pt2, however: onxx"):
        main([*arguments, "export.formats=[torchscript,onxx]"])
    assert not (tmp_path / "runs").exists()


def test_a_run_whose_file_is_refused_goes_on_without_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = tiny.experiment(tmp_path)
    monkeypatch.setattr(portable, "alike", lambda found, wanted: False)
    monkeypatch.setattr(sys, "argv", ["train.py"])
    with pytest.raises(SystemExit):
        main([*arguments, "export.formats=[torchscript,pt2]", "trainer.max_epochs=1"])
    told = capsys.readouterr().err
    assert "model.pt2 must answer as the trained model, however: column 'city' of" in told
    assert "leave pt2 out of export.formats, and go on by resume=RUN resume_allow=[export.formats]" in told
    (run,) = (tmp_path / "runs" / "tiny").glob("2*")
    assert not (run / "model" / "manifest.json").exists()
    assert main([f"resume={run}", "resume_allow=[export.formats]", "export.formats=[torchscript]"]) == 0
    assert "pt2" not in capsys.readouterr().err
    assert set(Predictor(run / "model").manifest["sha256"]) == {"config.yaml", "model.pt", "schema.json", "target.pt"}
