# SPDX-License-Identifier: BSD-2-Clause
"""Results, one line each: said, and kept for .ci/sum-tests in the form of meson's test log."""

import json
import time

END = "end"
RESULTS = {"PASS": "OK", "FAIL": "FAIL", "SKIP": "SKIP"}


class Report:
    def __init__(self, path):
        self.path = path
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text("")
        self.begin = time.monotonic()

    def add(self, result, name, reason=""):
        passed_s = time.monotonic() - self.begin
        print(f"{result} {name} ({passed_s:.0f} s){': ' + reason if reason else ''}", flush=True)
        self.write({"name": name, "result": RESULTS[result], "stdout": reason})

    def write(self, line):
        with open(self.path, "a") as log:
            log.write(json.dumps(line) + "\n")

    def end(self):
        self.write({"name": END})


def merge(path, logs):
    """Makes one log of several and says what is in it; 0 when nothing failed. A log without its run's
    end is of a run that was cut off: that is a failure."""
    counts = dict.fromkeys(RESULTS.values(), 0)
    with open(path, "w") as out:
        for log in logs:
            lines = [json.loads(line) for line in log.read_text().splitlines()]
            if not lines or lines[-1]["name"] != END:
                lines.append({"name": f"{log.stem} was cut off", "result": "FAIL"})
            for line in lines:
                if line["name"] != END:
                    counts[line["result"]] += 1
                    out.write(json.dumps(line) + "\n")
    print(f"{counts['OK']} passed, {counts['FAIL']} failed, {counts['SKIP']} skipped")
    return 1 if counts["FAIL"] or not sum(counts.values()) else 0
