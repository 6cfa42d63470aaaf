"""Made particle_golden.csv: what the package `particle` 1.1 says of identifiers. Usage: particle_golden.py > particle_golden.csv"""

import particle
from particle import pdgid

KINDS = ["quark", "lepton", "meson", "baryon", "hadron", "diquark", "nucleus"]
# Beyond the table: a fourth generation, diquarks, nuclei with and without strangeness, sparticles, states of generators, nonsense.
OTHER = [7, 8, 17, 18, 0, 9, 10, 19, 20, 26, 40, 90, 99, 100, 101, 110, 990, 1103, 2101, 2103, 2203, 3303, 4403, 5503, 5101,
         1000010010, 1000010020, 1000020040, 1000822080, 1010010030, 1000000010, 1000021, 1000022, 2000011, 9900012, 9000221,
         1000000000, 1100000000, 2147483647, 9221132, 4900101, 100211, 10211, 30443, 5324, 5554, 1112118]

print("id,kinds,three_charge,spin_states,flavours,mass,width,lifetime,ctau")
# Of its nuclei those of OTHER are enough.
numbers = {int(known.pdgid): known for known in particle.Particle.all() if abs(known.pdgid) < 1_000_000_000}
for number in sorted(set(numbers) | set(OTHER) | {-other for other in OTHER}):
    kinds = [kind for kind in KINDS if getattr(pdgid, f"is_{kind}")(number)]
    flavours = [str(place) for place, name in enumerate(("down", "up", "strange", "charm", "bottom", "top"), 1)
                if getattr(pdgid, f"has_{name}")(number)]
    known = numbers.get(number)
    # GeV, ns and mm; the package has MeV.
    values = [known.mass, known.width, known.lifetime, known.ctau] if known else [None] * 4
    scales = [1e-3, 1e-3, 1, 1]
    values = ["" if value is None else repr(value * scale) for value, scale in zip(values, scales)]
    charge = pdgid.three_charge(number)
    spin = pdgid.j_spin(number)
    print(",".join([str(number), "+".join(kinds), str(charge), str(spin), "+".join(flavours), *values]))
