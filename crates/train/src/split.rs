//! A split as a network is trained and judged on it.

use fiducial_data::batches::{Batch, Tensors, drawn};
use fiducial_models::{Loss, Truth};

use crate::Error;

/// The rows of a split with all that their loss depends on.
#[derive(Clone, Debug)]
pub(crate) struct Split<'a> {
    /// For messages.
    pub(crate) name: &'static str,
    pub(crate) tensors: &'a Tensors,
    /// What scores are decorrelated from; empty without a decorrelation.
    against: &'a [f32],
    /// The factor in the loss for each class; empty without classes.
    class_factors: Vec<f32>,
    /// For each row the one whose parameters it takes; empty where each has its own.
    donors: Vec<u32>,
}

/// Some rows of a split.
pub(crate) struct Piece {
    pub(crate) batch: Batch,
    against: Vec<f32>,
}

impl Piece {
    pub(crate) fn as_truth(&self) -> Truth<'_> {
        let Batch { labels, targets, weights, .. } = &self.batch;
        Truth { labels, targets, weights, against: &self.against }
    }
}

/// The group that the rows of the background take from others.
const PARAMETERS: &str = "parameters";

impl<'a> Split<'a> {
    pub(crate) fn new(
        name: &'static str,
        tensors: &'a Tensors,
        against: &'a [f32],
        class_factors: &[f32],
    ) -> Self {
        Self { name, tensors, against, class_factors: class_factors.to_vec(), donors: Vec::new() }
    }

    pub(crate) fn rows(&self) -> usize {
        self.tensors.rows()
    }

    /// The weight of a row in the loss: its own times the factor of its class.
    pub(crate) fn weight(&self, row: usize) -> f32 {
        let factor = self.tensors.labels.get(row).map_or(1.0, |label| self.class_factors[*label as usize]);
        self.tensors.weights[row] * factor
    }

    /// The rows at some places as they are learnt from.
    pub(crate) fn piece(&self, rows: &[u32]) -> Piece {
        let mut piece = self.truth(rows);
        piece.batch.groups = self.tensors.gather(rows).groups;
        if !self.donors.is_empty() {
            self.give_parameters(&mut piece.batch, rows);
        }
        piece
    }

    /// What is true of the rows at some places, without what a network reads.
    pub(crate) fn truth(&self, rows: &[u32]) -> Piece {
        let Tensors { labels, targets, .. } = self.tensors;
        let rows = || rows.iter().map(|row| *row as usize);
        let each = targets.len() / self.rows().max(1);
        let batch = Batch {
            groups: Vec::new(),
            labels: if labels.is_empty() { Vec::new() } else { rows().map(|row| labels[row]).collect() },
            targets: rows().flat_map(|row| &targets[row * each..(row + 1) * each]).copied().collect(),
            weights: rows().map(|row| self.weight(row)).collect(),
        };
        let against =
            if self.against.is_empty() { Vec::new() } else { rows().map(|row| self.against[row]).collect() };
        Piece { batch, against }
    }

    fn give_parameters(&self, batch: &mut Batch, rows: &[u32]) {
        let Some(all) = self.tensors.group(PARAMETERS) else { return };
        let Some(own) = batch.groups.iter_mut().find(|group| group.name == PARAMETERS) else { return };
        let size = all.variables * all.length;
        for (place, row) in own.data.chunks_exact_mut(size.max(1)).zip(rows) {
            place.copy_from_slice(all.row(self.donors[*row as usize] as usize));
        }
    }

    /// Draws, for each row of the class `background`, a row of another class whose parameters it takes: by weight, so that both
    /// have the same distribution (arXiv:1601.07913).
    ///
    /// # Errors
    /// A split without rows of other classes that weigh anything.
    pub(crate) fn draw_parameters(&mut self, background: u32, seed: u64, epoch: u64) -> Result<(), Error> {
        let labels = &self.tensors.labels;
        let signal: Vec<u32> =
            (0..self.rows() as u32).filter(|row| labels[*row as usize] != background).collect();
        let weights: Vec<f32> = signal.iter().map(|row| self.weight(*row as usize)).collect();
        let count = self.rows() - signal.len();
        let drawn = drawn(&weights, count, seed, epoch);
        if drawn.len() < count {
            let reason =
                "no row has a weight but those of the background, which have no parameters to draw from";
            return Err(Error::Data { split: self.name, reason: reason.into() });
        }
        let mut drawn = drawn.into_iter().map(|place| signal[place as usize]);
        let rows = (0..self.rows() as u32).zip(labels);
        let donor = |(row, label): (u32, &u32)| {
            if *label == background { drawn.next().unwrap_or(row) } else { row }
        };
        self.donors = rows.map(donor).collect();
        Ok(())
    }

    /// Whether there is something to tell apart: rows of two of the `classes` that weigh anything.
    pub(crate) fn check_classes(&self, classes: &[String]) -> Result<(), Error> {
        let rows = (0..self.rows()).filter(|row| self.weight(*row) != 0.0);
        let mut labels = rows.map(|row| self.tensors.labels[row]);
        let first = labels.next();
        if labels.any(|label| Some(label) != first) {
            return Ok(());
        }
        let class = first.and_then(|label| classes.get(label as usize)).map_or("none", String::as_str);
        let reason =
            format!("all rows that weigh anything are of the class {class}: there is nothing to tell apart");
        Err(Error::Data { split: self.name, reason })
    }

    /// Whether a loss and a network of so many outputs can be trained on the split.
    pub(crate) fn check(&self, loss: &Loss, outputs: usize) -> Result<(), Error> {
        let refuse = |reason: String| Err(Error::Data { split: self.name, reason });
        let (tensors, rows) = (self.tensors, self.rows());
        if rows == 0 {
            return refuse("it is empty".into());
        }
        if u32::try_from(rows).is_err() {
            return refuse(format!("it has {rows} rows: more than 2^32"));
        }
        let has_labels = loss.classifies() || !tensors.labels.is_empty();
        if has_labels && tensors.labels.len() != rows || tensors.weights.len() != rows {
            let (labels, weights) = (tensors.labels.len(), tensors.weights.len());
            return refuse(format!("it has {rows} rows, but {labels} labels and {weights} weights"));
        }
        let classes = self.class_factors.len();
        if let Some(label) = tensors.labels.iter().find(|label| **label as usize >= classes) {
            return refuse(format!("it has the label {label}, but the view has {classes} classes"));
        }
        let targets = tensors.targets.len() / rows;
        if !loss.classifies() && loss.outputs(classes, targets) != outputs {
            return refuse(format!("the network gives {outputs} numbers for its {targets} targets"));
        }
        if loss.decorrelation.is_some() && self.against.len() != rows {
            return refuse(format!("it has {rows} rows, but {} to decorrelate from", self.against.len()));
        }
        if let Some(row) = self.against.iter().position(|value| !value.is_finite()) {
            let (value, id) = (self.against[row], tensors.row_ids[row]);
            return refuse(format!("what is decorrelated from is {value} for row id {id}"));
        }
        let total: f64 = (0..rows).map(|row| f64::from(self.weight(row))).sum();
        if !(total.is_finite() && total > 0.0) {
            return refuse(format!("its weights add up to {total}: the sum must be positive"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::RecordBatch;
    use arrow_schema::Schema;
    use fiducial_data::batches::GroupTensor;

    use super::*;

    /// Half background with the parameter 0; signal with the parameters 1 and 2, of which 2 weighs three times as much.
    fn tensors() -> Tensors {
        let rows = 4000;
        let parameter = |row: usize| if row.is_multiple_of(2) { 0.0 } else { 1.0 + (row / 2 % 2) as f32 };
        let group = |name: &str, value: &dyn Fn(usize) -> f32| GroupTensor {
            name: name.into(),
            variables: 1,
            length: 1,
            data: (0..rows).map(value).collect(),
        };
        Tensors {
            groups: vec![group("globals", &|row| row as f32), group(PARAMETERS, &parameter)],
            labels: (0..rows).map(|row| row as u32 % 2).collect(),
            targets: vec![],
            weights: (0..rows).map(|row| if parameter(row) == 2.0 { -3.0 } else { 1.0 }).collect(),
            row_ids: (0..rows as u64).collect(),
            observers: RecordBatch::new_empty(Arc::new(Schema::empty())),
            truncated_rows: 0,
            truncated_constituents: 0,
            clipped_values: 0,
        }
    }

    #[test]
    fn the_background_has_the_parameters_of_the_signal() {
        let tensors = tensors();
        let mut split = Split::new("train", &tensors, &[], &[1.0, 1.0]);
        let rows: Vec<u32> = (0..4000).collect();
        let mut drawn = |seed, epoch| {
            split.draw_parameters(0, seed, epoch).unwrap();
            let batch = split.piece(&rows).batch;
            assert_eq!(batch.groups[0], tensors.groups[0]);
            batch.groups[1].data.clone()
        };
        let first = drawn(7, 0);
        for (row, value) in first.iter().enumerate() {
            assert!(row.is_multiple_of(2) || *value == tensors.groups[1].data[row]);
        }
        let twos = first.iter().step_by(2).filter(|value| **value == 2.0).count() as f64 / 2000.0;
        // Four spreads of a share of 3/4 among 2,000.
        assert!((twos - 0.75).abs() < 0.04 && first.iter().all(|value| *value > 0.0), "{twos}");
        assert_eq!(drawn(7, 0), first);
        assert_ne!(drawn(7, 1), first);
        assert_ne!(drawn(8, 0), first);

        let error = split.draw_parameters(7, 0, 0);
        assert!(error.is_ok(), "nobody is of the class 7");
        let mut alone = Split::new("train", &tensors, &[], &[1.0, 0.0]);
        let error = alone.draw_parameters(0, 7, 0).unwrap_err().to_string();
        assert!(error.contains("no row has a weight but those of the background"), "{error}");
    }
}
