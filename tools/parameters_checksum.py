#!/usr/bin/env python3
"""parameters_checksum.py FILE: CRC-32 of a model file's tensors, whatever else its header says."""
import json
import struct
import sys
import zlib

with open(sys.argv[1], "rb") as file:
    header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    data = file.read()
checksum = 0
for name in sorted(name for name in header if name != "__metadata__"):
    first, last = header[name]["data_offsets"]
    checksum = zlib.crc32(name.encode() + data[first:last], checksum)
print(f"{checksum:08x}")
