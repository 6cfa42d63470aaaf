//! Fills that a histogram keeps in a buffer, before it puts them into bins (`TH1::SetBuffer`, automatic limits).
//!
//! ROOT empties the buffer when somebody looks at the histogram; a file may hold it full.

use super::histogram::{Axis, Bins, Histogram};
use super::value::Members;

/// Fills beyond an axis count in its statistics, as the histogram says (`TH1::EStatOverflows`).
const CONSIDER_OVERFLOWS: i64 = 1;
/// The flag of an axis that grows with what is filled (`TAxis::kCanExtend`, in its second word of flags).
const CAN_EXTEND: i64 = 1 << 1;

impl Histogram {
    /// Puts the fills of the buffer into bins, as `TH1::BufferEmpty` does where the limits of the axes are known.
    pub(super) fn empty_buffer(&mut self, object: &Members) -> Result<(), String> {
        let buffer = object.floats("fBuffer");
        // A negative number says that the fills are in the bins already.
        let Some(&fills) = buffer.first().filter(|&&fills| fills > 0.0) else { return Ok(()) };
        let refuse =
            |why: &str| Err(format!("{fills} fills are still in its buffer, and not in its bins: {why}"));
        let width = self.axes.len() + 1;
        let fills = buffer[1..].chunks_exact(width).take(fills as usize);
        if fills.len() as f64 != buffer[0] {
            return refuse("the buffer is too short");
        }
        if self.is_profile() {
            return refuse("those of profiles are not read");
        }
        let grows = |name: &str| {
            object.object(name).and_then(|axis| axis.int("fBits2")).is_some_and(|bits| bits & CAN_EXTEND != 0)
        };
        for (i, (axis, name)) in self.axes.iter().zip(["fXaxis", "fYaxis", "fZaxis"]).enumerate() {
            let is_inside = |fill: &[f64]| (axis.lower..axis.upper).contains(&fill[i + 1]);
            if axis.lower >= axis.upper || (grows(name) && !fills.clone().all(is_inside)) {
                return refuse("the limits of its axes follow from them");
            }
        }
        let counts_overflows = object.int("fStatOverflows") == Some(CONSIDER_OVERFLOWS);
        for fill in fills {
            self.fill(fill[0], &fill[1..], counts_overflows);
        }
        Ok(())
    }

    /// Fills with a weight (`TH1::Fill` and those of derived classes).
    fn fill(&mut self, weight: f64, at: &[f64], counts_overflows: bool) {
        let places: Vec<usize> = self.axes.iter().zip(at).map(|(axis, &x)| axis.place(x)).collect();
        let cell =
            self.axes.iter().zip(&places).fold(0, |cell, (axis, place)| cell * (axis.bins + 2) + place);
        let is_float = self.class_name.ends_with('F');
        if let Bins::Sums { values, squares } = &mut self.bins {
            // From the first weight on squares are kept; until then they are the sums themselves.
            if weight != 1.0 && squares.is_none() {
                *squares = Some(values.clone());
            }
            let sum = values[cell] + weight;
            values[cell] = if is_float { f64::from(sum as f32) } else { sum };
            if let Some(squares) = squares {
                squares[cell] += weight * weight;
            }
        }
        self.entries += 1.0;
        let is_inside = |(axis, &place): (&Axis, &usize)| (1..=axis.bins).contains(&place);
        if counts_overflows || self.axes.iter().zip(&places).all(is_inside) {
            let [x, y, z] = [0, 1, 2].map(|i| at.get(i).copied().unwrap_or(0.0));
            let moments = [1.0, weight, x, x * x, y, y * y, x * y, z, z * z, x * z, y * z];
            for (sum, moment) in self.sums.iter_mut().zip(moments) {
                *sum += weight * moment;
            }
        }
    }
}

impl Axis {
    /// The bin of a value, 0 for the underflow (`TAxis::FindFixBin`).
    fn place(&self, x: f64) -> usize {
        if x < self.lower {
            return 0;
        }
        // What is not a number counts as overflow.
        if !matches!(x.partial_cmp(&self.upper), Some(std::cmp::Ordering::Less)) {
            return self.bins + 1;
        }
        match &self.edges {
            Some(edges) => edges.partition_point(|&edge| edge <= x),
            None => 1 + (self.bins as f64 * (x - self.lower) / (self.upper - self.lower)) as usize,
        }
    }
}
