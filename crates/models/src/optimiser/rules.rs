//! What each optimiser does to one number and its state.

use super::{OptimiserConfig, OptimiserKind};

/// One step of AdamW (arXiv:1711.05101, algorithm 2) or of RAdam (arXiv:1908.03265, algorithm 2), with the weight decay
/// taken off the weights.
#[derive(Clone, Copy)]
pub(super) struct Adaptive {
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    clip: f32,
    /// The learning rate with the bias correction of the first moment and, for RAdam, the rectification.
    rate: f32,
    /// What the root of the second moment is multiplied by.
    root: f32,
    decay: f32,
    /// False in RAdam's first steps, where the variance of the second moment is too large: the first moment alone counts.
    by_second: bool,
}

impl Adaptive {
    /// The numbers of step `step`, counted from 1. `decays` is for matrices.
    pub(super) fn new(
        config: &OptimiserConfig,
        step: u64,
        learning_rate: f64,
        clip: f64,
        decays: bool,
    ) -> Self {
        let steps = i32::try_from(step).unwrap_or(i32::MAX);
        let (first, second) = (1.0 - config.beta1.powi(steps), 1.0 - config.beta2.powi(steps));
        let mut rule = Self {
            beta1: config.beta1 as f32,
            beta2: config.beta2 as f32,
            epsilon: config.epsilon as f32,
            clip: clip as f32,
            rate: (learning_rate / first) as f32,
            root: (1.0 / second.sqrt()) as f32,
            decay: decay(config, learning_rate, decays),
            by_second: true,
        };
        if config.kind == OptimiserKind::Ranger {
            // The length of the averages that the second moment is like, in the limit and now (section 3.2 there).
            let limit = 2.0 / (1.0 - config.beta2) - 1.0;
            let length = limit - 2.0 * f64::from(steps) * (1.0 - second) / second;
            rule.by_second = length > 5.0;
            if rule.by_second {
                let rectification =
                    ((length - 4.0) * (length - 2.0) * limit) / ((limit - 4.0) * (limit - 2.0) * length);
                rule.rate = (learning_rate / first * (rectification * second).sqrt()) as f32;
                rule.root = 1.0;
            }
        }
        rule
    }

    #[inline(always)]
    pub(super) fn apply(self, values: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32]) {
        for (((value, gradient), first), second) in values.iter_mut().zip(gradient).zip(first).zip(second) {
            let gradient = gradient * self.clip;
            *first = self.beta1 * *first + (1.0 - self.beta1) * gradient;
            *second = self.beta2 * *second + (1.0 - self.beta2) * gradient * gradient;
            let size = if self.by_second { second.sqrt() * self.root + self.epsilon } else { 1.0 };
            *value = *value * self.decay - self.rate * *first / size;
        }
    }
}

/// One step of Lion (X. Chen et al., arXiv:2302.06675, algorithm 2).
#[derive(Clone, Copy)]
pub(super) struct Lion {
    beta1: f32,
    beta2: f32,
    clip: f32,
    rate: f32,
    decay: f32,
}

impl Lion {
    pub(super) fn new(config: &OptimiserConfig, learning_rate: f64, clip: f64, decays: bool) -> Self {
        Self {
            beta1: config.beta1 as f32,
            beta2: config.beta2 as f32,
            clip: clip as f32,
            rate: learning_rate as f32,
            decay: decay(config, learning_rate, decays),
        }
    }

    #[inline(always)]
    pub(super) fn apply(self, values: &mut [f32], gradient: &[f32], momentum: &mut [f32]) {
        for ((value, gradient), momentum) in values.iter_mut().zip(gradient).zip(momentum) {
            let gradient = gradient * self.clip;
            let direction = self.beta1 * *momentum + (1.0 - self.beta1) * gradient;
            // `signum` of zero is one.
            let sign = if direction == 0.0 { 0.0 } else { direction.signum() };
            *value = *value * self.decay - self.rate * sign;
            *momentum = self.beta2 * *momentum + (1.0 - self.beta2) * gradient;
        }
    }
}

/// What a number is multiplied by at each step: `1 - learning rate x weight decay` in a matrix, 1 elsewhere.
pub(super) fn decay(config: &OptimiserConfig, learning_rate: f64, decays: bool) -> f32 {
    if decays { (1.0 - learning_rate * config.weight_decay) as f32 } else { 1.0 }
}
