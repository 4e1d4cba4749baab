#!/usr/bin/env python3
"""ab.py COMMIT [--ranks N] [--pairs N] [-- FLAGS OF ./main]: is this tree faster than COMMIT?

Builds both, runs the same training with each in alternating pairs, and prints the median of the
ratios of a pair, this tree's seconds by the commit's, with its 95 % interval. A pair runs one after
the other, in changing order, so what makes the machine slow for a while meets both. A claim of a few
per cent holds if the interval allows it. The interval is that of the sign test: order statistics
around the median, which need no assumption about the times. Exit code 2: something did not run.
"""
import argparse
import math
import os
import pathlib
import statistics
import subprocess
import sys
import time

DEFAULT = ["-e", "2", "--train-size", "20000"]


def interval_of_median(values):
    """The shortest symmetric pair of order statistics that holds the median with at least 95 %."""
    n, ordered = len(values), sorted(values)
    lowest = 0
    # P(fewer than k + 1 of n values below the median), twice, is the chance that it lies outside.
    while 2 * sum(math.comb(n, i) for i in range(lowest + 1 + 1)) / 2**n <= 0.05:
        lowest += 1
    if 2 / 2**n > 0.05:
        raise SystemExit("ab.py: fewer than 6 pairs have no interval of 95 %")
    return ordered[lowest], ordered[n - 1 - lowest]


def built(root, commit, flags):
    """The folder of COMMIT's tree, built beside the trees of same_bits.sh."""
    name = subprocess.run(["git", "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}"], cwd=root,
                          text=True, stdout=subprocess.PIPE).stdout.strip()
    if not name:
        raise SystemExit(f"ab.py: '{commit}' is no commit of this repository")
    tree = root / "build" / "same-bits" / name
    if not (tree / "Makefile").exists():
        tree.mkdir(parents=True, exist_ok=True)
        subprocess.run(f"git archive {name} | tar -x -C '{tree}'", shell=True, cwd=root, check=True)
    for folder in (tree, root):
        make = subprocess.run(["make", "--no-print-directory", *flags, "build/float/main"], cwd=folder, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if make.returncode != 0:
            raise SystemExit(f"{make.stdout[-2000:]}ab.py: {folder} does not build")
    return tree


def seconds(tree, ranks, flags):
    """Of one training, from mpirun's start to its end."""
    command = f'. tests/mpi_env.sh && exec mpirun -np {ranks} build/float/main "$@"'
    start = time.perf_counter()
    run = subprocess.run(["sh", "-c", command, "sh", *flags], cwd=tree, text=True, stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if run.returncode != 0:
        raise SystemExit(f"{run.stdout[-1000:]}ab.py: the training failed in {tree}")
    return time.perf_counter() - start


def self_test():
    """The interval of known order statistics (Conover, table A3: n = 20 takes the 6th and the 15th)."""
    wanted = {6: (1, 6), 10: (2, 9), 20: (6, 15), 30: (10, 21)}
    found = {n: interval_of_median(range(1, n + 1)) for n in wanted}
    wrong = [n for n in wanted if found[n] != wanted[n]]
    for n in wrong:
        print(f"FAIL  of {n} values: {found[n]}, not {wanted[n]}")
    print(f"{len(wanted) - len(wrong)} passed, {len(wrong)} failed, 0 skipped")
    return bool(wrong)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit", nargs="?")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--self-test", action="store_true")
    own, flags = sys.argv[1:], DEFAULT
    if "--" in own:
        own, flags = own[:own.index("--")], own[own.index("--") + 1:] or DEFAULT
    options = parser.parse_args(own)
    if options.self_test:
        return self_test()
    if options.commit is None or options.pairs < 6:
        parser.error("it takes a commit, and at least 6 pairs")
    root = pathlib.Path(__file__).resolve().parent.parent
    os.environ.pop("MAKEFLAGS", None)
    os.environ.pop("MAKELEVEL", None)
    base = built(root, options.commit, [f"CUDA={os.environ.get('CUDA', 'auto')}"])
    print(f"# {options.pairs} pairs of: mpirun -np {options.ranks} main {' '.join(flags)}")
    ratios, times = [], ([], [])
    for pair in range(-1, options.pairs):  # the first one warms up, and does not count
        order = (0, 1) if pair % 2 else (1, 0)
        measured = {which: seconds((base, root)[which], options.ranks, flags) for which in order}
        if pair < 0:
            continue
        ratios.append(measured[1] / measured[0])
        for which in (0, 1):
            times[which].append(measured[which])
        print(f"# pair {pair + 1:3d}  {measured[0]:8.3f} s  now {measured[1]:8.3f} s  ratio {ratios[-1]:.3f}", flush=True)
    low, high = interval_of_median(ratios)
    print(f"{options.commit}: {statistics.median(times[0]):.3f} s; now {statistics.median(times[1]):.3f} s; "
          f"now takes {statistics.median(ratios):.3f} times as long, 95 % interval {low:.3f} to {high:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
