# SPDX-License-Identifier: BSD-2-Clause
"""One virtual machine: QEMU under TCG, an agent in it that runs commands, a monitor on it.

Every wait has an end; what the guest said on its console stays in a file."""

import base64
import contextlib
import ctypes
import json
import os
import queue
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class GuestError(AssertionError):
    """The guest did not do what it was to: it is gone, hangs, or a command of its failed."""


class Result:
    def __init__(self, status, output):
        self.status, self.output = status, output


# A guest may get no processor for long, beside builds.
PATIENT = "no_timer_check rcupdate.rcu_cpu_stall_timeout=150 watchdog_thresh=60"


class Line:
    """A connection to a unix socket on which QEMU listens, read line by line by a thread."""

    def __init__(self, path, alive, on_line, timeout_s=20):
        self.socket = socket.socket(socket.AF_UNIX)
        end = time.monotonic() + timeout_s
        while True:
            try:
                self.socket.connect(str(path))
                break
            except OSError:
                if not alive() or time.monotonic() > end:
                    raise
                time.sleep(0.02)
        self.file = self.socket.makefile("rb")
        self.on_line = on_line
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        with contextlib.suppress(OSError):
            for line in self.file:
                self.on_line(line.decode(errors="replace").strip())
        self.on_line(None)

    def send(self, text):
        self.socket.sendall(text.encode() + b"\n")


def has_igb(manifest):
    done = subprocess.run([Guest.program(manifest), "-device", "igb,help"], capture_output=True,
                          env=Guest.environment(manifest), check=False)
    return done.returncode == 0


class Guest:
    """`nics` are paths of unix datagram sockets (own, peer), one igb each, in this order.

    Use as a context manager; `folder` keeps console and QEMU's messages, `sockets` is a folder for
    QEMU's."""

    def __init__(self, manifest, initramfs, folder, sockets, nics, memory_mb, append="", options=(), cpus=2):
        self.sockets = sockets
        self.release = manifest["release"]
        self.console_path = folder / "console.log"
        self.answers = {}
        self.condition = threading.Condition()
        self.ended = False
        self.next_id = 0
        self.replies = queue.Queue()
        self.process = subprocess.Popen(
            self.command(manifest, initramfs, nics, append, options, memory_mb, cpus),
            stdin=subprocess.DEVNULL, stdout=open(folder / "qemu.log", "w"),
            stderr=subprocess.STDOUT, preexec_fn=die_with_parent, env=self.environment(manifest))
        alive = lambda: self.process.poll() is None
        try:
            self.agent = Line(sockets / "agent", alive, self.on_answer)
            self.monitor = Line(sockets / "qmp", alive, self.on_reply)
            self.qmp("qmp_capabilities")
        except BaseException:
            self.close()
            raise

    @staticmethod
    def program(manifest):
        return f"{manifest['qemu'] or ''}/usr/bin/qemu-system-x86_64"

    @staticmethod
    def environment(manifest):
        root = manifest["qemu"]
        if not root:
            return None
        return dict(os.environ, QEMU_MODULE_DIR=f"{root}/usr/lib/x86_64-linux-gnu/qemu")

    # All processors take turns in one thread: with a thread for each QEMU 10 sometimes aborts
    # (iotlb_to_section) or loses timers when devices' registers come and go, as resets have it.
    def command(self, manifest, initramfs, nics, append, options, memory_mb, cpus):
        root = manifest["qemu"] or ""
        kernel = f"{manifest['kernel']}/boot/vmlinuz-{manifest['release']}"
        args = [self.program(manifest), "-accel", "tcg,thread=single", "-M", "q35",
                "-cpu", "max", "-smp", str(cpus), "-m", str(memory_mb), "-nodefaults", "-no-reboot",
                "-nographic", "-kernel", kernel, "-initrd", str(initramfs),
                "-append", f"console=ttyS0 panic=-1 loglevel=4 log_buf_len=8M {PATIENT} {append}",
                "-serial", f"file:{self.console_path}",
                "-serial", f"unix:{self.sockets}/agent,server=on,wait=off",
                "-qmp", f"unix:{self.sockets}/qmp,server=on,wait=off", *options]
        if root:
            args[1:1] = ["-L", f"{root}/usr/share/qemu", "-L", f"{root}/usr/share/seabios"]
        for i, (own, peer) in enumerate(nics):
            args += ["-netdev", f"dgram,id=n{i},local.type=unix,local.path={own},"
                     f"remote.type=unix,remote.path={peer}",
                     "-device", f"pcie-root-port,id=port{i},chassis={i},slot={i},addr={i + 4:#x}",
                     "-device", ",".join(f"{key}={value}" for key, value in self.nic(i).items())]
        return args

    @staticmethod
    def nic(i):
        return {"driver": "igb", "bus": f"port{i}", "netdev": f"n{i}", "id": f"nic{i}",
                "mac": Guest.mac(i), "romfile": ""}

    def unplug(self, i):
        self.qmp("device_del", id=f"nic{i}")

    def plug(self, i):
        self.qmp("device_add", **self.nic(i))

    def suspend(self, timeout_s=30):
        """To memory, and back when it sleeps. Returns what the guest's write said."""
        begun = self.begin("echo mem >/sys/power/state")
        end = time.monotonic() + timeout_s
        while time.monotonic() < end and self.qmp("query-status")["status"] != "suspended":
            time.sleep(0.1)
        self.qmp("system_wakeup")
        return self.finish(begun, timeout_s)

    @staticmethod
    def mac(i):
        return f"52:54:00:00:00:{i + 1:02x}"

    @staticmethod
    def address(i):
        """Where the guest finds NIC i."""
        return f"0000:{i + 1:02x}:00.0"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()

    def console(self):
        path = Path(self.console_path)
        return path.read_text(errors="replace").replace("\r", "") if path.exists() else ""

    def on_answer(self, line):
        with self.condition:
            if line is None:
                self.ended = True
            elif line.count(" ") or line.startswith("ready"):
                name, status, *output = line.split(" ")
                self.answers[name] = Result(int(status) if status.isdigit() else -1,
                                            base64.b64decode(output[0] if output else "")
                                            .decode(errors="replace"))
            self.condition.notify_all()

    def wait_answer(self, name, timeout_s, what):
        with self.condition:
            self.condition.wait_for(lambda: name in self.answers or self.ended, timeout_s)
            if name in self.answers:
                return self.answers.pop(name)
        tail = "\n".join(self.console().splitlines()[-30:])
        why = "the guest has ended" if self.ended else f"no answer in {timeout_s} s"
        raise GuestError(f"{what}: {why}; its console:\n{tail}")

    def wait_ready(self, timeout_s=120):
        self.wait_answer("ready", timeout_s, "boot")

    def begin(self, command):
        """Starts a command in the guest, returns what finish() wants."""
        self.next_id += 1
        name = str(self.next_id)
        self.agent.send(f"{name} {base64.b64encode(command.encode()).decode()}")
        return name, command

    def finish(self, begun, timeout_s=60):
        return self.wait_answer(begun[0], timeout_s, begun[1])

    def run(self, command, timeout_s=60, check=True):
        """Runs a shell command in the guest, returns its Result."""
        result = self.finish(self.begin(command), timeout_s)
        if check and result.status:
            raise GuestError(f"{command}: exit {result.status}\n{result.output}")
        return result

    def output(self, command, timeout_s=60):
        return self.run(command, timeout_s).output

    def on_reply(self, line):
        if line is None:
            self.replies.put(None)
            return
        reply = json.loads(line)
        if "return" in reply or "error" in reply:
            self.replies.put(reply)

    def qmp(self, what, **arguments):
        self.monitor.send(json.dumps({"execute": what, "arguments": arguments}))
        reply = self.replies.get(timeout=30)
        if not reply or "error" in reply:
            raise GuestError(f"{what} {arguments}: {reply}")
        return reply["return"]

    def set_link(self, i, up):
        self.qmp("set_link", name=f"nic{i}", up=up)
