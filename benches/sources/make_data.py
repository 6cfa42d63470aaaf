"""Makes files of about 200 MB in memory for the benchmark: python make_data.py DIR"""

import pathlib
import sys

import h5py
import numpy
import pandas

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
random = numpy.random.default_rng(1)

# As the top tagging reference set: 200 × 4 columns, most of them filled up with zeros, Blosc.
n = 62_000
counts = random.integers(10, 90, n)
there = numpy.arange(200) < counts[:, None]
values = {name: (random.exponential(20, size=(n, 200)) * there).astype("f4") for name in ("E", "PX", "PY", "PZ")}
frame = pandas.DataFrame({f"{name}_{i}": values[name][:, i] for i in range(200) for name in values})
frame["is_signal_new"] = numpy.arange(n) % 2
frame.to_hdf(out / "top.h5", key="table", format="table", complib="blosc", complevel=5, index=False)

# As CaloChallenge: gzip.
with h5py.File(out / "calo.h5", "w") as file:
    showers = random.exponential(size=(4000, 6480)) * (random.uniform(size=(4000, 6480)) > 0.7)
    file.create_dataset("showers", data=showers, compression="gzip")
    file["incident_energies"] = random.uniform(size=(4000, 1))

# As JetNet: plain; and the same as NPZ, packed.
particles = random.normal(size=(150_000, 30, 12)).astype("f4")
with h5py.File(out / "plain.h5", "w") as file:
    file["particles"] = particles
numpy.savez_compressed(out / "packed.npz", particles=particles[:100_000])

# As TrackML.
rows = 3_000_000
hits = pandas.DataFrame({"hit_id": numpy.arange(rows), "x": random.normal(size=rows).round(4), "y": random.normal(size=rows).round(4),
                         "z": random.normal(size=rows).round(4), "volume_id": random.integers(7, 19, rows), "particle_id": random.integers(0, 2**60, rows)})
hits.to_csv(out / "hits.csv", index=False)
