//! One pass over the parameters, in which each moves by its rule.

use std::collections::BTreeMap;

use burn::module::{ModuleMapper, Param};
use burn::tensor::Tensor;
use rayon::prelude::*;

use super::rules::{self, Adaptive, Lion};
use super::state::Moments;
use super::{CHUNK, OptimiserConfig, OptimiserKind, muon};
use crate::ModelConfig;
use crate::fused::kernel::vectorised;
use crate::fused::values;
use crate::network::replace;

/// Steps between two of Lookahead's, and the part of the way that it keeps.
const LOOKAHEAD: (u64, f32) = (6, 0.5);

/// What is done to one parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Adaptive,
    Lion,
    Muon,
    Lookahead,
}

impl Rule {
    pub(super) fn of(kind: OptimiserKind, shape: &[usize], model: &ModelConfig) -> Self {
        match kind {
            OptimiserKind::AdamW => Self::Adaptive,
            OptimiserKind::Lion => Self::Lion,
            OptimiserKind::Ranger => Self::Lookahead,
            OptimiserKind::Muon => match *shape {
                [inputs, outputs] if inputs != model.features() && outputs != model.outputs() => Self::Muon,
                _ => Self::Adaptive,
            },
        }
    }

    /// Whether it keeps the first moment, the second, slow weights.
    pub(super) fn keeps(self) -> [bool; 3] {
        match self {
            Self::Adaptive => [true, true, false],
            Self::Lion | Self::Muon => [true, false, false],
            Self::Lookahead => [true, true, true],
        }
    }

    fn start(self, values: &[f32]) -> Moments {
        let [first, second, slow] = self.keeps();
        let zeros = |kept| if kept { vec![0.0; values.len()] } else { Vec::new() };
        Moments {
            first: zeros(first),
            second: zeros(second),
            slow: if slow { values.to_vec() } else { Vec::new() },
        }
    }
}

pub(super) struct Update<'a> {
    pub(super) path: Vec<String>,
    pub(super) gradients: BTreeMap<String, Vec<f32>>,
    /// What Muon's matrices are moved along.
    pub(super) directions: BTreeMap<String, Vec<f32>>,
    pub(super) model: ModelConfig,
    pub(super) config: &'a OptimiserConfig,
    pub(super) state: &'a mut BTreeMap<String, Moments>,
    pub(super) step: u64,
    pub(super) learning_rate: f64,
    pub(super) clip: f64,
}

impl Update<'_> {
    /// Muon's directions, matrices side by side: each takes a dozen matrix products, too small to be shared out.
    pub(super) fn orthogonalise(&mut self, shapes: &BTreeMap<String, Vec<usize>>) {
        let mut matrices = Vec::new();
        for (name, shape) in shapes {
            let moves = self.config.rate_factor(name) != 0.0;
            if moves && Rule::of(self.config.kind, shape, &self.model) == Rule::Muon {
                let size = shape.iter().product();
                let gradient = self.gradients.remove(name).unwrap_or_else(|| vec![0.0; size]);
                let momentum = self.state.remove(name).map_or_else(|| vec![0.0; size], |state| state.first);
                matrices.push((name.clone(), shape[1], gradient, momentum));
            }
        }
        let clip = self.clip as f32;
        let moved: Vec<_> = matrices
            .into_par_iter()
            .map(|(name, columns, gradient, mut momentum)| {
                let direction = muon::direction(&gradient, clip, &mut momentum, columns);
                (name, direction, momentum)
            })
            .collect();
        for (name, direction, first) in moved {
            self.state.insert(name.clone(), Moments { first, ..Moments::default() });
            self.directions.insert(name, direction);
        }
    }

    fn move_along(&mut self, name: &str, rate: f64, decays: bool, rule: Rule, numbers: &mut [f32]) {
        // A parameter that the loss does not reach has the gradient zero, and its moments decay.
        let gradient = self.gradients.remove(name).unwrap_or_else(|| vec![0.0; numbers.len()]);
        let state = self.state.entry(name.to_owned()).or_insert_with(|| rule.start(numbers));
        match rule {
            Rule::Lion => {
                let lion = Lion::new(self.config, rate, self.clip, decays);
                numbers
                    .par_chunks_mut(CHUNK)
                    .zip(gradient.par_chunks(CHUNK))
                    .zip(state.first.par_chunks_mut(CHUNK))
                    .for_each(|((numbers, gradient), first)| {
                        vectorised(
                            #[inline(always)]
                            || lion.apply(numbers, gradient, first),
                        );
                    });
            }
            Rule::Muon => {
                let (decay, rate) = (rules::decay(self.config, rate, decays), rate as f32);
                for (value, direction) in
                    numbers.iter_mut().zip(self.directions.remove(name).unwrap_or_default())
                {
                    *value = *value * decay - rate * direction;
                }
            }
            Rule::Adaptive | Rule::Lookahead => {
                let adaptive = Adaptive::new(self.config, self.step, rate, self.clip, decays);
                numbers
                    .par_chunks_mut(CHUNK)
                    .zip(gradient.par_chunks(CHUNK))
                    .zip(state.first.par_chunks_mut(CHUNK))
                    .zip(state.second.par_chunks_mut(CHUNK))
                    .for_each(|(((numbers, gradient), first), second)| {
                        vectorised(
                            #[inline(always)]
                            || adaptive.apply(numbers, gradient, first, second),
                        );
                    });
            }
        }
        let (every, kept) = LOOKAHEAD;
        if rule == Rule::Lookahead && self.step.is_multiple_of(every) {
            for (value, slow) in numbers.iter_mut().zip(&mut state.slow) {
                *slow += kept * (*value - *slow);
                *value = *slow;
            }
        }
    }
}

impl ModuleMapper for Update<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.join(".");
        let factor = self.config.rate_factor(&name);
        if !param.is_require_grad() || factor == 0.0 {
            return param;
        }
        let shape = param.val().dims();
        let Ok(mut numbers) = values(param.val()) else {
            return param;
        };
        let rule = Rule::of(self.config.kind, &shape, &self.model);
        self.move_along(&name, self.learning_rate * factor, D > 1, rule, &mut numbers);
        replace(param, numbers)
    }
}
