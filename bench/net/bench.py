#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Peerlane beside the kernel, XDP and DPDK on the same pair of veth ports.

Two hosts and a router in network namespaces (tests/lab/lab.py). The first host floods from core 0,
the forwarder has core 1, the second host counts in XDP what arrives. Peers take turns, every sample
in namespaces of its own, so that whatever else the machine does meets all of them. Frame lengths
count the Ethernet header and not the FCS, which a veth does not have.

Prints tables, and with --json writes every sample. The programs are those of the build folder that
PEERLANE_BUILD names (build-release).
"""

import argparse
import contextlib
import datetime
import json
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tests/lab"))
os.environ.setdefault("PEERLANE_BUILD", str(HERE.parents[1] / "build-release"))

import lab as L  # noqa: E402: found by the path above

GENERATOR_CORE, FORWARDER_CORE = 0, 1  # the flood's core is lab.py's choice
RTT_CORES = {"other": GENERATOR_CORE, "same": FORWARDER_CORE}  # where ping is, beside the forwarder
PING_INTERVAL_S = 0.01
HZ = os.sysconf("SC_CLK_TCK")
FOREIGN_MAX = 0.1  # of a core: more makes a sample worthless
TRIES = 3  # for one that is not
HUGE_PAGES = 320  # 2 MB each: enough for either Peerlane or l3fwd


# ---- peers ----

def attach(run, interface, program):
    """A program of XDP, in the driver. `run`: Namespace.run() of where the interface is."""
    run(["ip", "link", "set", "dev", interface, "xdpdrv", "obj", program, "section", "xdp"])


def napi_threads(interface):
    told = subprocess.run(["pgrep", f"^napi/{re.escape(interface)}-[0-9]"], text=True, capture_output=True, check=False)
    return [int(thread) for thread in told.stdout.split()]


class Peer:
    """A forwarder between eth1 and eth2 of the router's namespace."""

    name = ""
    process = None

    def why_not(self, _build):
        """A reason not to run, or None."""
        return None

    def start(self, lab):
        raise NotImplementedError

    def gateway_mac(self, lab, number):
        return lab.router.mac(f"eth{number}")

    def stop(self, lab):
        pass


class Peerlane(Peer):
    def __init__(self, name, options=()):
        self.name, self.options = name, options

    def start(self, lab):
        lab.start(options=["--cores", FORWARDER_CORE, *self.options])
        self.process = lab.router.daemon

    def gateway_mac(self, lab, number):
        return lab.router.mac(f"pl{number - 1}")

    def stop(self, lab):
        lab.router.stop()


class Kernel(Peer):
    """The kernel's own forwarding. Without threads its work is done in the softirq of whoever sends:
    on the generator's core."""

    def __init__(self, name, threaded):
        self.name, self.threaded = name, threaded

    def start(self, lab):
        router = lab.router
        router.sysctl("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        for host in lab.hosts:
            device = f"eth{host.number}"
            router.sysctl(f"net.ipv6.conf.{device}.disable_ipv6=0")
            router.ip(f"addr add {host.gateway4}/24 dev {device}")
            router.ip(f"addr add {host.gateway6}/64 dev {device} nodad")
            router.ip(f"neigh replace {host.v4} lladdr {host.mac()} dev {device}")
            router.ip(f"neigh replace {host.v6} lladdr {host.mac()} dev {device}")
            self.attach(router, device)
            if self.threaded:
                self.pin_napi(router, device)

    def attach(self, router, device):
        router.run(["ethtool", "-K", device, "gro", "on"])  # gives it NAPI

    def pin_napi(self, router, device):
        router.run(["sh", "-c", f"echo 1 > /sys/class/net/{device}/threaded"])
        threads = napi_threads(device)
        assert threads, f"{device} has no NAPI"
        for thread in threads:
            os.sched_setaffinity(thread, {FORWARDER_CORE})


class XdpFib(Kernel):
    """XDP with bpf_fib_lookup(): the kernel's tables, no sk_buff."""

    def attach(self, router, device):
        attach(router.run, device, self.object)

    def why_not(self, build):
        self.object = build / "bench/net/fib.bpf.o"
        return None


class L3fwd(Peer):
    """DPDK's l3fwd over net_af_xdp."""

    name = "DPDK l3fwd"

    def why_not(self, build):
        if subprocess.run(["pkg-config", "--exists", "libdpdk"], check=False).returncode:
            return "DPDK is not installed (libdpdk-dev, dpdk-doc)"
        done = subprocess.run([HERE / "build-l3fwd", build / "l3fwd"], text=True,
                              capture_output=True, check=False)
        self.program = build / "l3fwd/l3fwd/build/l3fwd-shared"
        return None if done.returncode == 0 else "did not build: " + done.stderr[-300:]

    def start(self, lab):
        rules4, rules6 = lab.folder / "v4.cfg", lab.folder / "v6.cfg"
        rules4.write_text("".join(f"R10.0.{h.number}.0/24 {h.number - 1}\n" for h in lab.hosts))
        rules6.write_text("".join(f"Rfd00:{h.number:04x}:0000:0000:0000:0000:0000:0000/64 "
                                  f"{h.number - 1}\n" for h in lab.hosts))
        # `ip netns exec` hides these mounts and gives us a mount namespace to make our own in.
        mounts = ('mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf; mkdir -p '
                  '/dev/hugepages; mount -t hugetlbfs none /dev/hugepages; exec "$@"')
        args = ["sh", "-c", mounts, "sh", self.program, "-l", FORWARDER_CORE, "--no-pci",
                "--in-memory", "--no-telemetry"]
        for host in lab.hosts:
            args += ["--vdev", f"net_af_xdp{host.number - 1},iface=eth{host.number}"]
        args += ["--", "-p", "0x3", "-P", f"--config=(0,0,{FORWARDER_CORE}),(1,0,{FORWARDER_CORE})",
                 "--lookup=lpm", f"--rule_ipv4={rules4}", f"--rule_ipv6={rules6}", "--parse-ptype",
                 "--no-numa"]
        for host in lab.hosts:
            args.append(f"--eth-dest={host.number - 1},{host.mac()}")
        log = lab.folder / "l3fwd.log"
        with open(log, "w") as out:
            self.process = lab.popen(lab.router, [str(a) for a in args], stdout=out, stderr=out,
                                     stdin=subprocess.DEVNULL)

        def forwards():
            if self.process.poll() is not None:
                raise AssertionError("l3fwd ended:\n" + log.read_text()[-2000:])
            return "entering main loop" in log.read_text()

        L.wait_until(forwards, "l3fwd in its main loop", 30)

    def stop(self, lab):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


PEERS = {
    "peerlane": Peerlane("Peerlane"),
    "peerlane-busy": Peerlane("Peerlane, busy poll", ["--busy-poll"]),
    "l3fwd": L3fwd(),
    "kernel": Kernel("kernel", threaded=False),
    "kernel-threaded": Kernel("kernel, NAPI thread", threaded=True),
    "xdp": XdpFib("XDP fib_lookup", threaded=False),
    "xdp-threaded": XdpFib("XDP fib_lookup, NAPI thread", threaded=True),
}


# ---- measuring ----

def core_times():
    """Per core: (busy, all) in clock ticks."""
    times = {}
    for line in Path("/proc/stat").read_text().splitlines():
        if re.match(r"cpu\d", line):
            name, *fields = line.split()
            ticks = [int(f) for f in fields[:8]]
            times[int(name[3:])] = (sum(ticks) - ticks[3] - ticks[4], sum(ticks))
    return times


def process_ticks(process):
    """User and system time of a process with all its threads."""
    if not process:
        return 0
    stat = Path(f"/proc/{process.pid}/stat").read_text()
    fields = stat[stat.rindex(")") + 2:].split()
    return int(fields[11]) + int(fields[12])


def foreign_ticks(ours):
    """{pid: CPU time} of all processes that have no part in the measurement. Kernel threads do: softirqs and
    NAPI run in them."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # ended meanwhile
            text = stat.read_text()
            fields = text[text.rindex(")") + 2:].split()
            pid, kernel_thread = int(text.split()[0]), int(fields[6]) & 0x00200000  # PF_KTHREAD
            if not kernel_thread and pid not in ours:
                found[pid] = int(fields[11]) + int(fields[12])
    return found


def foreign_since(before, ours):
    """What they had since then. What has ended meanwhile is not known."""
    return sum(ticks - before.get(pid, 0) for pid, ticks in foreign_ticks(ours).items())


def wait_idle(limit_s=5):
    """True once the machine has been 90 % idle for a moment; False if that does not come."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        before = core_times()
        time.sleep(0.3)
        after = core_times()
        busy = sum(after[c][0] - before[c][0] for c in after)
        if busy < 0.1 * sum(after[c][1] - before[c][1] for c in after):
            return True
    return False


def prepare_hosts(lab, peer):
    """Static neighbours, since l3fwd answers no ARP, and NAPI, without which a veth takes no frame
    that was redirected to it."""
    for host in lab.hosts:
        mac = peer.gateway_mac(lab, host.number)
        host.run(["ethtool", "-K", "eth0", "gro", "on"])
        host.ip(f"neigh replace {host.gateway4} lladdr {mac} dev eth0")
        host.ip(f"neigh replace {host.gateway6} lladdr {mac} dev eth0")
    h1, h2 = lab.hosts
    for family in (4, 6):
        L.wait_until(lambda f=family: h1.reaches(h2.addr(f)), f"{peer.name} forwards IPv{family}")


def measure_rtt(lab, family, count, core):
    """Round-trip times in microseconds of a ping that stays on `core`. On the other core than the
    forwarder most of it is the time to wake a halted core; on the forwarder's own there is none to
    wake. At this interval everything sleeps between two of them, and caches grow cold."""
    h1, h2 = lab.hosts
    output = h1.run(["taskset", "-c", core, "ping", "-n", "-i", PING_INTERVAL_S, "-c", count,
                     h2.addr(family)], check=False, timeout=120).stdout
    times = [float(t) * 1000 for t in re.findall(r"time=([\d.]+)", output)]
    return {"n": len(times), "min_us": min(times), "median_us": statistics.median(times),
            "p99_us": sorted(times)[int(len(times) * 0.99) - 1], "max_us": max(times)}


def measure_rate(lab, peer, family, length, window_s):
    """Packets per second that the sink sees while the generator gives all it has."""
    h1, h2 = lab.hosts
    sink = L.Sink(lab, h2)
    command = lab.flood_command(h1, h2, family, length, seconds=int(window_s + 2),
                                gateway_mac=peer.gateway_mac(lab, 1))
    flood = lab.popen(h1, command, stdout=subprocess.PIPE, text=True)
    L.wait_until(lambda: sink.counters()["packets"] > 0, "the flood arrives", 5)
    time.sleep(0.5)  # not a wait for a state: lets caches and rings come to a steady one
    ours = {os.getpid(), flood.pid, sink.process.pid, peer.process.pid if peer.process else 0}
    foreign = foreign_ticks(ours)
    first, cores, ticks = sink.counters(), core_times(), process_ticks(peer.process)
    time.sleep(window_s)
    last, cores_end, ticks_end = sink.counters(), core_times(), process_ticks(peer.process)
    foreign = foreign_since(foreign, ours)
    flood.terminate()
    issued = json.loads(flood.communicate(timeout=30)[0])
    end = sink.settled()
    sink.close()
    took_s = last["time_s"] - first["time_s"]
    received = (last["packets"] - first["packets"]) / took_s
    offered = issued["sent"] / issued["seconds"]
    return {
        "length": length,
        "received_pps": received,
        "offered_pps": offered,
        "generator_limits": received > 0.98 * offered,
        "late": end["late"], "repeated": end["repeated"],
        "process_cpu": (ticks_end - ticks) / HZ / took_s,
        "foreign_cpu": foreign / HZ / took_s,
        "core_busy": {core: (cores_end[core][0] - cores[core][0]) /
                      max(1, cores_end[core][1] - cores[core][1]) for core in cores},
    }


def measure_undisturbed(lab, peer, args, length):
    """A rate during which others kept off the machine; the least disturbed if none is to be had."""
    if args.quick:
        return measure_rate(lab, peer, args.family, length, args.window)
    tries = []
    for _ in range(TRIES):
        wait_idle()
        tries.append(measure_rate(lab, peer, args.family, length, args.window))
        if tries[-1]["foreign_cpu"] <= FOREIGN_MAX:
            break
    return min(tries, key=lambda rate: rate["foreign_cpu"])


def sample(peer, args):
    """One turn of one peer: round-trip times, then a flood of every length."""
    with L.Lab() as lab:
        peer.start(lab)
        prepare_hosts(lab, peer)
        if not args.quick:
            wait_idle()
        result = {"peer": peer.name,
                  "rtt": {where: measure_rtt(lab, args.family, args.pings, core)
                          for where, core in RTT_CORES.items()},
                  "rates": [measure_undisturbed(lab, peer, args, length)
                            for length in args.lengths]}
        peer.stop(lab)
        peer.process = None
    return result


# ---- the report ----

def machine():
    cpu = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())

    def version(*command):
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            return subprocess.run(command, text=True, capture_output=True, check=True,
                                  cwd=HERE).stdout.strip()
        return "not there"

    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "cpu": cpu.group(1) if cpu else platform.processor(), "cores": os.cpu_count(),
        "kernel": platform.release(),
        "huge_pages_2m": int(Path("/proc/sys/vm/nr_hugepages").read_text()),
        "peerlane": version("git", "describe", "--always", "--dirty", "--tags"),
        "dpdk": version("pkg-config", "--modversion", "libdpdk"),
        "libxdp": version("pkg-config", "--modversion", "libxdp"),
    }


def spread(values, digits):
    return f"{min(values):.{digits}f} / {statistics.median(values):.{digits}f} / " \
           f"{max(values):.{digits}f}"


def ratios(samples, base, other, value):
    """`base` over `other`, repetition by repetition."""
    pairs = zip([value(s) for s in samples if s["peer"] == base],
                [value(s) for s in samples if s["peer"] == other])
    return [a / b for a, b in pairs if b]


def print_table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip())
    print()


def report_rates(samples, names, length):
    print(f"{length}-byte frames, one flow; min / median / max")
    rows = [["forwarder", "received Mpps", "offered", "its process", "core 0", "core 1",
             f"{names[0]} is", ""]]
    for name in names:
        mine = [r for s in samples if s["peer"] == name for r in s["rates"]
                if r["length"] == length]
        ratio = ratios(samples, names[0], name, lambda s: next(
            r["received_pps"] for r in s["rates"] if r["length"] == length))
        percent = [f"{100 * statistics.median(values):.0f} %" for values in (
            [r["process_cpu"] for r in mine], [r["core_busy"][0] for r in mine],
            [r["core_busy"][1] for r in mine])]
        limited = sum(r["generator_limits"] for r in mine)
        disorder = sum(r["late"] + r["repeated"] for r in mine)
        notes = [f"generator the limit in {limited} of {len(mine)}"] if limited else []
        notes += [f"{disorder} out of order or twice"] if disorder else []
        disturbed = sum(r["foreign_cpu"] > FOREIGN_MAX for r in mine)
        notes += [f"disturbed by others in {disturbed} of {len(mine)}"] if disturbed else []
        rows.append([name, spread([r["received_pps"] / 1e6 for r in mine], 3),
                     f"{statistics.median(r['offered_pps'] for r in mine) / 1e6:.2f}", *percent,
                     f"{statistics.median(ratio):.2f} x", "; ".join(notes)])
    print_table(rows)


def report_rtt(samples, names):
    print("round-trip time of ping in us, one each 10 ms; median of each repetition: "
          "min / median / max")
    rows = [["forwarder", "ping on the other core", f"{names[0]} is", "on the forwarder's core",
             f"{names[0]} is"]]
    for name in names:
        row = [name]
        for where in RTT_CORES:
            mine = [s["rtt"][where]["median_us"] for s in samples if s["peer"] == name]
            ratio = ratios(samples, names[0], name, lambda s: s["rtt"][where]["median_us"])
            row += [spread(mine, 1), f"{statistics.median(ratio):.2f} x"]
        rows.append(row)
    print_table(rows)


@contextlib.contextmanager
def huge_pages():
    """Pages for the user-space forwarders; as many as there were, afterwards."""
    path = Path("/proc/sys/vm/nr_hugepages")
    before = path.read_text()
    path.write_text(str(max(int(before), HUGE_PAGES)))
    try:
        yield
    finally:
        path.write_text(before)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--window", type=float, default=2, help="seconds of each rate")
    parser.add_argument("--pings", type=int, default=300, help="on each core")
    parser.add_argument("--lengths", type=int, nargs="+", default=[64, 1514])
    parser.add_argument("--family", type=int, choices=[4, 6], default=4)
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--quick", action="store_true",
                        help="one short repetition: shows that all works, measures nothing")
    parser.add_argument("--json", type=Path, help="write every sample there")
    args = parser.parse_args()
    if args.quick:
        args.repetitions, args.window, args.pings = 1, 0.5, 50
    return args


def main():
    args = parse_arguments()
    if os.geteuid() != 0:
        sys.exit("bench.py: network namespaces need root")
    if os.cpu_count() < 2:
        sys.exit("bench.py: generator and forwarder need a core each; there is one")
    L.sweep()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

    chosen, samples = [], []
    for key in args.peers:
        reason = PEERS[key].why_not(L.BUILD)
        if reason:
            print(f"{PEERS[key].name}: left out: {reason}")
        else:
            chosen.append(PEERS[key])
    with huge_pages():
        about = machine()
        for repetition in range(args.repetitions):
            for peer in chosen:
                samples.append(sample(peer, args))
                print(f"{repetition + 1}/{args.repetitions} {peer.name}", file=sys.stderr)
    names = [peer.name for peer in chosen]
    print("\n".join(f"{key}: {value}" for key, value in about.items()))
    print("command:", " ".join(sys.argv), "\n")
    for length in args.lengths:
        report_rates(samples, names, length)
    report_rtt(samples, names)
    if args.json:
        args.json.write_text(json.dumps({"machine": about, "command": sys.argv,
                                         "samples": samples}, indent=1) + "\n")


if __name__ == "__main__":
    main()
