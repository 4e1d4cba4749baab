#!/usr/bin/env python3
"""first_images.py DATA FOLDER TRAIN TEST: the first images of MNIST as a set of its own.

Writes the four files, not compressed, so that a training on them takes no time to read and judge.
"""
import gzip
import pathlib
import struct
import sys

data, folder, train, test = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
folder.mkdir(parents=True, exist_ok=True)
for split, count in (("train", train), ("t10k", test)):
    for name, header, size in ((f"{split}-images-idx3-ubyte", 16, 784), (f"{split}-labels-idx1-ubyte", 8, 1)):
        with gzip.open(data / f"{name}.gz") as file:
            start = bytearray(file.read(header + size * count))
        start[4:8] = struct.pack(">I", count)
        (folder / name).write_bytes(start)
