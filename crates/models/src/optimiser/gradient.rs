//! The gradient of a batch: computed whole or in parts, added up in a fixed order, sent between processes.

use std::collections::BTreeMap;

use burn::module::{ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor};
use rayon::prelude::*;

use super::CHUNK;
use crate::bytes::{Reader, write_doubles, write_number};
use crate::fused::{loss::loss, values};
use crate::layers::Pass;
use crate::{Error, Inputs, Loss, Network, NormMoments, Truth};

/// The loss of a batch, or of a part of one, and its gradient.
///
/// Parts are put together by [`BatchGradient::scale`] and [`BatchGradient::add`], in the order of the parts: then the sum
/// has the same bits wherever the parts were computed.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchGradient {
    /// The mean loss by weight.
    pub loss: f64,
    /// The sum of the absolute weights.
    pub weight: f64,
    /// The gradient of each parameter that the loss reaches, by name.
    pub(super) values: BTreeMap<String, Vec<f32>>,
    /// What each batch norm saw.
    pub(super) moments: NormMoments,
}

impl BatchGradient {
    pub(super) fn compute(
        network: &Network,
        inputs: &Inputs,
        truth: &Truth<'_>,
        of: &Loss,
        mut pass: Pass,
    ) -> Result<Self, Error> {
        let logits = network.training_logits(inputs, &mut pass)?;
        let loss = loss(logits, truth, of)?;
        let value = values(loss.clone())?.first().copied().map_or(f64::NAN, f64::from);
        if !value.is_finite() {
            return Err(Error::NotFinite { what: "loss", value });
        }
        let mut collect = Collect { path: Vec::new(), from: loss.backward(), found: BTreeMap::new() };
        network.visit(&mut collect);
        Ok(Self {
            loss: value,
            weight: total_weight(truth.weights),
            values: collect.found,
            moments: NormMoments(pass.moments),
        })
    }

    /// Multiplies the loss and the gradient; the weight and what batch norms saw stay.
    pub fn scale(&mut self, factor: f64) {
        if factor == 1.0 {
            return;
        }
        self.loss *= factor;
        let factor = factor as f32;
        for values in self.values.values_mut() {
            values
                .par_chunks_mut(CHUNK)
                .for_each(|chunk| chunk.iter_mut().for_each(|value| *value *= factor));
        }
    }

    /// Adds the loss, the weight and the gradient of `other`; batch norms then have seen the rows of both.
    pub fn add(&mut self, other: Self) {
        self.loss += other.loss;
        self.weight += other.weight;
        for (name, values) in other.values {
            let Some(sum) = self.values.get_mut(&name) else {
                self.values.insert(name, values);
                continue;
            };
            sum.par_chunks_mut(CHUNK).zip(values.par_chunks(CHUNK)).for_each(|(sum, values)| {
                sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            });
        }
        self.moments.merge(other.moments);
    }

    /// The norm of the gradient over the parameters that `counts` accepts.
    pub(super) fn norm(&self, counts: impl Fn(&str) -> bool) -> f64 {
        let counted = self.values.iter().filter(|(name, _)| counts(name));
        counted.map(|(_, values)| square_sum(values)).sum::<f64>().sqrt()
    }

    /// All of it as bytes, for another process of the same program.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_doubles(&mut bytes, &[self.loss, self.weight]);
        self.moments.write(&mut bytes);
        write_number(&mut bytes, self.values.len());
        for (name, values) in &self.values {
            write_number(&mut bytes, name.len());
            bytes.extend(name.as_bytes());
            write_number(&mut bytes, values.len());
            values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
        }
        bytes
    }

    /// Reads what [`BatchGradient::to_bytes`] wrote.
    ///
    /// # Errors
    /// Bytes that are cut short, too many, or lie about their lengths.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut from = Reader(bytes);
        let (loss, weight) = (from.double()?, from.double()?);
        let moments = NormMoments::read(&mut from)?;
        let mut values = BTreeMap::new();
        for _ in 0..from.number()? {
            let length = from.number()?;
            let name = String::from_utf8_lossy(from.take(length)?).into_owned();
            let length = from.number()?;
            values.insert(name, from.floats(length)?);
        }
        from.end()?;
        Ok(Self { loss, weight, values, moments })
    }
}

/// `sum_i |w_i|`: what the loss of a batch is divided by.
pub fn total_weight(weights: &[f32]) -> f64 {
    weights.iter().map(|&weight| f64::from(weight.abs())).sum()
}

/// Takes the gradients of all parameters out of the graph, by name.
struct Collect {
    path: Vec<String>,
    from: Gradients,
    found: BTreeMap<String, Vec<f32>>,
}

impl ModuleVisitor for Collect {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad()
            && let Some(gradient) = param.val().grad_remove(&mut self.from)
            && let Ok(gradient) = values(gradient)
        {
            self.found.insert(self.path.join("."), gradient);
        }
    }
}

pub(super) fn square_sum(values: &[f32]) -> f64 {
    let sums: Vec<f64> = values
        .par_chunks(CHUNK)
        .map(|chunk| chunk.iter().map(|&value| f64::from(value) * f64::from(value)).sum())
        .collect();
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fused::norm::Moments;
    use crate::{LossKind, ModelConfig, PaddedGroups};

    fn wave(number: usize, phase: f32) -> Vec<f32> {
        (0..number)
            .map(|index| (1.7 * index as f32 + phase + 0.01 * (index * index % 97) as f32).sin())
            .collect()
    }

    /// The slope of the loss along the gradient of each parameter, against the gradient's length.
    fn check(text: &str) {
        let (jets, length) = (6, 9);
        let config = ModelConfig::from_toml(text).unwrap().with_shape(3, 3).unwrap();
        let mut network = Network::new(&config, 3).unwrap();
        let mut vectors = wave(jets * 4 * length, 0.3);
        for jet in vectors.chunks_exact_mut(4 * length) {
            jet[3 * length..].iter_mut().for_each(|energy| *energy = energy.abs() + 2.0);
        }
        let mask: Vec<f32> = (0..jets * length)
            .map(|cell| if cell % length < 2 + cell / length { 1.0 } else { 0.0 })
            .collect();
        let inputs = Inputs::pack(&PaddedGroups {
            jets,
            length,
            points: Some(&wave(jets * 2 * length, 0.1)),
            features: &wave(jets * 3 * length, 0.2),
            vectors: Some(&vectors),
            mask: Some(&mask),
            ..PaddedGroups::default()
        })
        .unwrap();
        let labels = [0, 1, 2, 2, 1, 0];
        let weights = [1.0, 2.0, 0.5, -0.3, 1.0, 0.0];
        let run = |network: &Network| {
            let truth = Truth { labels: &labels, weights: &weights, ..Truth::default() };
            let loss = Loss::of(LossKind::CrossEntropy { label_smoothing: 0.1 }).unwrap();
            BatchGradient::compute(network, &inputs, &truth, &loss, Pass::training(1, 1)).unwrap()
        };
        let gradient = run(&network).values;
        let start: BTreeMap<String, Vec<f32>> = network
            .named_parameters()
            .into_iter()
            .map(|(name, parameter)| (name, parameter.values))
            .collect();
        let largest = gradient.values().map(|gradient| square_sum(gradient).sqrt()).fold(0.0, f64::max);
        for (name, gradient) in &gradient {
            let norm = square_sum(gradient).sqrt();
            if norm < 1e-3 * largest {
                continue;
            }
            // As far as moves the loss by 2e-4, to stand clear of rounding; and not far, to stand clear of kinks.
            let step = (1e-4 / norm).min(4e-3);
            let mut loss = |sign: f64| {
                let mut moved = start.clone();
                for (value, slope) in moved.get_mut(name).unwrap().iter_mut().zip(gradient) {
                    *value += (sign * step / norm) as f32 * slope;
                }
                network.set_parameters(moved);
                run(&network).loss
            };
            // A kink of a ReLU or of the neighbours may lie within the step; it does not within all smaller ones.
            let mut slope_over = |part: f64| (loss(part) - loss(-part)) / (2.0 * part * step);
            let slopes = [slope_over(1.0), slope_over(0.5), slope_over(0.25)];
            let agrees = slopes.iter().any(|slope| (slope - norm).abs() < 0.02 * norm + 2e-4);
            assert!(agrees, "{text}: {name}: {slopes:?} for {norm}");
        }
    }

    #[test]
    fn gradients_are_the_slopes_of_the_loss() {
        check("kind = \"particle-flow-network\"\nphi = [8, 9]\nhead = [7]");
        check(
            "kind = \"particle-net\"\nneighbours = 3\nconvolutions = [[5, 6, 7]]\nhead = [6]\ndropout = 0.0",
        );
        // The second graph follows the features, so that a step may change it; the input's norm then has no slope.
        check(
            "kind = \"particle-net\"\nneighbours = 10\nconvolutions = [[5], [6, 6]]\nhead = []\ndropout = 0.0",
        );
        check(
            "kind = \"particle-transformer\"\nembed = [6, 8]\npair_embed = [5]\nheads = 2\nblocks = 2\nclass_blocks = 2\nexpansion = 2\ndropout = 0.0",
        );
    }

    #[test]
    fn bytes_come_back_and_damage_is_an_error() {
        let gradient = BatchGradient {
            loss: 0.1 + 0.2,
            weight: 3.0,
            values: BTreeMap::from([("a.b".to_owned(), wave(5, 0.1)), ("c".to_owned(), vec![])]),
            moments: NormMoments(vec![Moments { count: 2.0, mean: vec![1.0 / 3.0], deviation: vec![0.5] }]),
        };
        let bytes = gradient.to_bytes();
        assert_eq!(BatchGradient::from_bytes(&bytes).unwrap(), gradient);
        for end in 0..bytes.len() {
            assert!(BatchGradient::from_bytes(&bytes[..end]).is_err(), "{end}");
        }
        assert!(BatchGradient::from_bytes(&[bytes.as_slice(), &[0]].concat()).is_err());
        for place in (0..bytes.len()).step_by(8) {
            let mut lying = bytes.clone();
            lying[place..(place + 8).min(bytes.len())].fill(0xff);
            let _ = BatchGradient::from_bytes(&lying);
        }
    }
}
