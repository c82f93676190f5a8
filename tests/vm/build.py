# SPDX-License-Identifier: BSD-2-Clause
"""What guests are made of, built for a kernel that was fetched: our modules, and the initramfs. That the
module builds without a warning of the compiler's (W=1) or of sparse's, and through DKMS, is a check."""

import shutil
import subprocess
from pathlib import Path

from image import Image

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
KMOD = ROOT / "kmod"


class BuildError(AssertionError):
    pass


def run(*args, **kwargs):
    done = subprocess.run([str(arg) for arg in args], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False, **kwargs)
    if done.returncode:
        raise BuildError(f"{' '.join(map(str, args))}: exit {done.returncode}\n{done.stdout[-4000:]}")
    return done.stdout


def headers(manifest):
    return f"{manifest['kernel']}/usr/src/linux-headers-{manifest['release']}"


def renew(sources, copy):
    """Brings a copy of a folder's sources up to date; whether there was anything to do."""
    copy.mkdir(parents=True, exist_ok=True)
    changed = False
    for pattern in ("*.c", "*.h", "Kbuild", "Makefile", "dkms.conf"):
        for source in sources.glob(pattern):
            target = copy / source.name
            if not target.exists() or target.read_bytes() != source.read_bytes():
                shutil.copy(source, target)
                changed = True
    return changed


def peerlane(manifest, folder):
    """Our module, every warning an error."""
    module = folder / "kmod/peerlane.ko"
    if renew(KMOD, module.parent) or not module.exists():
        run("make", "-C", module.parent, f"KDIR={headers(manifest)}", "check")
    return module


def exporters(manifest, folder):
    """The tests' own."""
    copy = folder / "exporters"
    renew(HERE, copy)
    run("make", "-C", headers(manifest), f"M={copy}", "W=1", "KCFLAGS=-Werror",
        "CONFIG_DEBUG_INFO_BTF_MODULES=", "modules")
    return [copy / "exporter.ko", copy / "barmem.ko"]


def dkms(manifest, folder):
    """Our module as DKMS installs it, in trees of its own here."""
    release, trees = manifest["release"], folder / "dkms"
    shutil.rmtree(trees, ignore_errors=True)
    for name in ("source", "tree", f"install/{release}"):
        (trees / name).mkdir(parents=True)
    # dkms add copies a folder to where sources are; what was built in place would come along.
    renew(KMOD, trees / "peerlane")
    run("dkms", "install", "--sourcetree", trees / "source", "--dkmstree", trees / "tree",
        "--installtree", trees / "install", "-k", release, "--kernelsourcedir", headers(manifest),
        "--no-depmod", trees / "peerlane")
    return trees / f"install/{release}/updates/dkms/peerlane.ko"


def image(manifest, build, folder, modules):
    made = Image(folder / "root")
    made.tools()
    made.kernel_modules(Path(manifest["kernel"]), manifest["release"])
    for module in modules:
        made.copy(module, f"modules/{module.name}")
        (made.folder / f"modules/{module.stem}.order").write_text(f"{module.stem}\n")
    for program in ("router/control/peerlaned", "cli/peerlane"):
        made.program(build / program)
    for program in sorted((build / "tests/vm").glob("vm-*")):
        if program.is_file():
            made.program(program)
    made.copy(KMOD / "60-peerlane.rules", "etc/udev/rules.d/60-peerlane.rules")
    return made.pack(folder / "initramfs")
