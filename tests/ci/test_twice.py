# SPDX-License-Identifier: BSD-2-Clause
"""What .ci/twice runs once more, and what .ci/sum-tests makes of it. `make` and `meson` write results that are known."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

CI = Path(__file__).resolve().parents[2] / ".ci"
TESTLOG = "build/meson-logs/testlog"
VM_LOG = "build/vm/testlog"

# A run of so many takes the next of these files for its log, and its exit status from it.
MAKE = """#!/bin/bash
printf '%s\\n' "$*" >>calls
log={log}
[[ $* != *testlog-again* ]] || log+=-again
run=runs/$(wc -l <calls)
[ -e $run ] || exit 1
cp $run $log.json
mkdir -p build/vm/kmod build/vm/vfio
! grep -qE 'FAIL|TIMEOUT' $log.json
"""
MESON = "#!/bin/bash\nprintf 'ninja: no work to do.\\n'; cat all\n"


@pytest.fixture
def house(tmp_path):
    shutil.copytree(CI, tmp_path / ".ci")
    for folder in ("bin", "runs", "build/meson-logs", "build/vm"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def lines(results):
    return "".join(json.dumps({"name": name, "result": result}) + "\n" for name, result in results)


def twice(house, what, *runs, all_tests=None):
    """Returns (exit status, calls of make, what the sum says, its exit status)."""
    log = {"test": TESTLOG, "test-vm": VM_LOG}[what]
    for name, text in (("make", MAKE.replace("{log}", log)), ("meson", MESON)):
        (house / "bin" / name).write_text(text)
        (house / "bin" / name).chmod(0o755)
    for number, run in enumerate(runs, 1):
        (house / f"runs/{number}").write_text(lines(run))
    (house / "all").write_text("".join(f"{name}\n" for name in all_tests or [name for name, _ in runs[0]]))
    env = dict(os.environ, PATH=f"{house / 'bin'}:{os.environ['PATH']}")
    done = subprocess.run([".ci/twice", what], cwd=house, env=env, capture_output=True, check=False)
    summed = subprocess.run([".ci/sum-tests", f"{log}.json"], cwd=house, capture_output=True, text=True, check=False)
    return done.returncode, (house / "calls").read_text().splitlines(), summed.stdout, summed.returncode


GOOD, BAD = ("p / a", "OK"), ("p:lab / a", "FAIL")


def test_what_passes_is_run_once(house):
    assert twice(house, "test", [GOOD, ("p:lab / b", "SKIP")]) == (0, ["test"], "1 passed, 0 failed, 1 skipped\n", 0)


@pytest.mark.parametrize("second,passes", [("OK", True), ("FAIL", False), ("TIMEOUT", False), ("SKIP", False)])
def test_a_lab_test_is_run_once_more(house, second, passes):
    """By its name, which another has, too, in another suite."""
    status, calls, said, summed = twice(house, "test", [GOOD, BAD], [("p:lab / a", second)])
    assert calls == ["test", "test TEST_JOBS=1 TESTS=--suite lab --logbase testlog-again a"]
    assert (status == 0) == (passes or second == "SKIP") and (summed == 0) == passes
    assert said.splitlines()[-1] == ("2 passed, 0 failed, 0 skipped" if passes else "1 passed, 1 failed, 0 skipped")
    assert ("failed, and passed once more: build p:lab / a" in said) == passes


def test_others_are_not(house):
    """Nor are lab tests beside them."""
    status, calls, said, summed = twice(house, "test", [("p:threads / c", "FAIL"), BAD])
    assert (status, calls, said, summed) == (1, ["test"], "0 passed, 2 failed, 0 skipped\n", 1)


def test_a_run_that_was_cut_off_has_failed(house):
    status, calls, _, _ = twice(house, "test", [GOOD, BAD], [("p:lab / a", "OK")],
                                all_tests=["p / a", "p:lab / a", "p:lab / z"])
    assert (status, calls) == (1, ["test"])


def test_a_log_of_another_run_does_not_count(house):
    """What would be compiled before does not compile: no run writes one."""
    (house / f"{TESTLOG}.json").write_text(lines([BAD]))
    status, calls, said, summed = twice(house, "test", all_tests=["p:lab / a"])
    assert (status, calls, summed) == (1, ["test"], 1) and "not there" in said


def test_guests_are_run_once_more_whole(house):
    """One after the other; checks that the first failure kept from being run are in the sum."""
    first = [("build/6.1", "OK"), ("kmod/a", "OK"), ("kmod/b", "FAIL"), ("vfio/a", "FAIL")]
    status, calls, said, summed = twice(
        house, "test-vm", first, [("kmod/a", "OK"), ("kmod/b", "OK"), ("kmod/c", "OK"), ("kmod/c", "SKIP")],
        [("vfio/a", "OK")])
    assert (status, summed) == (0, 0)
    assert sorted(calls) == ["test-vm", "test-vm VM_ARGS=kmod", "test-vm VM_ARGS=vfio"]
    assert said.splitlines()[-1] == "5 passed, 0 failed, 1 skipped"
    assert (house / "build/vm/kmod-first").is_dir()


def test_a_check_that_fails_only_then_has_failed(house):
    _, _, said, summed = twice(house, "test-vm", [("kmod/a", "OK"), ("kmod/b", "FAIL")],
                               [("kmod/a", "FAIL"), ("kmod/b", "OK")])
    assert summed == 1 and said.splitlines()[-1] == "1 passed, 1 failed, 0 skipped"


@pytest.mark.parametrize("other", ["testlog-kmod was cut off", "build/6.1"])
def test_guests_that_were_cut_off_and_modules_that_do_not_build_have_failed(house, other):
    status, calls, _, summed = twice(house, "test-vm", [(other, "FAIL"), ("vfio/a", "FAIL")], [("vfio/a", "OK")])
    assert (status, calls, summed) == (1, ["test-vm"], 1)
