# SPDX-License-Identifier: BSD-2-Clause
"""The page of an evaluation, and README.md's block, out of its records."""

import re
import statistics
import textwrap

import noise
from measure import FLOWS, LOADS, PER_FRAME, line_pps

# Of a README.md: <!-- docs/evaluation --> ... <!-- end -->
BLOCK = re.compile(r"(<!-- docs/evaluation -->\n)(.*?)(<!-- end -->\n)", re.DOTALL)

FOREIGN_MAX = 0.1  # of a core
DAGGER = "\u2020"
DAGGER_SAYS = (f"{DAGGER}: the generator was the limit, in one repetition at least: it was late or could send no more, "
               "and less than 1 % was lost; or, of rates without loss, trials at higher ones failed by its own losses. "
               "The router's rate may be higher.")
MODES = ("nic-cpu", "nic-cpu-gpu", "nic-gpu")

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

    def of(self, setup, size):
        return [r for r in self.records if r["setup"] == setup and r["frame_bytes"] == size]

    def values(self, setup, size, name):
        return [r[name] for r in self.of(setup, size) if r.get(name) is not None]

    def spread(self, setup, size, name, scale=1):
        """(min, median, max), or None."""
        values = [v * scale for v in self.values(setup, size, name)]
        return (min(values), statistics.median(values), max(values)) if values else None


def title(data, key):
    about = data["setups"][key]
    return f"{about['title']}, {key.split('-')[0]}"


def generator_limited(record):
    """Whether its rate is as much as the generator could, so that the router's own may be higher. A wire that is full
    waits for the router's NIC, and so does a veth for the router's queue: with those an end that took no more is not
    the generator's limit."""
    if record["experiment"] == "no_drop":
        return record.get("generator_limited", False)
    limits = ("core", "end") if record["setup"].startswith("dut") else ("core",)
    return record["experiment"] == "highest" and record["loss_percent"] < 1 and record["generator_limit"] in limits


# ---- the page ----

def cell(spread, digits):
    if not spread:
        return "-"
    low, middle, high = spread
    if low == high:
        return f"{middle:.{digits}f}"
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def rate_cell(table, key, size, name, digits):
    """In Mpps, with a dagger if in some repetition the generator was the limit. Of searches in which nothing passed,
    what the rate must be less than."""
    found = table.of(key, size)
    mark = f" {DAGGER}" if any(generator_limited(r) for r in found) else ""
    tried = [r["resolution_pps"] for r in found if r.get("no_drop_pps") == 0]
    if tried and len(tried) == len(found):
        return f"< {max(tried) / 1e6:.{digits}f}{mark}"
    return cell(table.spread(key, size, name, 1e-6), digits) + mark


def rows(table, tell):
    """`tell`: (set-up, frame size) -> the cell."""
    out = ["| set-up | " + " | ".join(str(size) for size in table.sizes) + " |",
           "| --- |" + " ---: |" * len(table.sizes)]
    for key in table.drawn:
        out.append(f"| {title(table.data, key)} | " + " | ".join(tell(key, size) for size in table.sizes) + " |")
    return out


def plain_rows(table, name, digits):
    return rows(table, lambda key, size: cell(table.spread(key, size, name), digits))


def rate_rows(table, name, digits):
    return rows(table, lambda key, size: rate_cell(table, key, size, name, digits))


def generators_loss(records):
    """What of the loss was the generator's own: percent of what was sent, or frames where it is not told how many were
    lost in all."""
    told = [r for r in records if "lost_by_generator" in r]
    if not any(r["lost_by_generator"] for r in told):
        return "0" if told else "-"
    if not all("lost" in r for r in told):
        counts = [r["lost_by_generator"] for r in told]
        return cell((min(counts), statistics.median(counts), max(counts)), 0) + " frames"
    shares = [r["loss_percent"] * min(1, r["lost_by_generator"] / max(1, r["lost"])) for r in told]
    return cell((min(shares), statistics.median(shares), max(shares)), 3) + " %"


def latency_rows(data):
    out = ["| set-up | frame | load | p50 | p99 | p99.9 | lost | of it by the generator |",
           "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for load in LOADS:
        table = Table(data, "latency", load_percent=load)
        for key in table.setups:
            for size in sorted({table.sizes[0], table.sizes[-1]}):
                cells = [cell(table.spread(key, size, f"latency_{p}_us"), 0) for p in ("p50", "p99", "p99.9")]
                lost = cell(table.spread(key, size, "loss_percent"), 3)
                out.append(f"| {title(data, key)} | {size} | {load} % | " + " | ".join(cells) +
                           f" | {lost} % | {generators_loss(table.of(key, size))} |")
    return out


def counted(n, what):
    return f"{n:,} {what}{'s' * (n > 1)}"


def variants(data, experiment, name, digits):
    """One flow and many, one route and a full table, at the shortest frames; of every set-up that has one of these."""
    kinds = sorted({(r["routes"], r["flows"]) for r in data["records"] if r["experiment"] == experiment})
    out = ["| set-up | " + " | ".join(f"{counted(flows, 'flow')}, {counted(routes, 'IPv4 route')}"
                                      for routes, flows in kinds) + " |",
           "| --- |" + " ---: |" * len(kinds)]
    tables = [Table(data, experiment, flows=flows, routes=routes) for routes, flows in kinds]
    for key in data["setups"]:
        if any(key in t.setups for t in tables):
            cells = [rate_cell(t, key, t.sizes[0], name, digits) for t in tables]
            out.append(f"| {title(data, key)} | " + " | ".join(cells) + " |")
    return out


def cables(data):
    """The kind of set-up in which others forward as well."""
    return "dut" if kinds(data) == {"dut"} else "veth"


def ratios(data):
    """Ours by each of the others on the same wires, of one repetition each: they take turns within it."""
    table = Table(data, "highest")
    out = ["| by | frame | least | median | greatest | offered to it, Mpps | offered to Peerlane, Mpps |",
           "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    received = {(r["setup"], r["frame_bytes"], r["repetition"]): r["received_pps"] for r in table.records}
    kind = cables(data)
    ours = f"{kind}-nic-cpu"
    peers = [key for key in table.setups if key.startswith(kind) and not data["setups"][key]["mode"]]
    for key in peers:
        for size in table.sizes:
            found = [one / peer for (setup, at, repetition), one in received.items()
                     if setup == ours and at == size and (peer := received.get((key, size, repetition)))]
            if found:
                cells = [f"{value:.2f}" for value in (min(found), statistics.median(found), max(found))]
                cells += [cell(table.spread(one, size, "sent_pps", 1e-6), 2) for one in (key, ours)]
                out.append(f"| {title(data, key)} | {size} | " + " | ".join(cells) + " |")
    return out if len(out) > 2 else []


def noise_rows(data):
    """Of a figure that was measured once; and how many figures are too vague for a verdict on two runs."""
    figures = noise.figures(data).values()
    quantities = [q for _, _, q in noise.QUANTITIES if any(f.quantity == q for f in figures)]
    out = ["| set-up | " + " | ".join(quantities) + " |", "| --- |" + " ---: |" * len(quantities)]
    for key in data["setups"]:
        factors = [noise.relative(figures, q, key) if any((f.setup, f.quantity) == (key, q) for f in figures) else None
                   for q in quantities]
        out.append(f"| {title(data, key)} | " +
                   " | ".join("-" if factor is None else noise.percent(factor) for factor in factors) + " |")
    of_each = [[f.vague() for f in figures if f.quantity == q and f.noise is not None] for q in quantities]
    out.append("| *figures known too badly* | " +
               " | ".join(f"{sum(vague)} of {len(vague)}" if vague else "-" for vague in of_each) + " |")
    return out


def mostly_vague(data):
    """Quantities of which more than half of the figures are known too badly to compare runs by."""
    figures = noise.figures(data).values()
    of_each = {q: [f.vague() for f in figures if f.quantity == q] for _, _, q in noise.QUANTITIES}
    return [q for q, vague in of_each.items() if sum(vague) > len(vague) / 2]


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


def setup_rows(data):
    """What is emulated in each, and who runs where if the records say so."""
    cores = any("cores" in one for one in data["setups"].values())
    out = ["| set-up | emulated |" + " cores |" * cores, "| --- | --- |" + " --- |" * cores]
    for key, one in data["setups"].items():
        out.append(f"| {title(data, key)} | {one['emulated']} |" + f" {one.get('cores', '-')} |" * cores)
    return out


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
           *setup_rows(data)]
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
                 "share a core, they take turns: each goes on until it has nothing to do, the emulator "
                 "for 30 us or, while many frames wait, until less than a quarter of a ring is left. At the far end of "
                 "*no router* is a thread that sends back what "
                 "comes: its latencies are the generator's and this machine's, which are in all others' on wires, too. "
                 "*veth* is a pair of virtual interfaces of the kernel, by AF_XDP with copies at the generator's and "
                 "the router's side, offered all the generator has."), "", "| | |", "| --- | --- |"]
    out += [f"| {key} | {value} |" for key, value in about.items()]
    return out


def line_rate_from(table, key, name):
    """The shortest frames from which on the rate is what 10 Gb/s carry, but for one in a hundred; without loss for two,
    as a trial counts in which the generator sent one in a hundred less, and so does the one that confirms it."""
    least = 0.98 if name == "no_drop_pps" else 0.99
    found = {size: table.spread(key, size, name) for size in table.sizes}
    share = {size: spread[1] / line_pps(size) for size, spread in found.items() if spread}
    if key not in table.setups:
        return "not measured"
    short = [size for size in share if share[size] < least]
    full = [size for size in share if not short or size > max(short)]
    longest = max(share)
    return f"{full[0]} bytes" if full else f"none: {share[longest]:.0%} at {longest} bytes"


def windows(data):
    """For how long, and how often, what is in the tables was measured."""
    about = data["about"]
    if "seconds" not in about:
        return ""
    often = " The shortest, the middle and the longest frames were measured " \
        f"{about['repetitions']} times, all others once." if about["repetitions"] > 1 else ""
    return (f"A rate and a CPU load here are over one window of {about['seconds']:g} s each time, the CPU load over "
            f"its middle third ({about['seconds'] / 3:.2g} s).{often}")


def original(data):
    rtt, most, delay = Table(data, "rtt"), Table(data, "highest"), Table(data, "latency", load_percent=50)
    safe, kind = Table(data, "no_drop"), "dut" if kinds(data) == {"dut"} else "wire"
    keys = [f"{kind}-{mode}" for mode in MODES]

    def ours(table, size, name, scale, digits, unit):
        return [f"{cell(table.spread(key, size, name, scale), digits)} {unit}"
                if key in table.setups else "not measured" for key in keys]

    def our_rates(table, name):
        return [f"{rate_cell(table, key, table.sizes[0], name, 2)} Mpps" if key in table.setups else "not measured"
                for key in keys]

    out = ["## Beside the original", "",
           "The original had two machines, 10 Gb/s NICs and a GPU, all real, and counted the blocking wait for the "
           "GPU as CPU load. " + ("What of ours is emulated the first table says." if kind == "dut" else
                                  "Ours are the *wire* set-ups: the router is the real one, its NICs are not, so it is "
                                  "a comparison of what the router's own work allows. The CPU load is not "
                                  "comparable: where threads take turns on one core, the router's have "
                                  "what the stand-ins leave of it, and all of them together take about 100 % always."),
           "",
           windows(data), "", "| | NIC-CPU | NIC-CPU-GPU | NIC-GPU |", "| --- | --- | --- | --- |"]
    out += ["| " + " | ".join((f"{what}, original", *values)) + " |" for what, *values in ORIGINAL]
    if rtt.sizes:
        out.append(f"| Round-trip time of ping, {rtt.sizes[0]} bytes, here | " +
                   " | ".join(ours(rtt, rtt.sizes[0], "rtt_mean_ms", 1, 3, "ms")) + " |")
    if delay.sizes:
        for name, quantile in (("median", "p50"), ("99 % within", "p99")):
            out.append(f"| One way, {delay.sizes[0]} bytes, half of what passes without loss, {name}, here | " +
                       " | ".join(ours(delay, delay.sizes[0], f"latency_{quantile}_us", 1e-3, 3, "ms")) + " |")
    if most.sizes:
        out.append(f"| Packet rate at {most.sizes[0]} bytes, received at most, here | " +
                   " | ".join(our_rates(most, "received_pps")) + " |")
    if safe.sizes:
        out.append(f"| and without loss, {safe.sizes[0]} bytes, here | " +
                   " | ".join(our_rates(safe, "no_drop_pps")) + " |")
    for words, table, name in (("10 Gb/s line rate from frames of, here (99 % received)", most, "received_pps"),
                               ("and without loss (98 %), from frames of, here", safe, "no_drop_pps")):
        out.append(f"| {words} | " + " | ".join(line_rate_from(table, key, name) for key in keys) + " |")
    if any(generator_limited(r) for r in [*most.records, *safe.records]):
        out += ["", DAGGER_SAYS]
    return out


def search(data, safe):
    """How the rates without loss were found: in words, as the records have it."""
    confirmed = [r["confirm_s"] for r in safe.records if r.get("confirm_s")]
    out = f"Without any loss (RFC 2544, by bisection, trials of {data['about']['trial_s']} s, of which one that "
    if confirmed:
        out += ("the router fails is repeated once; one that lost what the generator itself lost, or for which that "
                "was too slow, says nothing of the router and is repeated, too; the rate found is confirmed by a trial "
                f"of {max(confirmed):g} s, in steps of 5 % down until one passes; on wires the generator is no faster "
                "than the line even to catch up after a delay)")
    else:
        out += ("fails is repeated once; a loss by the generator, or its being too slow, counts as one by the router)")
    return (out + ", in Mpps. Where threads share a core, frames are lost whenever others keep them from it for longer "
            "than queues hold:")


def rates_part(data):
    most, safe = Table(data, "highest"), Table(data, "no_drop")
    out = ["", "## Packet rate", "", "Received, in Mpps, while the most is offered:", "", "![](mpps.svg)", "",
           *rate_rows(most, "received_pps", 2), "", "![](gbps.svg)", "", search(data, safe), "",
           *(["![](lossless.svg)", ""] if safe.sizes else []), *rate_rows(safe, "no_drop_pps", 3), "",
           "Flows and routes, the shortest frames: received, in Mpps, while the most is offered,", "",
           *variants(data, "highest", "received_pps", 2), "", "and without loss:", "",
           *variants(data, "no_drop", "no_drop_pps", 3)]
    if any(generator_limited(r) for r in data["records"]):
        out += ["", DAGGER_SAYS]
    return out


def beside_part(data):
    beside = ratios(data)
    if not beside:
        return []
    whose_cores = (
        "Linux and XDP forward in NAPI threads, on the core that the plane has in its turn; the kernel's part of "
        "Peerlane's receiving by AF_XDP is done where its interfaces' interrupts come (*interrupts_...* above, if "
        "they have any)."
        if cables(data) == "dut" else
        "They do not all have the same of two cores: where a program "
        "forwards by AF_XDP (Peerlane, l3fwd), the kernel's part of receiving from a veth runs in the generator's "
        "system call, on the generator's core, so that less is offered; for Linux and XDP it runs in a NAPI "
        "thread, on the forwarder's.")
    return ["", "Peerlane's NIC-CPU mode by others on the same wires, ratios of what was received in the same "
            f"repetition while the most was offered. {whose_cores}", "", *beside]


def page(data):
    rtt, most = Table(data, "rtt"), Table(data, "highest")
    out = introduction(data)
    out += ["", "Cells are the median of the repetitions, with the least and the greatest of them where there are "
            "several; [how well they are known](#noise). All runs: [results.json](results.json), "
            "[results.csv](results.csv).", "", *disturbed(data)]
    out += original(data)
    if rtt.sizes:
        out += ["", "## Round-trip time", "", "Mean of 20 pings, in ms, as in the report." +
                (" Hosts of *wire* set-ups are at TAP interfaces, whose copying is in it." if "wire" in kinds(data)
                 else ""), "", "![](rtt.svg)", "", *plain_rows(rtt, "rtt_mean_ms", 3)]
    out += rates_part(data)
    if data.get("planes"):
        out += ["", "Planes on cores of their own, between ports in memory (`bench/loop --planes`): no NIC, no "
                "generator, no other thread. The last row is what these cores give to a computation that shares "
                "nothing: where they are threads of one core, as virtual ones may be, it is far from the number of "
                "planes.", "", *planes_rows(data["planes"])]
    out += beside_part(data)
    out += ["", "## CPU load", "", "CPU time of the router's own threads while the most is offered, in % of a core, "
            "over the middle third. What an emulated NIC and a GPU's stand-in take is not in it, and is among the "
            "threads below (*emulator*, *accel0*).", "", "![](cpu.svg)", "", *plain_rows(most, "cpu_percent", 0), "",
            *thread_rows(data)]
    vague = [quantity.split(",")[0] for quantity in mostly_vague(data) if quantity.startswith("latency")]
    doubt = f" More than half of the figures of {', '.join(vague)} are [known too badly](#noise) to compare runs " \
        "or set-ups by; they say of which order it is." if vague else ""
    out += ["", "## Latency under load", "", "One way, in us, from when a frame was to be sent, at shares of the "
            "rate without loss (where there was none, of half of what was received at most). Lost is in percent of "
            "what was sent, by whomever; what of it the generator's own ends lost is beside it." + doubt, "",
            *latency_rows(data)]
    out += ["", "## Noise", "", "By how much more, or less by the same factor, a figure that was measured once may be, "
            "in 95 of 100 runs, as the repetitions of this run differ. For a figure of two repetitions its logarithm "
            "is 1.4 times less, for one of n 0.8 times the root of n; a rate without loss is off at least by the "
            "resolution of its search. It is estimated of all figures of a set-up together, where those are too few of "
            "all set-ups on cables of the same kind. Dashes: nothing was repeated, so the noise is not known. What "
            "changes from day to day on a shared machine is not in it.", "",
            "Whether two runs agree: `bench/eval/agree.py RUN RUN`. Figures that are *known too badly*, so that half "
            "as much again in another run would have to count as the same, are in no verdict, and say no more here "
            "than of which order they are.", "", *noise_rows(data)]
    return "\n".join(out) + "\n"


# ---- the block of the README.md that leads here ----

def wrapped(text):
    return textwrap.wrap(text, 120, break_long_words=False, break_on_hyphens=False)


def readme_block(data):
    """Rates of the three modes at the shortest frames, with loss and without."""
    most, safe = Table(data, "highest"), Table(data, "no_drop")
    delay = Table(data, "latency", load_percent=50)
    keys, about = [f"wire-{mode}" for mode in MODES], data["about"]
    if not most.sizes:
        return ["(No rate was measured.)"]
    size = most.sizes[0]
    where = next((data["setups"][key]["cores"] for key in keys if "cores" in data["setups"].get(key, {})),
                 about.get("cores_used", "who runs where is not told"))

    def row(what, tell, table):
        return f"| {what} | " + " | ".join(tell(key) if key in table.setups else "not measured" for key in keys) + " |"

    out = [*wrapped(f"On emulated NICs, {about['cores']} cores ({about['cpu']}; {where}), one flow of {size}-byte "
                    f"frames, of which 10 Gb/s carry {line_pps(size) / 1e6:.2f} Mpps; medians, with the least and the "
                    "greatest:"),
           "", "| | " + " | ".join(f"`{mode}`" for mode in MODES) + " |", "| --- |" + " ---: |" * len(MODES),
           row("received at most, Mpps", lambda key: rate_cell(most, key, size, "received_pps", 2), most),
           row("without loss, Mpps", lambda key: rate_cell(safe, key, size, "no_drop_pps", 2), safe),
           row("one way at half of that, median, ms",
               lambda key: cell(delay.spread(key, size, "latency_p50_us", 1e-3), 3), delay),
           row("line rate (99 % received) from frames of", lambda key: line_rate_from(most, key, "received_pps"), most),
           row("and without loss (98 %)", lambda key: line_rate_from(safe, key, "no_drop_pps"), safe)]
    if any(generator_limited(r) for t in (most, safe) for key in keys for r in t.of(key, size)):
        out += ["", *wrapped(DAGGER_SAYS)]
    return out


def with_block(text, data):
    """The README.md with its block as the data gives it. ValueError: it has none."""
    lines = "".join(line + "\n" for line in readme_block(data))
    text, n = BLOCK.subn(lambda match: match.group(1) + lines + match.group(3), text)
    if n != 1:
        raise ValueError(f"{n} blocks between <!-- docs/evaluation --> and <!-- end -->; there must be one")
    return text


# ---- files ----

def texts(folder, data, readme=None):
    """{file: what is to be in it}; `readme`: the one that leads here, if any."""
    told = {folder / "README.md": page(data)}
    if readme:
        told[readme] = with_block(readme.read_text(), data)
    return told


def differing(folder, data, readme=None):
    """The files that do not have what the data gives. Figures are not looked at: they change with what draws them."""
    return [path for path, text in texts(folder, data, readme).items()
            if not path.exists() or path.read_text() != text]


def write(folder, data, readme=None):
    import figures  # which wants matplotlib; the page does not

    figures.draw_figures(folder, data)
    for path, text in texts(folder, data, readme).items():
        path.write_text(text)
