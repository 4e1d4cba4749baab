"""gpu_report.py: runs the GPU's benchmark and says what came out of it, beside goals and model.

It runs bench/gpu_bench in float and in double, bench/gpu_torch.py where a Python has PyTorch, and
bench/gpu_model; and writes to bench/results/GPU/: gpu.csv (each measurement), gpu_goals.csv,
gpu_model.csv (predicted beside measured), summary.md and charts. --read reports on a gpu.csv that
is there already. Standard library alone. Exit code: 0; 1 where a result was wrong (a missed goal
is no error); 2 where there is no GPU; 3 where a program failed.
"""
from __future__ import annotations

import argparse
import csv
import math
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import chart
import machine
from gpu_results import EXACT, NOT_MEASURED, SHAPES, Results, Row, compared, fastest, least
from report import as_markdown, as_text

TIME_LIMIT = 160  # seconds for each of three programs, so that eight minutes are enough
STOPPED = 124
# Ratios (theirs over ours) by shape, in SHAPES' order.
GOALS = {
    "fp32 GEMM over cuBLAS": (1.0, 1.0, 1.0, 0.95, 0.92),
    "bf16x3 GEMM over cuBLAS": (1.5, 1.5, 1.5, 2.0, 3.0),
    "fp64 GEMM over cuBLAS": (1.0, 1.0, 1.0, 0.9, 0.85),
    "step over library": (2.0, 2.0, 1.7, 1.5, 2.0),
    "step over PyTorch": (2.0, 2.0, 1.7, 1.5, 2.0),
}
H100_STEP_US = (15, 16, 18, 60, 1200)
CHIPS = {"T4": "T4", "A100": "A100 SXM", "4090": "RTX 4090", "H100": "H100 SXM", "B200": "B200"}


def gemm_ratio(results: Results, real: str, shape: tuple[int, int], gemm: str) -> float:
    """The faster of cuBLAS and cublasLt over ours, of the layer's product and the gradient's the
    one that is worse for us."""
    ratios = []
    for what in ("layer", "gradient"):
        own = results.chosen(real, shape, what, gemm)
        library = fastest(results, real, shape, what, [f"cublas {EXACT[real]}",
                                                       f"cublasLt {EXACT[real]}"])
        ratios.append(library / float(own["median_us"]) if own else NOT_MEASURED)
    return least(ratios)


def step_ratio(results: Results, real: str, shape: tuple[int, int], names: list[str]) -> float:
    """The fastest rival over ours."""
    own = results.us(real, shape, "step", results.ours(real, shape))
    return fastest(results, real, shape, "step", names) / own


def ratios_of(results: Results, name: str) -> list[float]:
    def ratio(shape: tuple[int, int]) -> float:
        if "GEMM" in name:
            gemm = name.split()[0]
            return gemm_ratio(results, "double" if gemm == "fp64" else "float", shape, gemm)
        rivals = (["library fp32", "library cublasLt fp32"] if "library" in name else
                  ["PyTorch graphed", "PyTorch compiled"])
        return step_ratio(results, "float", shape, rivals)
    return [ratio(shape) for shape in results.shapes]


def epoch_ratio(results: Results, real: str, shape: tuple[int, int]) -> float:
    """An epoch over its steps, the last of which is a part of one."""
    epoch = results.find(real, shape, "epoch")
    step = results.us(real, shape, "step", results.ours(real, shape))
    steps = int(results.facts.get("images", 0)) / shape[1]
    return float(epoch[0]["median_us"]) / (steps * step) if epoch and steps else NOT_MEASURED


def upload_ratio(results: Results, real: str, shape: tuple[int, int]) -> float:
    """Bytes sent by keeping the set and an epoch over it, over those of images and labels."""
    epoch = results.find(real, shape, "epoch")
    whole = int(results.facts.get("images", 0)) * (int(results.facts.get("pixels", 0)) + 1)
    return float(epoch[0]["bytes"]) / whole if epoch and whole else NOT_MEASURED


@dataclass
class Goal:
    """A figure, and the bound that it must reach or stay below."""

    name: str
    value: float
    bound: float
    at_least: bool = True

    def verdict(self) -> str:
        if self.value != self.value:
            return "not measured"
        return "met" if (self.value >= self.bound) == self.at_least else "missed"


def goals(results: Results) -> list[Goal]:
    """A trial's shapes have no goals but what does not depend on time."""
    found = []
    for name, bounds in GOALS.items():
        for shape, value, bound in zip(results.shapes, ratios_of(results, name), bounds):
            if not results.trial:
                found.append(Goal(f"{name}, {shape}", value, bound))
    if not results.trial and "H100" in results.facts.get("device", ""):
        found += [Goal(f"step in us, {shape}",
                       results.us("float", shape, "step", results.ours("float", shape)), bound,
                       at_least=False) for shape, bound in zip(results.shapes, H100_STEP_US)]
    for shape in results.shapes:
        if not results.trial:
            found.append(Goal(f"epoch over its steps, {shape}",
                              epoch_ratio(results, "float", shape), 1.05, at_least=False))
        # A trial's images are small: their order, four bytes for each, weighs more.
        found.append(Goal(f"bytes uploaded over the set's, {shape}",
                          upload_ratio(results, "float", shape), 1.2 if results.trial else 1.05,
                          at_least=False))
    return found


# ---------------------------------------------------------------------------- tables


def number(value: float, digits: int = 2) -> str:
    return "-" if value != value else f"{value:.{digits}f}"


def product_table(results: Results, real: str, what: str) -> list[list[str]]:
    """Microseconds of each contender: the planner's choice, cuBLAS, and what else was measured."""
    names = dict.fromkeys(r["contender"] for r in results.rows
                          if r["type"] == real and r["what"] == what)
    rows = [[f"{what}, us (TFLOP/s)", *map(str, results.shapes)]]
    for name in names:
        cells = []
        for shape in results.shapes:
            found = results.find(real, shape, what, name)
            cells.append("-" if not found else
                         f"{float(found[0]['median_us']):.1f} ({float(found[0]['tflops']):.1f})"
                         + (" <" if found[0]["chosen"] == "1" else ""))
        rows.append([name, *cells])
    return rows


def plan_table(results: Results, real: str) -> list[list[str]]:
    """How much the planner's choice loses to the best of all plans."""
    rows = [["planner's choice, and how much slower than the best", *map(str, results.shapes)]]
    gemms = [EXACT[real], "bf16x3"] if real == "float" else [EXACT[real]]
    for what in ("layer", "gradient and step"):
        for gemm in gemms:
            cells = []
            for shape in results.shapes:
                own = results.chosen(real, shape, what, gemm)
                plans = [r for r in results.find(real, shape, what)
                         if re.fullmatch(gemm + r" (large|medium|small)( / \d+)?", r["contender"])]
                if not own or not plans:
                    cells.append("-")
                    continue
                best = min(plans, key=lambda r: float(r["median_us"]))
                if compared(own, best) == "tie":
                    best = own
                off = float(own["median_us"]) / float(best["median_us"]) - 1
                plan = own["contender"].removeprefix(gemm + " ")
                other = best["contender"].removeprefix(gemm + " ")
                cells.append(plan if own is best else f"{plan}: {100 * off:.1f} % behind {other}")
            rows.append([f"{what}, {gemm}", *cells])
    return rows


def rival_table(results: Results, real: str) -> list[list[str]]:
    """Steps and products of ours, as ./main plans them, beside each rival's."""
    rows = [["rival's time over ours", *map(str, results.shapes)]]
    for what in ("step", "layer", "gradient"):
        names = dict.fromkeys(r["contender"] for r in results.rows
                              if r["type"] == real and r["what"] == what)
        gemms = [gemm for gemm in (EXACT[real], "bf16x3") if real == "float" or gemm != "bf16x3"]
        for gemm in gemms:
            own = [next(iter(results.find(real, shape, what, gemm)), None) if what == "step" else
                   results.chosen(real, shape, what, gemm) for shape in results.shapes]
            for name in names:
                if not re.match("cublas|library|PyTorch", name):
                    continue
                cells = []
                for ours, shape in zip(own, results.shapes):
                    rival = results.find(real, shape, what, name)
                    cells.append(compared(ours, rival[0]) if ours and rival else "-")
                rows.append([f"{what} by {gemm}, {name}", *cells])
    return rows


def kernel_table(results: Results, real: str) -> list[list[str]]:
    """Each kernel of a step alone, and as a share of the whole."""
    rows = [["kernel, us (share of the step)", *map(str, results.shapes)]]
    for kernel in ("layer", "head", "gradient", "step"):
        cells = []
        for shape in results.shapes:
            gemm = results.ours(real, shape)
            us = results.us(real, shape, "kernel", f"{gemm} {kernel}")
            whole = results.us(real, shape, "step", gemm)
            cells.append(f"{number(us, 1)} ({number(100 * us / whole, 0)} %)")
        rows.append([kernel, *cells])
    rows.append(["whole step", *(number(results.us(real, s, "step", results.ours(real, s)), 1)
                                 for s in results.shapes)])
    rows.append(["epoch over its steps", *(number(epoch_ratio(results, real, s), 3)
                                           for s in results.shapes)])
    return rows


def ladder_ratios(results: Results, real: str) -> dict[str, list[float]]:
    """Each rung's speed by shape, cuBLAS's at the layer's product being 1."""
    names = dict.fromkeys(r["contender"] for r in results.rows
                          if r["type"] == real and r["what"] == "ladder")
    return {name: [results.us(real, s, "layer", f"cublas {EXACT[real]}")
                   / results.us(real, s, "ladder", name) for s in results.shapes]
            for name in names}


def ladder_table(results: Results, real: str) -> list[list[str]]:
    rows = [["rung, TFLOP/s (of cuBLAS)", *map(str, results.shapes)]]
    for name, ratios in ladder_ratios(results, real).items():
        cells = []
        for shape, ratio in zip(results.shapes, ratios):
            found = results.find(real, shape, "ladder", name)
            cells.append(f"{float(found[0]['tflops']):.2f} ({number(100 * ratio, 0)} %)"
                         if found else "-")
        rows.append([name, *cells])
    return rows


def step_ladder_table(results: Results, real: str) -> list[list[str]]:
    """An epoch's time by each rung, told as the time of a step."""
    found = [r for r in results.rows if (r["type"], r["what"]) == (real, "step ladder")]
    rows = [["step of the default network by rung", "us", "times as fast as the rung before"]]
    for before, row in zip(found[:1] + found, found):
        times = float(before["median_us"]) / float(row["median_us"])
        rows.append([row["contender"], number(float(row["median_us"])), number(times)])
    return rows


def goal_table(found: list[Goal]) -> list[list[str]]:
    rows = [["goal", "measured", "wanted", ""]]
    for goal in found:
        sign = ">=" if goal.at_least else "<="
        rows.append([goal.name, number(goal.value, 3), f"{sign} {goal.bound:g}", goal.verdict()])
    return rows


def model_table(results: Results, predictions: list[Row]) -> list[list[str]]:
    """Predicted beside measured: a kernel with its node in the graph."""
    rows = [["type", "hidden", "batch", "what", "contender", "plan", "predicted_us", "measured_plan",
             "measured_us", "measured_over_predicted"]]
    device = results.facts.get("device", "")
    chip = next((name for part, name in CHIPS.items() if part in device), None)
    for p in predictions:
        if p["gpu"] != chip:
            continue
        us = results.us(p["type"], (int(p["hidden"]), int(p["batch"])), p["what"], p["contender"])
        plan = results.facts.get(f"plan of {p['contender']} at ({p['hidden']},{p['batch']})", "")
        rows.append([*(p[key] for key in rows[0][:7]), plan, number(us),
                     number(us / float(p["predicted_us"]))])
    return rows


# ---------------------------------------------------------------------------- files


def wrong(results: Results) -> list[str]:
    """Judged results that are not within their bound; NaN and infinity are not."""
    return [f"{r['type']} ({r['hidden']}, {r['batch']}) {r['what']}, {r['contender']}: "
            f"{r['error']} bounds off" for r in results.rows
            if r["judged"] == "1" and not float(r["error"]) <= 1]


def worst_error(results: Results) -> float:
    return max((float(r["error"]) for r in results.rows if r["judged"] == "1"), default=math.inf)


def write_csv(path: Path, rows: list[list[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def write_measurements(results: Results, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        file.writelines(f"# {key}: {value}\n" for key, value in results.facts.items())
        writer = csv.DictWriter(file, results.printed[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(results.printed)


def charts(results: Results, folder: Path) -> list[tuple[str, str]]:
    """Names of the charts that there are numbers for, with their titles."""
    written = []
    bars = {name: ratios_of(results, name) for name in GOALS}
    bars = {name: ratios for name, ratios in bars.items() if any(r == r for r in ratios)}
    if bars:
        title = "The GPU path over cuBLAS and PyTorch: times as fast"
        (folder / "gpu_ratios.svg").write_text(
            chart.bar_chart(title, [str(s) for s in results.shapes], bars), encoding="utf-8")
        written.append(("gpu_ratios.svg", title))
    for real in EXACT:
        rungs = {name: ratios for name, ratios in ladder_ratios(results, real).items()
                 if all(r == r for r in ratios)}
        if not rungs:
            continue
        title = f"The ladder in {real}: each rung's speed, cuBLAS's being 1"
        by_shape = {str(s): [ratios[i] for ratios in rungs.values()]
                    for i, s in enumerate(results.shapes)}
        (folder / f"gpu_ladder_{real}.svg").write_text(
            chart.bar_chart(title, list(rungs), by_shape,
                            "(hidden, batch): C = A B, hidden x batch x 784; logarithmic scale"),
            encoding="utf-8")
        written.append((f"gpu_ladder_{real}.svg", title))
    return written


def tables_of(results: Results, real: str) -> list[list[list[str]]]:
    return [product_table(results, real, "layer"), product_table(results, real, "gradient"),
            plan_table(results, real), product_table(results, real, "step"),
            rival_table(results, real),
            kernel_table(results, real), ladder_table(results, real),
            step_ladder_table(results, real)]


TRIAL = ("This was a trial at tiny shapes: its times mean nothing; what it shows is that the "
         "benchmark runs and its results are right.")


def summary(results: Results, found: list[Goal], model: list[list[str]], notes: list[str],
            pictures: list[tuple[str, str]]) -> str:
    parts = [f"# Measurements of {results.facts.get('device', 'a GPU')}\n"]
    if results.trial:
        parts.append(f"**{TRIAL}**\n")
    parts.append(as_markdown([["", ""], *([k, v] for k, v in results.facts.items()
                                          if not k.startswith("plan of "))]))
    verdict = "NO" if wrong(results) else "yes"
    counts = [int(r["repetitions"]) for r in results.rows
              if r["what"] not in ("epoch", "step ladder")]
    parts.append(f"Medians of {min(counts)} to {max(counts)} repetitions, contenders by turns; "
                 "`bench/gpu_contest.h` says how. `<`: what ./main takes. Each judged "
                 f"result is within its bound: {verdict}; the worst error is "
                 f"{worst_error(results):.2g} of it. A tie: the two differ by no more than two "
                 "medians of one of them, of the first and the second half of its repetitions.\n")
    parts.append("## Goals\n\nTheirs over ours, each side's median; of the two products, the one "
                 "that is worse for us, against the faster of cublasSgemm or cublasDgemm and cublasLt; steps all as graphs. "
                 "That ./main with MPI on one rank is within 2 % of one without is not measured "
                 "here.\n")
    parts.append(as_markdown(goal_table(found)))
    parts += [f"![{title}]({name})\n" for name, title in pictures]
    for real in EXACT:
        if any(r["type"] == real for r in results.rows):
            parts.append(f"## {real}\n")
            parts += [as_markdown(table) for table in tables_of(results, real) if len(table) > 1]
    if len(model) > 1:
        parts.append("## The model\n\nPredicted by `bench/gpu_model`, with the node of a graph, for "
                     "the plan that the model takes now; beside it the plan that was measured. "
                     "32x32 is a small tile, 64x64 a medium one and 128x128 a large one in float.\n")
        parts.append(as_markdown(model))
    parts.append("## Notes\n\n" + "".join(f"- {line}\n" for line in notes + wrong(results)))
    return "\n".join(parts)


def write_all(results: Results, predictions: list[Row], notes: list[str], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    found, model = goals(results), model_table(results, predictions)
    for real in EXACT:
        for table in tables_of(results, real):
            if len(table) > 1:
                print(f"\n{real}\n" + as_text(table), end="")
    print("\n" + as_text(goal_table(found)))
    write_measurements(results, folder / "gpu.csv")
    write_csv(folder / "gpu_goals.csv", goal_table(found))
    if len(model) > 1:
        write_csv(folder / "gpu_model.csv", model)
    (folder / "summary.md").write_text(
        summary(results, found, model, notes, charts(results, folder)), encoding="utf-8")
    if results.trial:
        print(TRIAL)
    print(f"# written to {folder}/, summary.md first")


# ---------------------------------------------------------------------------- running


def read_csv(path: Path) -> tuple[list[Row], dict[str, str]]:
    """The rows, and what the lines "# key: value" say."""
    lines = path.read_text(encoding="utf-8").splitlines()
    facts = dict(line[2:].split(": ", 1) for line in lines if line.startswith("# "))
    return list(csv.DictReader(line for line in lines if not line.startswith("# "))), facts


def run(command: list[str], what: str) -> int:
    """Its exit code; 3 where it could not be run, STOPPED where it took too long."""
    try:
        return subprocess.run(command, timeout=TIME_LIMIT, check=False).returncode
    except subprocess.TimeoutExpired:
        print(f"gpu_report.py: {what} was stopped after {TIME_LIMIT} s; what it had measured by "
              "then counts, run it by hand for the rest", file=sys.stderr)
        return STOPPED
    except OSError as error:
        print(f"gpu_report.py: {what} cannot be run: {error}", file=sys.stderr)
        return 3


def predictions_of(programs: list[str]) -> list[Row]:
    rows: list[Row] = []
    for program in programs:
        done = subprocess.run([program, "--csv"], capture_output=True, text=True, check=True,
                              timeout=60)
        rows += csv.DictReader(done.stdout.splitlines())
    return rows


def measure(options: argparse.Namespace, notes: list[str]) -> Results:
    """Everything that can be measured here; exits where nothing can."""
    rows: list[Row] = []
    facts: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        for program in options.bench:
            path = Path(folder) / "bench.csv"
            code = run([program, *(["--trial"] if options.trial else []), "--csv", str(path)],
                       program)
            if code not in (0, 1, STOPPED):
                sys.exit(2 if code == 2 else 3)
            if code == STOPPED:
                notes.append(f"{program} was stopped after {TIME_LIMIT} s: not all was measured")
            more, said = read_csv(path)
            rows, facts = rows + more, facts | said
        path = Path(folder) / "torch.csv"
        python = next((p for p in (options.peers, sys.executable) if Path(p).exists()))
        torch = Path(__file__).resolve().parent / "gpu_torch.py"
        command = [python, "-B", str(torch), "--csv", str(path)]
        code = 2 if options.trial else run(command, "PyTorch")
        if code == 0:
            more, said = read_csv(path)
            rows, facts = rows + more, facts | said
        else:
            notes.append("PyTorch was not measured: " + (
                "a trial leaves it out" if options.trial else
                f"{python} has none that sees the GPU" if code == 2 else
                "it failed, or took too long"))
    if facts.get("cublas", "found") != "found":
        notes.append(f"cuBLAS was not measured: {facts['cublas']}")
    return Results(rows, facts)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Runs the GPU's benchmark, or reads what it said")
    parser.add_argument("--bench", nargs="*", default=[], metavar="PROGRAM",
                        help="gpu_bench in float and in double")
    parser.add_argument("--model", nargs="*", default=[], metavar="PROGRAM",
                        help="gpu_model in float and in double")
    parser.add_argument("--peers", metavar="PATH", help="the Python that has PyTorch",
                        default=str(machine.ROOT / "build" / "peers" / "bin" / "python"))
    parser.add_argument("--read", type=Path, metavar="CSV", help="a gpu.csv to report on instead")
    parser.add_argument("--trial", action="store_true", help="tiny shapes, to try it all")
    parser.add_argument("--out", type=Path, metavar="FOLDER",
                        help="where to write (default: bench/results/GPU)")
    options = parser.parse_args()
    if bool(options.bench) == bool(options.read):
        parser.error("give either the programs by --bench or a file by --read")
    if options.trial and not options.out:
        parser.error("a trial measures nothing: name a folder for its report by --out")
    return options


def main() -> int:
    options, notes, start = parse(), [], time.monotonic()
    results = Results(*read_csv(options.read)) if options.read else measure(options, notes)
    if not options.read:
        facts = machine.describe()
        results.facts |= {key: facts[key] for key in ("cpu", "kernel", "commit")}
        driver = machine.first_line("nvidia-smi", "--query-gpu=driver_version,clocks.max.sm",
                                    "--format=csv,noheader")
        results.facts |= {"driver": driver or "not known",
                          "seconds": f"{time.monotonic() - start:.0f}"}
    slug = re.sub(r"[^a-z0-9]+", "-", results.facts["device"].lower()).strip("-")
    write_all(results, predictions_of(options.model), notes,
              options.out or machine.ROOT / "bench" / "results" / slug)
    for line in wrong(results):
        print("WRONG  " + line, file=sys.stderr)
    return 1 if wrong(results) else 0


if __name__ == "__main__":
    sys.exit(main())
