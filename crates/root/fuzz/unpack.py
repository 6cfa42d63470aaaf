"""Seeds for the target `file`: copies of ROOT files whose trees, lists of streamers and other objects are not compressed

    python unpack.py work/file FILE...     (pip install cramjam)

A fuzzer's changes to compressed bytes seldom come past the codec. Each object that is compressed is appended once more as
it is, and the directory's key leads there. Baskets stay as they are.
"""

import lzma
import pathlib
import struct
import sys
import zlib

import cramjam

KEY_START = 22
# What the fuzzer takes of a file (-max_len in run.sh).
LONGEST = 65536


def block(tag, payload, size):
    if tag == b"ZL":
        return zlib.decompress(payload)
    if tag == b"CS":
        return zlib.decompress(payload, -15)
    if tag == b"XZ":
        return lzma.decompress(payload)
    if tag == b"L4":
        return bytes(cramjam.lz4.decompress_block(payload[8:], output_len=size))
    return bytes(cramjam.zstd.decompress(payload))


def decompress(stored, length):
    out = b""
    while len(out) < length:
        packed, size = (int.from_bytes(stored[at : at + 3], "little") for at in (3, 6))
        out += block(stored[:2], stored[9 : 9 + packed], size)
        stored = stored[9 + packed :]
    return out


def unpacked(file):
    out = bytearray(file)
    (at,) = struct.unpack_from(">I", file, 8)
    while at + 30 < len(file):
        length, version, object_len, _, key_len = struct.unpack_from(">iHIIH", file, at)
        if length < 0:  # a gap
            at -= length
            continue
        if length == 0:
            break
        names = at + (34 if version > 1000 else 26)
        class_name = file[names + 1 : names + 1 + file[names]]
        names += 1 + file[names]
        name = file[names + 1 : names + 1 + file[names]]
        stored = file[at + key_len : at + length]
        if len(stored) != object_len and version < 1000 and class_name not in (b"TBasket", b"RBlob"):
            place = struct.pack(">I", len(out))
            total = struct.pack(">I", key_len + object_len)
            old = file[at : at + KEY_START]
            new = total + old[4:18] + place
            found = file.find(old)
            while found >= 0:
                out[found : found + KEY_START] = new
                found = file.find(old, found + 1)
            if name == b"StreamerInfo":
                out[37:45] = place + total
            out += new + file[at + KEY_START : at + key_len] + decompress(stored, object_len)
        at += length
    return bytes(out)


def main():
    directory = pathlib.Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for path in map(pathlib.Path, sys.argv[2:]):
        file = unpacked(path.read_bytes())
        if len(file) <= LONGEST:
            (directory / f"unpacked-{path.name}").write_bytes(file)


main()
