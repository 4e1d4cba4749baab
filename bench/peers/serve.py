"""Starts PyTorch's peers quickly: imports torch and reads MNIST once, then forks for each run.

Importing torch takes as long as several runs. Each run is a process of its own all the same, forked
before any thread was started. Standard input brings requests, a line each: a JSON list of the file
for the output, the seconds it may take, the script and its arguments. The answer is a line with its
exit code; 124 says that the time was up.
"""
from __future__ import annotations

import json
import os
import runpy
import signal
import sys
import time
import traceback
from pathlib import Path

import torch  # noqa: F401
import torch._dynamo  # noqa: F401
import torch.distributed  # noqa: F401
import torch.optim  # noqa: F401

import common


def run_script(output: str, script: str, arguments: list[str]) -> int:
    """In the child: its output to the file, its session its own, so that it can be ended whole."""
    os.setsid()
    target = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(target, 1)
    os.dup2(target, 2)
    sys.argv = [script, *arguments]
    try:
        runpy.run_path(str(Path(__file__).parent / script), run_name="__main__")
        return 0
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 3


def wait_for(child: int, seconds: float) -> int:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 124


def main() -> None:
    data = sys.argv[1]
    kept = common.load_mnist(data)
    common.load_mnist = lambda folder: kept
    print("ready", flush=True)
    for line in sys.stdin:
        output, seconds, script, *arguments = json.loads(line)
        child = os.fork()
        if child == 0:
            code = run_script(output, script, arguments)
            sys.stdout.flush()
            os._exit(code)
        print(wait_for(child, seconds), flush=True)


main()
