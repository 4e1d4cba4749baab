"""PyTorch by hand: tensor code in place, without autograd; on most shapes its fastest on a CPU."""
from __future__ import annotations

import torch

import common

# What was tried, in float on 2 cores with AVX-512, and what became of it:
#   images gathered as bytes, then converted, their 1/255 left to the products' alpha: at batch 800
#     up to 10 % faster than images kept in float32, elsewhere the same
#   the update inside the product that makes the gradient (addmm_, beta 1 - rate reg): 20 to 30 %
#     faster at batch 32; weights stored inputs x outputs: 6 to 12 % slower at batch 800, up to 30 %
#     faster at 32 and two threads, so it is taken for small batches
#   oneDNN instead of MKL (torch.ops.mkldnn._linear_pointwise, packed too): no faster
#   MKL_ENABLE_INSTRUCTIONS, MKL_CBWR: MKL chooses AVX-512 by itself, nothing gained
SMALL_BATCH = 64


class Mlp:
    """The network, its buffers for one mini-batch, and the training set."""

    def __init__(self, sizes: list[int], dtype: torch.dtype, batch: int) -> None:
        self.transposed = batch <= SMALL_BATCH
        first = [torch.from_numpy(w).to(dtype) for w in common.first_weights(sizes)]
        self.weights = [w.t().contiguous() if self.transposed else w for w in first]
        self.biases = [torch.zeros(n, dtype=dtype) for n in sizes[1:]]
        self.bytes = torch.empty(batch, sizes[0], dtype=torch.uint8)
        self.labels = torch.empty(batch, dtype=torch.int64)
        self.activations = [torch.empty(batch, n, dtype=dtype) for n in sizes]
        self.deltas = [torch.empty(batch, n, dtype=dtype) for n in sizes]
        self.ones = torch.ones(batch, 1, dtype=dtype)

    def across(self, layer: int) -> torch.Tensor:
        """The weights as inputs x outputs, as a view."""
        return self.weights[layer] if self.transposed else self.weights[layer].t()

    def gather(self, images: torch.Tensor, labels: torch.Tensor, index: torch.Tensor) -> None:
        n = len(index)
        self.activations[0][:n].copy_(torch.index_select(images, 0, index, out=self.bytes[:n]))
        torch.index_select(labels, 0, index, out=self.labels[:n])

    def forward(self, n: int) -> torch.Tensor:
        """The outputs before softmax of the n samples gathered."""
        z = self.activations[0][:n]
        for layer, bias in enumerate(self.biases):
            z = torch.addmm(bias, z, self.across(layer), alpha=1 if layer else 1 / 255,
                            out=self.activations[layer + 1][:n])
            if layer + 1 < len(self.biases):
                z.sigmoid_()
        return z

    def backward_and_update(self, n: int) -> None:
        """Each layer's delta, then its update, which the product with the delta adds in place."""
        rate, keep = common.RATE / n, 1 - common.RATE * common.REG
        delta = torch.softmax(self.activations[-1][:n], 1, out=self.deltas[-1][:n])
        delta.scatter_add_(1, self.labels[:n, None], -self.ones[:n])
        for layer in reversed(range(len(self.weights))):
            below, weights = self.activations[layer][:n], self.weights[layer]
            if layer:
                next_delta = torch.mm(delta, self.across(layer).t(), out=self.deltas[layer][:n])
                torch.ops.aten.sigmoid_backward(next_delta, below, grad_input=next_delta)
            step = -rate if layer else -rate / 255
            if self.transposed:
                weights.addmm_(below.t(), delta, beta=keep, alpha=step)
            else:
                weights.addmm_(delta.t(), below, beta=keep, alpha=step)
            self.biases[layer].addmv_(delta.t(), self.ones[:n, 0], alpha=-rate)
            if layer:
                delta = next_delta


def main() -> None:
    options = common.parse("torch_plain", ("float32", "bf16"))
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    if options.style == "bf16":  # PyTorch rounds the factors of every product to 8 bits
        torch.set_float32_matmul_precision("medium")
    images, labels = map(torch.from_numpy, common.load_mnist(options.data))
    mlp = Mlp(common.layer_sizes(options), getattr(torch, common.REAL[options.type]), options.batch)

    def train(count: int) -> None:
        for index in torch.randperm(len(labels))[:count].split(options.batch):
            mlp.gather(images, labels, index)
            mlp.forward(len(index))
            mlp.backward_and_update(len(index))

    def loss() -> float:
        index = torch.arange(options.batch)
        mlp.gather(images, labels, index)
        return torch.nn.functional.cross_entropy(mlp.forward(len(index)), mlp.labels).item()

    common.say_settings("torch_plain", torch.__version__,
                        f"{options.type}, {options.style}, {torch.get_num_threads()} threads")
    with torch.inference_mode():
        common.time_epochs(options.seconds, len(labels), options.batch, train)
        common.say_loss(loss())


if __name__ == "__main__":
    main()
