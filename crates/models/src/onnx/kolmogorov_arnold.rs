//! The Kolmogorov-Arnold network as a graph: all basis functions by the recursion of Cox and de Boor.

use super::proto::Type;
use super::{Graph, Inputs, ToGraph, Value, Weights};
use crate::Error;
use crate::KolmogorovArnoldConfig;

impl ToGraph for KolmogorovArnoldConfig {
    fn to_graph(&self, graph: &mut Graph, weights: &Weights, inputs: &Inputs) -> Result<Value, Error> {
        let mut x = inputs.group("globals")?.clone();
        for index in 0..=self.hidden.len() {
            let basis = self.basis(graph, &x);
            let splines = graph.dense(&basis, weights, &format!("layers.{index}.splines"))?;
            let smooth = graph.silu(&x);
            let base = graph.dense(&smooth, weights, &format!("layers.{index}.base"))?;
            x = graph.add(&base, &splines);
        }
        Ok(x)
    }
}

impl KolmogorovArnoldConfig {
    /// The basis functions of each number of `x`, (n, inputs), to (n, inputs x functions).
    ///
    /// With `u` the place of a number in units of cells and `B_k` of degree 0 being 1 in cell `k`, those of degree `d` are
    /// `((u - k + d) B_{k-1} + (k + 1 - u) B_k) / d`.
    fn basis(&self, graph: &mut Graph, x: &Value) -> Value {
        let range = self.range as f32;
        let [lower, width] = [range, 2.0 * range / self.grid as f32].map(|value| graph.float(value));
        let place = graph.add(x, &lower);
        let place = graph.divide(&place, &width);
        let place = graph.unsqueeze(&place, 2);
        let mut functions = self.cells(graph, &place);
        for degree in 1..=self.degree {
            let number = self.grid + degree;
            let padded = graph.between_zeros(&functions, 3);
            let before = graph.slice(&padded, 2, 0, number as i64);
            let here = graph.slice(&padded, 2, 1, number as i64 + 1);
            let mut numbers = |number_of: &dyn Fn(f32) -> f32| {
                let numbers: Vec<f32> = (0..number).map(|k| number_of(k as f32)).collect();
                graph.floats(&[number], &numbers)
            };
            let rising = numbers(&|k| degree as f32 - k);
            let falling = numbers(&|k| k + 1.0);
            let rising = graph.add(&place, &rising);
            let falling = graph.subtract(&falling, &place);
            let before = graph.multiply(&rising, &before);
            let here = graph.multiply(&falling, &here);
            let sum = graph.add(&before, &here);
            let degree = graph.float(degree as f32);
            functions = graph.divide(&sum, &degree);
        }
        graph.reshape(&functions, &[0, -1])
    }

    /// 1 for the cell that each place, (n, inputs, 1), lies in: (n, inputs, cells). The far end belongs to the last cell.
    fn cells(&self, graph: &mut Graph, place: &Value) -> Value {
        let [last, end] = [self.grid as f32 - 1.0, self.grid as f32].map(|value| graph.float(value));
        let cell = graph.floor(place);
        let cell = graph.least(&cell, &last);
        let cells: Vec<f32> = (0..self.grid).map(|cell| cell as f32).collect();
        let cells = graph.floats(&[self.grid], &cells);
        let own = graph.equal(&cell, &cells);
        let beyond = graph.less(&end, place);
        let within = graph.not(&beyond);
        let own = graph.and(&own, &within);
        graph.cast(&own, Type::Float)
    }
}
