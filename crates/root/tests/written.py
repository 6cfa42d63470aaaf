"""Compares a file that tests/written.rs wrote with what must be in it: python written.py uproot|ROOT FILE ROWS

The values are made here once more, from the same formulas as in tests/common/rows.rs. With ROOT, which no test
installs, it needs a Python that has it.
"""

import sys

import numpy


def expected(i):
    """Row i as plain Python values."""
    n, m = i % 4, i % 3

    def wrap(value, kind):
        return int(numpy.array(value, "i8").astype(kind))

    return {
        "flag": i % 3 == 0,
        "i8": wrap(i, "i1"),
        "u8": wrap(i, "u1"),
        "i16": wrap(i * -300, "i2"),
        "u16": wrap(i * 600, "u2"),
        "i32": wrap(i * -70_000, "i4"),
        "u32": wrap(i * 40_000_000, "u4"),
        "i64": (i - 50) * 10_000_000_000,
        "u64": i * 184_467_440_737_095,
        "f32": i * 0.5,
        "f64": i * -0.125,
        "text": "x" * 300 if i % 10 == 0 else "" if i % 10 == 1 else f"row {i} \u00b5",
        "matrix": [[i * 6 + j * 3 + k for k in range(3)] for j in range(2)],
        "Muon_pt": [i + 0.25 * k for k in range(n)],
        "Muon_charge": [i - k for k in range(n)],
        "Jet_tagged": [k == 1 for k in range(m)],
        "Jet_points": [[float(k), float(i)] for k in range(m)],
        "nJet": m,
        "names": [f"{i}.{k}" for k in range(n)],
        "nested": [[float(i * 10 + j) for j in range(k)] for k in range(n)],
        "words": [["ab" * j for j in range(k)] for k in range(n)],
    }


def with_uproot(path, rows):
    import uproot

    with uproot.open(path) as file:
        table = file["events"]
        names = [name for name in expected(0)]
        kinds = {str(table[name].typename) for name in names}
        assert table.num_entries == rows, table.num_entries
        for name in names:
            found = table[name].array(library="ak").to_list()
            wanted = [expected(i)[name] for i in range(rows)]
            assert found == wanted, (name, [x for x in zip(found, wanted) if x[0] != x[1]][:3])
        if hasattr(table, "keys") and "nMuon" in table.keys():
            assert table["nMuon"].array(library="np").tolist() == [i % 4 for i in range(rows)]
        # The streamer list is read by itself, and has the classes of trees.
        assert file.classname_of("events") not in ("TTree",) or 20 in file.file.streamers["TTree"]
        return kinds


def with_nulls(path, rows):
    """The columns of tests/common/rows.rs with nulls, and the structs, by uproot."""
    import uproot

    def there(i):
        return i % 5 != 2

    wanted = {
        "number": [i if there(i) else None for i in range(rows)],
        "text": [f"t{i}" if there(i) else None for i in range(rows)],
        "list": [
            [float(i) if k != 1 else None for k in range(i % 3)] if there(i) or i % 3 > 0 else None
            for i in range(rows)
        ],
    }
    with uproot.open(path) as file:
        for name, values in wanted.items():
            found = file["nulls"][name].array().to_list()
            assert found == values, (name, found[:6], values[:6])
        table = file["structs"].arrays()
        assert table["p"].to_list() == [{"x": float(i), "y": -i} for i in range(rows)]
        counts = [int(i % 3 != 1) for i in range(rows)]
        points = [{"x": float(i), "y": -i} for i in range(sum(counts))]
        ends = numpy.cumsum(counts)
        hits = [points[end - n : end] for n, end in zip(counts, ends)]
        assert table["hits"].to_list() == hits, (table["hits"].to_list()[:4], hits[:4])


def plain(value):
    """A value of RDataFrame as plain Python."""
    if isinstance(value, (bool, int, float, str)):
        return value
    if type(value).__name__ in ("string", "basic_string<char,char_traits<char>,allocator<char> >"):
        return str(value)
    if hasattr(value, "__len__") and not isinstance(value, bytes):
        return [plain(item) for item in value]
    return value.item() if hasattr(value, "item") else value


def with_root(path, rows):
    import ROOT

    ROOT.gErrorIgnoreLevel = ROOT.kInfo
    file = ROOT.TFile.Open(path)
    assert file and not file.IsZombie() and not file.TestBit(ROOT.TFile.kRecovered)
    frame = ROOT.RDataFrame("events", path)
    assert frame.Count().GetValue() == rows
    tree = file.Get("events")
    is_tree = hasattr(tree, "GetClusterIterator")
    names = list(expected(0))
    if is_tree:
        # RDataFrame and PyROOT (of ROOT 6.40) crash on any `x[n][2]`, of ROOT's own trees too: the leaf itself reads it.
        names.remove("Jet_points")
        leaf = tree.GetLeaf("Jet_points")
        for i in range(rows):
            tree.GetEntry(i)
            found = [leaf.GetValue(k) for k in range(leaf.GetLen())]
            assert found == [x for point in expected(i)["Jet_points"] for x in point], (i, found)
    # All columns are asked for before the first is looked at, so that one loop over the entries gives them all.
    # Bytes are numbers here: PyROOT takes them for characters, and refuses some.
    columns = {name: f"wide_{name}" if name in ("i8", "u8") else name for name in names}
    for name in ("i8", "u8"):
        frame = frame.Define(f"wide_{name}", f"static_cast<int>({name})")
    booked = {name: frame.Take[frame.GetColumnType(column)](column) for name, column in columns.items()}
    for name in names:
        found = [plain(value) for value in booked[name].GetValue()]
        wanted = [expected(i)[name] for i in range(rows)]
        if rows and name == "matrix" and not isinstance(found[0][0], list):
            wanted = [[x for row in value for x in row] for value in wanted]
        assert found == wanted, (name, [x for x in zip(found, wanted) if x[0] != x[1]][:3])
    if is_tree:
        bounds = tree.GetClusterIterator(0)
        starts = []
        while (start := bounds.Next()) < rows:
            starts.append(start)
        print("clusters start at", starts[:5], "...", len(starts))


if __name__ == "__main__":
    reader = {"uproot": with_uproot, "nulls": with_nulls, "ROOT": with_root}[sys.argv[1]]
    reader(sys.argv[2], int(sys.argv[3]))
    print("equal")
