# SPDX-License-Identifier: BSD-2-Clause
"""A guest with hosts around it, and the router in it.

    host 1                         guest                         host 2
    10.0.1.2, fd00:1::2 ---- NIC 0 = pl0 | pl1 = NIC 1 ---- 10.0.2.2, fd00:2::2

NICs beyond these two have no cable: they are for tests of the way to them alone."""

import contextlib
import json
import shutil
import sys
import tempfile
from pathlib import Path

from guest import Guest, GuestError
from hosts import Host, wait_until

CONF = "/tmp/peerlaned.conf"
LOG = "/tmp/peerlaned.log"

# slub_debug: red zones and poison of every slab object; caches of their own, whose objects are counted.
# page_poison: what is freed is filled, and looked at when it is used again, whoever wrote there, a device
# too.
CAREFUL = "slub_debug=FZP page_poison=1"

IOMMU = ["-device", "intel-iommu,intremap=on"]
# A PCI device that is nothing but memory, a file of ours. It holds all packets of a plane with small rings.
BAR_MB = 32
MEMORY = ["-object", f"memory-backend-file,id=bar,size={BAR_MB}M,share=on,mem-path={{sockets}}/bar",
          "-device", "ivshmem-plain,memdev=bar"]

# This machine's files, to be read.
FILES = ["-fsdev", "local,id=files,path=/,security_model=none,readonly=on,multidevs=remap",
         "-device", "virtio-9p-pci,fsdev=files,mount_tag=files"]

GUESTS = {
    "kmod": {"kernel": "own", "append": CAREFUL, "options": MEMORY},
    "vfio": {"kernel": "own", "append": f"intel_iommu=on {CAREFUL}", "options": IOMMU},
    "newer": {"kernel": "newer", "append": f"intel_iommu=on {CAREFUL}", "options": IOMMU + MEMORY},
    # Each of its NICs is cabled to another of its own.
    "eval": {"kernel": "newer", "append": "intel_iommu=on", "options": IOMMU + FILES, "by_hand": True,
             "cables": {0: 2, 1: 3, 2: 0, 3: 1}, "memory_mb": 2048, "cpus": 3},
}
N_NICS = 6
HUGE_PAGES = 64
MEMORY_MB = 1024


class World:
    def __init__(self, name, manifest, image, folder, append=""):
        self.name = name
        self.backend = None  # by which devices are bound now
        self.iommu = "intel-iommu" in " ".join(GUESTS[name]["options"])
        self.how = None  # the router was started last
        self.expected = None  # what the check that runs has the kernel complain about
        self.skipped = []  # of its parts those that could not be, and why
        self.folder = folder / name
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.cleanup = contextlib.ExitStack()
        self.daemon = None
        try:
            # Paths of sockets must be short.
            sockets = Path(self.cleanup.enter_context(
                tempfile.TemporaryDirectory(prefix="peerlane-vm-")))
            settings = GUESTS[name]
            cables = settings.get("cables")
            self.hosts = []
            for number in () if cables else (1, 2):
                host = Host(number, sockets, name)
                self.cleanup.callback(host.close)
                self.hosts.append(host)
            nics = [(sockets / f"nic{i}", sockets / (f"nic{cables[i]}" if cables else f"host{i + 1}"))
                    for i in cables or range(N_NICS)]
            self.n_nics = len(nics)
            self.bar = sockets / "bar"  # the memory of the device that is nothing else
            self.guest = self.cleanup.enter_context(
                Guest(manifest, image, self.folder, sockets, nics, settings.get("memory_mb", MEMORY_MB),
                      append=f"{settings['append']} {append}", options=[option.format(sockets=sockets)
                               for option in settings["options"]], cpus=settings.get("cpus", 2)))
            self.guest.wait_ready()
            self.guest.run(f"echo {HUGE_PAGES} >/proc/sys/vm/nr_hugepages")
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.cleanup.close()

    def execute(self, command, timeout_s):
        result = self.guest.run(command, timeout_s, check=False)
        sys.stdout.write(result.output)
        if result.status:
            sys.stdout.write(self.guest.run("dmesg | tail -40").output)
        return result.status

    def shell(self):
        """Lines from the standard input, each a command."""
        for line in sys.stdin:
            result = self.guest.run(line, check=False)
            print(result.output, end="")
            print(f"[{result.status}] ", end="", flush=True)
        return 0

    def load(self, *modules):
        self.guest.run("sh /tests/load.sh " + " ".join(modules))

    def in_memory(self, data):
        """Whether these bytes lie anywhere in the guest's main memory; not, if over the edge of a piece."""
        piece, path = 64 << 20, self.bar.with_name("piece")
        try:
            for at in range(0, MEMORY_MB << 20, piece):
                self.guest.qmp("pmemsave", val=at, size=piece, filename=str(path))
                if data in path.read_bytes():
                    return True
            return False
        finally:
            path.unlink(missing_ok=True)

    def kernel_log(self):
        return self.guest.output("dmesg").splitlines()

    # The router in the guest.

    def start(self, devices, planes=2, router="", by=""):
        """Starts the daemon with these as pl0, pl1, ..., and waits until it answers. `router`: lines of its
        section; `by`: a command that runs it."""
        self.how = (devices, planes, router, by)
        self.again()

    def again(self, more="", timeout_s=60):
        """Starts it as it was started last. `more`: sections."""
        command = self.command(*self.how, more)
        self.daemon = int(self.guest.output(f"{command} >>{LOG} 2>&1 </dev/null & echo $!"))
        wait_until(self.answers, lambda: f"peerlaned answers; its log:\n{self.log()}", timeout_s,
                   every_s=0.2)

    def refused(self, devices, planes=2, router="", by=""):
        """What it says when it does not start like this."""
        result = self.guest.run(f"timeout 30 {self.command(devices, planes, router, by)}", check=False)
        assert result.status not in (0, 124, 143), f"it has started: {result.status} {result.output}"
        return result.output

    def command(self, devices, planes, router, by, more=""):
        text = f"[Router]\nPlanes={planes}\n{router}" + "".join(
            f"[Port pl{i}]\nDevice={device}\n" for i, device in enumerate(devices)) + more
        self.guest.run(f"cat >{CONF} <<'END'\n{text}END\n")
        return f"{by} peerlaned -c {CONF}"

    def answers(self):
        if self.guest.run(f"kill -0 {self.daemon}", check=False).status:
            self.daemon = None
            raise GuestError(f"peerlaned has ended:\n{self.log()}")
        return self.guest.run("peerlane -j show ports", check=False).status == 0

    def log(self):
        return self.guest.output(f"tail -n 15 {LOG}")

    def configure(self, n=2):
        """Addresses on the TAPs; waits until hosts are reached."""
        self.guest.run("".join(
            f"ip addr replace {host.gateway4}/24 dev pl{i}; "
            f"ip addr replace {host.gateway6}/64 dev pl{i} nodad; ip link set pl{i} up; "
            for i, host in enumerate(self.hosts[:n])))
        for host in self.hosts[:n]:
            for family in (4, 6):
                wait_until(lambda h=host, f=family: h.reaches(h.gateway(f)),
                           lambda h=host, f=family:
                           f"host {h.number} reaches the router by IPv{f}; {self.log()}")

    def stop(self, signal="TERM", timeout_s=30):
        if self.daemon is None:
            return
        self.guest.run(f"kill -{signal} {self.daemon}")
        wait_until(lambda: self.guest.run(f"kill -0 {self.daemon}", check=False).status,
                   "peerlaned ends", timeout_s)
        self.daemon = None

    def show(self, *what):
        return json.loads(self.guest.output("peerlane -j show " + " ".join(what)))

    def carrier(self, device):
        link = json.loads(self.guest.output(f"ip -j link show {device}"))[0]
        return "LOWER_UP" in link["flags"]
