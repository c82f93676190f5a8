# SPDX-License-Identifier: BSD-2-Clause
"""The guest's initramfs: busybox, programs with the libraries they want, kernel modules, tests."""

import gzip
import os
import re
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent

# Debian's kernel modules that tests load, with those they depend on.
MODULES = ["tun", "veth", "igb", "e1000e", "vfio-pci", "vfio_iommu_type1", "udmabuf", "aer_inject",
           "virtio_pci", "9p", "9pnet_virtio", "overlay"]
TOOLS = ["dash", "ip", "ethtool", "ping", "udevadm", "setpriv"]


def shared_libraries(program):
    """Paths of what the loader loads, itself included."""
    done = subprocess.run(["ldd", program], text=True, capture_output=True, check=False)
    missing = re.findall(r"(\S+) => not found", done.stdout)
    if missing:
        raise SystemExit(f"{program}: not installed: {' '.join(missing)}")
    return re.findall(r"(/\S+) \(0x", done.stdout)


class Modules:
    """The .ko files of a kernel that was unpacked, by name."""

    def __init__(self, root):
        self.files = {}
        for path in root.rglob("*.ko*"):
            self.files[path.name.split(".ko")[0].replace("-", "_")] = path

    def content(self, name):
        path = self.files[name]
        data = path.read_bytes()
        if path.suffix == ".xz":
            data = subprocess.run(["xz", "-dc"], input=data, capture_output=True,
                                  check=True).stdout
        return data

    def order(self, name, seen=None):
        """The module's name and those it depends on, in the order of loading."""
        seen = [] if seen is None else seen
        name = name.replace("-", "_")
        if name in seen or name not in self.files:
            return seen
        found = re.search(rb"\0depends=([^\0]*)\0", self.content(name))
        for other in filter(None, found.group(1).decode().split(",") if found else []):
            self.order(other, seen)
        seen.append(name)
        return seen


class Image:
    def __init__(self, folder):
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        for name in ("bin", "modules", "tests"):
            (folder / name).mkdir(parents=True)
        self.copy(shutil.which("busybox", path="/bin:/usr/bin:/usr/sbin"), "bin/busybox")
        for name in ("init", "agent"):
            self.copy(HERE / "guest" / name, name)
        os.chmod(folder / "init", 0o755)
        for script in HERE.joinpath("guest").glob("*.sh"):
            self.copy(script, f"tests/{script.name}")

    def copy(self, source, target):
        target = self.folder / target
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
        return target

    def program(self, source, target=None):
        """A program and its libraries; debugging symbols stay behind, they are most of it."""
        source = Path(source)
        copied = self.copy(source, target or f"usr/bin/{source.name}")
        subprocess.run(["strip", copied], check=False, capture_output=True)
        for library in shared_libraries(source):
            if not (self.folder / library[1:]).exists():
                self.copy(library, library[1:])

    def tools(self):
        for name in TOOLS:
            path = shutil.which(name, path="/bin:/sbin:/usr/bin:/usr/sbin")
            if not path:
                raise SystemExit(f"not installed: {name}")
            self.program(path)
        # One program under two names (Debian).
        self.link("../../bin/udevadm", "usr/lib/systemd/systemd-udevd")

    def link(self, to, name):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(to)

    def kernel_modules(self, kernel, release):
        """Each as file NAME.ko; NAME.order has what is to be loaded for it."""
        modules = Modules(kernel / "lib/modules" / release)
        for wanted in MODULES:
            order = modules.order(wanted)
            (self.folder / f"modules/{wanted.replace('-', '_')}.order").write_text(
                "".join(f"{name}\n" for name in order))
            for name in order:
                target = self.folder / f"modules/{name}.ko"
                if not target.exists():
                    target.write_bytes(modules.content(name))

    def pack(self, target):
        with gzip.open(target, "wb", compresslevel=1) as packed:
            names = subprocess.run(["find", "."], cwd=self.folder, capture_output=True,
                                   check=True).stdout
            packed.write(subprocess.run(["cpio", "-o", "-H", "newc", "--quiet", "-R", "0:0"],
                                        cwd=self.folder, input=names, capture_output=True,
                                        check=True).stdout)
        return target
