"""Makes the fuzzer's corpus with uproot: python make_corpus.py

Tiny trees of a few shapes and codecs, and a histogram. Most of such a file is its list of streamers, so that they are
few. For each codec two payloads behind their size of three bytes.
"""

import lzma
import pathlib
import zlib

import awkward
import cramjam
import numpy
import uproot

CORPUS = pathlib.Path(__file__).parent / "corpus"
HERE = CORPUS / "file"
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
    ("jagged", JAGGED, "zlib"),
    ("text", TEXT, "lz4"),
]
PAYLOADS = {
    "zlib": zlib.compress,
    "old_zlib": lambda text: zlib.compress(text)[2:-4],
    "lzma": lzma.compress,
    "lz4": lambda text: bytes(cramjam.lz4.compress_block(text, store_size=False)),
    "zstd": lambda text: bytes(cramjam.zstd.compress(text, 5)),
}


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
    with uproot.recreate(HERE / "histogram.root", compression=CODECS["zlib"], **small) as file:
        file["h"] = numpy.histogram([1.0, 2.0, 2.0], bins=[0, 1, 3])
    for codec, compress in PAYLOADS.items():
        (CORPUS / codec).mkdir(exist_ok=True)
        for name, text in [("text", b"fiducial " * 9), ("numbers", numpy.arange(40, dtype=">u2").tobytes())]:
            (CORPUS / codec / name).write_bytes(len(text).to_bytes(3, "little") + compress(text))


main()
