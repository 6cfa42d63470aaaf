"""Compares Parquet files made from the fixtures with what h5py, pandas, numpy, pylhe and pyhepmc read: check.py FIXTURES MADE"""

import math
import pathlib
import sys

import h5py
import numpy
import pandas
import pyarrow.parquet
import pyhepmc
import pylhe

FIXTURES, MADE = map(pathlib.Path, sys.argv[1:])


def made(name, table=""):
    return pyarrow.parquet.read_table(MADE / f"{name}@{table}.parquet")


def same(name, found, expected):
    """Value for value; NaN is NaN, and what is missing is missing."""
    found = found.to_pylist() if hasattr(found, "to_pylist") else found
    expected = expected.tolist() if hasattr(expected, "tolist") else expected

    def equal(a, b):
        if isinstance(b, list):
            return isinstance(a, list) and len(a) == len(b) and all(map(equal, a, b))
        if isinstance(b, bytes):
            b = b.decode()
        if isinstance(b, float) and math.isnan(b):
            return a is None or math.isnan(a)
        return a == b and isinstance(a, bool) == isinstance(b, bool)

    assert equal(found, expected), f"{name}: {str(found)[:200]} is not {str(expected)[:200]}"


def columns(name, table, expected):
    read = made(name, table)
    assert set(read.column_names) == set(expected), f"{name}: {read.column_names} are not {list(expected)}"
    for column, values in expected.items():
        same(f"{name} {column}", read[column], values)


def hdf5():
    def arrays(name, table="", prefix=""):
        expected = {}

        def visit(path, node):
            if not isinstance(node, h5py.Dataset) or h5py.check_string_dtype(node.dtype) not in (None,) and h5py.check_string_dtype(node.dtype).length is None:
                return
            if node.dtype.names:
                for member in node.dtype.names:
                    expected[f"{path}.{member}" if table != path else member] = node[member]
            else:
                expected[path] = node[()]

        with h5py.File(FIXTURES / name) as file:
            node = file[table] if table else file
            if isinstance(node, h5py.Dataset):
                visit(table, node)
            else:
                node.visititems(visit)
            columns(name, table, expected)

    for name, table in (("plain.h5", ""), ("gzip.h5", ""), ("latest.h5", ""), ("latest.h5", "inner"), ("records.h5", ""), ("records.h5", "jets"),
                        ("user_block.h5", ""), ("blosc.h5", "noise"), ("blosc.h5", "waves")):
        if name == "blosc.h5":
            import tables
            with tables.open_file(FIXTURES / name) as file:
                node = file.get_node(f"/{table}")
                nodes = [node] if table == "noise" else file.list_nodes(node)
                columns(name, table, {leaf.name: leaf.read() for leaf in nodes})
        else:
            arrays(name, table)


def frames():
    for name, key in (("table_blosclz.h5", ""), ("table_lz4.h5", ""), ("table_zlib.h5", ""), ("table_zstd.h5", "table"), ("frame_fixed.h5", "")):
        frame = pandas.read_hdf(FIXTURES / name, key="df" if name.startswith("frame") else "table")
        expected = {"index": frame.index.to_numpy()}
        for column in ("E", "PX", "PY", "PZ"):
            expected[column] = frame[[f"{column}_{i}" for i in range(6)]].to_numpy()
        for column in ("truthE", "truthPX", "ttv", "is_signal_new"):
            expected[column] = frame[column].to_numpy()
        columns(name, key, expected)
    frame = pandas.read_hdf(FIXTURES / "frame_numbers.h5", key="df")
    columns("frame_numbers.h5", "df", {"index": frame.index.to_numpy(), "values": frame.to_numpy()})


def numpy_files():
    for name in ("fortran.npy", "version3.npy"):
        columns(name, "", {name.split(".")[0]: numpy.load(FIXTURES / name)})
    for name, table in (("stored.npz", ""), ("packed.npz", ""), ("lengths.npz", "b")):
        with numpy.load(FIXTURES / name) as file:
            columns(name, table, {key: file[key] for key in file.files if not table or key == table})


def csv():
    text = {"code": str}
    for name, options in (("hits.csv", {}), ("hits.csv.gz", {}), ("hits.tsv", {"sep": "\t"}), ("gaps.csv", {}), ("bare.csv", {"header": None})):
        frame = pandas.read_csv(FIXTURES / name, dtype=text, **options)
        if name == "bare.csv":
            frame.columns = [f"column_{i}" for i in frame.columns]
        columns(name, "", {column: frame[column].tolist() for column in frame})
    frame = pandas.read_csv(FIXTURES / "missing.csv", comment="#", sep=";")
    columns("missing.csv", "", {column: frame[column].tolist() for column in frame})
    numbers = numpy.loadtxt(FIXTURES / "savetxt.txt")
    columns("savetxt.txt", "", dict(zip(("pt", "eta", "phi"), numbers.T.tolist())))


def lhe():
    fields = {"id": "id", "status": "status", "mother1": "mother1", "mother2": "mother2", "color1": "color1", "color2": "color2", "px": "px", "py": "py",
              "pz": "pz", "e": "e", "mass": "m", "lifetime": "lifetime", "spin": "spin"}
    info = {"process": "pid", "weight": "weight", "scale": "scale", "alpha_qed": "aqed", "alpha_qcd": "aqcd"}
    events = list(pylhe.LHEFile.fromfile(str(FIXTURES / "events.lhe")).events)
    expected = {column: [getattr(event.eventinfo, field) for event in events] for column, field in info.items()}
    for column, field in fields.items():
        expected[f"particle_{column}"] = [[getattr(particle, field) for particle in event.particles] for event in events]
    for weight in events[0].weights:
        expected[f"weight_{weight}"] = [event.weights[weight] for event in events]
    for name in ("events.lhe", "events.lhe.xz"):
        columns(name, "", expected)


def hepmc():
    for name in ("gev_mm.hepmc3", "mev_cm.hepmc3"):
        energy, length = (1.0, 1.0) if name.startswith("gev") else (1e-3, 10.0)
        rows = []
        with pyhepmc.open(FIXTURES / name) as file:
            for event in file:
                listed = [vertex for vertex in event.vertices if len(vertex.particles_in) > 1 or vertex.has_set_position()]
                ids = {vertex.id for vertex in listed}
                row = {"event_number": event.event_number, "weight_nominal": event.weights[0], "weight_scale_up": event.weights[1]}
                particles = event.particles
                row["particle_id"] = [p.pid for p in particles]
                row["particle_status"] = [p.status for p in particles]
                for axis, field in (("px", "px"), ("py", "py"), ("pz", "pz"), ("e", "e")):
                    row[f"particle_{axis}"] = [getattr(p.momentum, field) * energy for p in particles]
                row["particle_mass"] = [p.generated_mass * energy for p in particles]
                vertices = [p.production_vertex for p in particles]
                parent = lambda v: 0 if v is None or v.id == 0 else v.id if v.id in ids else v.particles_in[0].id
                row["particle_parent"] = [parent(vertex) for vertex in vertices]
                row["particle_end_vertex"] = [p.end_vertex.id if p.end_vertex and p.end_vertex.id in ids else 0 for p in particles]
                row["vertex_id"] = [v.id for v in listed]
                row["vertex_status"] = [v.status for v in listed]
                for axis in "xyzt":
                    row[f"vertex_{axis}"] = [getattr(v.position, axis) * length for v in listed]
                rows.append(row)
        columns(name, "", {column: [row[column] for row in rows] for column in rows[0]})


def hepmc2():
    """pyhepmc sorts the particles and numbers them anew: they are compared one by one, with the places of their vertices."""
    for name in ("gev_mm.hepmc2", "mev_cm.hepmc2"):
        energy, length = (1.0, 1.0) if name.startswith("gev") else (1e-3, 10.0)
        rows = made(name).to_pylist()
        with pyhepmc.open(FIXTURES / name) as file:
            # The names are the run's: each event's own while it is the last that was read.
            events = [(event, list(event.weight_names) if name.startswith("gev") else ["0", "1"]) for event in file]
        assert len(rows) == len(events) == 12
        place = lambda v: None if v is None or v.id == 0 else tuple(getattr(v.position, axis) * length for axis in "xyzt")
        for row, (event, names) in zip(rows, events):
            momentum = lambda p: tuple(getattr(p.momentum, axis) * energy for axis in ("px", "py", "pz", "e"))
            expected = [
                (p.pid, p.status, momentum(p), p.generated_mass * energy, place(p.production_vertex), place(p.end_vertex))
                for p in event.particles
            ]
            vertices = dict(zip(row["vertex_id"], zip(*(row[f"vertex_{axis}"] for axis in "xyzt"))))
            members = ("id", "status", "px", "py", "pz", "e", "mass", "parent", "end_vertex")
            found = [
                (pid, status, (px, py, pz, e), mass, vertices.get(parent), vertices.get(end))
                for pid, status, px, py, pz, e, mass, parent, end in zip(*(row[f"particle_{member}"] for member in members))
            ]
            key = lambda particle: particle[:4]
            same(name, sorted(found, key=key), sorted(expected, key=key))
            same(name, sorted(vertices.values()), sorted(map(place, event.vertices)))
            same(name, [row["event_number"], row["process"]], [event.event_number, event.attributes["signal_process_id"]])
            weights = dict(zip(names, event.weights))
            same(name, [row[f"weight_{name}"] for name in sorted(weights)], [weights[name] for name in sorted(weights)])
            attributes = {"scale": "event_scale", "alpha_qcd": "alphaQCD", "alpha_qed": "alphaQED"}
            for column, attribute in attributes.items():
                same(name, [row[column]], [event.attributes[attribute]])


for compare in (hdf5, frames, numpy_files, csv, lhe, hepmc, hepmc2):
    compare()
print("ok")
