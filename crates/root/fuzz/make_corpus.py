"""Makes the fuzzer's corpus with uproot: python make_corpus.py

Tiny trees of a few shapes and codecs. Most of such a file is its list of streamers.
"""

import pathlib

import awkward
import numpy
import uproot

HERE = pathlib.Path(__file__).parent / "corpus" / "file"
CODECS = {
    "uncompressed": None,
    "zlib": uproot.ZLIB(9),
    "lzma": uproot.LZMA(9),
    "lz4": uproot.LZ4(9),
    "zstd": uproot.ZSTD(9),
}
FLAT = {"a": numpy.arange(5, dtype="f4"), "b": numpy.arange(5) % 2 == 0}
ARRAY = {"m": numpy.arange(30, dtype="i2").reshape(5, 2, 3)}
JAGGED = {"x": awkward.Array([[1.0], [], [2.0, 3.0], [4.0], []])}
TEXT = {"s": awkward.Array(["a", "", "bc" * 40, "d", "e"])}
FILES = [
    ("flat", FLAT, "uncompressed"),
    ("array", ARRAY, "zlib"),
    ("jagged", JAGGED, "uncompressed"),
    ("jagged", JAGGED, "zlib"),
    ("text", TEXT, "zlib"),
    ("text", TEXT, "lzma"),
    ("text", TEXT, "lz4"),
    ("text", TEXT, "zstd"),
]


def main():
    HERE.mkdir(parents=True, exist_ok=True)
    small = {"initial_directory_bytes": 128, "initial_streamers_bytes": 64}
    for shape, columns, codec in FILES:
        compression = CODECS[codec]
        with uproot.recreate(HERE / f"{shape}-{codec}.root", compression=compression, **small) as file:
            types = {k: v.type.content if isinstance(v, awkward.Array) else (v.dtype, v.shape[1:]) for k, v in columns.items()}
            tree = file.mktree("t", types, initial_basket_capacity=2)
            tree.compression = compression
            tree.extend(columns)


main()
