"""What the peers share: their options, MNIST in memory, the stop-watch and the lines they print.

Each peer trains the very network that ./main trains: 784 inputs, sigmoid hidden layers, softmax and
cross-entropy over 10 classes, an L2 penalty on the weights, plain gradient descent, and the images
in a new order each epoch. A peer brings a function that trains on so many images of a new order and
one that says the loss. It warms up first; then each epoch is timed, its new order and the gathering
of its images included. Where a whole epoch would take too long, its first part alone is trained.
"""
from __future__ import annotations

import argparse
import gzip
import math
import sys
import time
from pathlib import Path
from typing import Callable

import numpy as np

CLASSES = 10
RATE = 0.1
REG = 1e-4
SEED = 1
DEVIATION = 0.0  # of the first weights; 0: 1/sqrt(inputs of the layer)
WARM_UP_SECONDS = 0.5  # with two threads the first 0.3 s were up to three times too slow
REAL = {"float": "float32", "double": "float64"}


def parse(peer: str, styles: tuple[str, ...] = ()) -> argparse.Namespace:
    """The options that every peer takes; --style only where it has some, the first by default."""
    parser = argparse.ArgumentParser(description=f"{peer}: trains on MNIST and prints images/s")
    add_options(parser, hidden="100", batch=800)
    parser.add_argument("--seconds", type=float, default=1, help="about so long is timed")
    parser.add_argument("--type", choices=list(REAL), default="float")
    if styles:
        parser.add_argument("--style", choices=styles, default=styles[0])
    options = checked(parser)
    if not options.seconds > 0:
        parser.error("--seconds: expected a number above 0")
    return options


def parse_cold(peer: str) -> argparse.Namespace:
    """The options of a peer that trains from a cold start; sets RATE, REG, SEED and DEVIATION."""
    global REG, SEED, DEVIATION
    parser = argparse.ArgumentParser(description=f"{peer}: trains on MNIST until it reads well")
    add_options(parser, hidden="200", batch=24)
    for name, kind, default in (("epochs", int, 16), ("rate", float, 1.2), ("decay", float, 0.88),
                                ("reg", float, 3e-5), ("deviation", float, 0.1), ("seed", int, 1),
                                ("accuracy", float, 98.0)):
        parser.add_argument(f"--{name}", type=kind, default=default)
    options = checked(parser)
    REG, SEED, DEVIATION = options.reg, options.seed, options.deviation
    return options


def add_options(parser: argparse.ArgumentParser, hidden: str, batch: int) -> None:
    parser.add_argument("--hidden", default=hidden, help="sizes of the hidden layers: 512,256")
    parser.add_argument("--batch", type=int, default=batch, help="images in a mini-batch")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data", default=str(Path(__file__).resolve().parents[2] / "data"))


def checked(parser: argparse.ArgumentParser) -> argparse.Namespace:
    options = parser.parse_args()
    try:
        options.hidden = [int(size) for size in options.hidden.split(",")]
    except ValueError:
        parser.error(f"--hidden: expected sizes such as 512,256, found '{options.hidden}'")
    if min(*options.hidden, options.batch, options.threads) < 1:
        parser.error("--hidden, --batch and --threads: expected numbers above 0")
    return options


def layer_sizes(options: argparse.Namespace) -> list[int]:
    return [784, *options.hidden, CLASSES]


def read_idx(path: Path, header: int) -> np.ndarray:
    """The bytes behind the header of a gzipped IDX file."""
    try:
        return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header).copy()
    except (OSError, EOFError, ValueError) as error:
        print(f"{path}: cannot be read ({error}); give the folder of MNIST by --data",
              file=sys.stderr)
        sys.exit(2)


def load_mnist(folder: str, which: str = "train") -> tuple[np.ndarray, np.ndarray]:
    """Images, one a row of uint8, and their labels as int64; which: train or t10k."""
    labels = read_idx(Path(folder) / f"{which}-labels-idx1-ubyte.gz", 8)
    images = read_idx(Path(folder) / f"{which}-images-idx3-ubyte.gz", 16)
    return images.reshape(len(labels), 784), labels.astype(np.int64)


def first_weights(sizes: list[int]) -> list[np.ndarray]:
    """Weights of deviation DEVIATION, a layer's as a matrix of outputs x inputs."""
    random = np.random.default_rng(SEED)
    return [random.standard_normal((rows, cols)) * (DEVIATION or 1 / math.sqrt(cols))
            for cols, rows in zip(sizes, sizes[1:])]


def say_settings(peer: str, version: str, settings: str) -> None:
    print(f"peer {peer} {version}, {settings}", flush=True)


def seconds_of(train: Callable[[int], None], images: int) -> float:
    start = time.perf_counter()
    train(images)
    return time.perf_counter() - start


def time_epochs(seconds: float, images: int, batch: int, train: Callable[[int], None],
                agreed: Callable[[float], float] = float, speaks: bool = True) -> None:
    """Warms up, then prints the rate of each epoch, about `seconds` of them.

    Of several processes that train together each calls it; `agreed` gives all the first's value.
    """
    part = min(images, max(1, 4096 // batch) * batch)
    start, rate = time.perf_counter(), 0.0
    while agreed(time.perf_counter() - start) < WARM_UP_SECONDS:
        rate = agreed(part / seconds_of(train, part))
    wanted = seconds * rate
    count = images if wanted >= images else min(images, max(batch, int(wanted) // batch * batch))
    for _ in range(max(1, round(wanted / images))):
        took = seconds_of(train, count)
        if speaks:
            print(f"images/s {count / took:.0f}", flush=True)


def say_loss(loss: float) -> None:
    """The mean cross-entropy over training images: shows a peer that is broken."""
    print(f"final loss {loss:.5f}", flush=True)
    # Guessing has log 10 = 2.3; the few steps of a short run may end a little above it.
    if not loss < 2 * math.log(CLASSES):
        print(f"the loss {loss} is that of no training: this peer is broken", file=sys.stderr)
        sys.exit(1)


def train_until(options: argparse.Namespace, train: Callable[[], None],
                accuracy: Callable[[], float]) -> None:
    """Trains epoch by epoch and prints a line for each, until the test accuracy is as wanted."""
    global RATE
    RATE = options.rate
    for epoch in range(1, options.epochs + 1):
        train()
        percent = 100 * accuracy()
        print(f"epoch {epoch}/{options.epochs}  test accuracy {percent:.2f} %", flush=True)
        if percent >= options.accuracy:
            return
        RATE *= options.decay
