//! What trees are grown from.

use crate::{Error, Objective};

/// Numbers in row-major order; NaN is a missing value.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    values: &'a [f32],
    features: usize,
}

impl<'a> Table<'a> {
    /// `values` of shape (rows, features).
    ///
    /// # Errors
    /// No features, or values that do not fill whole rows.
    pub fn new(values: &'a [f32], features: usize) -> Result<Self, Error> {
        if features == 0 || !values.len().is_multiple_of(features) {
            let number = values.len();
            return Err(Error::Data(format!("{number} values do not make rows of {features} features")));
        }
        if values.len() / features > u32::MAX as usize {
            return Err(Error::Data("more than 4,294,967,295 rows".to_owned()));
        }
        Ok(Self { values, features })
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.features
    }

    /// Features of a row.
    pub fn features(&self) -> usize {
        self.features
    }

    /// The numbers of one row.
    pub(crate) fn row(&self, row: usize) -> &'a [f32] {
        &self.values[row * self.features..][..self.features]
    }

    pub(crate) fn values(&self) -> &'a [f32] {
        self.values
    }
}

/// Rows with what is to be learnt of them.
#[derive(Clone, Copy, Debug)]
pub struct Labelled<'a> {
    /// The features.
    pub table: Table<'a>,
    /// For each row: 0 or 1 ([`Objective::Logistic`]), the number of its class ([`Objective::Softmax`]), or a value.
    pub targets: &'a [f32],
    /// For each row its weight, which may be zero or negative; none: all 1.
    pub weights: Option<&'a [f32]>,
}

impl Labelled<'_> {
    pub(crate) fn weight(&self, row: usize) -> f32 {
        self.weights.map_or(1.0, |weights| weights[row])
    }

    pub(crate) fn check(&self, objective: Objective) -> Result<(), Error> {
        let rows = self.table.rows();
        if rows == 0 {
            return Err(Error::Data("no rows".to_owned()));
        }
        let lengths = [("targets", Some(self.targets.len())), ("weights", self.weights.map(<[f32]>::len))];
        for (what, length) in lengths {
            if let Some(length) = length
                && length != rows
            {
                return Err(Error::Data(format!("{rows} rows, but {length} {what}")));
            }
        }
        if let Some(at) = self.table.values().iter().position(|value| value.abs() >= f32::MAX) {
            let (row, feature) = (at / self.table.features(), at % self.table.features());
            let value = self.table.values()[at];
            return Err(Error::Data(format!("row {row}, feature {feature} is {value}")));
        }
        if let Some(row) = self.targets.iter().position(|&target| !objective.allows(target)) {
            let target = self.targets[row];
            return Err(Error::Data(format!("the target of row {row} is {target}: {}", objective.targets())));
        }
        let mut sum = 0.0;
        for row in 0..rows {
            let weight = self.weight(row);
            if !weight.is_finite() {
                return Err(Error::Data(format!("the weight of row {row} is {weight}")));
            }
            sum += f64::from(weight);
        }
        if sum <= 0.0 {
            return Err(Error::Data(format!("the weights sum to {sum}: nothing can be learnt from them")));
        }
        Ok(())
    }
}
