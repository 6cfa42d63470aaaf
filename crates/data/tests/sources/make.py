"""Makes the fixtures beside this file: python make.py

Needs h5py, PyTables, pandas, numpy, pyarrow and pyhepmc. The files are small, and their values mean nothing.
"""

import gzip
import io
import lzma
import pathlib
import sys
import zipfile

import h5py
import numpy
import pandas
import pyhepmc
import tables

OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent / "fixtures"
random = numpy.random.default_rng(20)


def hdf5():
    n = 60
    features = random.normal(size=(n, 5, 4)).astype("f4")
    # As JetNet: two arrays side by side.
    with h5py.File(OUT / "plain.h5", "w") as file:
        file["particle_features"] = features
        file["jet_features"] = random.normal(size=(n, 5))
    # As CaloChallenge: gzip, a column of energies, many voxels.
    with h5py.File(OUT / "gzip.h5", "w") as file:
        file.create_dataset("incident_energies", data=random.uniform(1e3, 1e6, size=(n, 1)), compression="gzip")
        showers = random.exponential(size=(n, 40)) * (random.uniform(size=(n, 40)) > 0.6)
        file.create_dataset("showers", data=showers, compression="gzip", shuffle=True, fletcher32=True, chunks=(7, 16))
    # As ATLAS's flavour tagging: records of jets and tracks, and counters that have rows of their own.
    with h5py.File(OUT / "counters.h5", "w") as file:
        file["jets"] = numpy.zeros(4, [("pt", "f4"), ("flavour", "i4")])
        file["tracks"] = numpy.ones((4, 3), [("d0", "f2"), ("valid", "?")])
        file["cutBookkeeper/nominal/counts"] = numpy.zeros(2, [("nEventsProcessed", "u8")])
        file["weights/nominal"] = numpy.arange(4.0)
    # Every index of chunks that new files have, and what is never written.
    with h5py.File(OUT / "latest.h5", "w", libver="latest") as file:
        whole = random.integers(-1000, 1000, size=(n, 6)).astype("i2")
        file.create_dataset("single", data=whole, chunks=(n, 6), compression="gzip")
        file.create_dataset("fixed", data=whole, chunks=(11, 4), compression="lzf")
        file.create_dataset("extensible", data=whole, chunks=(11, 6), maxshape=(None, 6))
        file.create_dataset("tree", data=whole, chunks=(11, 4), maxshape=(None, None), shuffle=True, compression="gzip")
        file.create_dataset("compact", data=whole[:, 0], dtype="i4")
        missing = file.create_dataset("missing", shape=(n, 3), chunks=(8, 3), dtype="f4", fillvalue=-1.5)
        missing[8:16] = features[8:16, 0, :3]
        group = file.create_group("inner/deep")
        group["flags"] = random.uniform(size=n) > 0.5
        group["names"] = numpy.array([f"jet {i}" for i in range(n)], dtype="S8")
        group["half"] = random.normal(size=n).astype("f2")
        group["big"] = random.normal(size=(n, 2)).astype(">f8")
        group.create_dataset("scaled", data=numpy.arange(n) * 3, chunks=(16,), scaleoffset=0)
        group["words"] = numpy.array(["é", "long"] * (n // 2), dtype=h5py.string_dtype())
    # As flavour tagging: records of jets, and of the tracks of each.
    with h5py.File(OUT / "records.h5", "w") as file:
        jets = numpy.zeros(n, dtype=[("pt", "f4"), ("eta", "f2"), ("flavour", "i1"), ("is_b", "?"), ("p4", "f8", (4,))])
        tracks = numpy.zeros((n, 3), dtype=[("d0", "f4"), ("valid", "?"), ("hits", "u1", (2,))])
        for array in (jets, tracks):
            for name in array.dtype.names:
                array[name] = random.integers(0, 2 if array[name].dtype == bool else 100, size=array[name].shape)
        file.create_dataset("jets", data=jets, compression="lzf", chunks=(25,))
        file.create_dataset("tracks", data=tracks, compression="gzip", shuffle=True, chunks=(25, 3))
    # A file with a user block, which moves every address.
    with h5py.File(OUT / "user_block.h5", "w", userblock_size=512) as file:
        file.create_dataset("x", data=numpy.arange(n), chunks=(9,), compression="gzip")
        file["y"] = numpy.arange(n) * 0.5


def pandas_frames():
    n = 90
    # As the top tagging reference set, with fewer constituents.
    columns = [f"{name}_{i}" for i in range(6) for name in ("E", "PX", "PY", "PZ")] + ["truthE", "truthPX"]
    frame = pandas.DataFrame(random.normal(size=(n, len(columns))).astype("f4"), columns=columns)
    frame["ttv"] = random.integers(0, 3, n)
    frame["is_signal_new"] = random.integers(0, 2, n)
    frame.index = frame.index + 7
    for codec in ("blosclz", "lz4", "zlib", "zstd"):
        frame.to_hdf(OUT / f"table_{codec}.h5", key="table", format="table", complib=f"blosc:{codec}", complevel=5,
                     index=False, data_columns=["ttv"])
    frame.to_hdf(OUT / "frame_fixed.h5", key="df", format="fixed", complib="zlib", complevel=3)
    # As the LHC Olympics: columns that are numbers, then the label.
    numbers = pandas.DataFrame(numpy.round(random.normal(size=(n, 22)), 2))
    numbers[21] = random.integers(0, 2, n).astype(float)
    numbers.to_hdf(OUT / "frame_numbers.h5", key="df", format="fixed")
    # Bit shuffle and shuffle, blocks that are left over, values that do not pack, all at once.
    with tables.open_file(OUT / "blosc.h5", "w") as file:
        wave = (numpy.sin(numpy.arange(5000) / 50) * 1000).astype("i4")
        noise = random.integers(0, 2**63, size=700)
        for name, codec, bits, level in (("wave_bits", "blosclz", True, 9), ("wave", "blosclz", False, 1), ("wave_lz4", "lz4", True, 5)):
            filters = tables.Filters(complevel=level, complib=f"blosc:{codec}", shuffle=not bits, bitshuffle=bits)
            file.create_carray("/waves", name, obj=wave, filters=filters, chunkshape=(3000,), createparents=True)
        file.create_carray("/", "noise", obj=noise, filters=tables.Filters(complevel=5, complib="blosc"), chunkshape=(300,))


def numpy_files():
    n = 30
    array = random.normal(size=(n, 4, 3))
    numpy.save(OUT / "fortran.npy", numpy.asfortranarray(array.astype(">f4")))
    numpy.savez(OUT / "stored.npz", X=array, y=random.integers(0, 2, n).astype("u1"), name=numpy.array(["é" * (i % 3) for i in range(n)]))
    numpy.savez_compressed(OUT / "packed.npz", X=array.astype("f2"), flag=array[:, 0, 0] > 0, code=numpy.array([b"a%d" % i for i in range(n)]))
    header = io.BytesIO()
    numpy.lib.format.write_array(header, numpy.arange(n, dtype=">i8"), version=(3, 0))
    (OUT / "version3.npy").write_bytes(header.getvalue())
    with zipfile.ZipFile(OUT / "lengths.npz", "w") as file:
        for name, length in (("a", 3), ("b", 4)):
            with file.open(f"{name}.npy", "w") as member:
                numpy.save(member, numpy.arange(length))


def parquet():
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table({name: [[1.5, -2.0], [], [0.25]] for name in ("gzip", "brotli", "snappy")})
    packed = {f"{name}.list.element": name for name in table.column_names}
    pyarrow.parquet.write_table(table, OUT / "packed.parquet", compression=packed)


def csv():
    n = 50
    frame = pandas.DataFrame({
        "hit_id": numpy.arange(n) + 1,
        "x": numpy.round(random.normal(size=n) * 100, 4),
        "particle_id": random.integers(2**60, 2**62, n),
        "large": [2**64 - 1 - i for i in range(n)],
        "code": [f"{i:03}" for i in range(n)],
        "name": [f'a "quoted", name\nwith {i}' for i in range(n)],
        "is_ok": random.uniform(size=n) > 0.5,
    })
    frame.to_csv(OUT / "hits.csv", index=False)
    with gzip.open(OUT / "hits.csv.gz", "wt", newline="") as file:
        frame.to_csv(file, index=False)
    frame.drop(columns="name").to_csv(OUT / "hits.tsv", index=False, sep="\t", lineterminator="\r\n")
    # As HIGGS: no names.
    numpy.savetxt(OUT / "bare.csv", random.normal(size=(n, 3)), delimiter=",")
    frame.x[3] = None
    frame.assign(x=frame.x.where(frame.hit_id != 4), weight=frame.hit_id.where(frame.hit_id > 2)).drop(columns="name").to_csv(OUT / "gaps.csv", index=False)


LHE = """<LesHouchesEvents version="3.0">
<header>
<initrwgt><weightgroup name="scales"><weight id="1001">muR=1</weight><weight id="1002">muR=2</weight></weightgroup></initrwgt>
</header>
<init>
2212 2212 6.5E+03 6.5E+03 0 0 244600 244600 -4 1
1.0 0.1 1.0 1
</init>
{}</LesHouchesEvents>
"""


def lhe():
    text = ""
    for event in range(25):
        particles = [(21, -1, 0, 0, 501, 502), (21, -1, 0, 0, 502, 501), (23, 2, 1, 2, 0, 0)] + [(11, 1, 3, 3, 0, 0)] * (event % 4)
        text += f"<event>\n {len(particles)} 1 {random.normal():+.8E} {91.2 + event:.8E} 7.8E-03 1.2E-01\n"
        for particle in particles:
            text += " ".join(map(str, particle)) + " " + " ".join(f"{value:+.10E}" for value in random.normal(size=5)) + " 0. 9.\n"
        values = random.normal(size=2)
        if event % 2:
            values = values[::-1]
        ids = ("1001", "1002") if event % 2 == 0 else ("1002", "1001")
        text += "#aMCatNLO 1 2\n<rwgt>\n" + "".join(f"<wgt id='{i}'> {v:.8E} </wgt>\n" for i, v in zip(ids, values)) + "</rwgt>\n</event>\n"
    (OUT / "events.lhe").write_text(LHE.format(text))
    with lzma.open(OUT / "events.lhe.xz", "wt") as file:
        file.write(LHE.format(text))


def hepmc():
    for name, energy, length in (("gev_mm", pyhepmc.Units.GEV, pyhepmc.Units.MM), ("mev_cm", pyhepmc.Units.MEV, pyhepmc.Units.CM)):
        info = pyhepmc.GenRunInfo()
        info.weight_names = ["nominal", "scale_up"]
        with pyhepmc.open(OUT / f"{name}.hepmc3", "w", precision=16) as file:
            for number in range(12):
                event = pyhepmc.GenEvent(energy, length)
                event.run_info = info
                event.event_number = 100 + number
                event.weights = [1.0 + number, -0.5]
                particle = lambda pid, status: pyhepmc.GenParticle(tuple(random.normal(size=4) + (0, 0, 0, 9)), pid, status)
                beams, middle = [particle(2212, 4), particle(2212, 4)], particle(23, 2)
                hard = pyhepmc.GenVertex(tuple(random.normal(size=4)))
                for beam in beams:
                    hard.add_particle_in(beam)
                hard.add_particle_out(middle)
                decay = pyhepmc.GenVertex()
                decay.add_particle_in(middle)
                for _ in range(1 + number % 3):
                    decay.add_particle_out(particle(11, 1))
                event.add_vertex(hard)
                event.add_vertex(decay)
                file.write(event)


HEPMC2 = """
HepMC::Version 2.06.09
HepMC::IO_GenEvent-START_EVENT_LISTING
{}HepMC::IO_GenEvent-END_EVENT_LISTING
"""


def hepmc2():
    """As HepMC 2.06 writes it: two beams from nowhere, a product of which another vertex makes more."""
    e = lambda value: f"{value:.16e}"
    for name, units, names in (("gev_mm", "GEV MM", ["nominal", "scale up"]), ("mev_cm", "MEV CM", None)):
        text = ""
        for number in range(12):
            momenta = iter(random.normal(size=(9, 5)) + (0, 0, 0, 9, 3))
            barcode = iter(range(10001, 11000))
            particle = lambda pid, status, end, flow="0": (
                f"P {next(barcode)} {pid} {' '.join(map(e, next(momenta)))} {status} 0 0 {end} {flow}\n"
            )
            vertex = lambda id, orphans, out, weights="0": (
                f"V {id} {number % 3} {' '.join(map(e, random.normal(size=4)))} {orphans} {out} {weights}\n"
            )
            weights = [1.0 + number, -0.5]
            random_states = "2 17 -4" if number % 2 else "0"
            text += f"E {number} -1 {e(91.2)} {e(0.118)} {e(1 / 128)} {221 + number} -1 2 10001 10002 {random_states} 2"
            order = names if not names or number % 4 else names[::-1]
            text += "".join(f" {e(weight)}" for weight in (weights[::-1] if order != names else weights)) + "\n"
            if names:
                text += f"N 2 {' '.join(f'{chr(34)}{name}{chr(34)}' for name in order)}\n"
            text += f"U {units}\nC {e(1.5e3)} {e(2.0)}\nF 21 21 {e(0.1)} {e(0.2)} {e(91.2)} {e(1)} {e(2)} 0 0\n"
            text += vertex(-1, 2, 2, f"1 {e(0.5)}") + particle(2212, 4, -1) + particle(2212, 4, -1)
            text += particle(23, 2, -3) + particle(21, 1, 0, "2 1 501 2 502")
            text += vertex(-3, 0, 1 + number % 3) + "".join(particle(11, 1, 0) for _ in range(1 + number % 3))
        (OUT / f"{name}.hepmc2").write_text(HEPMC2.format(text))


def wild_csv():
    n = 40
    frame = pandas.DataFrame({
        "n": pandas.array(random.integers(-9, 9, n), dtype="Int64"),
        "pt": random.exponential(40, n),
        "is_b": pandas.array(random.uniform(size=n) > 0.5, dtype="boolean"),
        "name": [f"jet {i}" for i in range(n)],
    })
    for gaps, column in enumerate(("n", "pt", "is_b")):
        frame.loc[frame.index % 5 == gaps, column] = None
    with open(OUT / "missing.csv", "w") as file:
        file.write("# made by pandas, with gaps, of two kinds\n#\n")
        frame.to_csv(file, index=False, na_rep="NA", sep=";")
    numpy.savetxt(OUT / "savetxt.txt", random.normal(size=(n, 3)), header="pt eta phi", comments="# GeV and radians\n# ")


def catalogue():
    """Files of the layouts of public datasets, with jets of up to 12 particles that are filled up with zeros."""
    n, most = 100, 12
    counts = random.integers(1, most + 1, n)
    there = numpy.arange(most) < counts[:, None]
    pt = -numpy.sort(-random.exponential(40, size=(n, most)) - 1) * there
    eta, phi = random.normal(size=(n, most)) * there, random.uniform(-3, 3, size=(n, most)) * there
    px, py, pz = pt * numpy.cos(phi), pt * numpy.sin(phi), pt * numpy.sinh(eta)
    energy = pt * numpy.cosh(eta)
    label = numpy.arange(n) % 2

    top = {f"{name}_{i}": values[:, i].astype("f4") for i in range(most) for name, values in (("E", energy), ("PX", px), ("PY", py), ("PZ", pz))}
    frame = pandas.DataFrame(top).assign(truthE=numpy.float32(0), ttv=0, is_signal_new=label)
    frame.to_hdf(OUT / "as_top.h5", key="table", format="table", complib="blosc", complevel=5, index=False)
    events = numpy.stack([pt, eta, phi], axis=2).reshape(n, -1)
    frame = pandas.DataFrame(numpy.column_stack([events, label]))
    frame.to_hdf(OUT / "as_olympics.h5", key="df", format="fixed", complib="blosc", complevel=5)
    identity = random.choice([22, 211, -211, 130], size=(n, most)) * there
    numpy.savez_compressed(OUT / "as_quark_gluon.npz", X=numpy.stack([pt, eta, phi, identity], axis=2), y=label.astype(float))
    with h5py.File(OUT / "as_jetnet.hdf5", "w") as file:
        jet_pt = pt.sum(axis=1, keepdims=True)
        file["particle_features"] = numpy.stack([eta, phi, pt / jet_pt, there], axis=2)
        file["jet_features"] = numpy.column_stack([jet_pt, eta[:, 0], random.uniform(10, 200, n), counts])
    with h5py.File(OUT / "as_adc.h5", "w") as file:
        objects = numpy.zeros((n, 19, 4))
        objects[:, :most] = numpy.stack([pt, eta, phi, there * 4], axis=2)
        file.create_dataset("Particles", data=objects, compression="gzip")
        file["Particles_Names"] = numpy.array([b"Pt", b"Eta", b"Phi", b"Class"])
    with gzip.open(OUT / "as_higgs.csv.gz", "wt") as file:
        numpy.savetxt(file, numpy.column_stack([label, random.normal(size=(n, 28))]), delimiter=",", fmt="%.6e")

    import pyarrow
    import pyarrow.parquet

    jagged = lambda values: [row[:count].astype("f4") for row, count in zip(values, counts)]
    columns = {"part_px": px, "part_py": py, "part_pz": pz, "part_energy": energy, "part_deta": eta, "part_dphi": phi}
    columns = {name: pyarrow.array(jagged(values)) for name, values in columns.items()}
    columns |= {"jet_pt": pt.sum(axis=1), "jet_energy": energy.sum(axis=1), "jet_eta": eta[:, 0], "jet_sdmass": pt[:, 0]}
    classes = ["QCD", "Hbb", "Hcc", "Hgg", "H4q", "Hqql", "Zqq", "Wqq", "Tbqq", "Tbl"]
    columns |= {f"label_{name}": (numpy.arange(n) % 10 == i) if name in ("Hqql", "Tbl") else (numpy.arange(n) % 10 == i).astype("i4") for i, name in enumerate(classes)}
    pyarrow.parquet.write_table(pyarrow.table(columns), OUT / "as_jetclass.parquet")


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    for make in (hdf5, pandas_frames, numpy_files, parquet, csv, lhe, hepmc, catalogue, hepmc2, wild_csv):
        make()
