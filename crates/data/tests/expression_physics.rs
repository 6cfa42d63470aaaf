//! Functions of jets, events and particles: what an expression gives for a list is what the kernel gives for its vectors.
#![allow(clippy::panic, clippy::unwrap_used, reason = "these are tests")]

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, ListArray, RecordBatch};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{Field, Schema};
use fiducial_data::expr::{Environment, Expr, Values};
use fiducial_data::source::UNIT;
use fiducial_physics::cluster::{Algorithm, JetDefinition, cluster};
use fiducial_physics::emd::{Angles, Emd, EnergyFlow, Uniform, event_isotropy};
use fiducial_physics::four_vector::{FourVector, FourVectors, event_shape, mt2, thrust};
use fiducial_physics::pileup::{Cells, Ghosts, Origin, Puppi, jets_with_areas, soft_killer};
use fiducial_physics::substructure::{
    Axes, Ratio, SoftDrop, angularity, energy_correlation, energy_correlation_ratio, lund_plane,
    n_subjettiness, prune, pull, soft_drop, trim,
};

const LENGTHS: [usize; 4] = [12, 0, 1, 30];

/// The particles of four events.
fn events() -> Vec<Vec<FourVector>> {
    let mut state = 0.37_f64;
    let mut next = || {
        state = (state * 997.13 + 0.271).fract();
        state
    };
    let mut particle = || {
        let (pt, eta, phi) = (1.0 + 60.0 * next().powi(3), 1.6 * next() - 0.8, 1.0 + 1.6 * next());
        FourVector::from_pt_eta_phi_m(pt, eta, phi, 0.2 * next())
    };
    LENGTHS.map(|length| (0..length).map(|_| particle()).collect()).to_vec()
}

fn batch() -> RecordBatch {
    let list = |items: ArrayRef| -> ArrayRef {
        let field = Arc::new(Field::new("item", items.data_type().clone(), false));
        Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(LENGTHS), items, None))
    };
    let all: Vec<FourVector> = events().concat();
    let column = |f: fn(&FourVector) -> f64| list(Arc::new(all.iter().map(f).collect::<Float64Array>()));
    let places = list(Arc::new((0..all.len() as i64).map(|i| i % 3 - 1).collect::<Int64Array>()));
    let ids = list(Arc::new((0..all.len()).map(|i| [11, -211, 2212, 5][i % 4]).collect::<Int64Array>()));
    let columns = [
        ("px", column(|v| v.px)),
        ("py", column(|v| v.py)),
        ("pz", column(|v| v.pz)),
        ("E", column(|v| v.e)),
        ("origin", places),
        ("id", ids),
        ("missing", Arc::new(Int64Array::from(vec![0, 5, 10, 15]))),
    ];
    let fields = columns.iter().map(|(name, array)| {
        let unit = ["px", "py", "pz", "E"].contains(name).then(|| (UNIT.to_owned(), "GeV".to_owned()));
        Field::new(*name, array.data_type().clone(), false).with_metadata(unit.into_iter().collect())
    });
    let schema = Schema::new(fields.collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns.map(|(_, array)| array).to_vec()).unwrap()
}

const V: &str = "p4(px=px, py=py, pz=pz, E=E)";

/// `v` in a text stands for the particles.
fn evaluate(text: &str) -> Result<Values, String> {
    let batch = batch();
    let environment = Environment::new(&batch).with_first_row(100);
    let text = text.replace("(v", &format!("({V}")).replace(" v", &format!(" {V}"));
    let expr = Expr::parse(&text).map_err(|error| error.to_string())?;
    assert_eq!(Expr::parse(&expr.to_string()).unwrap(), expr);
    expr.evaluate(&environment).map_err(|error| error.to_string())
}

/// Compares with the numbers of each event.
fn check(text: &str, unit: Option<&str>, expected: impl Fn(&[FourVector]) -> Vec<f64>) {
    let values = evaluate(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(values.unit(), unit, "{text}");
    let numbers = values.numbers();
    for (row, event) in events().iter().enumerate() {
        let found = &numbers[values.row_range(row)];
        let expected = expected(event);
        assert_eq!(found.len(), expected.len(), "{text}, row {row}");
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() <= 1e-12 * b.abs(), "{text}, row {row}: {a}, not {b}");
        }
    }
}

fn columns(event: &[FourVector]) -> FourVectors<f64> {
    event.iter().copied().collect()
}

fn flow(event: &[FourVector]) -> EnergyFlow {
    EnergyFlow::of_vectors(event).unwrap()
}

#[test]
fn jets() {
    let sequence =
        |definition: JetDefinition, event: &[FourVector]| cluster(&definition, &columns(event)).unwrap();
    let generalised = JetDefinition::new(Algorithm::GeneralisedKt { p: -0.5 }, 0.6);
    check("cluster_jets(v, R=0.6, algorithm=\"genkt\", p=-0.5, min_pt=5).pt", Some("GeV"), |event| {
        sequence(generalised, event).inclusive(5.0).iter().map(|jet| jet.momentum.pt()).collect()
    });
    check("cluster_jets(v, algorithm=\"ee_genkt\", R=0.3, p=1).E", Some("GeV"), |event| {
        let definition = JetDefinition::new(Algorithm::EeGeneralisedKt { p: 1.0 }, 0.3);
        sequence(definition, event).inclusive(0.0).iter().map(|jet| jet.momentum.e).collect()
    });
    check("exclusive_jets(v, dcut=4).pt", Some("GeV"), |event| {
        let jets = sequence(JetDefinition::kt(1.0), event).exclusive_by_distance(4.0);
        jets.iter().map(|jet| jet.momentum.pt()).collect()
    });
    check("count(exclusive_constituents(v, 0))", None, |event| {
        sequence(JetDefinition::kt(1.0), event).exclusive(0).unwrap().iter().map(|_| 0.0).collect()
    });
    check("flatten(exclusive_constituents(v, dcut=4).pt)", Some("GeV"), |event| {
        let sequence = sequence(JetDefinition::kt(1.0), event);
        let members =
            sequence.exclusive_by_distance(4.0).into_iter().flat_map(|jet| sequence.constituents(jet.id));
        members.map(|i| event[i as usize].pt()).collect()
    });
    check("merging_distance(v, 2, algorithm=\"ee_kt\")", None, |event| {
        vec![sequence(JetDefinition::new(Algorithm::EeKt, 1.0), event).merging_distance(2)]
    });
    check("cluster_history(v).second", None, |event| {
        let sequence = sequence(JetDefinition::anti_kt(0.4), event);
        sequence.history().iter().map(|step| step.second.map_or(-1.0, f64::from)).collect()
    });
    let error = evaluate("exclusive_jets(v, 1).pt").unwrap_err();
    assert!(error.contains("in row 101"), "{error}");
    assert!(evaluate("exclusive_jets(v, missing).pt").unwrap_err().contains("a single whole number"));
    assert!(evaluate("cluster_jets(v, R=0).pt").unwrap_err().contains("R = 0"));
}

#[test]
fn substructure() {
    let condition = SoftDrop { z_cut: 0.05, beta: 1.0, radius: 0.8 };
    check("soft_drop(v, z_cut=0.05, beta=1).z", None, |jet| vec![soft_drop(jet, condition).unwrap().z]);
    check("soft_drop_constituents(v, z_cut=0.05, beta=1).E", Some("GeV"), |jet| {
        soft_drop(jet, condition).unwrap().constituents.iter().map(|i| jet[*i as usize].e).collect()
    });
    check("trim(v).pt", Some("GeV"), |jet| vec![trim(jet, 0.2, 0.03).unwrap().momentum.pt()]);
    check("count(trim_constituents(v))", None, |jet| {
        vec![trim(jet, 0.2, 0.03).unwrap().constituents.len() as f64]
    });
    check("prune(v, factor=0.3).E", Some("GeV"), |jet| vec![prune(jet, 0.1, 0.3).unwrap().momentum.e]);
    check("count(prune_constituents(v))", None, |jet| {
        vec![prune(jet, 0.1, 0.5).unwrap().constituents.len() as f64]
    });
    check("n_subjettiness(v, 2, axes=\"kt\", beta=2)", None, |jet| {
        vec![n_subjettiness(jet, 2, 2.0, 0.8, Axes::Kt).unwrap()]
    });
    for (name, ratio) in
        [("C1", Ratio::C1), ("C2", Ratio::C2), ("D2", Ratio::D2), ("M2", Ratio::M2), ("N3", Ratio::N3)]
    {
        check(&format!("energy_correlation(v, ratio=\"{name}\", beta=2)"), None, |jet| {
            vec![energy_correlation_ratio(jet, ratio, 2.0).unwrap()]
        });
    }
    check("energy_correlation(v, 3, 2)", None, |jet| vec![energy_correlation(jet, 3, 2, 1.0).unwrap()]);
    check("angularity(v, beta=2, kappa=1.5)", None, |jet| vec![angularity(jet, 1.5, 2.0, 0.8).unwrap()]);
    check("pull(v).phi", None, |jet| vec![pull(jet).unwrap()[1]]);
    check("lund_plane(v).kt", Some("GeV"), |jet| lund_plane(jet).unwrap().iter().map(|b| b.kt).collect());
    check("lund_plane(v).softer.E", Some("GeV"), |jet| {
        lund_plane(jet).unwrap().iter().map(|b| b.softer.e).collect()
    });
    // Jets within events: lists of lists.
    check("n_subjettiness(cluster_constituents(v, R=0.4), 1)", None, |event| {
        let sequence = cluster(&JetDefinition::anti_kt(0.4), &columns(event)).unwrap();
        let members = |id| sequence.constituents(id).iter().map(|i| event[*i as usize]).collect::<Vec<_>>();
        let jets = sequence.inclusive(0.0).into_iter().map(|jet| members(jet.id));
        jets.map(|jet| n_subjettiness(&jet, 1, 1.0, 0.8, Axes::OnePassWinnerTakesAllKt).unwrap()).collect()
    });
    assert!(evaluate("energy_correlation(v, 5, 2)").unwrap_err().contains("between 1 and 4"));
    assert!(evaluate("soft_drop(px)").unwrap_err().contains("four-vector"));
}

#[test]
fn events_and_pileup() {
    check("thrust(v)", None, |event| vec![thrust(event).unwrap().value]);
    check("thrust_axis(v).z", None, |event| vec![thrust(event).unwrap().axis[2]]);
    check("sphericity(v)", None, |event| vec![event_shape(event, 2.0).unwrap().sphericity]);
    check("event_shape(v, r=1).c", None, |event| vec![event_shape(event, 1.0).unwrap().c]);
    check("event_shape(v).l3", None, |event| vec![event_shape(event, 2.0).unwrap().eigenvalues[2]]);
    check("event_isotropy(v, uniform=\"ring\", particles=16)", None, |event| {
        vec![event_isotropy(event, Uniform::Ring { particles: 16 }).unwrap()]
    });
    check("event_isotropy(v, uniform=\"cylinder\", particles=8)", None, |event| {
        vec![event_isotropy(event, Uniform::Cylinder { columns: 8, max_eta: 2.0 }).unwrap()]
    });
    let ghosts = Ghosts { max_rapidity: 2.0, area: 0.1, seed: 4 };
    let jets = "jets_with_areas(v, R=0.5, min_pt=3, max_rapidity=2, ghost_area=0.1, seed=4)";
    let found =
        |event: &[FourVector]| jets_with_areas(&JetDefinition::anti_kt(0.5), event, 3.0, &ghosts).unwrap();
    check(&format!("{jets}.area"), None, |event| found(event).iter().map(|jet| jet.area).collect());
    check(&format!("({jets} - {jets}.area_vector * 1.5).pt"), Some("GeV"), |event| {
        found(event).iter().map(|jet| jet.subtracted(1.5).pt()).collect()
    });
    check("pileup_density(v, max_rapidity=1, cell=1)", Some("GeV"), |event| {
        vec![Cells::new(1.0, 1.0).unwrap().density(event).unwrap()]
    });
    check("soft_killer(v, max_rapidity=1, cell=2)", Some("GeV"), |event| {
        vec![soft_killer(event, &Cells::new(1.0, 2.0).unwrap()).unwrap()]
    });
    let all = events();
    check("puppi(v, origin)", None, |event| {
        let before: usize = all.iter().take_while(|other| *other != event).map(Vec::len).sum();
        let origins =
            (0..event.len()).map(|i| [Origin::Pileup, Origin::Unknown, Origin::Leading][(before + i) % 3]);
        Puppi::default().weights(event, &origins.collect::<Vec<_>>()).unwrap()
    });
    assert!(evaluate("puppi(v, origin * 2)").unwrap_err().contains("not 1, -1 or 0"));
    assert!(evaluate("event_isotropy(v, particles=2.5)").unwrap_err().contains("whole number"));
}

#[test]
fn energy_flow() {
    let other = "p4(px=-px, py=py, pz=pz + 1, E=E)[:5]";
    let moved = |event: &[FourVector]| -> Vec<FourVector> {
        event.iter().take(5).map(|v| FourVector::new(-v.px, v.py, v.pz + 1.0, v.e)).collect()
    };
    check(&format!("emd(v, {other}, R=0.8, beta=1.5)"), Some("GeV"), |event| {
        let emd = Emd { radius: 0.8, beta: 1.5, normalise: false };
        vec![emd.distance(&flow(event), &flow(&moved(event))).unwrap()]
    });
    check(&format!("emd(v, {other}, normalise=True)"), None, |event| {
        let emd = Emd { normalise: true, ..Emd::default() };
        vec![emd.distance(&flow(event), &flow(&moved(event))).unwrap()]
    });
    check("emd_sliced_bound(v, v[:3], directions=4)", None, |event| {
        let some = &event[..event.len().min(3)];
        vec![Emd { normalise: true, ..Emd::default() }.sliced_bound(&flow(event), &flow(some), 4).unwrap()]
    });
    check("energy_flow_polynomial(v, 0, 1, 1, 2, 2, 0, beta=2)", None, |event| {
        vec![Angles::new(&flow(event), 2.0).unwrap().efp(&[(0, 1), (1, 2), (2, 0)]).unwrap()]
    });
    check("efp(v, 0, 1)", None, |event| {
        vec![Angles::new(&flow(event), 1.0).unwrap().efp(&[(0, 1)]).unwrap()]
    });
    assert!(evaluate("efp(v, 0, 1, 2)").unwrap_err().contains("one too many"));
    // An empty list cannot be a reference.
    assert!(evaluate("emd_linearised_bound(v, v, v)").unwrap_err().contains("in row 101"));
    let some = |event: &[FourVector], most: usize| flow(&event[..event.len().min(most)]);
    let text = format!("emd_linearised_bound({V}, {V}[:3], {V}[:2], R=0.8, beta=1.5)");
    let found = Expr::parse(&text).unwrap().evaluate(&Environment::new(&batch().slice(2, 2))).unwrap();
    let emd = Emd { radius: 0.8, beta: 1.5, normalise: true };
    let bounds: Vec<f64> = events()[2..]
        .iter()
        .map(|event| emd.linearised_bound(&flow(event), &some(event, 3), &some(event, 2)).unwrap())
        .collect();
    assert!(bounds[1] > emd.distance(&flow(&events()[3]), &some(&events()[3], 3)).unwrap());
    assert_eq!((&found.numbers()[..], found.unit()), (&bounds[..], None));
    assert!(evaluate("emd(v, cluster_constituents(v))").unwrap_err().contains("not at the places"));
}

#[test]
fn vectors_and_particles() {
    check("rotate(v, 0.5).py", Some("GeV"), |event| {
        event.iter().map(|v| v.rotated([0.0, 0.0, 1.0], 0.5).py).collect()
    });
    check("rotate(v, 0.5, 1, 2, origin + 3).px", Some("GeV"), |event| {
        let all = events();
        let before: usize = all.iter().take_while(|other| *other != event).map(Vec::len).sum();
        let z = |i: usize| ((before + i) % 3) as f64 + 2.0;
        event.iter().enumerate().map(|(i, v)| v.rotated([1.0, 2.0, z(i)], 0.5).px).collect()
    });
    check("dot(v, v)", None, |event| event.iter().map(|v| v.dot(*v)).collect());
    check("angle(v, rotate(v, 0.5))", None, |event| {
        event.iter().map(|v| v.angle(v.rotated([0.0, 0.0, 1.0], 0.5))).collect()
    });
    check("mt2(v, rotate(v, 2), p4(px=missing, py=0, pz=0, E=0), invisible_a=3)", Some("GeV"), |event| {
        let row = LENGTHS.iter().position(|length| *length == event.len()).unwrap();
        let turned = |v: &FourVector| v.rotated([0.0, 0.0, 1.0], 2.0);
        event.iter().map(|v| mt2(*v, turned(v), [5.0 * row as f64, 0.0], 3.0, 0.0).unwrap()).collect()
    });
    let numbers = |text: &str| evaluate(text).unwrap().numbers()[..4].to_vec();
    assert_eq!(numbers("pdg_charge(id)"), [-1.0, -1.0, 1.0, -1.0 / 3.0]);
    assert_eq!(numbers("pdg_spin(id, default=-1)"), [0.5, 0.0, 0.5, 0.5]);
    assert_eq!(numbers("pdg_is_hadron(id)"), [0.0, 1.0, 1.0, 0.0]);
    assert_eq!(numbers("pdg_is_lepton(id) + 2 * pdg_is_quark(id)"), [1.0, 0.0, 0.0, 2.0]);
    assert_eq!(numbers("pdg_has_quark(id, 1)"), [0.0, 1.0, 1.0, 0.0]);
    for (kind, expected) in [
        ("quark", [0.0, 0.0, 0.0, 1.0]),
        ("lepton", [1.0, 0.0, 0.0, 0.0]),
        ("neutrino", [0.0; 4]),
        ("boson", [0.0; 4]),
        ("meson", [0.0, 1.0, 0.0, 0.0]),
        ("baryon", [0.0, 0.0, 1.0, 0.0]),
        ("diquark", [0.0; 4]),
        ("nucleus", [0.0, 0.0, 1.0, 0.0]),
    ] {
        assert_eq!(numbers(&format!("pdg_is_{kind}(id)")), expected, "{kind}");
    }
    for (kind, id) in [("neutrino", -14), ("boson", 24), ("diquark", 2203), ("nucleus", 1_000_020_040)] {
        assert_eq!(numbers(&format!("pdg_is_{kind}(id * 0 + {id})")), [1.0; 4], "{kind}");
    }
    // The charged pion's lifetime of 26.03 ns (Review of Particle Physics), by ħ = 6.582e-25 GeV s.
    assert!((numbers("pdg_width(id * 0 + 211)")[0] / (6.582_119_6e-25 / 26.033e-9) - 1.0).abs() < 1e-3);
    assert_eq!(numbers("pdg_width(id * 0 + 11)")[..1], [0.0]);
    assert!((numbers("in_unit(pdg_mass(id), unit=\"MeV\")")[2] - 938.272).abs() < 1e-3);
    assert_eq!(evaluate("in_unit(pdg_mass(id), unit=\"TeV\")").unwrap().unit(), Some("TeV"));
    assert!(evaluate("in_unit(id, unit=\"GeV\")").unwrap_err().contains("has no unit"));
    assert_eq!(evaluate("pdg_mass(id)").unwrap().unit(), Some("GeV"));
    assert!((numbers("pdg_mass(id)")[2] - 0.938_272).abs() < 1e-6);
    assert!((numbers("pdg_lifetime(id * 0 + 13)")[0] - 2196.98).abs() < 0.1);
    let error = evaluate("pdg_mass(id * 0 + 999)").unwrap_err();
    assert!(error.contains("no mass is known of identifier 999 in row 100"), "{error}");
    assert_eq!(numbers("pdg_mass(id * 99999999999, default=missing)"), [0.0; 4]);
}
