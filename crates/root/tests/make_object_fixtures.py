"""Makes tests/fixtures/objects.root with ROOT 6: python make_object_fixtures.py

Needs a Python with ROOT (the package "root" of PyPI) and a C++ compiler. What was written stands as JSON beside the
file, from the same values that were given to ROOT, so that the reader is tested against what ROOT wrote rather than
against another reader.
"""

import json
import pathlib

import ROOT

HERE = pathlib.Path(__file__).parent
OUT = HERE / "fixtures"
ROWS = 6

CODE = f'#include "{HERE / "object_fixtures.hpp"}"' + r"""
#include "TFile.h"
#include "TTree.h"
#include "TProcessID.h"

Track::~Track() { delete[] adc; delete[] time[0]; delete[] time[1]; delete next; delete label; }
Holder::~Holder() { delete tracks; }

void Track::fill(int i) {
    delete[] adc; delete[] time[0]; delete[] time[1]; delete label; label = nullptr;
    n = i % 3; adc = new float[n + 1];
    for (int k = 0; k < n; ++k) adc[k] = i + 0.5f * k;
    m = i % 2 + 1;
    for (int t = 0; t < 2; ++t) {
        time[t] = new double[m];
        for (int k = 0; k < m; ++k) time[t][k] = 100 * t + 10 * i + k;
    }
    title = TString::Format("track %d", i);
    at.SetXYZ(i, 2 * i, 3 * i);
    if (i % 2) label = new TNamed(TString::Format("name %d", i).Data(), "a title");
    points.clear();
    for (int k = 0; k < i % 3; ++k) { Point p; p.x = k; p.y = i; p.tags[0] = i; p.tags[1] = -k; points.push_back(p); }
}

Point point(int i) { Point p; p.x = 0.5f * i; p.y = 0.25 * i; p.tags[0] = i; p.tags[1] = -i; return p; }

Hit hit(int i) {
    Hit h;
    h.id = i; h.name = "hit " + std::to_string(i);
    h.ranged = 0.125 * i - 0.5; h.plain = 0.5 * i; h.half = 1.5f * i; h.sixteen = 0.25f * i;
    h.colour = i % 2 ? blue : red; h.good = i % 2;
    for (int k = 0; k < i % 3; ++k) h.weights.push_back(k + 0.5f);
    for (int k = 0; k < i % 3; ++k) h.labels[k] = std::string(k + 1, 'a' + i);
    h.point = point(i);
    return h;
}

Grid grid(int i) {
    Grid g;
    for (int k = 0; k < 2; ++k) {
        g.vectors[k].assign(i % 3 + k, i); g.texts[k] = "text " + std::to_string(i + k);
        g.maps[k][i] = 0.5 * k; g.maps[k][i + k] = 1; g.floats[k].assign(k, 0.5f * i);
    }
    return g;
}

void write(const char *path, int rows) {
    TFile file(path, "RECREATE", "", 101);
    TTree tree("objects", "objects that are not split");
    std::map<std::string, int> string_int;
    std::map<int, std::vector<double>> int_vector;
    std::multimap<int, float> multi;
    std::unordered_map<std::string, double> unordered;
    std::map<std::string, std::map<std::string, float>> maps;
    std::map<int, Point> int_point;
    std::vector<Point> points;
    std::vector<std::vector<Point>> nested;
    std::vector<std::pair<int, std::string>> pairs;
    std::pair<int, float> pair;
    std::vector<Hit> hits;
    std::vector<Hit> split_hits;
    std::set<std::string> names;
    std::list<short> shorts;
    std::deque<double> doubles;
    std::bitset<12> bits;
    std::vector<std::bitset<4>> many_bits;
    std::vector<bool> flags;
    std::vector<TLorentzVector> vectors;
    std::vector<Track *> pointers;
    TLorentzVector four; TVector3 three;
    ROOT::Math::PtEtaPhiMVector polar;
    Hit one; Point single;
    Track track;
    Holder holder; holder.tracks = new TClonesArray("Track", 4);
    TClonesArray clones("Track", 4); TClonesArray *clones_pointer = &clones;
    TClonesArray bypass("Track", 4); TClonesArray *bypass_pointer = &bypass; bypass.BypassStreamer(false);
    TRef reference; TObject object;
    Rare rare; char leaf[8]; Track shared, other; Grid one_grid; std::vector<Grid> grids;
    tree.Branch("string_int", &string_int, 32000, 0); tree.Branch("int_vector", &int_vector, 32000, 0); tree.Branch("multi", &multi, 32000, 0);
    tree.Branch("unordered", &unordered, 32000, 0); tree.Branch("maps", &maps, 32000, 0); tree.Branch("int_point", &int_point, 32000, 0);
    tree.Branch("split_map", &int_point, 32000, 99);
    tree.Branch("points", &points, 32000, 0); tree.Branch("nested", &nested); tree.Branch("pairs", &pairs, 32000, 0);
    tree.Branch("pair", &pair, 32000, 0);
    tree.Branch("hits", &hits, 32000, 0); tree.Branch("split_hits", &split_hits, 32000, 99);
    tree.Branch("names", &names); tree.Branch("shorts", &shorts); tree.Branch("doubles", &doubles);
    tree.Branch("bits", &bits); tree.Branch("many_bits", &many_bits);
    tree.Branch("flags", &flags);
    tree.Branch("vectors", &vectors, 32000, 0); tree.Branch("four", &four, 32000, 0); tree.Branch("three", &three, 32000, 0);
    tree.Branch("split_four.", &four, 32000, 99);
    tree.Branch("polar", &polar, 32000, 0);
    tree.Branch("pointers", &pointers, 32000, 0);
    tree.Branch("hit", &one, 32000, 0); tree.Branch("split_hit.", &one, 32000, 99); tree.Branch("point", &single, 32000, 0);
    tree.Branch("track", &track, 32000, 0); tree.Branch("split_track.", &track, 32000, 99);
    tree.Branch("holder", &holder, 32000, 0); tree.Branch("split_holder.", &holder, 32000, 99);
    tree.Branch("clones", &clones_pointer, 32000, 0); tree.Branch("split_clones", &clones_pointer, 32000, 99);
    tree.Branch("bypass", &bypass_pointer, 32000, 0);
    tree.Branch("reference", &reference, 32000, 0);
    tree.Branch("rare", &rare, 32000, 0); tree.Branch("split_rare.", &rare, 32000, 99);
    tree.Branch("leaf", leaf, "leaf/C");
    tree.Branch("grid", &one_grid, 32000, 0); tree.Branch("split_grid.", &one_grid, 32000, 99);
    tree.Branch("grids", &grids, 32000, 0); tree.Branch("split_grids", &grids, 32000, 99);
    for (int i = 0; i < rows; ++i) {
        string_int.clear(); int_vector.clear(); multi.clear(); unordered.clear(); maps.clear(); int_point.clear();
        points.clear(); nested.clear(); pairs.clear(); hits.clear(); split_hits.clear(); names.clear(); shorts.clear();
        doubles.clear(); many_bits.clear(); flags.clear(); vectors.clear();
        for (auto p : pointers) delete p;
        pointers.clear(); clones.Clear("C"); bypass.Clear("C"); holder.tracks->Clear("C"); holder.all.Clear();
        for (int k = 0; k < i % 4; ++k) {
            auto key = "k" + std::to_string(k);
            string_int[key] = 10 * i + k; int_vector[k] = std::vector<double>(k, i); multi.emplace(k / 2, 0.5f * k);
            maps[key] = std::map<std::string, float>{{"a", 1.f * i}, {"b", 1.f * k}};
            int_point[k] = point(i + k); points.push_back(point(10 * i + k)); pairs.emplace_back(k, key);
            nested.push_back(std::vector<Point>(k, point(i))); hits.push_back(hit(i + k)); split_hits.push_back(hit(i + k));
            names.insert(key); shorts.push_back(-k); doubles.push_back(0.1 * k);
            many_bits.push_back(std::bitset<4>(k)); flags.push_back(k % 2);
            vectors.emplace_back(k, i, 0.5, 1.5);
            if (k % 2) pointers.push_back(nullptr);
            auto t = new Track; t->fill(k); pointers.push_back(t);
            static_cast<Track *>(clones.ConstructedAt(k))->fill(i + k);
            static_cast<Track *>(bypass.ConstructedAt(k))->fill(i + k);
            static_cast<Track *>(holder.tracks->ConstructedAt(k))->fill(k);
            holder.all.Add(holder.tracks->At(k));
        }
        if (i % 2) unordered["only"] = i;
        pair = {i, 0.5f * i}; bits = std::bitset<12>(i * 37);
        four.SetPxPyPzE(i, 2 * i, 3 * i, 10 * i); three.SetXYZ(i, -i, 0.5 * i);
        polar = ROOT::Math::PtEtaPhiMVector(10 * i, 0.5, 0.25, 1);
        one = hit(i); single = point(i); track.fill(i);
        holder.lead = holder.tracks->GetEntriesFast() ? holder.tracks->At(0) : nullptr;
        holder.when = TDatime(2020, 1, i + 1, 12, 0, 0);
        reference = holder.lead;
        shared.fill(i); other.fill(i + 1);
        for (int k = 0; k < 2; ++k) rare.names[k] = TString('n', i + k);
        rare.colours.assign(i % 3, blue); rare.reals.Set(i % 3); rare.reals.Reset(0.5 * i); rare.text.SetString(TString::Format("text %d", i));
        rare.twice = {&shared, &other, nullptr, &shared}; rare.n = i % 3; delete[] rare.points; rare.points = new Point[3];
        for (int k = 0; k < rare.n; ++k) rare.points[k] = point(i + k);
        one_grid = grid(i); grids.clear();
        for (int k = 0; k < i % 3; ++k) grids.push_back(grid(i + k));
        snprintf(leaf, sizeof leaf, "%.*s", i % 3, "leaf");
        tree.Fill();
    }
    tree.Write();
    file.Close();
}
"""


def tags(i):
    return [i, -i]


def point(i):
    return {"x": 0.5 * i, "y": 0.25 * i, "tags": tags(i)}


def hit(i):
    return {
        "id": i,
        "name": f"hit {i}",
        "ranged": 0.125 * i - 0.5,
        "plain": 0.5 * i,
        "half": 1.5 * i,
        "sixteen": 0.25 * i,
        "colour": 7 if i % 2 else 0,
        "good": bool(i % 2),
        "weights": [k + 0.5 for k in range(i % 3)],
        "labels": [{"key": k, "value": chr(97 + i) * (k + 1)} for k in range(i % 3)],
        "point": point(i),
    }


def track(i):
    return {
        "n": i % 3,
        "adc": [i + 0.5 * k for k in range(i % 3)],
        "m": i % 2 + 1,
        "time": [[100.0 * t + 10 * i + k for k in range(i % 2 + 1)] for t in range(2)],
        "title": f"track {i}",
        "at": {"fX": i, "fY": 2 * i, "fZ": 3 * i},
        "label": {"fName": f"name {i}", "fTitle": "a title"} if i % 2 else None,
        "points": [{"x": k, "y": i, "tags": [i, -k]} for k in range(i % 3)],
    }


def four(x, y, z, e):
    return {"fP": {"fX": x, "fY": y, "fZ": z}, "fE": e}


def rare(i):
    return {
        "names": ["n" * (i + k) for k in range(2)],
        "colours": [7] * (i % 3),
        "reals": [0.5 * i] * (i % 3),
        "text": f"text {i}",
        "twice": [track(i), track(i + 1), None, track(i)],
        "n": i % 3,
        "points": [point(i + k) for k in range(i % 3)],
    }


def grid(i):
    maps = [{i: 1.0}, {i: 0.5, i + 1: 1.0}]
    return {
        "vectors": [[i] * (i % 3 + k) for k in range(2)],
        "texts": [f"text {i + k}" for k in range(2)],
        "maps": [[{"key": key, "value": value} for key, value in sorted(m.items())] for m in maps],
        "floats": [[0.5 * i] * k for k in range(2)],
    }


def row(i):
    ks = range(i % 4)
    grids = [grid(i + k) for k in range(i % 3)]

    def pairs(values):
        return [{"key": key, "value": value} for key, value in values]

    return {
        "string_int": pairs((f"k{k}", 10 * i + k) for k in ks),
        "int_vector": pairs((k, [i] * k) for k in ks),
        "multi": pairs((k // 2, 0.5 * k) for k in ks),
        "unordered": pairs([("only", i)] if i % 2 else []),
        "maps": pairs((f"k{k}", pairs([("a", i), ("b", k)])) for k in ks),
        "int_point": pairs((k, point(i + k)) for k in ks),
        "split_map/split_map.first": list(ks),
        "points": [point(10 * i + k) for k in ks],
        "nested": [[point(i)] * k for k in ks],
        "pairs": [{"first": k, "second": f"k{k}"} for k in ks],
        "pair": {"first": i, "second": 0.5 * i},
        "hits": [hit(i + k) for k in ks],
        "split_hits/split_hits.ranged": [0.125 * (i + k) - 0.5 for k in ks],
        "split_hits/split_hits.labels": [hit(i + k)["labels"] for k in ks],
        "split_hits/split_hits.name": [f"hit {i + k}" for k in ks],
        "names": [f"k{k}" for k in ks],
        "shorts": [-k for k in ks],
        "doubles": [0.1 * k for k in ks],
        "bits": [bool(i * 37 >> b & 1) for b in range(12)],
        "many_bits": [[bool(k >> b & 1) for b in range(4)] for k in ks],
        "flags": [bool(k % 2) for k in ks],
        "vectors": [four(k, i, 0.5, 1.5) for k in ks],
        "four": four(i, 2 * i, 3 * i, 10 * i),
        "three": {"fX": i, "fY": -i, "fZ": 0.5 * i},
        "polar": {"fCoordinates": {"fPt": 10 * i, "fEta": 0.5, "fPhi": 0.25, "fM": 1}},
        "pointers": [p for k in ks for p in ([None] if k % 2 else []) + [track(k)]],
        "hit": hit(i),
        "split_hit./split_hit.ranged": 0.125 * i - 0.5,
        "point": point(i),
        "track": track(i),
        "split_track./split_track.label": track(i)["label"],
        "split_track./split_track.time[2]": track(i)["time"],
        "clones": [track(i + k) for k in ks],
        "bypass": [track(i + k) for k in ks],
        "split_clones/split_clones.title": [f"track {i + k}" for k in ks],
        "split_clones/split_clones.label": [track(i + k)["label"] for k in ks],
        "split_clones/split_clones.adc": [track(i + k)["adc"] for k in ks],
        "split_clones/split_clones.time[2]": [track(i + k)["time"] for k in ks],
        "rare": rare(i),
        "split_rare./split_rare.names[2]": rare(i)["names"],
        "split_rare./split_rare.colours": rare(i)["colours"],
        "split_rare./split_rare.reals": rare(i)["reals"],
        "split_rare./split_rare.text/split_rare.text.fString": rare(i)["text"],
        "split_rare./split_rare.twice": rare(i)["twice"],
        "split_rare./split_rare.points": rare(i)["points"],
        "leaf": "leaf"[: i % 3],
        "grid": grid(i),
        "grids": grids,
        **{f"split_grid./split_grid.{name}[2]": values for name, values in grid(i).items()},
        **{f"split_grids/split_grids.{name}[2]": [g[name] for g in grids] for name in grid(0)},
        "split_clones/split_clones.at": [track(i + k)["at"] for k in ks],
    }


def main():
    import tempfile

    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as build:
        # Compiled, since ROOT writes no collections of classes that it only interprets.
        source = pathlib.Path(build) / "objects.C"
        links = [
            "Point", "Base", "Hit", "Track", "Holder", "Rare", "Grid", "vector<Grid>", "map<int,double>", "vector<Colour>", "pair<int,Point>", "vector<Point>", "vector<vector<Point>>",
            "vector<Hit>", "vector<Track*>", "map<int,Point>", "map<string,map<string,float>>", "map<string,int>",
            "map<int,vector<double>>", "multimap<int,float>", "unordered_map<string,double>", "map<string,float>",
            "map<int,string>", "vector<pair<int,string>>", "pair<int,string>", "pair<int,float>", "set<string>",
            "list<short>", "deque<double>", "bitset<12>", "bitset<4>", "vector<bitset<4>>", "vector<TLorentzVector>",
        ]
        links = "\n".join(f"#pragma link C++ class {name}+;" for name in links)
        source.write_text(CODE + f"\n#ifdef __ROOTCLING__\n{links}\n#endif\n")
        if ROOT.gSystem.CompileMacro(str(source), "kO") != 1:
            raise SystemExit("the macro does not compile")
        ROOT.write(str(OUT / "objects.root"), ROWS)
    (OUT / "objects.json").write_text(json.dumps([row(i) for i in range(ROWS)], indent=None) + "\n")


main()
