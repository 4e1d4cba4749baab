"""PyTorch from a cold start: the step of torch_plain.py, epoch by epoch, until it reads well.

By hand it is the fastest of PyTorch's styles from a cold start: the compiler takes longer than the
whole training.
"""
from __future__ import annotations

import torch

import common
from torch_plain import Mlp


def main() -> None:
    options = common.parse_cold("torch_cold")
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(options.seed)
    images, labels = map(torch.from_numpy, common.load_mnist(options.data))
    test_images, test_labels = map(torch.from_numpy, common.load_mnist(options.data, "t10k"))
    test = test_images.to(torch.float32).mul_(1 / 255)
    mlp = Mlp(common.layer_sizes(options), torch.float32, options.batch)

    def train() -> None:
        for index in torch.randperm(len(labels)).split(options.batch):
            mlp.gather(images, labels, index)
            mlp.forward(len(index))
            mlp.backward_and_update(len(index))

    def accuracy() -> float:
        a = test
        for layer, bias in enumerate(mlp.biases):
            z = torch.addmm(bias, a, mlp.across(layer))
            a = torch.sigmoid(z)
        return (z.argmax(1) == test_labels).to(torch.float64).mean().item()

    with torch.inference_mode():
        common.train_until(options, train, accuracy)


main()
