"""running.py: starts ./main and its peers, for the scripts that measure them.

It finds the Python that has the peers, runs commands within a time limit, and says in one line why
one failed. Standard library alone.
"""
from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import machine

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "bench" / "peers"
RUN_LIMIT_SECONDS = 180
# Programs that say in a line of their own what was wrong.
SPEAKERS = ("main:", "limits:", "onednn_mlp:")
# Peers older than these lack what the scripts in bench/peers/ use.
OLDEST = {"torch": [2, 0], "numpy": [1, 26], "scikit-learn": [1, 0]}

# A thread of OpenMP that waits looks for so many turns, then sleeps. By itself it looks for about a
# millisecond. On a busy machine, PyTorch and oneDNN on two threads were then 30 to 100 times as
# slow as with this. On a quiet one both were the same. What is set already stays.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def fail(script: str, code: int, message: str) -> NoReturn:
    print(f"{script}: {message}", file=sys.stderr)
    sys.exit(code)


class RunFailed(Exception):
    """A contender did not run; its message is one line."""


class Parser(argparse.ArgumentParser):
    """Bad use is one line and exit code 2, as of ./main."""

    def __init__(self, script: str, description: str) -> None:
        super().__init__(description=description)
        self.script = script

    def error(self, message: str) -> NoReturn:
        fail(self.script, 2, f"{message}; see bench/{self.script}.py --help")


# ---------------------------------------------------------------------------- commands


def with_mpi_settings(*command: str) -> list[str]:
    """The command in the settings that let root, and containers, use mpirun."""
    return ["sh", "-c", f'. "{ROOT}/tests/mpi_env.sh" && exec "$@"', "sh", *command]


def last_line(text: str) -> str:
    lines = [line for line in text.strip().split("\n") if line.strip()]
    return lines[-1].strip() if lines else "no message"


def run_command(command: list[str], environment: dict[str, str] | None = None) -> str:
    """What it prints; `environment` is added to this process's own."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_LIMIT_SECONDS,
                              env={**os.environ, **(environment or {})})
    except subprocess.TimeoutExpired:
        raise RunFailed(f"took more than {RUN_LIMIT_SECONDS} s") from None
    except OSError as error:
        raise RunFailed(str(error)) from None
    if done.returncode != 0:
        said = [line for line in done.stderr.split("\n") if line.startswith(SPEAKERS)]
        raise RunFailed(f"exit code {done.returncode}: "
                        f"{said[0] if said else last_line(done.stderr or done.stdout)}")
    return done.stdout


def knows(program: str, flag: str) -> bool:
    """Whether ./main has this flag."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run([program, "--help"], capture_output=True, text=True, timeout=60)
        return flag in done.stdout
    return False


# ---------------------------------------------------------------------------- peers


def installed_modules(python: str) -> dict[str, str]:
    """The versions of the peers that this Python has."""
    code = ("import importlib.metadata as m, json\nv = {}\n"
            "for n in ('torch', 'numpy', 'scikit-learn'):\n"
            "    try: v[n] = m.version(n)\n    except m.PackageNotFoundError: pass\n"
            "print(json.dumps(v))")
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=60)
        return json.loads(done.stdout) if done.returncode == 0 else {}
    except (OSError, subprocess.TimeoutExpired):
        return {}


def new_enough(versions: dict[str, str]) -> dict[str, str]:
    """Without those that are older than OLDEST, which are named."""
    kept = {}
    for name, version in versions.items():
        if [int(part) for part in re.findall(r"\d+", version)[:2]] >= OLDEST[name]:
            kept[name] = version
        else:
            print(f"# left out: {name} {version}, older than {'.'.join(map(str, OLDEST[name]))}; "
                  "make bench-peers installs a newer one", flush=True)
    return kept


def peers_python(wanted: str) -> tuple[str, dict[str, str]]:
    """The Python that has the peers, the wanted one or this, and their versions."""
    for python in (wanted, sys.executable):
        versions = new_enough(installed_modules(python))
        if "numpy" in versions:
            return python, versions
    return "", {}


def has_avx512() -> bool:
    return "avx512f" in machine.cpu_fields().get("flags", "").split()


def best_numpy_kernel(python: str, data: str) -> str:
    """The kernels of OpenBLAS that are the faster ones here; "" where it has but one choice.

    With AVX-512 it may be SkylakeX or Haswell: that differs from processor to processor. Each is
    tried three times in turns, and the best of the three counts, as the least disturbed one.
    """
    if not has_avx512():
        return ""
    best: dict[str, float] = {}
    for kernel in 3 * ("SkylakeX", "Haswell"):
        with contextlib.suppress(RunFailed):
            said = run_command([python, str(PEERS / "numpy_mlp.py"), "--hidden", "512", "--batch",
                                "256", "--seconds", "0.3", "--data", data],
                               {"BENCH_OPENBLAS_CORETYPE": kernel})
            rates = [float(rate) for rate in re.findall(r"^images/s (\d+)$", said, re.MULTILINE)]
            best[kernel] = max([best.get(kernel, 0.0), *rates])
    return max(best, key=best.__getitem__, default="")
