//! Metrics in bins of the truth, of what is predicted, and of columns.

use std::collections::BTreeMap;

use fiducial_metrics::{Bootstrap, Estimate};
use serde::{Deserialize, Serialize};

use super::target::Target;

/// Bins of a variable at most, and rows that a bin has at least where there is more than one.
const BINS: usize = 10;
const ROWS: usize = 50;

/// The bootstrap of bins: fewer replicas than for all rows, since there are many bins.
pub(crate) const BIN_BOOTSTRAP: Bootstrap = Bootstrap { replicas: 200, seed: 0 };

/// What rows are sorted into bins by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Variable {
    /// The true value of the target.
    Truth,
    /// The best number that is predicted for it.
    Prediction,
    /// The spread that is predicted.
    Sigma,
    /// A column or new variable of the view.
    Column,
}

/// The metrics of a target in bins of a variable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binned {
    /// What the variable is.
    pub variable: Variable,
    /// The name of the target or of the column.
    pub name: String,
    /// The bins, rising: each with about as many rows.
    pub bins: Vec<Bin>,
}

/// One bin: rows from `low` on and below `high`; the last one holds `high` too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bin {
    /// Lower edge.
    pub low: f64,
    /// Upper edge.
    pub high: f64,
    /// The median of the variable in it.
    pub median: f64,
    /// Rows in it.
    pub rows: u64,
    /// The metrics by key, as of all rows.
    pub metrics: BTreeMap<String, Estimate>,
    /// Why there are none, if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmeasured: Option<String>,
}

/// Measures a target in bins of a variable, whose values are those of its rows. Rows that weigh nothing are in no bin.
pub(crate) fn measure(target: &Target<'_>, variable: Variable, name: &str, values: &[f64]) -> Binned {
    let mut rows: Vec<usize> = (0..values.len()).filter(|row| target.weights[*row] != 0.0).collect();
    rows.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let cuts = cuts(&rows, values);
    let bins = cuts.windows(2).map(|cut| {
        let rows = &rows[cut[0]..cut[1]];
        let value = |place: usize| values[rows[place]];
        let measured = target.measure(rows, &BIN_BOOTSTRAP);
        let unmeasured = measured.as_ref().err().map(ToString::to_string);
        Bin {
            low: value(0),
            high: value(rows.len() - 1),
            median: value(rows.len() / 2),
            rows: rows.len() as u64,
            metrics: measured.unwrap_or_default(),
            unmeasured,
        }
    });
    let mut bins: Vec<Bin> = bins.collect();
    // A bin ends where the next one begins.
    for index in 1..bins.len() {
        bins[index - 1].high = bins[index].low;
    }
    Binned { variable, name: name.to_owned(), bins }
}

/// Where bins begin and end among sorted rows. Rows of one value stay together.
fn cuts(rows: &[usize], values: &[f64]) -> Vec<usize> {
    let number = (rows.len() / ROWS).clamp(1, BINS);
    let mut cuts = vec![0];
    for bin in 1..number {
        let place = bin * rows.len() / number;
        let value = values[rows[place]];
        let begin = rows.partition_point(|row| values[*row] < value);
        if cuts.last().is_some_and(|last| begin > *last) {
            cuts.push(begin);
        }
    }
    if !rows.is_empty() {
        cuts.push(rows.len());
    }
    cuts
}

#[cfg(test)]
mod tests {
    use fiducial_models::LossKind;

    use super::*;

    fn binned(values: &[f64], weights: &[f64]) -> Vec<Bin> {
        let kind = LossKind::SquaredError {};
        let columns = vec![values.iter().map(|value| value + 1.0).collect()];
        let target = Target { name: "y".into(), kind: &kind, truth: values.to_vec(), columns, weights };
        measure(&target, Variable::Truth, "y", values).bins
    }

    #[test]
    fn bins_hold_all_rows_once() {
        let check = |values: &[f64], expected: &[(f64, f64, u64)]| {
            let bins = binned(values, &vec![1.0; values.len()]);
            let found: Vec<_> = bins.iter().map(|bin| (bin.low, bin.high, bin.rows)).collect();
            assert_eq!(found, expected);
            assert!(bins.iter().all(|bin| (bin.metrics["bias"].value.unwrap() - 1.0).abs() < 1e-9));
        };
        let rising: Vec<f64> = (0..200).map(f64::from).collect();
        check(&rising, &[(0.0, 50.0, 50), (50.0, 100.0, 50), (100.0, 150.0, 50), (150.0, 199.0, 50)]);
        check(&rising[..60], &[(0.0, 59.0, 60)]);
        // Values of a few kinds are not torn apart.
        let few: Vec<f64> = (0..1000).map(|row| f64::from(row % 3)).collect();
        check(&few, &[(0.0, 1.0, 334), (1.0, 2.0, 333), (2.0, 2.0, 333)]);
        check(&[4.0; 300], &[(4.0, 4.0, 300)]);
        check(&[], &[]);
    }

    #[test]
    fn a_bin_that_cannot_be_measured_says_why() {
        let values: Vec<f64> = (0..100).map(f64::from).collect();
        let weights: Vec<f64> = (0..100).map(|row| if row < 50 { -1.0 } else { 2.0 }).collect();
        let bins = binned(&values, &weights);
        let why = bins[0].unmeasured.as_deref().unwrap();
        assert!(why.contains("the total weight of all events: it is -50") && bins[0].metrics.is_empty());
        assert!(bins[1].unmeasured.is_none() && bins[1].metrics.len() > 3);
        // Rows without a weight are nowhere.
        assert_eq!(binned(&values, &[vec![0.0; 90], vec![1.0; 10]].concat())[0].low, 90.0);
    }
}
