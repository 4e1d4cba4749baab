"""occupancy.py: how many blocks of a kernel a GPU's multiprocessor holds, from what nvcc made of it.

ptxas says how many registers and how much shared memory a kernel takes, but not how many threads its
blocks have. That is its __launch_bounds__, which stands in the machine code within the object. The
limits of a multiprocessor are those of the CUDA programming guide.
"""
from __future__ import annotations

import struct
from typing import NamedTuple

REGISTERS, REGISTERS_AT_A_TIME, WARP, QUARTERS = 65536, 256, 32, 4


class Multiprocessor(NamedTuple):
    """What one holds at most. Of shared memory, CUDA keeps `reserved` bytes a block."""

    warps: int
    blocks: int
    shared: int
    reserved: int
    shared_at_a_time: int = 128


MULTIPROCESSORS = {"75": Multiprocessor(32, 16, 64 << 10, 0, 256),
                   "80": Multiprocessor(64, 32, 164 << 10, 1024),
                   "86": Multiprocessor(48, 16, 100 << 10, 1024),
                   "89": Multiprocessor(48, 24, 100 << 10, 1024),
                   "90": Multiprocessor(64, 32, 228 << 10, 1024),
                   "100": Multiprocessor(64, 32, 228 << 10, 1024),
                   "120": Multiprocessor(48, 24, 100 << 10, 1024)}


class Occupancy(NamedTuple):
    blocks: int  # a multiprocessor
    percent: int  # of the warps that it can hold


def rounded_up(value: int, step: int) -> int:
    return -(-value // step) * step


def occupancy(arch: str, threads: int, registers: int, shared: int) -> Occupancy | None:
    """None for an architecture that is not in the table. A quarter of a multiprocessor has a quarter
    of its registers, which it gives to whole warps."""
    most = MULTIPROCESSORS.get(arch)
    if most is None:
        return None
    warps = rounded_up(threads, WARP) // WARP
    of_warp = rounded_up(registers * WARP, REGISTERS_AT_A_TIME)
    warps_by_registers = REGISTERS // QUARTERS // max(of_warp, 1) * QUARTERS
    of_block = rounded_up(shared + most.reserved, most.shared_at_a_time)
    blocks = min(most.blocks, most.warps // warps, warps_by_registers // warps,
                 most.shared // max(of_block, 1))
    return Occupancy(blocks, round(100 * blocks * warps / most.warps))


# ---------------------------------------------------------------------- what an object holds

MAGIC, CUDA_MACHINE = b"\x7fELF\x02", 190
KERNEL_FACTS = ".nv.info."  # before a kernel's name: the section with its attributes
MAX_THREADS, WITH_SIZE = 0x05, 0x04  # an attribute; and the form of those that tell their size


def block_sizes(data: bytes) -> dict[str, int]:
    """The threads of a block, by the kernels' mangled names, from all machine code in an object.
    Kernels without __launch_bounds__ are not there, nor is code that was compressed."""
    found: dict[str, int] = {}
    at = data.find(MAGIC)
    while at >= 0:
        if struct.unpack_from("<H", data, at + 18)[0] == CUDA_MACHINE:
            for name, content in sections(data[at:]):
                if name.startswith(KERNEL_FACTS) and (threads := max_threads(content)):
                    found[name.removeprefix(KERNEL_FACTS)] = threads
        at = data.find(MAGIC, at + 1)
    return found


def sections(elf: bytes) -> list[tuple[str, bytes]]:
    table, = struct.unpack_from("<Q", elf, 40)
    size, count, of_names = struct.unpack_from("<3H", elf, 58)
    heads = [struct.unpack_from("<IIQQQQ", elf, table + i * size) for i in range(count)]
    names = heads[of_names][4]
    return [(elf[names + name:elf.index(b"\0", names + name)].decode(), elf[first:first + length])
            for name, _, _, _, first, length in heads]


def max_threads(attributes: bytes) -> int:
    """0 if they do not say. Three numbers, for a block has three dimensions."""
    at = 0
    while at + 4 <= len(attributes):
        form, kind, size = struct.unpack_from("<BBH", attributes, at)
        at += 4
        if form != WITH_SIZE:
            continue
        if kind == MAX_THREADS:
            x, y, z = struct.unpack_from("<3I", attributes, at)
            return x * y * z
        at += size
    return 0
