"""Makes pdg.csv from the table of the Python package `particle`: make_table.py > pdg.csv"""

import csv
from decimal import Decimal

import particle.data

path = particle.data.basepath / "particle2026.csv"
lines = path.read_text().splitlines()
rows = csv.DictReader(lines[1:])
print("# Particles: PDG identifier, name, three times the charge, mass and width in GeV; empty where not known.")
print("# Masses and widths: Review of Particle Physics, 2026 edition (Particle Data Group, pdg.lbl.gov). The documentation of the PDG's API (pdgapi.lbl.gov/doc) puts its data of the 2025 edition under CC BY 4.0; what it says of 2026 was not seen.")
print(f"# Table:{lines[0][1:]} (BSD-3-Clause, see LICENSE-particle beside this file).")
for row in rows:
    number = lambda text: "" if float(text) < 0 else repr(float(Decimal(text) / 1000))
    # The name without its charge is not unique: the package adds the charge and a tilde, and so do we.
    full = str(particle.Particle.from_pdgid(int(row["ID"])).name)
    print(",".join([row["ID"], full, row["Charge"], number(row["Mass"]), number(row["Width"])]))
