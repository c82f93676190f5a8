# SPDX-License-Identifier: BSD-2-Clause
"""The figures of an evaluation, out of its records."""

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "evaluation", "font.size": 8})

import matplotlib.pyplot as plt  # noqa: E402: after the choice of what it draws with
from matplotlib import ticker  # noqa: E402: likewise

from measure import PER_FRAME, line_pps  # noqa: E402: likewise
from report import Table, title  # noqa: E402: likewise

OURS = ["#08306b", "#2171b5", "#6baed6"]
PEERS = ["#7f2704", "#d94801", "#fdae6b"]


def colours(data, setups):
    ours = [key for key in setups if data["setups"][key]["mode"]]
    peers = [key for key in setups if key not in ours]
    return dict(zip(ours, OURS * 2)) | dict(zip(peers, PEERS * 2))


def lines(axes, table, name, scale):
    """A line for each set-up; its whiskers go from the least repetition to the greatest."""
    colour = colours(table.data, table.drawn)
    places = {size: at for at, size in enumerate(table.sizes)}
    for key in table.drawn:
        points = [(places[size], s) for size in table.sizes if (s := table.spread(key, size, name, scale))]
        if not points:
            continue
        middle = [s[1] for _, s in points]
        axes.errorbar([x for x, _ in points], middle, marker="o", markersize=3, linewidth=1.2,
                      linestyle="-" if key.startswith(("wire", "dut")) else "--", capsize=2,
                      yerr=[[m - s[0] for m, (_, s) in zip(middle, points)],
                            [s[2] - m for m, (_, s) in zip(middle, points)]],
                      label=title(table.data, key), color=colour[key])
    axes.set_xticks(range(len(table.sizes)), table.sizes)
    axes.set_xlabel("bytes of a frame, with FCS")
    axes.grid(linewidth=0.3)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def figure(path, text, draw):
    drawing, axes = plt.subplots(figsize=(6.4, 4))
    draw(axes)
    axes.set_title(text)
    if axes.get_yscale() == "linear":
        axes.set_ylim(bottom=0)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncol=2)
    drawing.savefig(path, bbox_inches="tight", metadata={"Date": None})
    plt.close(drawing)


def draw_figures(folder, data):
    rtt, most, safe = Table(data, "rtt"), Table(data, "highest"), Table(data, "no_drop")

    def rates(axes, table, name, words):
        lines(axes, table, name, 1e-6)
        axes.plot(range(len(table.sizes)), [line_pps(size) / 1e6 for size in table.sizes], color="#525252",
                  linewidth=0.8, linestyle=":", label="10 Gb/s line rate")
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
        axes.set_ylabel(words)

    def bits(axes):
        lines(axes, most, "received_gbps", 1)
        axes.plot(range(len(most.sizes)), [10 * size / (size + PER_FRAME) for size in most.sizes],
                  color="#525252", linewidth=0.8, linestyle=":", label="10 Gb/s line rate")
        axes.set_ylabel("received, Gb/s of frames")

    def times(axes):
        lines(axes, rtt, "rtt_mean_ms", 1)
        axes.set_ylabel("ms")

    def load(axes):
        lines(axes, most, "cpu_percent", 1)
        axes.set_ylabel("% of a core")

    if rtt.sizes:
        figure(folder / "rtt.svg", "Round-trip time: mean of 20 pings", times)
    if safe.sizes:
        figure(folder / "lossless.svg", "Without loss", lambda axes: rates(axes, safe, "no_drop_pps", "Mpps"))
    if not most.sizes:
        return
    figure(folder / "mpps.svg", "Received while the most is offered",
           lambda axes: rates(axes, most, "received_pps", "received, Mpps"))
    figure(folder / "gbps.svg", "The same in bits", bits)
    figure(folder / "cpu.svg", "CPU time of the router's own threads meanwhile", load)
