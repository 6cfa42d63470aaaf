"""The twin of crates/data/examples/read_source.rs with h5py, pandas and numpy: python read_source.py FILE"""

import json
import pathlib
import sys
import time

path = pathlib.Path(sys.argv[1])
import h5py  # noqa: E402, imports are not counted
import numpy  # noqa: E402
import pandas  # noqa: E402
import tables  # noqa: E402, F401

start = time.perf_counter()
if path.name == "top.h5":
    data = pandas.read_hdf(path, key="table")
elif path.suffix == ".h5":
    with h5py.File(path) as file:
        data = [file[name][()] for name in file]
elif path.suffix == ".npz":
    with numpy.load(path) as file:
        data = [file[name] for name in file.files]
else:
    data = pandas.read_csv(path, float_precision="round_trip")
print(json.dumps({"read_s": time.perf_counter() - start}))
