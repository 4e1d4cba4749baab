#!/usr/bin/env python3
"""interop.py MAIN: files go between this program, NumPy and PyTorch, and mean the same in each.

MAIN is a build of ./main, float or double. A line for each statement, then the total. What is not
installed is skipped; with REQUIRE_INTEROP=1 that is a failure. Everything is computed anew here, in
double, and a result may be off by what rounding can do and no more.
"""
import gzip
import json
import math
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

try:
    import numpy as np
except ImportError:
    np = None
try:
    import safetensors.numpy
    import safetensors.torch
    import torch
except ImportError:
    torch = None

IMAGES, PIXELS = 10000, 784
OBJECTIVES = [(output, loss) for output in ("softmax", "sigmoid") for loss in ("cross-entropy", "mse")]


class Report:
    """Counts statements and prints each one."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def check(self, statement, error):
        """error: None where the statement holds, otherwise what was seen instead."""
        self.passed += error is None
        self.failed += error is not None
        print(f"{'PASS' if error is None else 'FAIL'}  {statement}{'' if error is None else ': ' + error}")

    def skip(self, statement):
        required = os.environ.get("REQUIRE_INTEROP") == "1"
        self.failed += required
        self.skipped += not required
        print(f"{'FAIL' if required else 'SKIP'}  {statement}")


def read_idx(name, header):
    with gzip.open(f"data/{name}.gz") as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)


def run(*command):
    """What the program prints; its failure ends the test with its own words."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {done.returncode}: {done.stderr}")
    return done.stdout


# ---- the network in NumPy, in double, each value with what rounding in the program can make of it


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def layer(w, b, a, slack, u):
    """z = W a + b over columns, and how far off z can be when a is off by up to slack."""
    terms = w.shape[1] + 4
    size = np.abs(w) @ np.abs(a) + np.abs(b)[:, None]
    return w @ a + b[:, None], np.abs(w) @ slack + terms * u * size


def predict(tensors, images, u, activation="sigmoid"):
    """Softmax probabilities of each column and how far off they can be."""
    a, slack = images.astype(np.float64).T / 255, np.full((PIXELS, images.shape[0]), u)
    layers = len(tensors) // 2
    for l in range(1, layers + 1):
        z, slack = layer(tensors[f"W{l}"].astype(np.float64), tensors[f"b{l}"].astype(np.float64),
                         a, slack, u)
        if l < layers and activation == "relu":
            a = np.maximum(z, 0)  # exact, and nowhere steeper than 1
        elif l < layers:
            a, slack = sigmoid(z), slack / 4 + 4 * u  # a sigmoid is nowhere steeper than 1/4
    z -= z.max(axis=0)
    yhat = np.exp(z) / np.exp(z).sum(axis=0)
    # |d yhat| <= 2 max |dz| to first order; the rest for exp and the sum.
    return yhat, 2 * slack.max(axis=0) + (8 + z.shape[0]) * u


def judged_by_main(main, model, images_file):
    """yhat as the program's predict prints it, outputs x images."""
    lines = run(main, "predict", "--load", model, "--json", images_file).splitlines()
    return np.array([json.loads(line)["probabilities"] for line in lines]).T


def compare(ours, theirs, bound):
    """None, or where the two differ most by more than the bound of an image."""
    if ours.shape != theirs.shape:
        return f"{ours.shape} probabilities instead of {theirs.shape}"
    ratio = np.abs(ours - theirs) / bound
    if not np.all(ratio <= 1):
        c, j = np.unravel_index(np.argmax(np.nan_to_num(ratio, nan=np.inf)), ratio.shape)
        return (f"image {j}, class {c}: {ours[c, j]:.9g} instead of {theirs[c, j]:.9g}, "
                f"{ratio[c, j]:.2g} times the bound {bound[j]:.2g}")
    # Where two classes are closer than the bound, either may be seen.
    seen, expected = ours.argmax(axis=0), theirs.argmax(axis=0)
    top = np.sort(theirs, axis=0)
    wrong = np.flatnonzero((seen != expected) & (top[-1] - top[-2] > 2 * bound))
    return f"image {wrong[0]} is seen as {seen[wrong[0]]}, not {expected[wrong[0]]}" if len(wrong) else None


# ---- the same network in PyTorch


def torch_network(sizes):
    parts = []
    for below, above in zip(sizes, sizes[1:]):
        parts += [torch.nn.Linear(below, above), torch.nn.Sigmoid()]
    return torch.nn.Sequential(*parts[:-1]).double()


def as_state_dict(tensors):
    """W1, b1, W2, ... under the names that Sequential gives to its Linears."""
    return {f"{2 * (int(name[1:]) - 1)}.{'weight' if name[0] == 'W' else 'bias'}": value
            for name, value in tensors.items()}


def torch_loss(output, loss, z, labels):
    onehot = torch.nn.functional.one_hot(labels, z.shape[1]).double()
    if loss == "mse":
        yhat = torch.softmax(z, 1) if output == "softmax" else torch.sigmoid(z)
        return torch.nn.functional.mse_loss(yhat, onehot)
    if output == "softmax":
        return torch.nn.functional.cross_entropy(z, labels)
    return torch.nn.functional.binary_cross_entropy_with_logits(z, onehot)


def train_in_torch(network, output, loss, images, labels, batch, rate, reg):
    for first in range(0, len(images), batch):
        x = torch.tensor(images[first:first + batch].astype(np.float64) / 255)
        y = torch.tensor(labels[first:first + batch].astype(np.int64))
        total = torch_loss(output, loss, network(x), y)
        for name, value in network.named_parameters():
            if name.endswith("weight"):
                total = total + reg / 2 * (value**2).sum()
        network.zero_grad()
        total.backward()
        with torch.no_grad():
            for value in network.parameters():
                value -= rate * value.grad


# ---- the statements


def numpy_predicts_the_same(report, main, model, images, u):
    tensors = read_safetensors(model)
    theirs, bound = predict(tensors, images, u)
    ours = judged_by_main(main, model, "data/t10k-images-idx3-ubyte.gz")
    report.check(f"NumPy reads our file and predicts the same on {IMAGES} images",
                 compare(ours, theirs, bound))
    return ours, bound


def read_safetensors(model):
    """By the format's own rules: a length, a header, bytes."""
    data = pathlib.Path(model).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    kinds = {"F32": np.float32, "F64": np.float64}
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        first, last = entry["data_offsets"]
        tensors[name] = np.frombuffer(data[8 + length + first:8 + length + last],
                                      kinds[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def torch_predicts_the_same(report, model, images, ours, bound):
    network = torch_network([PIXELS, 32, 10])
    network.load_state_dict(as_state_dict(safetensors.torch.load_file(model)))
    with torch.no_grad():
        theirs = torch.softmax(network(torch.tensor(images.astype(np.float64) / 255)), 1).numpy().T
    report.check(f"PyTorch's load_state_dict takes our file and predicts the same on {IMAGES} images",
                 compare(ours, theirs, bound))


def main_reads_what_torch_wrote(report, main, folder, images, u):
    torch.manual_seed(1)
    network = torch_network([PIXELS, 24, 16, 10])
    state = {name: value.detach() * 3 for name, value in network.state_dict().items()}
    network.load_state_dict(state)
    with torch.no_grad():
        theirs = torch.softmax(network(torch.tensor(images.astype(np.float64) / 255)), 1).numpy().T
    ours_names = {("W" if name.endswith("weight") else "b") + str(int(name.split(".")[0]) // 2 + 1): value
                  for name, value in state.items()}
    for what, tensors in (("Sequential's names", state), ("our names", ours_names)):
        file = f"{folder}/torch.safetensors"
        safetensors.torch.save_file(tensors, file)
        _, bound = predict({k: v.numpy() for k, v in ours_names.items()}, images, u)
        report.check(f"we read a file that PyTorch wrote, with {what}, and predict the same",
                     compare(judged_by_main(main, file, "data/t10k-images-idx3-ubyte.gz"), theirs, bound))


def main_imports_what_torch_saved(report, main, folder, images, u):
    """ReLU on normalised pixels, saved by torch.save(): converted by the lines that the program says."""
    torch.manual_seed(2)
    mean, std = 0.1307, 0.3081
    network = torch.nn.Sequential(torch.nn.Linear(PIXELS, 24), torch.nn.ReLU(), torch.nn.Linear(24, 10))
    torch.save(network.state_dict(), f"{folder}/net.pt")
    refused = subprocess.run([main, "import", f"{folder}/net.pt", "-o", f"{folder}/x"], capture_output=True, text=True)
    lines = refused.stderr.partition("convert it in Python: ")[2].partition(", where the file")[0]
    report.check("a file of torch.save() is refused by its name, with lines of Python",
                 None if refused.returncode == 2 and lines else refused.stderr)
    exec(lines, {})
    run(main, "import", f"{folder}/net.safetensors", "-o", f"{folder}/here.safetensors", "--activation", "relu",
        "--input-mean", str(mean), "--input-std", str(std))
    with torch.no_grad():
        inputs = (torch.tensor(images.astype(np.float64) / 255) - mean) / std
        theirs = torch.softmax(network.double()(inputs), 1).numpy().T
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    folded = {"W1": state["0.weight"] / std, "b1": state["0.bias"] - state["0.weight"].sum(1) * mean / std,
              "W2": state["2.weight"], "b2": state["2.bias"]}
    _, bound = predict(folded, images, u, "relu")
    report.check("an imported network, with its inputs folded in, predicts as PyTorch's does",
                 compare(judged_by_main(main, f"{folder}/here.safetensors", "data/t10k-images-idx3-ubyte.gz"),
                         theirs, bound))


def ten_steps_are_torchs(report, main, folder, images, labels, output, loss, u):
    batch, rate, reg = 24, 0.5, 1e-3
    shape = ["-b", str(batch), "-e", "1", "--train-size", str(10 * batch), "--no-shuffle"]
    first, after = f"{folder}/first.safetensors", f"{folder}/after.safetensors"
    # At a rate of 0 the parameters stay what they were drawn as.
    run(main, *shape, "-n", "32", "--output", output, "--loss", loss, "-l", "0", "--save", first)
    run(main, *shape, "--load", first, "--loss", loss, "-l", str(rate), "-r", str(reg), "--save", after)
    network = torch_network([PIXELS, 32, 10])
    network.load_state_dict(as_state_dict(safetensors.torch.load_file(first)))
    train_in_torch(network, output, loss, images[:10 * batch], labels[:10 * batch], batch, rate, reg)
    ours, theirs = as_state_dict(read_safetensors(after)), network.state_dict()
    bound = 16 * u * (16 + math.sqrt(10))  # as ./main -s, in relative L2 norm
    worst, where = max((np.linalg.norm(ours[name] - theirs[name].numpy()) /
                        np.linalg.norm(theirs[name].numpy()), name) for name in theirs)
    report.check(f"ten steps of {output} and {loss} end where PyTorch's do",
                 None if worst <= bound else f"{where} differs by {worst:.2g}, at most {bound:.2g}")


def twenty_steps_of_an_optimizer_are_torchs(report, main, folder, images, labels, name, u):
    batch, steps, reg = 24, 20, 1e-2
    rate = 0.002 if name.startswith("adam") else 0.05
    shape = ["-b", str(batch), "-e", "1", "--train-size", str(steps * batch), "--no-shuffle"]
    first, after = f"{folder}/first.safetensors", f"{folder}/after.safetensors"
    run(main, *shape, "-n", "32", "-l", "0", "--save", first)
    epsilon = ["--epsilon", "1e-6"] if name.startswith("adam") else []
    run(main, *shape, "--load", first, "-l", str(rate), "-r", str(reg), "--optimizer", name, *epsilon, "--save", after)
    network = torch_network([PIXELS, 32, 10])
    network.load_state_dict(as_state_dict(safetensors.torch.load_file(first)))
    weights = [value for key, value in network.named_parameters() if key.endswith("weight")]
    biases = [value for key, value in network.named_parameters() if key.endswith("bias")]
    groups = [{"params": weights, "weight_decay": reg}, {"params": biases, "weight_decay": 0}]
    optimizer = {"sgd": lambda: torch.optim.SGD(groups, rate),
                 "momentum": lambda: torch.optim.SGD(groups, rate, momentum=0.9),
                 "nesterov": lambda: torch.optim.SGD(groups, rate, momentum=0.9, nesterov=True),
                 "adam": lambda: torch.optim.Adam(groups, rate, eps=1e-6),
                 "adamw": lambda: torch.optim.AdamW(groups, rate, eps=1e-6)}[name]()
    for at in range(0, steps * batch, batch):
        x = torch.tensor(images[at:at + batch].astype(np.float64) / 255)
        y = torch.tensor(labels[at:at + batch].astype(np.int64))
        optimizer.zero_grad()
        torch_loss("softmax", "cross-entropy", network(x), y).backward()
        optimizer.step()
    ours, theirs = as_state_dict(read_safetensors(after)), network.state_dict()
    off = math.sqrt(sum(np.linalg.norm(ours[key] - theirs[key].numpy())**2 for key in theirs))
    size = math.sqrt(sum(np.linalg.norm(theirs[key].numpy())**2 for key in theirs))
    bound = 1e-12 if u < 1e-10 else 1e-4 if name.startswith("adam") else 1e-5
    report.check(f"twenty steps of {name} end where PyTorch's do",
                 None if off / size <= bound else f"differs by {off / size:.2g}, at most {bound:.2g}")


def main():
    if len(sys.argv) != 2:
        print("usage: tests/interop/interop.py MAIN, for example build/float/main", file=sys.stderr)
        sys.exit(2)
    program = sys.argv[1]
    report = Report()
    u = 2.0**-53 if "double" in run(program, "--version") else 2.0**-24
    if np is None:
        report.skip("everything here: NumPy is not installed")
    else:
        images = read_idx("t10k-images-idx3-ubyte", 16).reshape(IMAGES, PIXELS)
        with tempfile.TemporaryDirectory() as folder:
            model = f"{folder}/model.safetensors"
            run(program, "-n", "32", "-e", "1", "--train-size", "10000", "--save", model)
            ours, bound = numpy_predicts_the_same(report, program, model, images, u)
            if torch is None:
                report.skip("PyTorch's part: torch or safetensors is not installed")
            else:
                torch_predicts_the_same(report, model, images, ours, bound)
                main_reads_what_torch_wrote(report, program, folder, images, u)
                main_imports_what_torch_saved(report, program, folder, images, u)
                train = read_idx("train-images-idx3-ubyte", 16).reshape(-1, PIXELS)
                labels = read_idx("train-labels-idx1-ubyte", 8)
                for output, loss in OBJECTIVES:
                    ten_steps_are_torchs(report, program, folder, train, labels, output, loss, u)
                for name in ("sgd", "momentum", "nesterov", "adam", "adamw"):
                    twenty_steps_of_an_optimizer_are_torchs(report, program, folder, train, labels, name, u)
    print(f"{report.passed} passed, {report.failed} failed, {report.skipped} skipped")
    sys.exit(report.failed > 0)


if __name__ == "__main__":
    main()
