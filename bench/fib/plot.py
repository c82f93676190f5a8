#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Draws what `fib --json FILE` measured: lookups, how often Peerlane's are those of its peers, and
updates, a row for each family.

    bench/fib/plot.py FILE docs/measurements/fib.svg
"""

import argparse
import json
import statistics
from pathlib import Path

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "fib", "font.size": 8})

import matplotlib.pyplot as plt  # noqa: E402: after the choice of what it draws with
from matplotlib import ticker  # noqa: E402: likewise

GROUP_WIDTH = 0.84  # of the distance between groups of bars
OURS = ["#08306b", "#2171b5", "#6baed6"]
PEERS = ["#7f2704", "#d94801", "#fdae6b", "#fdd0a2", "#525252", "#969696"]


def colours(names):
    """Blues for Peerlane, the best one darkest; others for its peers."""
    ours = [name for name in names if name.startswith("Peerlane")]
    peers = [name for name in names if name not in ours]
    return dict(zip(reversed(ours), OURS)) | dict(zip(peers, PEERS))


def spread(values):
    return {"min": min(values), "median": statistics.median_high(values), "max": max(values)}


def bars(axes, groups, series, colour):
    """`series`: by name, a spread for each group, or None. The bar is the median, the whisker goes
    from the least to the greatest."""
    width = GROUP_WIDTH / max(len(series), 1)
    for i, (name, spreads) in enumerate(series.items()):
        places = [g + (i + 0.5) * width - GROUP_WIDTH / 2 for g in range(len(groups))]
        shown = [(x, s) for x, s in zip(places, spreads) if s]
        medians = [s["median"] for _, s in shown]
        whiskers = [[s["median"] - s["min"] for _, s in shown],
                    [s["max"] - s["median"] for _, s in shown]]
        axes.bar([x for x, _ in shown], medians, width * 0.92, label=name, color=colour[name],
                 yerr=whiskers, error_kw={"elinewidth": 0.7, "ecolor": "#222222"})
    axes.set_xticks(range(len(groups)), groups)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y", linewidth=0.3)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def legend(axes):
    axes.legend(frameon=False, fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.06), ncol=4)


def log_scale(axes):
    if not any(bar.get_height() > 0 for bar in axes.patches):
        return  # nothing was measured
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(ticker.NullLocator())
    axes.yaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))


def draw_lookups(axes, family, patterns):
    contestants = family["contestants"]
    series = {c["name"]: [c["mlookups_per_s"][p] if c["mlookups_per_s"][p]["all"] else None
                          for p in patterns] for c in contestants}
    bars(axes, patterns, series, colours(series))
    log_scale(axes)
    axes.set_title(f"IPv{family['family']}, {family['routes']:,} routes: million lookups a second, "
                   "one core")
    legend(axes)


def draw_ratios(axes, family, patterns):
    by_name = {c["name"]: c["mlookups_per_s"] for c in family["contestants"]}
    shown = [b for b in family["bars"] if b["ours"] in by_name and b["peer"] in by_name]
    series, aims = {}, {}
    for bar in shown:
        ours, peer = by_name[bar["ours"]], by_name[bar["peer"]]
        name = f"{bar['ours']} / {bar['peer']}"
        series[name] = [spread([a / b for a, b in zip(ours[p]["all"], peer[p]["all"])])
                        if ours[p]["all"] else None for p in patterns]
        aims[name] = [bar["ratio"][p] for p in patterns]
    palette = dict(zip(series, OURS))
    bars(axes, patterns, series, palette)
    width = GROUP_WIDTH / max(len(series), 1)
    for i, ratios in enumerate(aims.values()):
        for group, ratio in enumerate(ratios):
            left = group + i * width - GROUP_WIDTH / 2
            axes.hlines(ratio, left, left + width, colors="#cb181d", linewidth=1.5,
                        label="to reach" if i == group == 0 else None)
    axes.set_title(f"IPv{family['family']}: Peerlane over the peer, repetition by repetition")
    if series:
        legend(axes)


def draw_updates(axes, family):
    kinds = ["sorted", "shuffled", "churn", "replace"]
    series = {t["name"]: [{k: v / 1e6 for k, v in t["updates_per_s"][u].items() if k != "all"}
                          if u in t["updates_per_s"] else None for u in kinds]
              for t in family["tables"]}
    bars(axes, kinds, series, colours(series))
    log_scale(axes)
    axes.set_title(f"IPv{family['family']}: million updates a second, one core")
    legend(axes)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("json", type=Path, help="of fib --json")
    parser.add_argument("svg", type=Path, help="the figure")
    args = parser.parse_args()

    result = json.loads(args.json.read_text())
    families = result["families"]
    figure, rows = plt.subplots(len(families), 3, figsize=(18, 4.6 * len(families)), squeeze=False)
    for row, family in zip(rows, families):
        patterns = list(family["contestants"][0]["mlookups_per_s"])
        draw_lookups(row[0], family, patterns)
        draw_ratios(row[1], family, patterns)
        draw_updates(row[2], family)
    figure.text(0.01, 0.005, f"{result['cpu']}, Linux {result['kernel']}, {result['dpdk']}, "
                f"{result['date']}; median, least and greatest of "
                f"{max(len(s['all']) for s in families[0]['contestants'][0]['mlookups_per_s'].values())}"
                f" repetitions; bulks of {result['bulk']}")
    figure.tight_layout(rect=(0, 0.02, 1, 1))
    figure.savefig(args.svg, metadata={"Date": None,
                                       "Rights": "SPDX-License-Identifier: BSD-2-Clause"})


main()
