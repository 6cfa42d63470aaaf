"""Makes the small ROOT files of tests/fixtures with uproot: python make_fixtures.py

The values are simple enough to check by hand; tests/fixtures.rs knows them too.
"""

import pathlib

import awkward
import numpy
import uproot

HERE = pathlib.Path(__file__).parent / "fixtures"

SMALL = {"initial_directory_bytes": 256, "initial_streamers_bytes": 256}
CODECS = {
    "uncompressed": None,
    "zlib": uproot.ZLIB(6),
    "lzma": uproot.LZMA(6),
    "lz4": uproot.LZ4(4),
    "zstd": uproot.ZSTD(5),
}


def rows(start, stop):
    """Row i: its number in every type, i % 4 items in its list, the text "row i"."""
    i = numpy.arange(start, stop)
    counts = i % 4
    items = numpy.concatenate([(numpy.arange(n) + 0.5 * k).astype("f4") for k, n in zip(i, counts)])
    return {
        "i1": (i - 50).astype("i1"),
        "i2": (i - 50).astype("i2"),
        "i4": (i - 50).astype("i4"),
        "i8": ((i - 50) * 10_000_000_000).astype("i8"),
        "u1": i.astype("u1"),
        "u2": (i * 600).astype("u2"),
        "u4": (i * 40_000_000).astype("u4"),
        "u8": i.astype("u8") * 184_467_440_737_095_516,
        "f4": (i * 0.5).astype("f4"),
        "f8": i * 0.125,
        "flag": i % 3 == 0,
        "matrix": (i[:, None, None] * 6 + numpy.arange(6).reshape(2, 3)).astype("i4"),
        "text": awkward.Array([f"row {k}" if k % 10 else "x" * 300 for k in i]),
        "part": awkward.zip({"pt": awkward.unflatten(items, counts), "id": awkward.unflatten(items.astype("i4"), counts)}),
    }


def main():
    HERE.mkdir(exist_ok=True)
    types = {k: v.type.content if isinstance(v, awkward.Array) else (v.dtype, v.shape[1:]) for k, v in rows(0, 8).items()}
    # One file for all codecs: most of a small file is the list of streamers.
    with uproot.recreate(HERE / "codecs.root", **SMALL) as file:
        for name, codec in CODECS.items():
            file.file.compression = codec
            tree = file.mktree(f"{name}/events", types, title="rows")
            tree.compression = codec
            # Two baskets a branch, of 60 and 40 rows.
            tree.extend(rows(0, 60))
            tree.extend(rows(60, 100))
        file.mktree("empty", {"x": "f8"})
        file["note"] = "not a tree"


main()
