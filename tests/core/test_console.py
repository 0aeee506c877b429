"""Progress and remarks go to stderr, so that stdout holds results only."""

from __future__ import annotations

import pytest

from genrec.console import remark, track


def test_remarks_go_to_stderr_unbroken_and_unstyled(capsys: pytest.CaptureFixture[str]) -> None:
    text = "[red]/a/very/long/path[/] " + "x" * 300
    remark(text)
    out, err = capsys.readouterr()
    assert (out, err) == ("", text + "\n")


@pytest.mark.parametrize("total", [None, 3])
def test_track_yields_everything(total: int | None, capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track(iter("abc"), "Letters", total)) == ["a", "b", "c"]
    assert list(track("abc", "Letters")) == ["a", "b", "c"]
    assert capsys.readouterr().out == ""
