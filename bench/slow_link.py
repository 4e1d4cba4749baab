#!/usr/bin/env python3
"""slow_link.py: several nodes of this one machine, joined by links that are really slow.

    sudo python3 bench/slow_link.py --nodes 2 --mbit 100 -- ./main -e 1 --allreduce ring

A node is a network namespace with a host name of its own. A veth pair leads from each to a bridge
in a namespace apart, and `tc tbf` limits both ends of the pair, so a node sends and receives at the
rate at the same time. mpirun runs in node 0 and starts the other nodes' daemons by `ip netns exec`.
Ranks of one node use shared memory, as on a cluster. The namespaces' counters tell the bytes on the
wire. All of it goes away at the end, after a failure and after Ctrl-C, too. Standard library alone.
"""
from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NoReturn

from running import fail, last_line, with_mpi_settings

SCRIPT = "slow_link"
NAMES = "slowlink"  # of all namespaces: slowlink-PID-0, ..., slowlink-PID-switch
DEVICE = "slow0"  # a node's end of its link
LEAST_BURST = 3200  # bytes: two packets
HEADERS = 1000  # at most, of what the kernel handles as one packet
LATENCY = "100ms"  # a packet that would wait longer is dropped


def burst(mbit: int) -> int:
    """Bytes that pass at once after a pause: as few as keep the rate, 17 KB at 1 Gbit/s. More would
    let a small message pass as if there were no limit."""
    return max(LEAST_BURST, 17 * mbit)


class NoRight(Exception):
    """Namespaces or limited links cannot be made here; the text says why."""


class LinkFailed(Exception):
    """A command of ip or tc failed, although others had not."""


def run(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise LinkFailed(f"{command[0]} cannot be run: {error.strerror}") from None
    if done.returncode != 0:
        raise LinkFailed(f"'{' '.join(command)}' failed: {last_line(done.stderr)}")
    return done.stdout


def namespaces() -> list[str]:
    return [line.split()[0] for line in run("ip", "netns", "list").split("\n") if line.strip()]


def remove(name: str) -> None:
    """A namespace with all that runs and is connected in it. What is gone already is no error."""
    with contextlib.suppress(LinkFailed):
        for process in run("ip", "netns", "pids", name).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(process), signal.SIGKILL)
    with contextlib.suppress(LinkFailed):
        run("ip", "netns", "delete", name)


def remove_left_over() -> None:
    """What a run left that was killed before it could clean up."""
    for name in namespaces():
        ours = re.fullmatch(rf"{NAMES}-(\d+)-(\d+|switch)", name)
        if ours and not Path("/proc", ours[1]).exists():
            remove(name)


class SlowLink:
    """`nodes` nodes with a link of `mbit` Mbit/s each, while a with-statement lasts. Raises
    NoRight."""

    def __init__(self, nodes: int, mbit: int) -> None:
        self.nodes, self.mbit = nodes, mbit
        self.prefix = f"{NAMES}-{os.getpid()}"
        self.folder = tempfile.TemporaryDirectory()

    def name(self, node: int) -> str:
        return f"{self.prefix}-{node}"

    @staticmethod
    def address(node: int) -> str:
        return f"10.77.0.{node + 1}"

    def __enter__(self) -> SlowLink:
        try:
            try:
                remove_left_over()
                self._add_node(f"{self.prefix}-switch")
                self._in_switch("ip", "link", "add", "bridge0", "type", "bridge")
                self._in_switch("ip", "link", "set", "bridge0", "up")
                for node in range(self.nodes):
                    self._join(node)
            except LinkFailed as error:
                raise NoRight(str(error)) from None
            self._write_agent()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # nothing may stop what takes all away
        for node in range(self.nodes):
            remove(self.name(node))
        remove(f"{self.prefix}-switch")
        self.folder.cleanup()
        end_on_signals()

    @staticmethod
    def _add_node(name: str) -> None:
        run("ip", "netns", "add", name)
        run("ip", "-n", name, "link", "set", "lo", "up")

    def _in_switch(self, *command: str) -> None:
        run("ip", "netns", "exec", f"{self.prefix}-switch", *command)

    def _join(self, node: int) -> None:
        name, port = self.name(node), f"port{node}"
        limit = ["root", "tbf", "rate", f"{self.mbit}mbit", "burst", str(burst(self.mbit)),
                 "latency", LATENCY]
        self._add_node(name)
        self._in_switch("ip", "link", "add", port, "type", "veth", "peer", "name", DEVICE,
                        "netns", name)
        self._in_switch("ip", "link", "set", port, "master", "bridge0", "up")
        self._in_switch("tc", "qdisc", "add", "dev", port, *limit)
        run("ip", "-n", name, "address", "add", f"{self.address(node)}/24", "dev", DEVICE)
        run("ip", "-n", name, "link", "set", DEVICE, "gso_max_size",
            str(burst(self.mbit) - HEADERS), "up")
        run("ip", "netns", "exec", name, "tc", "qdisc", "add", "dev", DEVICE, *limit)

    def _write_agent(self) -> None:
        """What mpirun calls in the place of ssh: AGENT ADDRESS COMMAND..."""
        self.agent = Path(self.folder.name, "enter")
        self.agent.write_text(f'#!/bin/sh\nnode=$((${{1##*.}} - 1))\nshift\n'
                              f'exec ip netns exec "{self.prefix}-$node" unshare --uts '
                              f'sh -c "hostname {NAMES}-$node && $*"\n', encoding="utf-8")
        self.agent.chmod(stat.S_IRWXU)

    def inside(self, node: int, *command: str) -> list[str]:
        """The command, in a node."""
        return ["ip", "netns", "exec", self.name(node), "unshare", "--uts", "sh", "-c",
                f'hostname {NAMES}-{node} && exec "$@"', "sh", *command]

    def mpirun(self, ranks_a_node: int, *command: str) -> list[str]:
        """The command, started on so many ranks of each node by Open MPI."""
        hosts = ",".join(f"{self.address(node)}:{ranks_a_node}" for node in range(self.nodes))
        network = f"{self.address(0).rsplit('.', 1)[0]}.0/24"
        settings = {"plm_rsh_agent": str(self.agent), "btl": "tcp,vader,self", "pml": "ob1",
                    "btl_tcp_if_include": network, "oob_tcp_if_include": network}
        mca = [word for key, value in settings.items() for word in ("--mca", key, value)]
        return self.inside(0, *with_mpi_settings(
            "mpirun", *mca, "--host", hosts, "-np", str(ranks_a_node * self.nodes), *command))

    def bytes_sent(self) -> list[int]:
        """By each node's device since it began: all packets, with their headers."""
        file = f"/sys/class/net/{DEVICE}/statistics/tx_bytes"
        return [int(run("ip", "netns", "exec", self.name(node), "cat", file))
                for node in range(self.nodes)]


def end_on_signals() -> None:
    """A signal ends the program by an exception, so that what was made is taken away."""
    def end(number: int, _: object) -> NoReturn:
        raise SystemExit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)


# ---------------------------------------------------------------------------- the program


def receive(seconds: float) -> None:
    """In node 0: prints the rate at which bytes arrive, in Mbit/s."""
    with socket.create_server((SlowLink.address(0), 7700)) as server:
        print("ready", flush=True)
        connection, _ = server.accept()
        with connection:
            connection.recv(1 << 16)
            begin, count = time.monotonic(), 0
            while time.monotonic() - begin < seconds:
                count += len(connection.recv(1 << 16))
            print(f"{8e-6 * count / (time.monotonic() - begin):.1f}", flush=True)


def send() -> None:
    """In node 1: sends until nobody receives."""
    with socket.create_connection((SlowLink.address(0), 7700)) as connection:
        with contextlib.suppress(OSError):
            while True:
                connection.sendall(bytes(1 << 16))


def measured_rate(link: SlowLink, seconds: float = 1.0) -> float:
    """Mbit/s of what arrives over the link, without headers."""
    me = [sys.executable, str(Path(__file__).resolve())]
    with subprocess.Popen(link.inside(0, *me, "--receive", str(seconds)), text=True,
                          stdout=subprocess.PIPE) as receiver:
        assert receiver.stdout is not None
        receiver.stdout.readline()
        with subprocess.Popen(link.inside(1, *me, "--send")) as sender:
            words = receiver.stdout.readline()
            sender.terminate()
    return float(words)


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        fail(SCRIPT, 2, f"{message}; see bench/slow_link.py --help")


def options() -> argparse.Namespace:
    parser = Parser(description="Runs a program of MPI on nodes with slow links, and prints how "
                                "fast they are and how many bytes went over them.")
    parser.add_argument("--nodes", type=int, default=2, choices=range(2, 17), metavar="N",
                        help="2 to 16 (2)")
    parser.add_argument("--ranks", type=int, default=1, metavar="N", help="of each node (1)")
    parser.add_argument("--mbit", type=int, default=100, choices=range(1, 10001), metavar="N",
                        help="of a link, in Mbit/s, 1 to 10000 (100)")
    parser.add_argument("--receive", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--send", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("command", nargs="*", help="the program, with its flags, behind --")
    return parser.parse_args()


def main() -> int:
    chosen = options()
    if chosen.receive:
        receive(chosen.receive)
        return 0
    if chosen.send:
        send()
        return 0
    end_on_signals()
    try:
        with SlowLink(chosen.nodes, chosen.mbit) as link:
            print(f"# {chosen.nodes} nodes, links of {chosen.mbit} Mbit/s: {measured_rate(link):.0f} "
                  "Mbit/s arrive", flush=True)
            if not chosen.command:
                return 0
            command = link.mpirun(chosen.ranks, *chosen.command)
            code = subprocess.run(command, check=False).returncode
            sent = ", ".join(f"{count:,}" for count in link.bytes_sent())
            print(f"# bytes on the wire, from each node: {sent}")
            return code
    except NoRight as reason:
        print(f"skipped: no slow links here: {reason}; run it as root, with iproute2 installed")
        return 0
    except LinkFailed as error:
        fail(SCRIPT, 3, str(error))


if __name__ == "__main__":
    sys.exit(main())
