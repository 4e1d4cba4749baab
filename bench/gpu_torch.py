"""gpu_torch.py: a training step by PyTorch on the GPU, eager, as a CUDA graph, and compiled.

The step is written by hand, in place and with as few kernels as PyTorch has for it, for autograd's
is slower: images and targets lie on the device in the type of the step, the update happens inside
the gradient's product, and the loss, which our step computes, is left out. torch.compile gets the
same step, in float alone, for it takes its time, and what it makes is recorded as a graph too. Rows
are those of gpu_bench's CSV. Exit code 2 where there is no PyTorch that sees a GPU.
"""
from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable

try:
    import torch
except ImportError:
    print(f"gpu_torch.py: no PyTorch in {sys.executable}; make bench-peers installs it",
          file=sys.stderr)
    sys.exit(2)

PIXELS, CLASSES, IMAGES = 784, 10, 60000
SHAPES = [(200, 24), (100, 800), (512, 256), (1024, 1024), (4096, 8192)]
RATE, REG = 0.5, 1e-4
CHAIN, REPETITIONS, CHAIN_SECONDS = 20, 200, 2e-3
PLAUSIBLE = {"float": 1e-3, "double": 1e-10}  # as gpu_problem.h's path_error has it


class Step:
    """Parameters and the step; samples are rows, as PyTorch likes them."""

    def __init__(self, hidden: int, batch: int, dtype: torch.dtype) -> None:
        generator = torch.Generator(device="cuda").manual_seed(1)

        def normal(rows: int, cols: int) -> torch.Tensor:
            return torch.randn(rows, cols, device="cuda", dtype=torch.float64,
                               generator=generator) / rows ** 0.5

        self.weights = [normal(PIXELS, hidden).to(dtype), normal(hidden, CLASSES).to(dtype)]
        self.biases = [torch.zeros(n, device="cuda", dtype=dtype) for n in (hidden, CLASSES)]
        self.batch = batch
        count = IMAGES // batch * batch
        bytes_ = torch.randint(0, 256, (count, PIXELS), device="cuda", dtype=torch.uint8,
                               generator=generator)
        labels = torch.randint(0, CLASSES, (count,), device="cuda", generator=generator)
        self.images = (bytes_.to(dtype) / 255).split(batch)
        self.targets = torch.nn.functional.one_hot(labels, CLASSES).to(dtype).split(batch)

    def sample(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.images[number % len(self.images)], self.targets[number % len(self.images)]

    def __call__(self, number: int) -> None:
        self.on(*self.sample(number))

    def on(self, x: torch.Tensor, y: torch.Tensor) -> None:
        (w1, w2), (b1, b2) = self.weights, self.biases
        rate, keep = RATE / self.batch, 1 - RATE * REG
        a = torch.addmm(b1, x, w1).sigmoid_()
        delta = torch.softmax(torch.addmm(b2, a, w2), 1).sub_(y)
        below = torch.ops.aten.sigmoid_backward(delta @ w2.t(), a)
        w2.addmm_(a.t(), delta, beta=keep, alpha=-rate)
        b2.sub_(delta.sum(0), alpha=rate)
        w1.addmm_(x.t(), below, beta=keep, alpha=-rate)
        b1.sub_(below.sum(0), alpha=rate)

    def parameters(self) -> torch.Tensor:
        return torch.cat([p.double().flatten() for p in (*self.weights, *self.biases)])


def path_error(hidden: int, batch: int, real: str) -> float:
    """Three steps against the same in double: how far apart they end, over how far they went."""
    step = Step(hidden, batch, getattr(torch, {"float": "float32"}.get(real, "float64")))
    exact = Step(hidden, batch, torch.float64)
    for number in range(3):
        step(number)
    start = exact.parameters()
    for number in range(3):
        exact(number)
    way = (exact.parameters() - start).norm()
    return float((step.parameters() - exact.parameters()).norm() / way / PLAUSIBLE[real])


def seconds_of(work, lead=None) -> float:
    """By events, until the device is done. While it is busy with `lead`, the host gets ahead, and
    no event waits for a launch: as gpu_contest.cu does it for ours."""
    before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    if lead:
        lead()
    before.record()
    work()
    after.record()
    after.synchronize()
    return before.elapsed_time(after) * 1e-3


def record(work: Callable[[int], None], batches: int, chain: int) -> list[torch.cuda.CUDAGraph]:
    """The steps over all batches, `chain` of them a graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for number in range(3):
            work(number)
    torch.cuda.current_stream().wait_stream(stream)
    graphs = []
    for first in range(0, batches, chain):
        graphs.append(torch.cuda.CUDAGraph())
        with torch.cuda.graph(graphs[-1]):
            for number in range(chain):
                work(first + number)
    return graphs


def compiled(step: Step) -> Callable[[int], None]:
    """The step by torch.compile."""
    inner = torch.compile(step.on, dynamic=False)
    return lambda number: inner(*step.sample(number))


def measure(step: Step, real: str) -> tuple[dict[str, list[float]], int]:
    """Seconds a step of each way, by turns, and the steps in a chain."""
    for number in range(3):
        step(number)
    once = min(seconds_of(lambda: step(0)) for _ in range(3))
    chain = max(1, min(CHAIN, round(CHAIN_SECONDS / once)))
    graphs = {"PyTorch graphed": record(step, len(step.images), chain)}
    if real == "float":
        try:
            graphs["PyTorch compiled"] = record(compiled(step), len(step.images), chain)
        except Exception as failure:  # of the compiler, which has many of its own kinds
            print(f"gpu_torch.py: torch.compile failed: {failure}"[:500], file=sys.stderr)
    seconds: dict[str, list[float]] = {"PyTorch eager": [], **{name: [] for name in graphs}}

    def eager(first: int) -> None:
        for number in range(chain):
            step(first + number)

    repetitions = REPETITIONS if once <= 5e-3 else max(20, round(1 / once))
    for repetition in range(-10, repetitions):  # the first ten warm up
        times = [seconds_of(lambda: eager(repetition % len(step.images) * chain))]
        for ways in graphs.values():
            graph = ways[repetition % len(ways)]
            times.append(seconds_of(graph.replay, lead=graph.replay))
        if repetition >= 0:
            for name, time in zip(seconds, times):
                seconds[name].append(time / chain)
    return seconds, chain


def main() -> int:
    parser = argparse.ArgumentParser(description="Times PyTorch's training step on the GPU")
    parser.add_argument("--csv", required=True, help="the file to write")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print(f"gpu_torch.py: this PyTorch ({torch.__version__}) sees no GPU; "
              "install one that is built for CUDA", file=sys.stderr)
        return 2
    torch.backends.cuda.matmul.allow_tf32 = False
    with open(options.csv, "w", encoding="utf-8") as file, torch.no_grad():
        print(f"# PyTorch: {torch.__version__}\ntype,hidden,batch,what,contender,chosen,judged,"
              "median_us,q1_us,q3_us,repetitions,chain,tflops,error,bytes", file=file)
        for real, dtype in (("float", torch.float32), ("double", torch.float64)):
            for hidden, batch in SHAPES:
                print(f"PyTorch {torch.__version__}, {real} ({hidden},{batch})", file=sys.stderr)
                error = path_error(hidden, batch, real)
                seconds, chain = measure(Step(hidden, batch, dtype), real)
                for name, times in seconds.items():
                    q1, median, q3 = (1e6 * q for q in statistics.quantiles(times, n=4))
                    tflops = 2 * batch * hidden * (2 * PIXELS + 3 * CLASSES) / median * 1e-6
                    print(f"{real},{hidden},{batch},step,{name},0,1,{median:.3f},{q1:.3f},{q3:.3f},"
                          f"{len(times)},{chain},{tflops:.3f},{error:.4g},0", file=file)
                torch.cuda.empty_cache()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RuntimeError as failure:  # CUDA's errors, memory among them
        print(f"gpu_torch.py: {failure}", file=sys.stderr)
        sys.exit(3)
