//! Integrated gradients: what each feature of each constituent adds to a score.

use burn::tensor::Tensor;

use crate::fused::{self, from_values, values};
use crate::layers::Pass;
use crate::{Error, Inputs, Network};

/// What the features of constituents add to the difference of two classes' scores.
#[derive(Clone, Debug, PartialEq)]
pub struct Attributions {
    /// (constituents of all jets, features), row-major.
    pub values: Vec<f32>,
    /// The first constituent of each jet, and the number of all.
    pub offsets: Vec<usize>,
    /// For each jet the difference of the scores, less that of the same jet with all features zero. The values of a jet
    /// add up to it, but for the finite number of steps.
    pub differences: Vec<f64>,
}

impl Attributions {
    /// What the values of a jet add up to.
    pub fn sum(&self, jet: usize) -> f64 {
        let width = self.values.len().checked_div(self.offsets.last().copied().unwrap_or(0)).unwrap_or(0);
        let values = &self.values[self.offsets[jet] * width..self.offsets[jet + 1] * width];
        values.iter().map(|&value| f64::from(value)).sum()
    }
}

impl Network {
    /// Integrated gradients of the score of class `of` less that of class `against` (before the softmax):
    /// `x_i * integral from 0 to 1 of df/dx_i (a x) da`, equation (1) of M. Sundararajan, A. Taly, Q. Yan
    /// (arXiv:1703.01365). The baseline is the same jet with all features zero, which is their centre where they are
    /// standardised; points and four-vectors stay. The integral is a mean over the middles of `steps` steps in
    /// `t` with `a = t^4`: close to the baseline, where layer norms are steep, the steps are finer.
    ///
    /// ```
    /// use fiducial_models::{Inputs, ModelConfig, Network, PaddedGroups};
    /// let config = ModelConfig::from_toml("kind = \"particle-flow-network\"")?.with_shape(3, 2)?;
    /// let network = Network::new(&config, 20)?;
    /// let features = [0.5; 2 * 3 * 4]; // (2 jets, 3 features, 4 constituents)
    /// let inputs = Inputs::pack(&PaddedGroups { jets: 2, length: 4, features: &features, ..Default::default() })?;
    /// let found = network.integrated_gradients(&inputs, [1, 0], 64)?;
    /// assert!((found.sum(0) - found.differences[0]).abs() < 1e-2);
    /// # Ok::<(), fiducial_models::Error>(())
    /// ```
    ///
    /// # Errors
    /// A class that the network does not have; otherwise as [`Network::logits`].
    pub fn integrated_gradients(
        &self,
        inputs: &Inputs,
        [of, against]: [usize; 2],
        steps: usize,
    ) -> Result<Attributions, Error> {
        let (classes, width) = (self.config().outputs(), self.config().features());
        if let Some(class) = [of, against].into_iter().find(|class| *class >= classes) {
            return Err(Error::Inputs(format!("there is no class {class}: the network has {classes}")));
        }
        let difference = |inputs: &Inputs| -> Result<Vec<f64>, Error> {
            let logits = self.logits(inputs)?;
            Ok(logits.chunks_exact(classes).map(|row| f64::from(row[of]) - f64::from(row[against])).collect())
        };
        let scaled = |by: f32| {
            let mut scaled = inputs.clone();
            scaled.features.iter_mut().for_each(|value| *value *= by);
            scaled
        };
        let baseline = difference(&scaled(0.0))?;
        let differences =
            difference(inputs)?.iter().zip(&baseline).map(|(there, here)| there - here).collect();

        let device = fused::device(self.device(), true);
        let shape = [inputs.constituents(), width];
        let mut sums = vec![0.0_f32; inputs.constituents() * width];
        let weight = (0..inputs.jets() * classes).map(|index| match index % classes {
            class if class == of => 1.0,
            class if class == against => -1.0,
            _ => 0.0,
        });
        let weight: Tensor<2> = from_values(weight.collect(), [inputs.jets(), classes], &device);
        for step in 0..steps.max(1) {
            let t = (step as f32 + 0.5) / steps.max(1) as f32;
            let (place, slope) = (t.powi(4), 4.0 * t.powi(3));
            let here = scaled(place);
            let x: Tensor<2> = from_values(here.features.clone(), shape, &device).require_grad();
            let mut pass = Pass::watching(x.clone());
            pass.run_on(self.device());
            let logits = self.architecture.forward(&here, &mut pass)?;
            let gradients = (logits * weight.clone()).sum().backward();
            let gradient = x
                .grad(&gradients)
                .ok_or_else(|| Error::Backend("the features have no gradient".to_owned()))?;
            sums.iter_mut().zip(values(gradient)?).for_each(|(sum, gradient)| *sum += slope * gradient);
        }
        let values = sums.iter().zip(&inputs.features).map(|(sum, x)| sum / steps.max(1) as f32 * x);
        Ok(Attributions { values: values.collect(), offsets: inputs.offsets.clone(), differences })
    }
}
