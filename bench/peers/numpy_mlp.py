"""NumPy with every output preallocated: np.dot(out=) and ufuncs in place."""
from __future__ import annotations

import blas  # noqa: F401, before NumPy
import numpy as np

import common

# What was tried, at batch 800: images kept in float32 and gathered by np.take, 308 us a mini-batch;
# bytes gathered and multiplied by 1/255, 364 us; bytes gathered and converted, 219 us, their 1/255
# left to the smaller arrays of the products (kept). np.tanh for the sigmoid saves 10 us of 5000.
# Weights stored inputs x outputs: the same within the noise. For OpenBLAS see blas.py.


class Mlp:
    """The network, its buffers for one mini-batch, and one step of training."""

    def __init__(self, sizes: list[int], dtype: str, batch: int) -> None:
        self.weights = [w.astype(dtype) for w in common.first_weights(sizes)]
        self.biases = [np.zeros(n, dtype) for n in sizes[1:]]
        self.bytes = np.empty((batch, sizes[0]), np.uint8)
        self.activations = [np.empty((batch, n), dtype) for n in sizes]
        self.deltas = [np.empty((batch, n), dtype) for n in sizes]
        self.gradients = [np.empty_like(w) for w in self.weights]
        self.ones = np.ones(batch, dtype)
        self.rows = np.arange(batch)
        self.scale = self.ones.dtype.type(1 / 255)

    def gather(self, images: np.ndarray, index: np.ndarray) -> None:
        raw = np.take(images, index, axis=0, out=self.bytes[:len(index)], mode="clip")
        np.copyto(self.activations[0][:len(index)], raw)

    def forward(self, n: int) -> np.ndarray:
        """The outputs before softmax of the n samples gathered."""
        below = self.activations[0][:n]
        for layer, (weights, bias) in enumerate(zip(self.weights, self.biases)):
            z = np.dot(below, weights.T, out=self.activations[layer + 1][:n])
            if layer == 0:
                z *= self.scale
            z += bias
            if layer + 1 < len(self.weights):
                np.negative(z, out=z)
                np.exp(z, out=z)
                z += 1
                np.reciprocal(z, out=z)
            below = z
        return below

    def backward_and_update(self, labels: np.ndarray) -> None:
        n = len(labels)
        z, delta = self.activations[-1][:n], self.deltas[-1][:n]
        np.subtract(z, z.max(axis=1, keepdims=True), out=delta)
        np.exp(delta, out=delta)
        delta /= delta.sum(axis=1, keepdims=True)
        delta[self.rows[:n], labels] -= 1
        delta *= common.RATE / n  # the rate is taken here, where there is least to multiply
        for layer in reversed(range(len(self.weights))):
            below, weights = self.activations[layer][:n], self.weights[layer]
            self.biases[layer] -= np.dot(self.ones[:n], delta)
            if layer == 0:
                delta *= self.scale
            gradient = np.dot(delta.T, below, out=self.gradients[layer])
            if layer:
                delta = np.dot(delta, weights, out=self.deltas[layer][:n])
                delta *= below
                np.subtract(1, below, out=below)
                delta *= below
            weights *= 1 - common.RATE * common.REG
            weights -= gradient


def main() -> None:
    options = common.parse("numpy_mlp")
    images, labels = common.load_mnist(options.data)
    mlp = Mlp(common.layer_sizes(options), common.REAL[options.type], options.batch)
    random = np.random.default_rng(1)

    def train(count: int) -> None:
        order = random.permutation(len(labels))[:count]
        for first in range(0, count, options.batch):
            index = order[first:first + options.batch]
            mlp.gather(images, index)
            mlp.forward(len(index))
            mlp.backward_and_update(labels[index])

    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    common.say_settings("numpy_mlp", np.__version__, f"{options.type}, {blas['name']} "
                        f"{blas['version']}, {options.threads} threads")
    common.time_epochs(options.seconds, len(labels), options.batch, train)
    mlp.gather(images, np.arange(options.batch))
    z = mlp.forward(options.batch).astype("float64")
    z -= z.max(axis=1, keepdims=True)
    likelihood = np.exp(z)[mlp.rows, labels[:options.batch]] / np.exp(z).sum(axis=1)
    common.say_loss(float(-np.log(likelihood).mean()))


if __name__ == "__main__":
    main()
