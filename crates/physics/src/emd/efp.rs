//! Energy flow polynomials.

use super::EnergyFlow;
use crate::error::{Error, parameter};

/// The most edges a graph may have. Up to here every graph can be summed up one vertex after the other without a table of more
/// than two vertices (the smallest graph that cannot is the complete one of four vertices, which has six edges).
const MOST_EDGES: usize = 5;

/// Energy fractions and angles of one event, from which polynomials are computed.
#[derive(Debug, Clone, PartialEq)]
pub struct Angles {
    fractions: Vec<f64>,
    /// θij^β, row by row.
    angles: Vec<f64>,
}

impl Angles {
    /// Fractions of the total weight and distances in rapidity and azimuth to the power of `beta`. Fails for a `beta` that is
    /// not a positive finite number, and for more than 2,048 particles.
    pub fn new(flow: &EnergyFlow, beta: f64) -> Result<Self, Error> {
        parameter("beta", beta, beta > 0.0 && beta.is_finite(), "a positive finite number")?;
        let n = flow.len();
        parameter("the number of particles", n as f64, n <= 2048, "at most 2048")?;
        let total = flow.total();
        let mut angles = Vec::with_capacity(n * n);
        for i in 0..n {
            for j in 0..n {
                let dp = crate::delta_phi(flow.phi[i], flow.phi[j]);
                let dy = flow.y[i] - flow.y[j];
                angles.push((dy * dy + dp * dp).powf(0.5 * beta));
            }
        }
        Ok(Self { fractions: flow.weight.iter().map(|weight| weight / total).collect(), angles })
    }

    /// The polynomial of a multigraph: `Σ over i1 … iN of z_i1 … z_iN Π over edges (k, l) of θ_ik_il^β` (Komiske, Metodiev and
    /// Thaler, arXiv:1712.07124). Vertices are numbered; those in no edge do not count. A graph in two parts gives the
    /// product of both. Time grows as n² for trees and as n³ for graphs with cycles.
    ///
    /// Fails for more than 5 edges and for an edge from a vertex to itself.
    ///
    /// ```
    /// use fiducial_physics::emd::{Angles, EnergyFlow};
    ///
    /// let flow = EnergyFlow::new(&[1.0, 3.0], &[0.0, 0.0], &[0.0, 0.5])?;
    /// // One edge: 2 z1 z2 θ².
    /// let value = Angles::new(&flow, 2.0)?.efp(&[(0, 1)])?;
    /// assert!((value - 2.0 * 0.25 * 0.75 * 0.25).abs() < 1e-15);
    /// # Ok::<(), fiducial_physics::Error>(())
    /// ```
    pub fn efp(&self, edges: &[(usize, usize)]) -> Result<f64, Error> {
        parameter("the number of edges", edges.len() as f64, edges.len() <= MOST_EDGES, "at most 5")?;
        let n = self.fractions.len();
        let mut tables: Vec<Table> = Vec::new();
        let mut vertices: Vec<(usize, Vec<f64>)> = Vec::new();
        for &(a, b) in edges {
            parameter("an edge to vertex", b as f64, a != b, "another vertex than where it starts")?;
            for vertex in [a, b] {
                if vertices.iter().all(|(known, _)| *known != vertex) {
                    vertices.push((vertex, self.fractions.clone()));
                }
            }
            multiply(&mut tables, Table { a, b, values: self.angles.clone() }, n);
        }
        let mut product = 1.0;
        while !vertices.is_empty() {
            let degree = |vertex: usize| tables.iter().filter(|table| table.touches(vertex)).count();
            let next = (0..vertices.len()).min_by_key(|index| degree(vertices[*index].0)).unwrap_or(0);
            let (vertex, weights) = vertices.swap_remove(next);
            let (mut around, rest): (Vec<Table>, Vec<Table>) =
                tables.into_iter().partition(|table| table.touches(vertex));
            tables = rest;
            let (first, second) = (around.pop(), around.pop());
            match (first, second) {
                (None, _) => product *= weights.iter().sum::<f64>(),
                (Some(table), None) => {
                    let other = table.other(vertex);
                    let table = table.from(vertex, n);
                    if let Some((_, target)) = vertices.iter_mut().find(|(known, _)| *known == other) {
                        for (j, target) in target.iter_mut().enumerate() {
                            *target *= (0..n).map(|i| weights[i] * table[i * n + j]).sum::<f64>();
                        }
                    }
                }
                (Some(one), Some(two)) => {
                    let (a, b) = (one.other(vertex), two.other(vertex));
                    let (one, two) = (one.from(vertex, n), two.from(vertex, n));
                    let mut values = vec![0.0; n * n];
                    for i in 0..n {
                        let row = &two[i * n..][..n];
                        for j in 0..n {
                            let factor = weights[i] * one[i * n + j];
                            for (value, other) in values[j * n..][..n].iter_mut().zip(row) {
                                *value += factor * other;
                            }
                        }
                    }
                    multiply(&mut tables, Table { a, b, values }, n);
                }
            }
        }
        Ok(product)
    }
}

/// A factor that depends on two vertices: row by the particle of the first.
struct Table {
    a: usize,
    b: usize,
    values: Vec<f64>,
}

impl Table {
    fn touches(&self, vertex: usize) -> bool {
        self.a == vertex || self.b == vertex
    }

    fn other(&self, vertex: usize) -> usize {
        if self.a == vertex { self.b } else { self.a }
    }

    /// The values with rows by the particle of `vertex`.
    fn from(self, vertex: usize, n: usize) -> Vec<f64> {
        if self.a == vertex { self.values } else { transpose(&self.values, n) }
    }
}

fn transpose(values: &[f64], n: usize) -> Vec<f64> {
    (0..n * n).map(|k| values[k % n * n + k / n]).collect()
}

/// Adds a factor; two between the same vertices become one.
fn multiply(tables: &mut Vec<Table>, table: Table, n: usize) {
    match tables.iter_mut().find(|known| known.touches(table.a) && known.touches(table.b)) {
        Some(known) => {
            let values = table.from(known.a, n);
            for (a, b) in known.values.iter_mut().zip(values) {
                *a *= b;
            }
        }
        None => tables.push(table),
    }
}

/// All connected multigraphs without loops of `degree` edges, one of each shape: 1, 2, 5, 12 and 33 for 1 to 5 edges.
///
/// Fails for no edge and for more than 5.
pub fn connected_graphs(degree: usize) -> Result<Vec<Vec<(usize, usize)>>, Error> {
    parameter("the number of edges", degree as f64, (1..=MOST_EDGES).contains(&degree), "between 1 and 5")?;
    let mut graphs = vec![vec![(0, 1)]];
    for _ in 1..degree {
        let mut seen = Vec::new();
        for graph in &graphs {
            let vertices = graph.iter().map(|(_, b)| b + 1).max().unwrap_or(0);
            for b in 1..=vertices {
                for a in 0..b.min(vertices) {
                    let mut larger = graph.clone();
                    larger.push((a, b));
                    seen.push(canonical(&larger));
                }
            }
        }
        seen.sort();
        seen.dedup();
        graphs = seen;
    }
    Ok(graphs)
}

/// The smallest list of edges that renaming vertices gives.
fn canonical(edges: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let vertices = edges.iter().map(|(a, b)| a.max(b) + 1).max().unwrap_or(0);
    let mut names: Vec<usize> = (0..vertices).collect();
    let mut best = renamed(edges, &names);
    // Heap's algorithm: all permutations, each by one exchange from the last.
    let mut counters = vec![0; vertices];
    let mut i = 0;
    while i < vertices {
        if counters[i] < i {
            names.swap(if i % 2 == 0 { 0 } else { counters[i] }, i);
            best = best.min(renamed(edges, &names));
            counters[i] += 1;
            i = 0;
        } else {
            counters[i] = 0;
            i += 1;
        }
    }
    best
}

fn renamed(edges: &[(usize, usize)], names: &[usize]) -> Vec<(usize, usize)> {
    let mut edges: Vec<_> =
        edges.iter().map(|(a, b)| (names[*a].min(names[*b]), names[*a].max(names[*b]))).collect();
    edges.sort_unstable();
    edges
}
