"""Makes tests/fixtures/leaf_lists.root with ROOT: branches of several leaves, of which some count others

    python make_leaf_lists.py (pip install root==0.1a12)
"""

import pathlib

import ROOT

PATH = pathlib.Path(__file__).parent / "fixtures" / "leaf_lists.root"
ROOT.gInterpreter.Declare("""
void make(const char* path) {
    TFile file(path, "recreate");
    TTree tree("t", "");
    struct { int n; float x[3]; } one;
    struct { int flag; int n; float x[3][2]; } two;
    tree.Branch("one", &one, "n/I:x[n]/F");
    tree.Branch("two", &two, "flag/I:n/I:x[n][2]/F");
    for (int i = 0; i < 7; i++) {
        one.n = i % 4;
        two.flag = -i;
        two.n = (i + 1) % 3;
        for (int k = 0; k < 3; k++) {
            one.x[k] = i + 0.25 * k;
            two.x[k][0] = i;
            two.x[k][1] = k;
        }
        tree.Fill();
    }
    tree.Write();
}""")
ROOT.make(str(PATH))
