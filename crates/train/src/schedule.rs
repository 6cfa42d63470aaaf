//! The learning rate at each step, and when to stop early. Both are functions of steps and epochs, never of the clock.
use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// How the learning rate falls after its warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decay {
    /// Half a cosine, step by step (I. Loshchilov, F. Hutter, arXiv:1608.03983, equation 5, without restarts).
    #[default]
    Cosine,
    /// A straight line, step by step.
    Linear,
    /// It does not fall.
    Constant,
    /// Seven tenths of the training at the highest rate, then half a cosine.
    FlatThenCosine,
    /// Seven tenths of the epochs at the highest rate, then the same factor from epoch to epoch, the last one at the lowest
    /// rate: weaver's `flat+decay`.
    FlatThenExponential,
    /// A rise over three tenths of the training from a 25th of the highest rate, then a fall, each half a cosine (L. Smith,
    /// N. Topin, arXiv:1708.07120, in PyTorch's form). It is its own warm-up.
    OneCycle,
}

/// The part of a training before the fall of a flat schedule.
const FLAT: f64 = 0.7;

/// The part of a training in which one cycle rises, and what it starts from, as a part of the highest rate.
const RISE: (f64, f64) = (0.3, 1.0 / 25.0);

/// A linear warm-up followed by a decay.
///
/// With `w` warm-up steps out of `n`, step `s` (from 0) has the learning rate `peak (s + 1) / w` while `s < w`. After that it is
/// `last + (peak - last) f(x)` with `x = (s - w) / (n - w)`, where `f` is, for [`Decay::Cosine`], `(1 + cos(π x)) / 2`, for
/// [`Decay::Linear`], `1 - x`.
///
/// ```
/// use fiducial_train::{Decay, Schedule};
///
/// let schedule =
///     Schedule { decay: Decay::Cosine, peak: 1e-3, last: 0.0, warmup_steps: 2, steps: 6, steps_per_epoch: 6 };
/// assert_eq!(schedule.learning_rate(0), 5e-4);
/// assert_eq!(schedule.learning_rate(1), 1e-3);
/// assert_eq!(schedule.learning_rate(2), 1e-3);
/// assert!((schedule.learning_rate(4) - 5e-4).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// How it falls.
    pub decay: Decay,
    /// The highest learning rate.
    pub peak: f64,
    /// The learning rate that the decay tends to.
    pub last: f64,
    /// How many steps the warm-up takes.
    pub warmup_steps: u64,
    /// How many steps the whole training takes.
    pub steps: u64,
    /// How many of them make an epoch.
    pub steps_per_epoch: u64,
}

impl Schedule {
    /// The learning rate of a step, counted from 0.
    pub fn learning_rate(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            return self.peak * (step + 1) as f64 / self.warmup_steps as f64;
        }
        let between = |from: f64, to: f64, part: f64| from + (to - from) * part;
        let cosine = |part: f64| 0.5 * (1.0 - (PI * part.clamp(0.0, 1.0)).cos());
        let decay_steps = self.steps.saturating_sub(self.warmup_steps).max(1);
        let done = ((step - self.warmup_steps) as f64 / decay_steps as f64).min(1.0);
        match self.decay {
            Decay::Cosine => between(self.peak, self.last, cosine(done)),
            Decay::Linear => between(self.peak, self.last, done),
            Decay::Constant => self.peak,
            Decay::FlatThenCosine => {
                let part = step as f64 / self.steps.max(1) as f64;
                between(self.peak, self.last, cosine((part - FLAT) / (1.0 - FLAT)))
            }
            Decay::FlatThenExponential => {
                let steps_per_epoch = self.steps_per_epoch.max(1);
                let epochs = (self.steps / steps_per_epoch).max(1);
                let falling = (((1.0 - FLAT) * epochs as f64 + 1e-9) as u64).max(1);
                let fallen = (step / steps_per_epoch + 1 + falling).saturating_sub(epochs).min(falling);
                self.peak * (self.last / self.peak).powf(fallen as f64 / falling as f64)
            }
            Decay::OneCycle => {
                let (rise, start) = RISE;
                let top = rise * self.steps as f64 - 1.0;
                let end = self.steps as f64 - 1.0;
                let step = step as f64;
                if step <= top {
                    between(start * self.peak, self.peak, cosine(step / top.max(1.0)))
                } else {
                    between(self.peak, self.last, cosine((step - top) / (end - top).max(1.0)))
                }
            }
        }
    }
}

/// Remembers the best validation loss, and says when it has not improved for `patience` epochs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Best {
    /// The epoch of the best loss, from 1; 0 before the first.
    pub(crate) epoch: usize,
    pub(crate) loss: f64,
}

impl Best {
    pub(crate) const NONE: Self = Self { epoch: 0, loss: f64::INFINITY };

    /// Takes an epoch's validation loss; true if it is the best so far. The first of equal ones stays the best.
    pub(crate) fn update(&mut self, epoch: usize, loss: f64) -> bool {
        let better = loss < self.loss;
        if better {
            *self = Self { epoch, loss };
        }
        better
    }

    pub(crate) fn exhausted(&self, epoch: usize, patience: Option<usize>) -> bool {
        patience.is_some_and(|patience| epoch.saturating_sub(self.epoch) >= patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_learning_rate_rises_then_falls() {
        let check = |decay, warmup_steps, steps, last, expected: &[f64]| {
            let schedule = Schedule { decay, peak: 1.0, last, warmup_steps, steps, steps_per_epoch: 2 };
            for (step, expected) in expected.iter().enumerate() {
                let found = schedule.learning_rate(step as u64);
                assert!((found - expected).abs() < 1e-12, "step {step} of {schedule:?}: {found}");
            }
        };
        check(Decay::Cosine, 0, 4, 0.0, &[1.0, 0.853553390593274, 0.5, 0.146446609406726, 0.0, 0.0]);
        check(Decay::Cosine, 4, 4, 0.0, &[0.25, 0.5, 0.75, 1.0]);
        check(Decay::Cosine, 1, 3, 0.1, &[1.0, 1.0, 0.55, 0.1, 0.1]);
        check(Decay::Cosine, 0, 0, 0.0, &[1.0, 0.0]);
        check(Decay::Linear, 2, 6, 0.2, &[0.5, 1.0, 1.0, 0.8, 0.6, 0.4, 0.2, 0.2]);
        check(Decay::Constant, 2, 6, 0.2, &[0.5, 1.0, 1.0, 1.0, 1.0, 1.0]);
        let flat = [1.0; 7];
        check(Decay::FlatThenCosine, 0, 10, 0.0, &[&flat[..], &[1.0, 0.75, 0.25]].concat());
    }

    /// weaver-core 0.5: `gamma = 0.01 ** (1 / d)` with `d = max(1, int(0.3 epochs))`, at each of the last `d` epochs.
    #[test]
    fn flat_then_exponential_is_weavers() {
        for epochs in [1, 3, 10, 20, 50] {
            let falling = ((f64::from(epochs) * 0.3) as i32).max(1);
            let gamma = 0.01_f64.powf(1.0 / f64::from(falling));
            let schedule = Schedule {
                decay: Decay::FlatThenExponential,
                peak: 2e-3,
                last: 2e-5,
                warmup_steps: 0,
                steps: 7 * epochs as u64,
                steps_per_epoch: 7,
            };
            let mut expected = 2e-3;
            for epoch in 0..epochs {
                if epoch >= epochs - falling {
                    expected *= gamma;
                }
                for step in 0..7 {
                    let found = schedule.learning_rate((7 * epoch + step) as u64);
                    assert!((found / expected - 1.0).abs() < 1e-9, "{epoch} of {epochs}: {found} {expected}");
                }
            }
        }
    }

    /// From torch 2.15: OneCycleLR(max_lr=1, total_steps=10, final_div_factor=4), whose lowest rate is 1 / 25 / 4.
    #[test]
    fn one_cycle_is_pytorchs() {
        let schedule = Schedule {
            decay: Decay::OneCycle,
            peak: 1.0,
            last: 0.01,
            warmup_steps: 0,
            steps: 10,
            steps_per_epoch: 10,
        };
        let expected = [
            0.04,
            0.52,
            1.0,
            0.950979589612,
            0.81362745192,
            0.615147862308,
            0.394852137692,
            0.19637254808,
            0.059020410388,
            0.01,
        ];
        for (step, expected) in expected.iter().enumerate() {
            let found = schedule.learning_rate(step as u64);
            assert!((found - expected).abs() < 1e-9, "{step}: {found} for {expected}");
        }
    }

    #[test]
    fn patience_counts_epochs_without_improvement() {
        let check = |patience, losses: &[f64], stops_at: Option<usize>, best_epoch| {
            let mut best = Best::NONE;
            let mut stopped = None;
            for (index, loss) in losses.iter().enumerate() {
                best.update(index + 1, *loss);
                if best.exhausted(index + 1, patience) {
                    stopped = Some(index + 1);
                    break;
                }
            }
            assert_eq!(
                (stopped, best.epoch),
                (stops_at, best_epoch),
                "{losses:?} with patience {patience:?}"
            );
        };
        check(None, &[3.0, 4.0, 5.0, 6.0], None, 1);
        check(Some(2), &[3.0, 2.0, 2.5, 2.0, 1.0], Some(4), 2);
        check(Some(2), &[3.0, 2.0, 2.5, 1.0, 1.5], None, 4);
        check(Some(1), &[1.0, 1.0], Some(2), 1);
    }
}
