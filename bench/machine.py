"""machine.py: what measurements belong to: a name for the machine, and a description of it.

Results of different machines must not overwrite each other, so each goes to bench/results/NAME/,
where NAME comes from the processor. The description is what a reader needs to judge a number: the
processor, the system, MPI, the compiler and the commit that was measured. Standard library alone.
"""
from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Cloud machines often hide the product ("Intel(R) Xeon(R) Processor"); the model number does not.
INTEL_FAMILY_6 = {
    79: "broadwell",
    85: "skylake",
    106: "ice-lake",
    143: "sapphire-rapids",
    173: "granite-rapids",
    207: "emerald-rapids",
}


def first_line(*command: str) -> str:
    """The first line that a command prints, or "" where it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, cwd=ROOT)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip().split("\n")[0] if done.returncode == 0 else ""


def cpu_fields() -> dict[str, str]:
    """The first processor of /proc/cpuinfo; empty where there is no such file."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in text.split("\n\n")[0].split("\n") if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def cores() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_model() -> str:
    """The processor's own name, with its generation where the name tells none."""
    fields = cpu_fields()
    name = fields.get("model name") or platform.processor() or platform.machine()
    hides_product = not re.search(r"\d", name)
    if fields.get("cpu family") == "6" and hides_product:
        generation = INTEL_FAMILY_6.get(int(fields.get("model", "0")))
        if generation:
            name += f" ({generation.replace('-', ' ').title()})"
    return name


def machine_name() -> str:
    """A folder's name for this machine: xeon-sapphire-rapids-2-cores."""
    name = re.sub(r"\(R\)|\(TM\)|@.*", " ", cpu_model())
    name = re.sub(r"\b(Intel|AMD|CPU|Processor|\d+-Core)\b", " ", name)
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "unknown"
    count = cores()
    return f"{slug}-{count}-core{'' if count == 1 else 's'}"


def describe() -> dict[str, str]:
    """What a reader has to know beside the numbers."""
    flags = cpu_fields().get("flags", "").split()
    telling = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16")
    units = [flag for flag in telling if flag in flags]
    commit = first_line("git", "rev-parse", "--short=12", "HEAD") or "not a git clone"
    changed = first_line("git", "status", "--porcelain", "--untracked-files=no")
    return {
        "cpu": cpu_model(),
        "units": " ".join(units) or "not known",
        "cores": str(cores()),
        "kernel": f"{platform.system()} {platform.release()}",
        "mpi": first_line("mpirun", "--version") or "none",
        "compiler": first_line("mpicxx", "--version") or first_line("c++", "--version") or "none",
        "python": platform.python_version(),
        "commit": commit + (" with changes" if changed else ""),
    }


if __name__ == "__main__":
    print(machine_name())
    for key, value in describe().items():
        print(f"{key:10} {value}")
