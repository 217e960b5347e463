"""What a person sees of training while it runs: a bar on a terminal, a line an epoch in a log."""

import io
import re
import sys

import tiny
from lightning.pytorch.callbacks import TQDMProgressBar

from mlp_torch.__main__ import main
from mlp_torch.training.progress import EpochLines, line, progress

NUMBER = r"[\d.e+-]+"


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_a_bar_and_a_log_lines(monkeypatch):
    assert isinstance(progress(), EpochLines)
    monkeypatch.setattr(sys, "stdout", Terminal())
    bar = progress(7)
    assert isinstance(bar, TQDMProgressBar)
    assert bar.refresh_rate == 7


def test_a_log_gets_a_line_an_epoch_with_loss_monitor_rate_and_remaining_time(tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = "trainer.enable_progress_bar=true"
    assert main(["train", *tiny.experiment(tmp_path), shown, "callback.early_stopping=null"]) in (0, None)
    out, err = capfd.readouterr()
    assert "\r" not in out + err
    found = [text for text in out.splitlines() if text.startswith("epoch ")]
    assert len(found) == 3
    for number, text in enumerate(found, 1):
        losses = rf"train/loss_without_dropout {NUMBER}, val/loss {NUMBER}"
        wanted = rf"epoch {number} of 3: {losses}, [\d,]+ rows/s, at most \d\d:\d\d left"
        assert re.fullmatch(wanted, text), text
    assert found[-1].endswith("at most 00:00 left")


def test_training_without_a_last_epoch_tells_no_remaining_time():
    assert line(3, -1, {}, rate=10.0, left=-4.0) == "epoch 3: 10 rows/s"


def test_another_process_than_the_first_one_prints_nothing(capsys):
    lines = EpochLines()
    lines.disable()
    lines.on_train_epoch_end(None, None)
    assert capsys.readouterr().out == ""
