#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Whether two runs of the evaluation agree within the noise that each states (noise.py).

Prints each figure that both have. Exit status 1 if more figures disagree than do by chance; 2 if there is
nothing to compare. Figures whose noise would hide a difference of half as much again are in no verdict.
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
    if figure.noise is None:
        return f"{figure.value():.4g}, measured once"
    return f"{figure.value():.4g} ± {noise.percent(figure.noise)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs=2, metavar="RUN", help="folder of one, or its results.json")
    one, other = (load(path) for path in parser.parse_args().runs)
    both = [key for key in one if key in other]
    verdicts = {key: noise.agree(one[key], other[key]) for key in both}
    for key in both:
        print(f"{', '.join(key)}: {told(one[key])} | {told(other[key])}: {verdicts[key]}")
    found = list(verdicts.values())
    agreeing, apart, vague, unknown = (found.count(v) for v in (noise.AGREE, noise.APART, noise.VAGUE, noise.UNKNOWN))
    beside = (f"{vague} of {len(both)} are known too badly to tell; of {unknown} the noise is unknown; "
              f"{len(one) + len(other) - 2 * len(both)} are in one run only")
    if not agreeing + apart:
        print(f"agree.py: no figure is in both and known well enough: what is compared must be repeated "
              f"(--repetitions). {beside}", file=sys.stderr)
        return 2
    most = noise.most_by_chance(agreeing + apart)
    print(f"{agreeing} of {agreeing + apart} figures agree; {apart} do not, of which {most} may be by chance; {beside}")
    return 1 if apart > most else 0


if __name__ == "__main__":
    sys.exit(main())
