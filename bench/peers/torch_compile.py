"""PyTorch's compiler over the step written by hand: fused element-wise work, little overhead.

The gathering stays outside: inside it was slower. The compiler needs g++; what it makes is kept in
TORCHINDUCTOR_CACHE_DIR.
"""
from __future__ import annotations

import torch
import torch._inductor.config

import common

# What was tried, at batch 32 and 800: the C++ wrapper (kept: the fastest at 32), the update inside
# the gradient's product (addmm_ with beta: no faster at 32, slower at 800).
torch._inductor.config.cpp_wrapper = True


def make_step(sizes: list[int], dtype: torch.dtype):
    """The step and the loss before it, as functions of bytes and labels."""
    weights = [torch.from_numpy(w).to(dtype).t().contiguous() for w in common.first_weights(sizes)]
    biases = [torch.zeros(n, dtype=dtype) for n in sizes[1:]]
    classes = torch.arange(common.CLASSES)

    def forward(raw: torch.Tensor) -> list[torch.Tensor]:
        a = [raw.to(dtype) * (1 / 255)]
        for layer, (w, b) in enumerate(zip(weights, biases)):
            z = torch.addmm(b, a[-1], w)
            a.append(torch.sigmoid(z) if layer + 1 < len(weights) else z)
        return a

    def step(raw: torch.Tensor, labels: torch.Tensor) -> None:
        a = forward(raw)
        rate, keep = common.RATE / len(raw), 1 - common.RATE * common.REG
        delta = torch.softmax(a[-1], 1) - (labels[:, None] == classes)
        for layer in reversed(range(len(weights))):
            below = delta
            if layer:
                below = (delta @ weights[layer].t()) * a[layer] * (1 - a[layer])
            weights[layer].mul_(keep).sub_(a[layer].t() @ delta, alpha=rate)
            biases[layer].sub_(delta.sum(0), alpha=rate)
            delta = below

    def loss(raw: torch.Tensor, labels: torch.Tensor) -> float:
        return torch.nn.functional.cross_entropy(forward(raw)[-1], labels).item()

    return torch.compile(step, dynamic=False), loss


def main() -> None:
    options = common.parse("torch_compile")
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    images, labels = map(torch.from_numpy, common.load_mnist(options.data))
    step, loss = make_step(common.layer_sizes(options), getattr(torch, common.REAL[options.type]))
    bytes_ = torch.empty(options.batch, images.shape[1], dtype=torch.uint8)

    def take(index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        raw = torch.index_select(images, 0, index, out=bytes_[:len(index)])
        return raw, torch.index_select(labels, 0, index)

    def train(count: int) -> None:
        for index in torch.randperm(len(labels))[:count].split(options.batch):
            step(*take(index))

    common.say_settings("torch_compile", torch.__version__,
                        f"{options.type}, {torch.get_num_threads()} threads")
    with torch.inference_mode():
        if len(labels) % options.batch:  # the last mini-batch is compiled apart, before timing
            train(len(labels) % options.batch)
        common.time_epochs(options.seconds, len(labels), options.batch, train)
        common.say_loss(loss(*take(torch.arange(options.batch))))


main()
