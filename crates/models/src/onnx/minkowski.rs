//! Four-vectors under the metric (+, -, -, -), in double precision where large numbers are subtracted, as in the network.

use super::proto::Type;
use super::{Graph, Value};
use crate::fused::minkowski::LEAST_MASS;

/// Vectors of (n, constituents, 4) in GeV in another unit: in double precision.
pub(super) fn in_units(graph: &mut Graph, vectors: &Value, unit: f64) -> Value {
    let (vectors, unit) = (graph.cast(vectors, Type::Double), graph.double(unit));
    graph.divide(&vectors, &unit)
}

/// Vectors in double precision as seen from where the jet of `constituents` is at rest, which are zero where there is padding;
/// see `crate::fused::minkowski::RestFrame`.
pub(super) fn at_rest(graph: &mut Graph, constituents: &Value, vectors: &Value) -> Value {
    let total = graph.sum(constituents, 1, true);
    let squares = graph.multiply(&total, &total);
    let squares = components(graph, &squares);
    let [.., least] = &squares;
    let part = graph.double(LEAST_MASS);
    let least = graph.multiply(least, &part);
    let square = energy_less_momenta(graph, squares);
    let moves = graph.less(&least, &square);
    let one = graph.double(1.0);
    let square = graph.choose(&moves, &square, &one);
    let mass = graph.root(&square);

    let [momenta, total_momenta] = [vectors, &total].map(|vectors| graph.slice(vectors, 2, 0, 3));
    let [energies, total_energy] = [vectors, &total].map(|vectors| graph.slice(vectors, 2, 3, 4));
    let products = graph.multiply(&momenta, &total_momenta);
    let along = graph.sum(&products, 2, true);
    let sum = graph.add(&mass, &total_energy);
    let divisor = graph.multiply(&mass, &sum);
    // Where nothing moves the number below is not used, but it must be one.
    let divisor = graph.choose(&moves, &divisor, &one);
    let share = graph.divide(&along, &divisor);
    let slowed = graph.divide(&energies, &mass);
    let share = graph.subtract(&share, &slowed);
    let added = graph.multiply(&total_momenta, &share);
    let momenta = graph.add(&momenta, &added);
    let energies = graph.multiply(&energies, &total_energy);
    let energies = graph.subtract(&energies, &along);
    let energies = graph.divide(&energies, &mass);
    let moved = graph.concatenate(&[&momenta, &energies], 2);
    graph.choose(&moves, &moved, vectors)
}

/// `psi` of the squared mass of each vector, (n, constituents, 1).
pub(super) fn masses(graph: &mut Graph, vectors: &Value) -> Value {
    let squares = graph.multiply(vectors, vectors);
    let squares = components(graph, &squares);
    let mass = energy_less_momenta(graph, squares);
    psi(graph, &mass)
}

/// `psi(|x_i - x_j|^2)` and `psi(<x_i, x_j>)` of vectors in single precision: (n, constituents, constituents, 2).
pub(super) fn invariants(graph: &mut Graph, vectors: &Value) -> Value {
    let vectors = graph.cast(vectors, Type::Double);
    let first = components(graph, &vectors);
    let second = first.each_ref().map(|component| graph.transpose(component, &[0, 2, 1]));
    let mut of_pairs = |operation: fn(&mut Graph, &Value, &Value) -> Value| {
        let terms: Vec<Value> = first.iter().zip(&second).map(|(a, b)| operation(graph, a, b)).collect();
        let terms = std::array::from_fn(|component| terms[component].clone());
        let product = energy_less_momenta(graph, terms);
        let invariant = psi(graph, &product);
        graph.unsqueeze(&invariant, 3)
    };
    let square = of_pairs(|graph, a, b| {
        let difference = graph.subtract(a, b);
        graph.multiply(&difference, &difference)
    });
    let product = of_pairs(Graph::multiply);
    graph.concatenate(&[&square, &product], 3)
}

fn components(graph: &mut Graph, vectors: &Value) -> [Value; 4] {
    [0, 1, 2, 3].map(|component| graph.slice(vectors, 2, component, component + 1))
}

fn energy_less_momenta(graph: &mut Graph, [x, y, z, energy]: [Value; 4]) -> Value {
    [x, y, z].iter().fold(energy, |rest, term| graph.subtract(&rest, term))
}

/// `sgn(z) ln(|z| + 1)`, in single precision.
fn psi(graph: &mut Graph, z: &Value) -> Value {
    let (sign, size, one) = (graph.sign(z), graph.absolute(z), graph.double(1.0));
    let sum = graph.add(&size, &one);
    let logarithm = graph.logarithm(&sum);
    let psi = graph.multiply(&sign, &logarithm);
    graph.cast(&psi, Type::Float)
}
