"""PyTorch on several processes of one thread each: DistributedDataParallel over gloo.

Each process takes its part of every mini-batch, as ./main's ranks do. Style ddp is the tutorials'
DistributedDataParallel; style flat is the same autograd with one all_reduce of one flat gradient.
"""
from __future__ import annotations

import os
import socket
from argparse import Namespace

import torch
import torch.distributed as dist
from torch import nn

import common
from torch_eager import network, sgd

# gradient_as_bucket_view, static_graph and one bucket for the whole gradient save DDP copies and
# messages; each process stays on its core. NCCL needs GPUs, and PyTorch's wheels have no MPI.


def flat_gradient(model: nn.Module) -> torch.Tensor:
    """One array, of which every parameter's gradient is a part."""
    parameters = list(model.parameters())
    flat = torch.zeros(sum(p.numel() for p in parameters), dtype=parameters[0].dtype)
    for p, part in zip(parameters, flat.split([p.numel() for p in parameters])):
        p.grad = part.view_as(p)
    return flat


def work(rank: int, options: Namespace, port: int) -> None:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    dist.init_process_group("gloo", rank=rank, world_size=options.threads)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[rank % len(cores)]})
    dtype = getattr(torch, common.REAL[options.type])
    images, labels = map(torch.from_numpy, common.load_mnist(options.data))
    model = network(common.layer_sizes(options), dtype)
    is_flat = options.style == "flat"
    if not is_flat:
        model = nn.parallel.DistributedDataParallel(
            model, gradient_as_bucket_view=True, static_graph=True, bucket_cap_mb=100)
    flat = flat_gradient(model) if is_flat else None
    optimizer, cross_entropy = sgd(model), nn.CrossEntropyLoss()
    generator = torch.Generator().manual_seed(1)

    def loss_of(index: torch.Tensor) -> torch.Tensor:
        inputs = images.index_select(0, index).to(dtype).mul_(1 / 255)
        return cross_entropy(model(inputs), labels.index_select(0, index))

    def train(count: int) -> None:
        for index in torch.randperm(len(labels), generator=generator)[:count].split(options.batch):
            if flat is None:
                optimizer.zero_grad(set_to_none=True)
            else:
                flat.zero_()
            loss_of(index.tensor_split(options.threads)[rank]).backward()
            if flat is not None:
                dist.all_reduce(flat)
                flat.div_(options.threads)
            optimizer.step()

    def value_of_first(value: float) -> float:
        shared = torch.tensor([value], dtype=torch.float64)
        dist.broadcast(shared, 0)
        return shared.item()

    if rank == 0:
        common.say_settings(f"torch_ddp ({options.style})", torch.__version__,
                            f"{options.type}, gloo, {options.threads} processes of 1 thread")
    common.time_epochs(options.seconds, len(labels), options.batch, train, value_of_first,
                       speaks=rank == 0)
    if rank == 0:
        with torch.no_grad():
            common.say_loss(loss_of(torch.arange(options.batch)).item())
    dist.destroy_process_group()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


if __name__ == "__main__":
    given = common.parse("torch_ddp", ("ddp", "flat"))
    torch.multiprocessing.start_processes(work, (given, free_port()), given.threads,
                                          start_method="fork")
