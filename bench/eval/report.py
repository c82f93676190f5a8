# SPDX-License-Identifier: BSD-2-Clause
"""The page and the figures of an evaluation, out of its records."""

import statistics

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "evaluation", "font.size": 8})

import matplotlib.pyplot as plt  # noqa: E402: after the choice of what it draws with
from matplotlib import ticker  # noqa: E402: likewise

import noise  # noqa: E402: likewise
from measure import FLOWS, LOADS, PER_FRAME, line_pps  # noqa: E402: likewise

FOREIGN_MAX = 0.1  # of a core

OURS = ["#08306b", "#2171b5", "#6baed6"]
PEERS = ["#7f2704", "#d94801", "#fdae6b"]

# What the report of 2015 says in its text, of an X520 (82599), two machines and a GPU that were real.
ORIGINAL = [
    ("Round-trip time of ping", "about 0.1 ms", "0.75 to 0.85 ms", "0.75 to 0.85 ms"),
    ("10 Gb/s line rate from frames of", "64 bytes", "512 bytes", "128 bytes"),
    ("Packet rate at 64 bytes", "14.88 Mpps (line rate)", "below line rate", "11.2 Mpps"),
    ("One way, from port to port", "not stated", "0.4 ms", "0.4 ms"),
]


class Table:
    """Figures of the records of one experiment, by set-up and frame size."""

    def __init__(self, data, experiment, **wanted):
        self.data = data
        wanted = {"flows": 1, "routes": 1} | wanted
        self.records = [r for r in data["records"] if r["experiment"] == experiment
                        and all(r.get(k) == v for k, v in wanted.items())]
        self.setups = [key for key in data["setups"] if any(r["setup"] == key for r in self.records)]
        self.drawn = [key for key in self.setups if data["setups"][key].get("planes", 1) == 1]
        self.sizes = sorted({r["frame_bytes"] for r in self.records})

    def values(self, setup, size, name):
        return [r[name] for r in self.records
                if r["setup"] == setup and r["frame_bytes"] == size and r.get(name) is not None]

    def spread(self, setup, size, name, scale=1):
        """(min, median, max), or None."""
        values = [v * scale for v in self.values(setup, size, name)]
        return (min(values), statistics.median(values), max(values)) if values else None


def title(data, key):
    about = data["setups"][key]
    return f"{about['title']}, {key.split('-')[0]}"


def colours(data, setups):
    ours = [key for key in setups if data["setups"][key]["mode"]]
    peers = [key for key in setups if key not in ours]
    return dict(zip(ours, OURS * 2)) | dict(zip(peers, PEERS * 2))


# ---- figures ----

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
    axes.legend(frameon=False, fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncol=2)
    drawing.savefig(path, bbox_inches="tight", metadata={"Date": None})
    plt.close(drawing)


def draw_figures(folder, data):
    rtt, most = Table(data, "rtt"), Table(data, "highest")

    def rates(axes):
        lines(axes, most, "received_pps", 1e-6)
        axes.plot(range(len(most.sizes)), [line_pps(size) / 1e6 for size in most.sizes], color="#525252",
                  linewidth=0.8, linestyle=":", label="10 Gb/s line rate")
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
        axes.set_ylabel("received, Mpps")

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
    if not most.sizes:
        return
    figure(folder / "mpps.svg", "Received while the most is offered", rates)
    figure(folder / "gbps.svg", "The same in bits", bits)
    figure(folder / "cpu.svg", "CPU time of the router's own threads meanwhile", load)


# ---- the page ----

def cell(spread, digits):
    if not spread:
        return "-"
    low, middle, high = spread
    if low == high:
        return f"{middle:.{digits}f}"
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def rows(table, name, scale, digits):
    out = ["| set-up | " + " | ".join(str(size) for size in table.sizes) + " |",
           "| --- |" + " ---: |" * len(table.sizes)]
    for key in table.drawn:
        cells = [cell(table.spread(key, size, name, scale), digits) for size in table.sizes]
        out.append(f"| {title(table.data, key)} | " + " | ".join(cells) + " |")
    return out


def latency_rows(data):
    out = ["| set-up | frame | load | p50 | p99 | p99.9 | lost |", "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for load in LOADS:
        table = Table(data, "latency", load_percent=load)
        for key in table.setups:
            for size in sorted({table.sizes[0], table.sizes[-1]}):
                cells = [cell(table.spread(key, size, f"latency_{p}_us", 1), 0) for p in ("p50", "p99", "p99.9")]
                lost = cell(table.spread(key, size, "loss_percent", 1), 3)
                out.append(f"| {title(data, key)} | {size} | {load} % | " + " | ".join(cells) + f" | {lost} % |")
    return out


def variants(data):
    """One flow and many, one route and a full table, at the shortest frames."""
    kinds = sorted({(r["routes"], r["flows"]) for r in data["records"] if r["experiment"] == "highest"})
    out = ["| set-up | " + " | ".join(f"{flows:,} flow{'s' * (flows > 1)}, {routes:,} route{'s' * (routes > 1)}"
                                      for routes, flows in kinds) + " |",
           "| --- |" + " ---: |" * len(kinds)]
    tables = [Table(data, "highest", flows=flows, routes=routes) for routes, flows in kinds]
    for key in data["setups"]:
        cells = [cell(t.spread(key, t.sizes[0], "received_pps", 1e-6), 2) if key in t.setups else "-"
                 for t in tables]
        out.append(f"| {title(data, key)} | " + " | ".join(cells) + " |")
    return out


def ratios(data):
    """Ours by each of the others on the same wires, of one repetition each: they take turns within it."""
    table = Table(data, "highest")
    out = ["| by | frame | least | median | greatest |", "| --- | ---: | ---: | ---: | ---: |"]
    rates = {(r["setup"], r["frame_bytes"], r["repetition"]): r["received_pps"] for r in table.records}
    ours = "veth-nic-cpu"
    peers = [key for key in table.setups if key.startswith("veth") and not data["setups"][key]["mode"]]
    for key in peers:
        for size in table.sizes:
            found = [rate / peer for (setup, at, repetition), rate in rates.items()
                     if setup == ours and at == size and (peer := rates.get((key, size, repetition)))]
            if found:
                cells = (f"{value:.2f}" for value in (min(found), statistics.median(found), max(found)))
                out.append(f"| {title(data, key)} | {size} | " + " | ".join(cells) + " |")
    return out if len(out) > 2 else []


def noise_rows(data):
    """Of a figure that was measured once, in percent."""
    figures = noise.figures(data).values()
    quantities = [q for _, _, q in noise.QUANTITIES if any(f.quantity == q for f in figures)]
    out = ["| set-up | " + " | ".join(quantities) + " |", "| --- |" + " ---: |" * len(quantities)]
    for key in data["setups"]:
        shares = [noise.relative(figures, q, key) if any((f.setup, f.quantity) == (key, q) for f in figures) else None
                  for q in quantities]
        out.append(f"| {title(data, key)} | " +
                   " | ".join("-" if share is None else f"{share:.0%}" for share in shares) + " |")
    return out


def planes_rows(told):
    """Of bench/loop, what one plane forwards and several do."""
    def spread(series, digits):
        return cell((series["min"], series["median"], series["max"]), digits)

    out = [f"| | one plane, Mpps | {told['planes']} planes, Mpps | ratio |", "| --- | ---: | ---: | ---: |"]
    for case in told["cases"]:
        out.append(f"| {case['name']} | {spread(case['one_mpps'], 1)} | {spread(case['all_mpps'], 1)} | "
                   f"{spread(case['ratio'], 2)} |")
    out.append(f"| arithmetic alone, no packets | | | {spread(told['arithmetic']['ratio'], 2)} |")
    return out


def thread_rows(data):
    """CPU time by thread, at the shortest frames; of several planes with the flows that are spread over them."""
    out = ["| set-up | CPU time of its threads, % of a core |", "| --- | --- |"]
    for key, one in data["setups"].items():
        table = Table(data, "highest", flows=1 if one.get("planes", 1) < 2 else FLOWS)
        if key not in table.setups:
            continue
        told = [r["cpu_threads"] for r in table.records
                if r["setup"] == key and r["frame_bytes"] == table.sizes[0]]
        names = sorted({name for threads in told for name in threads})
        parts = [f"{name} {statistics.median(t.get(name, 0) for t in told):.0f}" for name in names]
        out.append(f"| {title(data, key)} | {', '.join(parts) or 'none'} |")
    return out


def generator_limits(data):
    """Set-ups of which the generator was the limit at some size. A wire that is full waits for the router's NIC; a
    veth, for what the kernel does for the generator."""
    table = Table(data, "highest")
    limited = {}
    for r in table.records:
        limits = ("core",) if r["setup"].startswith("wire") else ("core", "end")
        if r["loss_percent"] < 1 and r["generator_limit"] in limits:
            limited.setdefault(r["setup"], set()).add(r["frame_bytes"])
    return [f"- {title(data, key)}: {', '.join(str(s) for s in sorted(sizes))} bytes"
            for key, sizes in limited.items()]


def disturbed(data):
    """What else had the machine's cores meanwhile."""
    foreign = [r["foreign_cpu"] for r in data["records"] if r["experiment"] == "highest"]
    bad = sum(f > FOREIGN_MAX for f in foreign)
    if not bad:
        return []
    word = "These figures are of little use." if bad > len(foreign) / 4 else ""
    return [f"Others disturbed {bad} of {len(foreign)} runs of the highest rate: they had more than "
            f"{FOREIGN_MAX:.0%} of a core, at most {max(foreign):.0%}. {word}".rstrip(), ""]


def kinds(data):
    return {key.split("-")[0] for key in data["setups"]}


def introduction(data):
    about, real = data["about"], kinds(data) == {"dut"}
    quick = "This was a quick run: short trials, few sizes; it shows that all works, and roughly how fast." \
        if data["quick"] else ""
    out = ["<!-- SPDX-License-Identifier: BSD-2-Clause -->",
           "<!-- Made by bench/eval/eval.py: not to be edited. -->", "# Evaluation", "",
           "What the report of 2015 measured in its chapter 4, on this machine. " + quick, "",
           "**What is emulated and what is real.** " + ("" if real else "No figure here is one of a NIC's or of a "
                                                        "cable's. ") +
           "The router, its driver of the NIC and the packet program are the real ones, and so is the generator.", "",
           "| set-up | emulated |", "| --- | --- |"]
    out += [f"| {title(data, key)} | {one['emulated']} |" for key, one in data["setups"].items()]
    if data.get("damaged"):
        out += ["", "**Frames came out wrong**, so that no figure of these counts:", ""]
        out += [f"- {title(data, key)}: {words}" for key, words in data["damaged"].items()]
    if data["left_out"]:
        out += ["", "Left out:", ""] + [f"- {key}: {why}" for key, why in data["left_out"].items()]
    out += ["", ("*dut* is the router on devices of this machine. The generator's ends are interfaces cabled to them, "
                 "by AF_XDP, offered 10 Gb/s, or what it can." if real else
                 "A *wire* is an emulated 82599's cable in shared memory, offered 10 Gb/s; it has no speed of its own, "
                 "so more than line rate is possible in principle. The emulator's work (DMA, registers, the queue's "
                 "choice) is done by a thread of the processor, which a NIC would do beside it. Where threads have to "
                 "share a core (*cores_used*), they take turns: each goes on until it has nothing to do, the emulator "
                 "for 30 us unless many frames wait. At the far end of *no router* is a thread that sends back what "
                 "comes: its latencies are the generator's and this machine's, which are in all others' on wires, too. "
                 "*veth* is a pair of virtual interfaces of the kernel, by AF_XDP with copies at the generator's and the "
                 "router's side, offered all the generator has."), "", "| | |", "| --- | --- |"]
    out += [f"| {key} | {value} |" for key, value in about.items()]
    return out


def line_rate_from(table, key):
    """The shortest frames from which on all are received that 10 Gb/s carry, but for one in a hundred."""
    if key not in table.setups:
        return "not measured"
    sizes = [size for size in table.sizes if table.values(key, size, "received_pps")]  # it may have failed at some
    share = {size: table.spread(key, size, "received_pps")[1] / line_pps(size) for size in sizes}
    short = [size for size in sizes if share[size] < 0.99]
    full = [size for size in sizes if not short or size > max(short)]
    return f"{full[0]} bytes" if full else f"none: {share[sizes[-1]]:.0%} at {sizes[-1]} bytes"


def original(data):
    modes = ("nic-cpu", "nic-cpu-gpu", "nic-gpu")
    rtt, most, delay = Table(data, "rtt"), Table(data, "highest"), Table(data, "latency", load_percent=50)
    kind = "dut" if kinds(data) == {"dut"} else "wire"

    def ours(table, size, name, scale, digits, unit):
        return [f"{cell(table.spread(f'{kind}-{mode}', size, name, scale), digits)} {unit}"
                if f"{kind}-{mode}" in table.setups else "not measured" for mode in modes]

    out = ["## Beside the original", "",
           "The original had two machines, 10 Gb/s NICs and a GPU, all real, and counted the blocking wait for the "
           "GPU as CPU load. " + ("What of ours is emulated the first table says." if kind == "dut" else
                                  "Ours are the *wire* set-ups: the router is the real one, its NICs are not, so it is "
                                  "a comparison of what the router's own work allows."), "",
           "| | NIC-CPU | NIC-CPU-GPU | NIC-GPU |", "| --- | --- | --- | --- |"]
    out += ["| " + " | ".join((f"{what}, original", *values)) + " |" for what, *values in ORIGINAL]
    if rtt.sizes:
        out.append(f"| Round-trip time of ping, {rtt.sizes[0]} bytes, here | " +
                   " | ".join(ours(rtt, rtt.sizes[0], "rtt_mean_ms", 1, 3, "ms")) + " |")
    if delay.sizes:
        for name, quantile in (("median", "p50"), ("99 % within", "p99")):
            out.append(f"| One way, {delay.sizes[0]} bytes, half of what passes without loss, {name}, here | " +
                       " | ".join(ours(delay, delay.sizes[0], f"latency_{quantile}_us", 1e-3, 3, "ms")) + " |")
    if most.sizes:
        out.append(f"| Packet rate at {most.sizes[0]} bytes, here | " +
                   " | ".join(ours(most, most.sizes[0], "received_pps", 1e-6, 2, "Mpps")) + " |")
    out.append("| 10 Gb/s line rate from frames of, here | " +
               " | ".join(line_rate_from(most, f"{kind}-{mode}") for mode in modes) + " |")
    if most.sizes:
        out.append(f"| CPU load at {most.sizes[0]} bytes, here | " +
                   " | ".join(ours(most, most.sizes[0], "cpu_percent", 1, 0, "%")) + " |")
        out.append("| and of what stands in for NICs and GPU | " +
                   " | ".join(ours(most, most.sizes[0], "cpu_stand_ins_percent", 1, 0, "%")) + " |")
    return out


def page(data):
    rtt, most, safe = Table(data, "rtt"), Table(data, "highest"), Table(data, "no_drop")
    limits = generator_limits(data)
    out = introduction(data)
    out += ["", "Cells are the median of the repetitions, with the least and the greatest of them where there are "
            "several; [how well they are known](#noise). All runs: [results.json](results.json), "
            "[results.csv](results.csv).", "", *disturbed(data)]
    out += original(data)
    if rtt.sizes:
        out += ["", "## Round-trip time", "", "Mean of 20 pings, in ms, as in the report." +
                (" Hosts of *wire* set-ups are at TAP interfaces, whose copying is in it." if "wire" in kinds(data)
                 else ""), "", "![](rtt.svg)", "", *rows(rtt, "rtt_mean_ms", 1, 3)]
    out += ["", "## Packet rate", "", "Received, in Mpps, while the most is offered:", "", "![](mpps.svg)", "",
            *rows(most, "received_pps", 1e-6, 2), "", "![](gbps.svg)", "",
            *(["The generator, not the router, was the limit here (less than 1 % was lost):", "", *limits, ""]
              if limits else []),
            f"Without any loss (RFC 2544, by bisection, trials of {data['about']['trial_s']} s, of which one that fails "
            "is repeated once), in Mpps. A loss by the generator, or its being too slow, counts as one by the router; "
            "where threads share a core, frames are lost whenever others keep them from it for longer than queues "
            "hold.", "",
            *rows(safe, "no_drop_pps", 1e-6, 3)]
    out += ["", "Flows and routes, received in Mpps, the shortest frames:", "", *variants(data)]
    if data.get("planes"):
        out += ["", "Planes on cores of their own, between ports in memory (`bench/loop --planes`): no NIC, no generator, no "
                "other thread. The last row is what these cores give to a computation that shares nothing: where they "
                "are threads of one core, as virtual ones may be, it is far from the number of planes.", "",
                *planes_rows(data["planes"])]
    beside = ratios(data)
    if beside:
        out += ["", "Peerlane's NIC-CPU mode by others on the same wires, ratios of what was received in the same "
                "repetition while the most was offered:", "", *beside]
    out += ["", "## CPU load", "", "CPU time of the router's own threads while the most is offered, in % of a core, over "
            "the middle third. What an emulated NIC and a GPU's stand-in take is not in it, and is among the threads "
            "below (*emulator*, *accel0*).", "", "![](cpu.svg)", "", *rows(most, "cpu_percent", 1, 0), "",
            *thread_rows(data)]
    out += ["", "## Latency under load", "", "One way, in us, from when a frame was to be sent, at shares of the "
            "rate without loss (where there was none, of half of what was received at most):", "",
            *latency_rows(data)]
    out += ["", "## Noise", "", "By how much a figure that was measured once is off, in 95 of 100 runs, as the "
            "repetitions of this run differ; a figure of two repetitions by 1.4 times less, one of n by 0.8 times the "
            "root of n less; a rate without loss at least by the resolution of its search. It is estimated of all "
            "figures of a set-up together, where those are too few of all set-ups. Dashes: nothing was repeated, so "
            "the noise is not known. What changes from day to day on a shared machine is not in it. Whether two runs "
            "agree: `bench/eval/agree.py RUN RUN`.", "", *noise_rows(data)]
    return "\n".join(out) + "\n"


def write(folder, data):
    draw_figures(folder, data)
    (folder / "README.md").write_text(page(data))
