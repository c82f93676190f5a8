# SPDX-License-Identifier: BSD-2-Clause
"""make measurements: what it writes of a command, the page it fills, and what --check finds."""

import sys
import time
from pathlib import Path

import pytest

RECORD = Path(__file__).resolve().parents[2] / "bench/record"
sys.path.insert(0, str(RECORD))

import record as R  # noqa: E402: found by the path above
from recordings import RECORDINGS, Recording  # noqa: E402: likewise

PAGE = "# Page\n\nBefore.\n\n<!-- one.txt -->\n```\nold\n```\n<!-- end -->\n\nAfter, and two.txt.\n"


@pytest.fixture
def page(tmp_path, monkeypatch):
    monkeypatch.setattr(R, "OUT", tmp_path)
    monkeypatch.setattr(R, "PAGE", tmp_path / "README.md")
    monkeypatch.setattr(R, "RECORDINGS", [Recording("one", "echo 1"), Recording("two", "echo 2", lengthy=True)])
    R.PAGE.write_text(PAGE)
    return R.PAGE


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["record.py", *arguments])
    monkeypatch.setattr(R, "adopt_orphans", lambda: None)  # would be for as long as pytest lives
    return R.main()


def test_file_has_command_place_and_output(page, monkeypatch):
    assert run(monkeypatch) == 0
    header, output = (R.OUT / "one.txt").read_text().split("\n\n")
    names = dict(line.split(": ", 1) for line in header.splitlines())
    assert list(names) == ["command", "when", "where", "took", "exit status"]
    assert names["command"] == "echo 1" and names["exit status"] == "0"
    assert "cores, Linux" in names["where"]
    assert output == "1\n"
    assert not (R.OUT / "two.txt").exists()  # a lengthy one


def test_page_shows_the_file_and_nothing_else_changes(page, monkeypatch):
    run(monkeypatch)
    shown = (R.OUT / "one.txt").read_text()
    assert page.read_text() == PAGE.replace("old\n", shown)
    assert run(monkeypatch, "--check") == 0


def test_failure_is_recorded_and_told(page, monkeypatch):
    monkeypatch.setattr(R, "RECORDINGS", [Recording("one", "echo half; false | true")])
    assert run(monkeypatch) == 1
    text = (R.OUT / "one.txt").read_text()
    assert "exit status: 1\n" in text and text.endswith("\n\nhalf\n")


@pytest.mark.parametrize("spoil, found", [
    (lambda page: (R.OUT / "one.txt").write_text("other\n"), "not what README.md shows"),
    (lambda page: page.write_text(page.read_text().replace("\n1\n", "\n100\n")), "not what README.md shows"),
    (lambda page: R.RECORDINGS.append(Recording("one", "echo 3")), "is of another command"),
    (lambda page: (R.OUT / "one.txt").unlink(), "shown and not there"),
    (lambda page: (R.OUT / "three.txt").write_text("x\n"), "neither shown nor linked to"),
    (lambda page: page.write_text(page.read_text() + "<!-- four.txt -->\n```\n```\n<!-- end -->\n"),
     "no command of recordings.py writes it"),
])
def test_check_finds(page, monkeypatch, spoil, found):
    run(monkeypatch)
    spoil(page)
    assert any(found in line for line in R.check())
    assert run(monkeypatch, "--check") == 1


def test_time_of_children_is_our_own():
    """What a command and its children use counts as the command's."""
    begin = R.own_s()
    began = time.monotonic()
    R.run("timeout 1 sh -c 'while :; do :; done'")
    took = time.monotonic() - began
    assert 0 < R.own_s() - begin <= took + 0.1


def test_each_recording_has_a_name_of_its_own():
    names = [recording.name for recording in RECORDINGS]
    assert len(names) == len(set(names))
    page = (RECORD.parents[1] / "docs/measurements/README.md").read_text()
    assert all(f"{name}.txt" in page for name in names)
