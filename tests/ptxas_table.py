#!/usr/bin/env python3
"""ptxas_table.py: what every kernel costs on every architecture, from nvcc's own report.

A GEMM kernel that does not fit into registers still gives right results, only several times
slower, and without a GPU nothing else would tell. So this reads the logs of `nvcc -Xptxas -v`,
writes a table of each kernel's registers, shared memory, stack and spills, and fails where a GEMM
kernel spills more than a few registers. From the object beside each log come the threads of a block,
and with them the blocks that a multiprocessor holds and the share of its warps (occupancy.py). Of
shared memory this is what a kernel declares: persistent_kernel asks for more when it is launched.

The largest tile's 64 sums a thread and two blocks a multiprocessor leave 128 registers. On 8.0, 10.0
and 12.0 up to six numbers of some of its kernels do not fit. In the code for 8.0, four are loaded beside
the 512 multiply-adds of a slice, which costs next to nothing. So up to MOST_SPILL bytes are let through.
A chip of 7.5 copies to shared memory through registers, so two of its kernels spill up to 60 bytes; what
that costs was measured on no chip.

    tests/ptxas_table.py [--out FILE] float=LOG... double=LOG...
    tests/ptxas_table.py --self-test

Exit codes: 0 right, 1 a GEMM kernel spills more, 2 bad use or an unreadable log.
"""
from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import struct
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from occupancy import Occupancy, block_sizes, occupancy

ENTRY = re.compile(r"Compiling entry function '(\S+)' for 'sm_(\w+)'")
PROPERTIES = re.compile(r"Function properties for (\S+)")
MOST_SPILL, MOST_SPILL_OF_75 = 32, 64  # bytes
STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers")
SHARED = re.compile(r"(\d+) bytes smem")


class BadLog(Exception):
    pass


class Kernel(NamedTuple):
    name: str
    type: str
    arch: str
    registers: int
    shared: int
    stack: int
    stores: int
    loads: int
    threads: int = 0  # of a block; 0: not known

    @property
    def occupancy(self) -> Occupancy | None:
        return occupancy(self.arch, self.threads, self.registers,
                         self.shared) if self.threads else None

    @property
    def slow(self) -> bool:
        most = MOST_SPILL_OF_75 if self.arch == "75" else MOST_SPILL
        return max(self.stack, self.stores, self.loads) > most


def kernels_of(log: str, type_name: str, where: str) -> list[Kernel]:
    """The kernels of a log. After an entry's name ptxas writes its stack, then its registers; the
    properties of other functions may stand between."""
    found: list[Kernel] = []
    entry, arch, properties, stack = "", "", "", None

    def complete() -> None:
        if entry:
            raise BadLog(f"{where}: the report of {entry} for sm_{arch} is not complete; "
                         "compile again with -Xptxas -v and one log for each nvcc")

    for line in log.splitlines():
        if match := ENTRY.search(line):
            complete()
            entry, arch = match.groups()
            properties, stack = "", None
        elif match := PROPERTIES.search(line):
            properties = match[1]
        elif (match := STACK.search(line)) and entry and properties == entry:
            stack = tuple(int(group) for group in match.groups())
        elif (match := USED.search(line)) and entry and stack is not None:
            shared = SHARED.search(line)
            found.append(Kernel(entry, type_name, arch, int(match[1]),
                                int(shared[1]) if shared else 0, *stack))
            entry = ""
    complete()
    return found


def readable(names: list[str]) -> dict[str, str]:
    """Mangled names as in the source, without parameters, with a tile's numbers named."""
    if not names:
        return {}
    plain = names
    if shutil.which("c++filt"):
        plain = subprocess.run(["c++filt"], input="\n".join(names), text=True, check=True,
                               stdout=subprocess.PIPE).stdout.splitlines()
    return {name: shortened(text) for name, text in zip(names, plain)}


def shortened(text: str) -> str:
    text = text.removeprefix("void ").replace("(anonymous namespace)::", "")
    text = re.sub(r"TileShape\{(\d+), (\d+), (\d+), (\d+), (\d+), (\d+)\}",
                  r"tile \1x\2x\3 warp \4x\5 groups \6", text)
    text = re.sub(r"\((\w+)\)(\d+)", r"\1 \2", text).replace("unsigned char", "bytes")
    depth = 0
    for at, letter in enumerate(text):
        depth += {"<": 1, ">": -1}.get(letter, 0)
        if letter == "(" and depth == 0:  # the parameters begin
            return text[:at]
    return text


HEADS = ("kernel", "type", "sm", "registers", "shared", "stack", "spill st", "spill ld", "threads",
         "blocks", "warps %")


def table(kernels: list[Kernel], names: dict[str, str]) -> str:
    rows = sorted((names[k.name], k.type, int(re.sub(r"\D", "", k.arch)), k) for k in kernels)
    cells = [HEADS] + [(name, k.type, k.arch, *(str(n) for n in k[3:-1]), *in_blocks(k))
                       for name, _, _, k in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(HEADS))]
    lines = []
    for row in cells:
        left = [cell.ljust(width) for cell, width in zip(row[:2], widths)]
        right = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:])]
        lines.append("  ".join(left + right))
    return "\n".join(lines) + "\n"


def in_blocks(kernel: Kernel) -> tuple[str, str, str]:
    held = kernel.occupancy
    return (str(kernel.threads or "-"), *((str(held.blocks), str(held.percent)) if held else "--"))


def with_threads(kernels: list[Kernel], log: str) -> list[Kernel]:
    """X.o.log is the report on X.o."""
    made = Path(log.removesuffix(".log"))
    threads = block_sizes(made.read_bytes()) if made.suffix == ".o" and made.exists() else {}
    return [k._replace(threads=threads.get(k.name, 0)) for k in kernels]


def report(logs: list[str], out: Path | None) -> int:
    kernels: list[Kernel] = []
    for log in logs:
        type_name, separator, path = log.partition("=")
        if not separator or type_name not in ("float", "double"):
            raise BadLog(f"'{log}': say float=LOG or double=LOG")
        try:
            text = Path(path).read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise BadLog(f"cannot read {path}: {error.strerror}; "
                         "write it with nvcc -Xptxas -v ... 2> LOG") from error
        kernels += with_threads(kernels_of(text, type_name, path), path)
    for type_name in {log.partition("=")[0] for log in logs}:
        if not any("gemm" in k.name for k in kernels if k.type == type_name):
            raise BadLog(f"no kernel named gemm in the {type_name} logs: nothing was checked; "
                         "compile device/gpu/gemm_fma.cu with -Xptxas -v")
    names = readable(sorted({k.name for k in kernels}))
    text = table(kernels, names)
    if out is None:
        sys.stdout.write(text)
    else:
        out.write_text(text, encoding="utf-8")
    slow = [k for k in kernels if "gemm" in k.name and k.slow]
    for k in slow:
        print(f"FAIL: {names[k.name]} ({k.type}, sm_{k.arch}) has a stack frame of {k.stack} bytes "
              f"and spills {k.stores} bytes out, {k.loads} in: give its threads less to hold, or "
              "fewer threads to a block", file=sys.stderr)
    print(f"{len(kernels)} kernels, {len(slow)} GEMM kernels that spill more than a little",
          file=sys.stderr)
    return 1 if slow else 0


# ---------------------------------------------------------------------- tests of the above

GEMM = ("_ZN12_GLOBAL__N_111gemm_kernelIXtl9TileShapeLi128ELi128ELi8ELi32ELi64ELi1EEE"
        "fLb0EEEvNS_13GemmArgumentsIT0_EE")
HEAD = "_ZN12_GLOBAL__N_111head_kernelIhLi4EEEv4Headii"


def entry_log(name: str, stack: int = 0, stores: int = 0, loads: int = 0, arch: str = "90") -> str:
    return (f"ptxas info    : Compiling entry function '{name}' for 'sm_{arch}'\n"
            f"ptxas info    : Function properties for {name}\n"
            f"    {stack} bytes stack frame, {stores} bytes spill stores, {loads} bytes spill loads\n"
            "ptxas info    : Used 120 registers, used 1 barriers, 33792 bytes smem\n"
            "ptxas info    : Compile time = 228.793 ms\n")


def object_with(name: str, threads: int) -> bytes:
    """What an object holds of a kernel's machine code: a header, and two sections with their heads."""
    names = b"\0.nv.info." + name.encode() + b"\0.names\0"
    facts = struct.pack("<BBHBBH3I", 3, 0x19, 8, 4, 0x05, 12, threads, 1, 1)
    table = 64 + len(names) + len(facts)
    head = struct.pack("<4sB13xH20xQ10x3H", b"\x7fELF", 2, 190, table, 64, 2, 1)
    of_facts = struct.pack("<IIQQQQ24x", 1, 0x70000000, 0, 0, 64 + len(names), len(facts))
    of_names = struct.pack("<IIQQQQ24x", names.index(b".names"), 3, 0, 0, 64, len(names))
    return b"\x7fELF of the host" + head + names + facts + of_facts + of_names


def self_test() -> int:
    cut = "".join(entry_log(GEMM).splitlines(keepends=True)[:2])
    helper = ("ptxas info    : Function properties for _Z6helperv\n"
              "    64 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n")
    entry, rest = entry_log(GEMM).split("\n", 1)
    cases = [
        ("a clean log passes", 0, entry_log(GEMM) + entry_log(HEAD), "tile 128x128x8 warp 32x64"),
        ("a planted spill fails", 1, entry_log(GEMM, stores=36), "FAIL: gemm_kernel"),
        ("a planted reload fails", 1, entry_log(GEMM, loads=36), "spills 0 bytes out, 36 in"),
        ("a planted stack frame fails", 1, entry_log(GEMM, stack=40), "stack frame of 40 bytes"),
        ("one bad architecture of two fails", 1,
         entry_log(GEMM) + entry_log(GEMM, stores=72, arch="75"), "sm_75"),
        ("a few registers may spill", 0, entry_log(GEMM, stack=24, stores=24, loads=32), "gemm"),
        ("a kernel that is no GEMM may have a stack frame", 0,
         entry_log(GEMM) + entry_log(HEAD, stack=80), "head_kernel<bytes, 4>"),
        ("a helper's stack frame is not the kernel's", 0, f"{entry}\n{helper}{rest}", "gemm"),
        ("an empty log is refused", 2, "", "nothing was checked"),
        ("a log without a GEMM is refused", 2, entry_log(HEAD), "nothing was checked"),
        ("a cut log is refused", 2, cut, "not complete"),
        ("a log with reports mixed up is refused", 2, cut + entry_log(HEAD), "not complete"),
    ]
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "gemm.o.log"
        # 120 registers: 16 warps of 65536 / 120 / 32; 33 KiB and one more of each block's.
        log.with_suffix("").write_bytes(object_with(GEMM, 256))
        cases += [("the blocks of a kernel are told, and what they fill", 0, entry_log(GEMM),
                   "    256       2       25"),
                  ("where shared memory is less, it is fewer", 0, entry_log(GEMM, arch="75"),
                   "    256       1       25"),
                  ("a kernel that its object does not tell of has none", 0,
                   entry_log(GEMM) + entry_log(HEAD), "      -       -        -")]
        for what, code, text, word in cases:
            log.write_text(text, encoding="utf-8")
            ran = subprocess.run([sys.executable, "-B", __file__, f"float={log}"], text=True,
                                 capture_output=True, check=False)
            right = ran.returncode == code and word in ran.stdout + ran.stderr
            failed += not right
            print(f"{'OK' if right else 'FAIL'}: {what}")
            if not right:
                print(f"  wanted exit code {code} and '{word}', got {ran.returncode}:\n"
                      f"{ran.stdout}{ran.stderr}")
    return 1 if failed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--self-test", action="store_true", help="tests this script")
    parser.add_argument("--out", type=Path, help="where the table goes; standard output otherwise")
    parser.add_argument("logs", nargs="*", metavar="TYPE=LOG", help="float=LOG or double=LOG")
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test()
    if not arguments.logs:
        parser.error("no logs: say float=LOG or double=LOG")
    try:
        return report(arguments.logs, arguments.out)
    except BadLog as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
