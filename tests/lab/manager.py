# SPDX-License-Identifier: BSD-2-Clause
"""The part of a service manager that keeps a daemon's descriptors for it: sd_notify(3)'s FDSTORE=1 and
sd_listen_fds(3), spoken with real descriptors."""

import array
import contextlib
import os
import socket
import subprocess

from lab import die_with_parent

LISTEN_FDS_START = 3


class Manager:
    def __init__(self, lab):
        self.lab = lab
        self.path = lab.folder / "manager"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.settimeout(0.1)
        self.kept = {}  # name -> descriptors, in order of coming
        self.ready = False

    def drop(self, name):
        for fd in self.kept.pop(name, []):
            os.close(fd)

    def handle(self):
        """One message, if there is one."""
        with contextlib.suppress(TimeoutError):
            text, ancillary, _, _ = self.socket.recvmsg(4096, 4096)
            fds = array.array("i", b"".join(data for _, _, data in ancillary))
            said = dict(line.split("=", 1) for line in text.decode().splitlines() if "=" in line)
            if said.get("FDSTOREREMOVE") == "1":
                self.drop(said["FDNAME"])
            if said.get("FDSTORE") == "1":
                self.kept.setdefault(said["FDNAME"], []).extend(fds)
            else:
                for fd in fds:
                    os.close(fd)
            self.ready |= said.get("READY") == "1"

    def start(self, args):
        """Starts the daemon with what is kept for it, and waits until it is ready."""
        names = [name for name, fds in self.kept.items() for _ in fds]
        # Out of the way of the numbers below.
        copies = [os.dup(fd) for fds in self.kept.values() for fd in fds]
        router = self.lab.router

        def set_up():
            die_with_parent()
            high = [os.dup2(fd, 200 + i) for i, fd in enumerate(copies)]
            for i, fd in enumerate(high):
                os.dup2(fd, LISTEN_FDS_START + i)
            os.closerange(LISTEN_FDS_START + len(high), 300)

        env = dict(os.environ, NOTIFY_SOCKET=str(self.path), LISTEN_FDS=str(len(names)),
                   LISTEN_FDNAMES=":".join(names))
        with open(router.log_path, "a") as log:
            router.daemon = subprocess.Popen(
                router.command(["bash", "-c", 'LISTEN_PID=$$ exec "$@"', "-", *args]),
                preexec_fn=set_up, close_fds=False, env=env, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log)
        for fd in copies:
            os.close(fd)
        self.ready = False
        while not self.ready:
            assert router.daemon.poll() is None, router.log()
            self.handle()

    def close(self):
        for name in list(self.kept):
            self.drop(name)
        self.socket.close()
