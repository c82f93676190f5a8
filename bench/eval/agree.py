#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Whether two runs of the evaluation agree within the noise that each states (noise.py).

Prints each figure that both have. Exit status 1 if more figures disagree than do by chance; 2 if there is
nothing to compare.
"""

import argparse
import json
import sys
from pathlib import Path

import noise


def load(path):
    path = path / "results.json" if path.is_dir() else path
    try:
        return noise.figures(json.loads(path.read_text()))
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"agree.py: {path}: no results of eval.py: {error}", file=sys.stderr)
        sys.exit(2)


def told(figure):
    return f"{figure.value():.4g} ± {figure.noise:.2g}" if figure.noise is not None else \
        f"{figure.value():.4g}, measured once"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs=2, metavar="RUN", help="folder of one, or its results.json")
    one, other = (load(path) for path in parser.parse_args().runs)
    both = [key for key in one if key in other]
    verdicts = {key: noise.agree(one[key], other[key]) for key in both}
    words = {True: "agree", False: "DISAGREE", None: "noise unknown"}
    for key in both:
        print(f"{', '.join(key)}: {told(one[key])} | {told(other[key])}: {words[verdicts[key]]}")
    known = [v for v in verdicts.values() if v is not None]
    if not known:
        print("agree.py: no figure of known noise is in both: what is compared must be repeated (--repetitions)",
              file=sys.stderr)
        return 2
    apart, most = known.count(False), noise.most_by_chance(len(known))
    print(f"{len(known) - apart} of {len(known)} figures agree; {apart} do not, of which {most} may be by chance"
          f" ({len(one) + len(other) - 2 * len(both)} are in one run only, the noise of "
          f"{len(both) - len(known)} is unknown)")
    return 1 if apart > most else 0


if __name__ == "__main__":
    sys.exit(main())
