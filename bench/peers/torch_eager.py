"""PyTorch as its tutorials write it: nn.Sequential, CrossEntropyLoss, autograd, optim.SGD."""
from __future__ import annotations

import torch
from torch import nn

import common

# What was tried, alternating, at (100, 800) and (100, 32), one thread: images kept in float32, not
# bytes converted after gathering: the same; optim.SGD with foreach, 2 to 8 % slower than fused;
# with neither: the same.


def network(sizes: list[int], dtype: torch.dtype) -> nn.Sequential:
    layers: list[nn.Module] = []
    for cols, rows, first in zip(sizes, sizes[1:], common.first_weights(sizes)):
        linear = nn.Linear(cols, rows, dtype=dtype)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(first))
            linear.bias.zero_()
        layers += [linear, nn.Sigmoid()]
    return nn.Sequential(*layers[:-1])


def sgd(model: nn.Module) -> torch.optim.SGD:
    """The penalty is on the weights alone."""
    weights = [p for p in model.parameters() if p.dim() > 1]
    biases = [p for p in model.parameters() if p.dim() == 1]
    return torch.optim.SGD([{"params": weights, "weight_decay": common.REG}, {"params": biases}],
                           lr=common.RATE, fused=True)


def main() -> None:
    options = common.parse("torch_eager")
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    dtype = getattr(torch, common.REAL[options.type])
    images, labels = map(torch.from_numpy, common.load_mnist(options.data))
    model = network(common.layer_sizes(options), dtype)
    optimizer, cross_entropy = sgd(model), nn.CrossEntropyLoss()

    def loss_of(index: torch.Tensor) -> torch.Tensor:
        inputs = images.index_select(0, index).to(dtype).mul_(1 / 255)
        return cross_entropy(model(inputs), labels.index_select(0, index))

    def train(count: int) -> None:
        for index in torch.randperm(len(labels))[:count].split(options.batch):
            optimizer.zero_grad(set_to_none=True)
            loss_of(index).backward()
            optimizer.step()

    common.say_settings("torch_eager", torch.__version__,
                        f"{options.type}, {torch.get_num_threads()} threads")
    common.time_epochs(options.seconds, len(labels), options.batch, train)
    with torch.no_grad():
        common.say_loss(loss_of(torch.arange(options.batch)).item())


if __name__ == "__main__":
    main()
