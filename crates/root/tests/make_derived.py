"""Makes tests/fixtures/derived.root with ROOT 6: python make_derived.py

Pointers to objects of derived classes, lists of objects of any class, and a vector of an enumeration that is a branch. Needs a
Python with ROOT (the package "root" of PyPI) and a C++ compiler. What was written stands as JSON beside the file.
"""

import json
import pathlib
import tempfile

import ROOT

HERE = pathlib.Path(__file__).parent
OUT = HERE / "fixtures"
ROWS = 5

CODE = f'#include "{HERE / "derived_fixtures.hpp"}"' + r"""
#include "TFile.h"
#include "TTree.h"

Shape *shape(int i) {
    if (i % 4 == 1) {
        auto circle = new Circle; circle->radius = 0.5 * i; circle->dots.assign(i % 3, i);
        circle->id = i; return circle;
    }
    if (i % 4 == 2) {
        auto box = new Box; box->sides[0] = i; box->sides[1] = 2 * i; box->n = i % 3; box->weights = new float[3];
        for (int k = 0; k < box->n; ++k) box->weights[k] = i + k;
        box->id = i; return box;
    }
    if (i % 4 == 3) {
        auto box = new RoundBox; box->sides[0] = -i; box->n = 1; box->weights = new float[1]; box->weights[0] = i; box->radius = 0.25 * i;
        box->id = i; return box;
    }
    auto plain = new Shape; plain->id = i; return plain;
}

void write(const char *path, int rows) {
    TFile file(path, "RECREATE", "", 101);
    TTree tree("drawings", "pointers to derived classes");
    std::vector<Shape *> shapes;
    std::vector<Colour> colours;
    Drawing drawing;
    drawing.notes.SetOwner();
    tree.Branch("shapes", &shapes, 32000, 0);
    tree.Branch("colours", &colours);
    tree.Branch("drawing", &drawing, 32000, 0);
    tree.Branch("split.", &drawing, 32000, 99);
    for (int i = 0; i < rows; ++i) {
        for (auto p : shapes) delete p;
        shapes.clear(); colours.clear(); drawing.notes.Clear(); delete drawing.first;
        for (int k = 0; k < i; ++k) {
            shapes.push_back(k == 2 ? nullptr : shape(i + k)); colours.push_back(k % 2 ? blue : green);
            if (k % 2) drawing.notes.Add(new TObjString(TString::Format("note %d", k)), "option");
            else drawing.notes.Add(new TParameter<double>(TString::Format("p%d", k), 0.5 * k));
        }
        drawing.shapes = shapes; drawing.first = shape(i);
        tree.Fill();
    }
    tree.Write();
    file.Close();
}
"""


def shape(i):
    """The members of an object's class; those of other classes are null."""
    empty = dict.fromkeys(["radius", "dots", "sides", "n", "weights", "inner"])
    own = {"class": "Shape", "id": i}
    if i % 4 == 1:
        own |= {"class": "Circle", "radius": 0.5 * i, "dots": [i] * (i % 3)}
    if i % 4 == 2:
        own |= {"class": "Box", "sides": [i, 2 * i], "n": i % 3, "weights": [i + k for k in range(i % 3)]}
    if i % 4 == 3:
        own |= {"class": "RoundBox", "sides": [-i, 0], "n": 1, "weights": [i], "radius": 0.25 * i}
    return empty | own


def row(i):
    shapes = [None if k == 2 else shape(i + k) for k in range(i)]
    return {
        "shapes": shapes,
        "colours": [7 if k % 2 else 1 for k in range(i)],
        "drawing": {"shapes": shapes, "first": shape(i)},
        "split./split.shapes": shapes,
        "split./split.first": shape(i),
    }


def main():
    with tempfile.TemporaryDirectory() as build:
        source = pathlib.Path(build) / "derived.C"
        links = ["Shape", "Circle", "Box", "RoundBox", "Drawing", "vector<Shape*>", "vector<Colour>"]
        links = "\n".join(f"#pragma link C++ class {name}+;" for name in links)
        source.write_text(CODE + f"\n#ifdef __ROOTCLING__\n{links}\n#endif\n")
        if ROOT.gSystem.CompileMacro(str(source), "kO") != 1:
            raise SystemExit("the macro does not compile")
        ROOT.write(str(OUT / "derived.root"), ROWS)
    (OUT / "derived.json").write_text(json.dumps([row(i) for i in range(ROWS)], indent=None) + "\n")


main()
