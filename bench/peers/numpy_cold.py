"""NumPy from a cold start: the step of numpy_mlp.py, epoch by epoch, until it reads well."""
from __future__ import annotations

import blas  # noqa: F401, before NumPy
import numpy as np

import common
from numpy_mlp import Mlp


def main() -> None:
    options = common.parse_cold("numpy_cold")
    images, labels = common.load_mnist(options.data)
    test_images, test_labels = common.load_mnist(options.data, "t10k")
    test = test_images.astype("float32") / np.float32(255)
    mlp = Mlp(common.layer_sizes(options), "float32", options.batch)
    random = np.random.default_rng(options.seed)

    def train() -> None:
        order = random.permutation(len(labels))
        for first in range(0, len(labels), options.batch):
            index = order[first:first + options.batch]
            mlp.gather(images, index)
            mlp.forward(len(index))
            mlp.backward_and_update(labels[index])

    def accuracy() -> float:
        a = test
        for weights, bias in zip(mlp.weights, mlp.biases):
            z = a @ weights.T + bias
            a = 1 / (1 + np.exp(-z))
        return float((z.argmax(axis=1) == test_labels).mean())

    common.train_until(options, train, accuracy)


main()
