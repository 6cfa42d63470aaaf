#!/usr/bin/env python3
"""Make the embedded top-tagging sample: `top_tagging.root`, jets of top quarks and of QCD.

    pip install -r requirements.txt
    python make_sample.py --work /tmp/top-sample        # about 25 minutes on two busy cores

The recipe follows the top tagging reference data set (Zenodo 2603256, arXiv:1902.09914), without a detector: hadronic
top pairs against dijets from Pythia 8 at 14 TeV, multiparton interactions off; anti-kT jets with R = 0.8 of the visible
particles; the leading jet of each event, if 550 < pT < 650 GeV and |eta| < 2; for a top jet, the top quark and its
three decay quarks within Delta R = 0.8 of the jet.

Jets are made in chunks, each with its own seed, so that the result does not depend on the number of processes. The
chunks are kept in the work folder in full precision; a run that was broken off goes on where it was. Packing then cuts
and rounds them (see README.md).
"""

import argparse
import hashlib
import multiprocessing
import os
import sys
import uuid
from pathlib import Path

import numpy as np

RADIUS = 0.8
PT_MIN, PT_MAX, ETA_MAX = 550.0, 650.0, 2.0
NEUTRINOS = (12, 14, 16)
CHUNK = 1000  # jets in a chunk
BATCH = 400  # events generated at a time
KEPT_IN_CHUNKS = 128  # constituents kept in the work folder
BASKET = 2500  # jets in a basket of the ROOT file: enough baskets to decode in parallel
JET_BITS = 16  # bits of mantissa of the jet columns

COMMON = [
    "Beams:eCM = 14000.",
    "PartonLevel:MPI = off",
    "PhaseSpace:pTHatMin = 450.",
    "Random:setSeed = on",
    "Print:quiet = on",
]
PROCESSES = {
    "qcd": (0, ["HardQCD:all = on"]),
    "top": (1, ["Top:gg2ttbar = on", "Top:qqbar2ttbar = on", "24:onMode = off", "24:onIfAny = 1 2 3 4 5"]),
}
PARTICLE_COLUMNS = ("px", "py", "pz", "energy")
JET_COLUMNS = ("jet_pt", "jet_eta", "jet_phi", "jet_energy", "jet_mass")
SCALARS = ("events", "passed", "name")


def seed_of(label, chunk):
    """The seed of a chunk: one range a class, never 0 (which Pythia takes as "use the clock")."""
    return 1_000_000 * (label + 1) + chunk


def delta_r(eta_a, phi_a, eta_b, phi_b):
    dphi = (phi_a - phi_b + np.pi) % (2.0 * np.pi) - np.pi
    return np.hypot(eta_a - eta_b, dphi)


class Record:
    """The generator record of one event, as far as it is needed to follow a top quark's decay."""

    def __init__(self, prt):
        self.id = np.asarray(prt.id)
        self.first = np.asarray(prt.daughter1)
        self.last = np.asarray(prt.daughter2)
        px, py, pz = (np.asarray(prt.p[c]) for c in ("px", "py", "pz"))
        self.phi = np.arctan2(py, px)
        with np.errstate(divide="ignore", invalid="ignore"):
            self.eta = np.arcsinh(pz / np.hypot(px, py))

    def daughters(self, i):
        first, last = self.first[i], self.last[i]
        if first <= 0:
            return []
        return [first] if last <= first else list(range(first, last + 1))

    def last_copy(self, i):
        while True:
            same = [d for d in self.daughters(i) if self.id[d] == self.id[i]]
            if not same:
                return i
            i = same[0]

    def decays(self):
        """Each top quark with its three decay quarks: lists of four record numbers."""
        found = []
        tops = {self.last_copy(int(i)) for i in np.flatnonzero(np.abs(self.id) == 6)}
        for top in sorted(tops):
            quarks, w = [], None
            for d in self.daughters(top):
                if abs(self.id[d]) == 24:
                    w = self.last_copy(d)
                elif 1 <= abs(self.id[d]) <= 5:
                    quarks.append(d)
            if w is not None:
                quarks += [d for d in self.daughters(w) if 1 <= abs(self.id[d]) <= 5]
            if len(quarks) == 3:
                found.append([top, *quarks])
        return found

    def matches(self, eta, phi):
        """Whether one top quark and all its decay quarks lie within the jet."""
        return any(all(delta_r(self.eta[i], self.phi[i], eta, phi) < RADIUS for i in d) for d in self.decays())


def make_chunk(job):
    """Generate one chunk of jets and write it to the work folder."""
    name, chunk, jets, work = job
    path = Path(work) / f"{name}-{chunk:03}.npz"
    if path.exists():
        return str(path)
    import awkward as ak
    import fastjet
    import pythia8mc

    label, settings = PROCESSES[name]
    pythia = pythia8mc.Pythia("", False)
    for line in [*COMMON, *settings, f"Random:seed = {seed_of(label, chunk)}"]:
        if not pythia.readString(line):
            sys.exit(f"Pythia does not know the setting {line!r}")
    if not pythia.init():
        sys.exit("Pythia did not start")
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, RADIUS)

    kept = {column: [] for column in (*PARTICLE_COLUMNS, *JET_COLUMNS, "count", "pthat")}
    events = passed = accepted = 0
    while accepted < jets:
        batch = pythia.nextBatch(BATCH)
        prt = batch.prt
        visible = prt.status > 0
        for neutrino in NEUTRINOS:
            visible = visible & (abs(prt.id) != neutrino)
        final = prt[visible].p
        particles = ak.zip({"px": final.px, "py": final.py, "pz": final.pz, "E": final.e}, with_name="Momentum4D")
        cluster = fastjet.ClusterSequence(particles, definition)
        found = cluster.inclusive_jets(min_pt=PT_MIN)
        members = cluster.constituents(min_pt=PT_MIN)
        for event in range(len(prt)):
            if accepted == jets:
                break
            events += 1
            if len(found[event]) == 0:
                continue
            px, py, pz, energy = (np.asarray(found[event][c]) for c in ("px", "py", "pz", "E"))
            lead = int(np.argmax(np.hypot(px, py)))
            px, py, pz, energy = px[lead], py[lead], pz[lead], energy[lead]
            pt, phi = np.hypot(px, py), np.arctan2(py, px)
            eta = np.arcsinh(pz / pt)
            if not (PT_MIN < pt < PT_MAX and abs(eta) < ETA_MAX):
                continue
            passed += 1
            if label == 1 and not Record(prt[event]).matches(eta, phi):
                continue
            inside = members[event][lead]
            momenta = np.stack([np.asarray(inside[c]) for c in ("px", "py", "pz", "E")])
            order = np.argsort(-np.hypot(momenta[0], momenta[1]), kind="stable")[:KEPT_IN_CHUNKS]
            for column, values in zip(PARTICLE_COLUMNS, momenta):
                padded = np.zeros(KEPT_IN_CHUNKS, np.float32)
                padded[: len(order)] = values[order]
                kept[column].append(padded)
            mass = np.sqrt(max(energy**2 - px**2 - py**2 - pz**2, 0.0))
            for column, value in zip(JET_COLUMNS, (pt, eta, phi, energy, mass)):
                kept[column].append(value)
            kept["count"].append(momenta.shape[1])
            kept["pthat"].append(float(np.sqrt(batch.info.pT2Hat[event])))
            accepted += 1
    arrays = {column: np.asarray(values) for column, values in kept.items()}
    aside = path.with_suffix(".part.npz")
    np.savez_compressed(aside, events=events, passed=passed, **arrays)
    os.replace(aside, path)
    return str(path)


def rounded(values, bits):
    """float32 with only `bits` bits of mantissa, rounded to nearest (ties to even): the other bits compress away."""
    shift = np.uint32(23 - bits)
    words = np.ascontiguousarray(values, np.float32).view(np.uint32)
    odd = (words >> shift) & np.uint32(1)
    words = (words + ((np.uint32(1) << (shift - np.uint32(1))) - np.uint32(1)) + odd) >> shift << shift
    return words.view(np.float32)


def pack(paths, out, arguments):
    """Cut, round and shuffle the chunks and write them as one ROOT file, whole or not at all."""
    import awkward as ak
    import uproot

    chunks = [dict(np.load(path)) | {"name": path.name[:3]} for path in paths]
    labels = [np.full(len(c["count"]), PROCESSES[path.name[:3]][0], np.int32) for c, path in zip(chunks, paths)]
    label = np.concatenate(labels)
    order = np.random.default_rng(arguments.shuffle_seed).permutation(len(label))
    label = label[order]
    column = {name: np.concatenate([c[name] for c in chunks])[order] for name in chunks[0] if name not in SCALARS}

    kept = np.minimum(column["count"], arguments.constituents)
    mask = np.arange(KEPT_IN_CHUNKS)[None, :] < kept[:, None]
    tree = {
        f"part_{c}": ak.unflatten(rounded(column[c][mask], arguments.bits), kept) for c in ("px", "py", "pz")
    }
    tree |= {c: rounded(column[c], JET_BITS) for c in JET_COLUMNS}
    tree["jet_nparticles"] = column["count"].astype(np.int32)
    tree["label"] = label

    aside = out.with_suffix(".part")
    identity = uuid.UUID(int=arguments.shuffle_seed)  # not the clock's: the same jets give nearly the same bytes
    with uproot.recreate(aside, compression=uproot.LZMA(9), uuid_function=lambda: identity) as file:
        jagged = "var * float32"
        types = {n: values.dtype if isinstance(values, np.ndarray) else jagged for n, values in tree.items()}
        file.mktree(
            "tree",
            types,
            title="jets from Pythia 8; momenta, energies and masses in GeV; label 1: top, 0: QCD",
            counter_name=lambda _: "npart",
        )
        for start in range(0, len(label), BASKET):
            file["tree"].extend({name: values[start : start + BASKET] for name, values in tree.items()})
    os.replace(aside, out)
    report(out, chunks, label, column, kept)


def report(out, chunks, label, column, kept):
    """The numbers of README.md."""
    data = out.read_bytes()
    print(f"{out.name}: {len(label)} jets, {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")
    pt = np.hypot(column["px"], column["py"])
    inside = np.where(np.arange(KEPT_IN_CHUNKS)[None, :] < kept[:, None], pt, 0).sum(1) / pt.sum(1)
    for name, (number, _) in PROCESSES.items():
        mine = label == number
        mass, count = column["jet_mass"][mine], column["count"][mine]
        low, middle, high = np.percentile(mass, [16, 50, 84])
        near = np.mean((mass > 145) & (mass < 205))
        histogram, edges = np.histogram(mass, bins=np.arange(0, 400, 2.5))
        peak = edges[np.argmax(histogram)] + 1.25
        mine_chunks = [c for c in chunks if c["name"] == name]
        events, passed = (sum(int(c[k]) for c in mine_chunks) for k in ("events", "passed"))
        pthat = np.concatenate([c["pthat"] for c in mine_chunks])
        print(
            f"{name}: {mine.sum()} jets of {passed} in the window of {events} events; mass mean {mass.mean():.1f}, "
            f"percentiles 16/50/84 {low:.1f}/{middle:.1f}/{high:.1f}, peak {peak:.1f} GeV, {near:.1%} in 145-205 GeV; "
            f"pt mean {column['jet_pt'][mine].mean():.1f} GeV; constituents mean {count.mean():.1f}, most {count.max()}; "
            f"{np.mean(count > kept[mine]):.1%} of jets cut, keeping {inside[mine].mean():.2%} of the scalar pt sum; "
            f"pTHat below 500 GeV in {np.mean(pthat < 500):.1%}, below 460 GeV in {np.mean(pthat < 460):.1%}"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for the chunks in full precision")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("top_tagging.root"))
    parser.add_argument("--chunks", type=int, default=20, help=f"chunks of {CHUNK} jets for each class")
    parser.add_argument("--jets", type=int, default=CHUNK, help="jets in a chunk (fewer to try the script out)")
    parser.add_argument("--constituents", type=int, default=64, help="hardest constituents kept of each jet")
    parser.add_argument("--bits", type=int, default=9, help="bits of mantissa of the constituents' momenta")
    parser.add_argument("--shuffle-seed", type=int, default=20)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    jobs = [(n, c, arguments.jets, str(arguments.work)) for c in range(arguments.chunks) for n in PROCESSES]
    with multiprocessing.get_context("spawn").Pool(arguments.processes) as pool:
        paths = []
        for path in pool.imap_unordered(make_chunk, jobs):
            paths.append(Path(path))
            print(f"{len(paths)} of {len(jobs)} chunks: {path}", file=sys.stderr, flush=True)
    pack(sorted(paths), arguments.out, arguments)


if __name__ == "__main__":
    main()
