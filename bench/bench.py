"""bench.py: trains the same networks by ./main and by every peer that is installed, side by side.

A shape is a network and a batch size. In each round every contender trains every shape once, each
in a process of its own, one after another, in an order that moves on from round to round; so a
slow spell of the machine falls on all alike. Medians, ratios and goals are worked out in
report.py, the chart in chart.py. Standard library alone; `make bench` runs it.
"""
from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import cold_start
import machine
import report
from report import Contender, Results, Shape
from running import (PEERS, ROOT, RUN_LIMIT_SECONDS, Parser, RunFailed, best_numpy_kernel, fail,
                     has_avx512, knows, last_line, peers_python, run_command, with_mpi_settings)

IMAGES = 60000
SHAPES = [Shape((100,), 800), Shape((512,), 256), Shape((100,), 32), Shape((1024,), 1024),
          Shape((200,), 24)]  # the last is ./main's default
QUICK_SHAPES = SHAPES[:2]
# From a cold start: rounds, and the test accuracy in per cent; a trial is content with less.
COLD_ROUNDS, COLD_ACCURACY, QUICK_ACCURACY = 3, 98.0, 90.0
# After two rounds a setting below this part of its family's best is not run again: it cannot be
# the best, and the time is better spent on those that can.
HOPELESS = 0.6


# ---------------------------------------------------------------------------- options


def parse_options() -> argparse.Namespace:
    parser = Parser("bench", "Measures ./main and its peers; results to bench/results/MACHINE/")
    parser.add_argument("--main-float", default="", metavar="PATH", help="the program in float")
    parser.add_argument("--main-double", default="", metavar="PATH", help="the program in double")
    parser.add_argument("--main-no-mpi", default="", metavar="PATH",
                        help="the float program's loop without MPI")
    parser.add_argument("--limits", default="", metavar="PATH", help="measures the machine")
    parser.add_argument("--onednn", metavar="PATH", help="the peer with oneDNN",
                        default=str(ROOT / "build" / "float" / "bench" / "onednn_mlp"))
    parser.add_argument("--peers", default=str(ROOT / "build" / "peers" / "bin" / "python"),
                        metavar="PATH", help="the Python that has the peers, else python3")
    parser.add_argument("--data", default=str(ROOT / "data"), metavar="DIR", help="MNIST's folder")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="timed training in a run")
    parser.add_argument("--machine", default="", metavar="NAME", help="folder of the results")
    parser.add_argument("--results", default=str(ROOT / "bench" / "results"), metavar="DIR")
    parser.add_argument("--quick", action="store_true",
                        help="one round of two shapes, in about a minute")
    options = parser.parse_args()
    if options.rounds < 1 or not options.seconds > 0:
        parser.error("--rounds and --seconds: expected numbers above 0")
    if options.machine and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", options.machine):
        parser.error(f"--machine: expected letters, digits and -, found '{options.machine}'")
    if not (options.main_float or options.main_double):
        parser.error("nothing to measure: give --main-float or --main-double, or run make bench")
    for flag in ("main_float", "main_double", "main_no_mpi", "limits"):
        path = getattr(options, flag)
        if path and not os.access(path, os.X_OK):
            parser.error(f"--{flag.replace('_', '-')} {path}: not a program; build it first")
        setattr(options, flag, str(Path(path).resolve()) if path else "")
    if not (Path(options.data) / "train-images-idx3-ubyte.gz").exists():
        parser.error(f"--data {options.data}: no train-images-idx3-ubyte.gz there")
    if not os.access(options.onednn, os.X_OK):
        options.onednn = ""
    if options.quick:
        options.rounds = 1
        options.seconds = min(options.seconds, 0.3)
    return options


# ---------------------------------------------------------------------------- who takes part


def our_contenders(real: str, cores: int, options: argparse.Namespace) -> list[Contender]:
    ours = [Contender("1 rank x 1 thread", "ours", ranks=1, threads=1)]
    if cores > 1:
        ours += [Contender(f"1 rank x {cores} threads", "ours", ranks=1, threads=cores),
                 Contender(f"{cores} ranks x 1 thread", "ours", ranks=cores, threads=1)]
    if real == "float":
        if report.has_amx() and knows(options.main_float, "--gemm"):
            ours += [Contender(f"{c.name}, --gemm fp32", "ours", ranks=c.ranks, threads=c.threads,
                               gemm="fp32") for c in ours if c.ranks == cores or
                     c.threads == c.ranks]
        if options.main_no_mpi:
            ours.append(Contender("1 thread, build without MPI", "ours", ranks=0, threads=1))
    return ours


def peer_contenders(real: str, cores: int, versions: dict[str, str],
                    onednn: bool) -> list[Contender]:
    def peer(name: str, family: str, script: str, threads: int, *arguments: str,
             counts: bool = True) -> Contender:
        label = f"{name}, {threads} {'process' if 'ddp' in script else 'thread'}"
        return Contender(label + ("" if threads == 1 else "es" if "ddp" in script else "s"), family,
                         threads=threads, script=script, arguments=arguments, counts=counts)

    counts = sorted({1, cores})
    peers: list[Contender] = []
    if "torch" in versions:
        peers += [peer("PyTorch by hand", "PyTorch", "torch_plain.py", n) for n in counts]
        if real == "float":
            peers += [peer("PyTorch nn, eager", "PyTorch", "torch_eager.py", n) for n in counts]
            peers += [peer("PyTorch compiled", "PyTorch", "torch_compile.py", 1)]
            if cores > 1:
                peers += [peer(f"PyTorch {name}", "PyTorch", "torch_ddp.py", cores, "--style", kind)
                          for name, kind in (("DDP", "ddp"), ("flat all_reduce", "flat"))]
            if report.has_bf16_units():
                peers += [peer("PyTorch by hand, bf16 factors", "PyTorch bf16", "torch_plain.py",
                               cores, "--style", "bf16", counts=False)]
    if "numpy" in versions:
        peers += [peer("NumPy", "NumPy", "numpy_mlp.py", n) for n in counts]
    if onednn and real == "float":
        peers += [peer("C++ with oneDNN", "oneDNN", "onednn_mlp", n) for n in counts]
    if "scikit-learn" in versions and real == "float":
        peers += [peer("scikit-learn", "scikit-learn", "sklearn_mlp.py", cores)]
    return peers


def one_of_each(peers: list[Contender]) -> list[Contender]:
    """For --quick: the first setting of each script, and nothing that has to be compiled."""
    first = {c.script: c for c in reversed(peers) if c.counts and "compile" not in c.script}
    return [c for c in peers if first.get(c.script) is c]


# ---------------------------------------------------------------------------- running them


@dataclass
class Runner:
    """Runs a contender on a shape and gives its images/s."""

    options: argparse.Namespace
    python: str
    folder: Path
    server: subprocess.Popen[str] | None = None
    rates: dict[tuple[str, Shape, str], float] = field(default_factory=dict)
    says: dict[str, str] = field(default_factory=dict)  # by type: what ./main computes with

    def rate(self, real: str, shape: Shape, contender: Contender) -> float:
        run = self.ours if contender.family == "ours" else self.peer
        rate = statistics.median(run(real, shape, contender))
        self.rates[real, shape, contender.name] = rate
        return rate

    def ours(self, real: str, shape: Shape, contender: Contender) -> list[float]:
        """The first epoch warms up; so many are run that the others last about --seconds."""
        known = self.rates.get((real, shape, contender.name), 0.0)
        epochs = 1 + max(1, round(self.options.seconds * known / IMAGES))
        table = self.folder / "epochs.csv"
        table.unlink(missing_ok=True)
        program = getattr(self.options, "main_" + real) if contender.ranks else \
            self.options.main_no_mpi
        command = [program, "--device", "cpu", "--data", self.options.data, "--hidden",
                   ",".join(map(str, shape.hidden)), "--batch", str(shape.batch), "--epochs",
                   str(epochs), "--learning-rate", "0.1", "--lr-decay", "1", "--reg", "1e-4",
                   "--threads", str(contender.threads), "--csv", str(table)]
        if contender.gemm:
            command += ["--gemm", contender.gemm]
        if contender.ranks:
            # One rank with several threads has to be allowed on several cores.
            bind = "core" if contender.threads == 1 else "none"
            command = with_mpi_settings("mpirun", "-np", str(contender.ranks), "--bind-to", bind,
                                        *command)
        banner = re.search(r"^# rank 0 .*: CPU \((.*), \d+ threads?\)", run_command(command),
                           re.MULTILINE)
        if banner:
            self.says["./main, " + real] = banner[1]
        with table.open(newline="") as lines:
            rates = [float(row["images_per_second"]) for row in csv.DictReader(lines)]
        if len(rates) != epochs:
            raise RunFailed(f"{table.name} has {len(rates)} epochs instead of {epochs}")
        return rates[1:]

    def peer(self, real: str, shape: Shape, contender: Contender) -> list[float]:
        arguments = [contender.script, "--hidden", ",".join(map(str, shape.hidden)), "--batch",
                     str(shape.batch), "--type", real, "--threads", str(contender.threads),
                     "--seconds", str(self.options.seconds), "--data", self.options.data,
                     *contender.arguments]
        if contender.script.startswith("torch"):
            output = self.by_server(arguments)
        elif contender.family == "oneDNN":
            output = run_command([self.options.onednn, *arguments[1:]])
        else:
            output = run_command([self.python, str(PEERS / arguments[0]), *arguments[1:]])
        rates = [float(rate) for rate in re.findall(r"^images/s (\d+)$", output, re.MULTILINE)]
        if not rates:
            raise RunFailed("it printed no images/s: " + last_line(output))
        return rates

    def by_server(self, arguments: list[str]) -> str:
        """PyTorch takes seconds to import, so serve.py imports it once and forks for each run."""
        output = self.folder / "peer.out"
        if self.server is None:
            cache = ROOT / "build" / "bench" / "inductor"
            self.server = subprocess.Popen(
                [self.python, str(PEERS / "serve.py"), self.options.data], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                env={"TORCHINDUCTOR_CACHE_DIR": str(cache), "TORCHINDUCTOR_COMPILE_THREADS": "1",
                     **os.environ})
            if self.server.stdout.readline().strip() != "ready":
                raise RunFailed("bench/peers/serve.py did not start; run a peer by hand")
        request = json.dumps([str(output), RUN_LIMIT_SECONDS, *arguments])
        try:
            self.server.stdin.write(request + "\n")
            self.server.stdin.flush()
        except BrokenPipeError:
            raise RunFailed("bench/peers/serve.py has ended") from None
        code = self.server.stdout.readline().strip() or "none, bench/peers/serve.py has ended"
        text = output.read_text(errors="replace") if output.exists() else ""
        if code != "0":
            raise RunFailed(f"exit code {code}: {last_line(text)}")
        return text

    def limits(self) -> list[tuple[str, float, str]]:
        found = []
        for ranks in sorted({1, machine.cores()}):
            bind = "none" if ranks == 1 else "core"
            output = run_command(with_mpi_settings("mpirun", "-np", str(ranks), "--bind-to", bind,
                                                   self.options.limits))
            found += [(name, float(value), unit) for name, value, unit in
                      re.findall(r"^(\w+) ([0-9.e+-]+) (\S+)$", output, re.MULTILINE)]
        return found

    def close(self) -> None:
        if self.server is not None:
            with contextlib.suppress(BrokenPipeError):  # it has ended by itself
                self.server.stdin.close()
            self.server.wait()


# ---------------------------------------------------------------------------- the rounds


def is_hopeless(results: Results, real: str, shape: Shape, contender: Contender,
                contenders: list[Contender]) -> bool:
    """Ours are never left out, and nothing is before its second round."""
    seen = results.values(real, shape, contender)
    if contender.family == "ours" or len(seen) < 2:
        return False
    family = [c for c in contenders if c.family == contender.family]
    best = max(results.median(real, shape, c) for c in family)
    return max(seen) < HOPELESS * best


def run_round(number: int, runner: Runner, results: Results, shapes: list[Shape]) -> None:
    if runner.options.limits:
        try:
            for name, value, unit in runner.limits():
                results.add_limit(name, value, unit)
        except RunFailed as reason:
            results.note(f"limits: {reason}")
    for real, contenders in results.contenders.items():
        for shape in shapes:
            turn = number % len(contenders)
            for contender in contenders[turn:] + contenders[:turn]:
                if results.has_failed(real, contender) or \
                        is_hopeless(results, real, shape, contender, contenders):
                    continue
                try:
                    rate = runner.rate(real, shape, contender)
                    results.add(real, shape, contender, number + 1, rate)
                except RunFailed as reason:
                    results.fail(real, contender.name,
                                 f"{contender.name}, {real}, {shape}: {reason}")


def seconds_expected(results: Results, shapes: int, rounds: int, limits: bool,
                     seconds: float) -> float:
    """What one run of each kind took where this was written, with the first round's compiling."""
    one_round = 15.0 * limits
    for contenders in results.contenders.values():
        for c in contenders:
            overhead = 1.6 if c.family == "ours" else 4 if "compile" in c.script else \
                2 if "ddp" in c.script else 1.2
            one_round += shapes * (overhead + seconds)
    compiled = any("compile" in c.script for cs in results.contenders.values() for c in cs)
    return 6 + 15.0 * shapes * compiled + one_round * (rounds if rounds < 3 else 2 + 0.75 *
                                                      (rounds - 2))


def measure(options: argparse.Namespace, results: Results, python: str,
            shapes: list[Shape]) -> dict[str, str]:
    """Fills the results; what ./main says that it computes with, by type."""
    expected = seconds_expected(results, len(shapes), options.rounds, bool(options.limits),
                                options.seconds)
    print(f"# {len(shapes)} shapes, {options.rounds} rounds: about {expected / 60:.0f} min "
          f"{expected % 60:.0f} s" if expected > 60 else f"# about {expected:.0f} s", flush=True)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(options, python, Path(folder))
        try:
            for number in range(options.rounds):
                run_round(number, runner, results, shapes)
                print(f"# round {number + 1} of {options.rounds} done, "
                      f"{time.monotonic() - start:.0f} s", flush=True)
        finally:
            runner.close()
    return runner.says


def main() -> int:
    options = parse_options()
    cores = machine.cores()
    shapes = QUICK_SHAPES if options.quick else SHAPES
    python, versions = peers_python(options.peers)
    results = Results(shapes, cores)
    for real in ("float", "double"):
        if getattr(options, "main_" + real):
            peers = peer_contenders(real, cores, versions, bool(options.onednn))
            results.contenders[real] = our_contenders(real, cores, options) + \
                (one_of_each(peers) if options.quick else peers)
        else:
            results.note(f"no --main-{real}: {real} was not measured")
    if not options.onednn:
        results.note("the peer with oneDNN was not built (it needs libdnnl-dev): left out")
    if not versions:
        results.note("no peers are installed (make bench-peers installs them): ours alone")
    if "numpy" in versions:
        kernel = best_numpy_kernel(python, options.data)
        os.environ["BENCH_OPENBLAS_CORETYPE"] = kernel
        results.note(f"NumPy's OpenBLAS: {kernel or 'its own choice of kernels'}"
                     + (", the faster one of a trial" if has_avx512() else ""))
    if not options.limits:
        results.note("no --limits: what is relative to the machine's limits is left out")
    if options.quick:
        results.note("--quick: one round and one setting of each peer; its ratios prove nothing")
    load = os.getloadavg()[0]
    if load > 0.3 * cores:
        results.note(f"the machine was busy at the start (load average {load:.1f}): settings with "
                     "several threads suffer most")
    for line in results.notes:
        print(f"# {line}")
    says = measure(options, results, python, shapes)
    if options.main_float:
        rounds, accuracy = (1, QUICK_ACCURACY) if options.quick else (COLD_ROUNDS, COLD_ACCURACY)
        print(f"# from a cold start to {accuracy:g} %, {rounds} round"
              f"{'' if rounds == 1 else 's'}: up to some minutes", flush=True)
        results.cold_start, failed = cold_start.measure(options.main_float, python, versions,
                                                        options.data, rounds, accuracy)
        for line in failed:
            results.fail("float", "cold start", line)
    facts = {**machine.describe(), **says, **versions, "rounds": str(options.rounds),
             "seconds a run": str(options.seconds), "data": "MNIST, 60,000 images in memory"}
    folder = Path(options.results) / (options.machine or machine.machine_name())
    try:
        report.write_all(results, facts, folder / "quick" if options.quick else folder)
    except OSError as error:
        fail("bench", 2, f"{error.filename or 'standard output'}: cannot be written "
             f"({error.strerror}); see --results")
    return 3 if results.failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        fail("bench", 3, "interrupted; nothing was written")
