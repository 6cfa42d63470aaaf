//! The learning rate at each step, and when to stop early. Both are functions of steps and epochs, never of the clock.
use std::f64::consts::PI;

/// A linear warm-up followed by a cosine decay (Loshchilov and Hutter, arXiv:1608.03983, eq. 5, without restarts).
///
/// With `w` warm-up steps out of `n`, step `s` (from 0) has the learning rate
/// `peak (s + 1) / w` while `s < w`, and after that
/// `last + (peak - last) (1 + cos(π (s - w) / (n - w))) / 2`.
///
/// ```
/// use fiducial_train::Schedule;
///
/// let schedule = Schedule { peak: 1e-3, last: 0.0, warmup_steps: 2, steps: 6 };
/// assert_eq!(schedule.learning_rate(0), 5e-4);
/// assert_eq!(schedule.learning_rate(1), 1e-3);
/// assert_eq!(schedule.learning_rate(2), 1e-3);
/// assert!((schedule.learning_rate(4) - 5e-4).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// The highest learning rate.
    pub peak: f64,
    /// The learning rate that the decay tends to.
    pub last: f64,
    /// How many steps the warm-up takes.
    pub warmup_steps: u64,
    /// How many steps the whole training takes.
    pub steps: u64,
}

impl Schedule {
    /// The learning rate of a step, counted from 0.
    pub fn learning_rate(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            return self.peak * (step + 1) as f64 / self.warmup_steps as f64;
        }
        let decay_steps = self.steps.saturating_sub(self.warmup_steps).max(1);
        let done = ((step - self.warmup_steps) as f64 / decay_steps as f64).min(1.0);
        self.last + (self.peak - self.last) * 0.5 * (1.0 + (PI * done).cos())
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
        let check = |warmup_steps, steps, last, expected: &[f64]| {
            let schedule = Schedule { peak: 1.0, last, warmup_steps, steps };
            for (step, expected) in expected.iter().enumerate() {
                let found = schedule.learning_rate(step as u64);
                assert!((found - expected).abs() < 1e-12, "step {step} of {schedule:?}: {found}");
            }
        };
        check(0, 4, 0.0, &[1.0, 0.853553390593274, 0.5, 0.146446609406726, 0.0, 0.0]);
        check(4, 4, 0.0, &[0.25, 0.5, 0.75, 1.0]);
        check(1, 3, 0.1, &[1.0, 1.0, 0.55, 0.1, 0.1]);
        check(0, 0, 0.0, &[1.0, 0.0]);
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
