# SPDX-License-Identifier: BSD-2-Clause
"""Whole comparisons, of a small repository's commits: its benchmarks print the figures that they are
given, so what must come out is known."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "bench/compare"
sys.path.insert(0, str(SOURCE))

import compare  # noqa: E402: found by the path above
from benchmarks import Value  # noqa: E402: likewise

MESON = """project('small', 'c')
subdir('bench')
"""
LOOP = r"""#include <stdio.h>
#include <unistd.h>
int main(void)
{
	usleep(%(us)d);
	printf("{\"cases\": [{\"name\": \"a packet\", \"isa\": \"\", \"ns_min\": %%.2f}]}",
	       %(ns)s + getpid() %% 5 / 100.0);
	return %(status)d;
}
"""


class Repository:
    def __init__(self, folder, temporary):
        self.folder, self.temporary = folder, temporary
        temporary.mkdir()
        shutil.copytree(SOURCE, folder / "bench/compare",
                        ignore=shutil.ignore_patterns("__pycache__"))
        self.git("init", "-q")

    def git(self, *arguments):
        return subprocess.run(["git", "-C", self.folder, "-c", "user.name=test",
                               "-c", "user.email=test@localhost", *arguments], check=True,
                              text=True, capture_output=True).stdout

    def loop(self, ns, status=0, us=0, programs=("loop",)):
        """The benchmark now says so; committed."""
        (self.folder / "meson.build").write_text(MESON)
        (self.folder / "bench/meson.build").write_text(
            "".join(f"executable('{name}', 'loop.c')\n" for name in programs))
        (self.folder / "bench/loop.c").write_text(LOOP % {"ns": ns, "status": status, "us": us})
        self.git("add", "-A")
        self.git("commit", "-qm", f"{ns} ns", "--allow-empty")

    def start(self, *arguments):
        return subprocess.Popen(
            ["/usr/bin/python3", self.folder / "bench/compare/compare.py", *arguments], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "TMPDIR": str(self.temporary), "PYTHONDONTWRITEBYTECODE": "1"})

    def compare(self, *arguments):
        """Exit status and output."""
        process = self.start(*arguments)
        output, errors = process.communicate(timeout=120)
        self.check_clean()
        return process.returncode, output + errors

    def check_clean(self):
        assert not list(self.temporary.iterdir())
        assert len(self.git("worktree", "list").splitlines()) == 1


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "small", tmp_path / "temporary")


def verdict(output):
    return re.search(r"^a packet .*  (\w[a-z ]+)$", output, re.M).group(1)


def test_slower_and_faster(repository, tmp_path):
    repository.loop(10)
    repository.loop(12)
    status, output = repository.compare("HEAD~1", "--only", "loop")
    assert status == 0, output
    assert verdict(output) == "slower"
    assert "result: 1 slower" in output
    status, output = repository.compare("HEAD~1", "--fail", "--pairs", "5", "--json",
                                        tmp_path / "values.json")
    assert status == 1, output
    loop = json.loads((tmp_path / "values.json").read_text())["benchmarks"][0]
    assert [len(one) for one in loop["figures"][0]["rounds"]] == [5, 5]
    repository.loop(9)
    status, output = repository.compare("HEAD~1", "--fail")
    assert status == 0, output
    assert verdict(output) == "faster"
    for name in ("fib", "nic", "accel", "gen"):
        assert re.search(rf"^{name}: .*\n  in neither$", output, re.M)


def test_same_and_uncommitted_changes(repository):
    repository.loop(10)
    status, output = repository.compare("HEAD", "--fail")
    assert status == 0, output
    assert verdict(output) == "same within noise"
    program = repository.folder / "bench/loop.c"
    program.write_text(program.read_text().replace("10 +", "15 +"))
    status, output = repository.compare("HEAD", "--fail")
    assert status == 1, output
    assert verdict(output) == "slower"
    assert "10 ns, with changes" in output


def test_benchmarks_that_come_go_and_fail(repository):
    repository.loop(10, programs=())
    repository.loop(10)
    status, output = repository.compare("HEAD~1", "--fail")
    assert status == 2, output
    assert "new: base does not have it" in output
    repository.loop(10, status=3)
    status, output = repository.compare("HEAD~1")
    assert status == 2
    assert "FAILED (this): exit status 3" in output
    repository.git("checkout", "-q", "HEAD~1")
    status, output = repository.compare("HEAD~1")
    assert "new: base does not have it" in output


class Falling:
    """A benchmark whose runs give these figures, one after the other; as benchmarks do, none of 0."""

    name = target = "falling"

    def __init__(self, base, this):
        self.runs = {"base": iter(base), "this": iter(this)}

    def compare(self):
        comparison = compare.Comparison(self, dict.fromkeys(self.runs, True))
        comparison._run = lambda builds, side: [
            Value(name, value, "Mpps", True) for name, value in next(self.runs[side]).items() if value > 0]
        compare.measure_round([comparison], {}, 5, "pair")
        return comparison


@pytest.mark.parametrize("this, word", [
    (5 * [{"steady": 8.0}], "gone: other"), (5 * [{"steady": 8.0, "other": 0.0}], "gone: other"),
    (4 * [{"steady": 8.0, "other": 5.0}] + [{"steady": 8.0, "other": 0.0}], "gone: other, in some pairs")])
def test_what_falls_to_nothing_is_worse(this, word, capsys):
    comparison = Falling(5 * [{"steady": 8.0, "other": 5.0}], this).compare()
    assert comparison.worse()
    compare.report(comparison)
    compare.summary([comparison])
    told = capsys.readouterr().out
    assert f"  {word}\n" in told and "1 gone\n" in told


def test_what_is_new_or_never_was_steady_is_not_worse():
    steady, both = {"steady": 8.0, "other": 0.0}, {"steady": 8.0, "other": 5.0}
    assert not Falling(5 * [steady], 5 * [both]).compare().worse()
    assert not Falling([both, steady, both, both, both], [steady, both, both, both, both]).compare().worse()


def test_what_cannot_be_compared_is_said(repository):
    repository.loop(10)
    status, output = repository.compare("no-such-commit")
    assert status == 2
    assert "no-such-commit: no such commit" in output
    (repository.folder / "bench/loop.c").write_text("nonsense\n")
    status, output = repository.compare("HEAD")
    assert status == 2
    assert "this does not build" in output and "nonsense" in output


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_nothing_is_left_when_it_is_interrupted(repository, number, status):
    repository.loop(10, us=300000)
    process = repository.start("HEAD", "--pairs", "1000")
    for line in process.stderr:
        if line.startswith("pair 1/"):
            break
    assert len(repository.git("worktree", "list").splitlines()) == 2
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == status
    repository.check_clean()
