//! A model of many trees: training round by round, and prediction.

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;

use crate::bins::Binned;
use crate::grow::{Grower, Job};
use crate::histogram::{Gradient, Scale};
use crate::objective::{CHUNK, quantile};
use crate::random::uniform;
use crate::tree::{Kind, Tree};
use crate::{Config, Error, Labelled, Objective, Table, xgboost};

/// A trained model. Its file is XGBoost's, see [`Booster::from_json`].
#[derive(Clone, Debug, PartialEq)]
pub struct Booster {
    pub(crate) objective: Objective,
    /// The features' names, or none.
    pub(crate) names: Vec<String>,
    pub(crate) features: usize,
    /// What the sums start from, for each output: see [`Objective::margin`].
    pub(crate) base: Vec<f32>,
    /// Each tree with the output that it adds to.
    pub(crate) trees: Vec<(usize, Tree)>,
    /// How many trees there are after each round.
    pub(crate) rounds: Vec<usize>,
}

/// What a feature is worth to a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Importance {
    /// The feature's place in a row.
    pub feature: usize,
    /// Splits on it.
    pub splits: usize,
    /// The sum of the gains of these splits: by how much they lower twice the regularised loss, to second order. With first
    /// and second derivatives `g` and `h` summed over a node's rows, the gain is
    /// `G_L^2 / (H_L + lambda) + G_R^2 / (H_R + lambda) - G^2 / (H + lambda)`: twice what equation (7) of T. Chen,
    /// C. Guestrin, KDD 2016, arXiv:1603.02754, has before its penalty, as XGBoost's `total_gain`.
    pub gain: f64,
}

/// Rows that are predicted together.
const TOGETHER: usize = 8;

impl Booster {
    /// What it predicts.
    pub fn objective(&self) -> Objective {
        self.objective
    }

    /// Features of a row.
    pub fn features(&self) -> usize {
        self.features
    }

    /// The features' names; none where they were never given.
    pub fn feature_names(&self) -> &[String] {
        &self.names
    }

    /// Names the features.
    ///
    /// # Errors
    /// Another number of names than of features.
    pub fn set_feature_names(&mut self, names: Vec<String>) -> Result<(), Error> {
        if names.len() != self.features {
            let (names, features) = (names.len(), self.features);
            return Err(Error::Data(format!("{names} names for {features} features")));
        }
        self.names = names;
        Ok(())
    }

    /// Rounds that it was trained for: each made a tree for each output.
    pub fn rounds(&self) -> usize {
        self.rounds.len()
    }

    /// Splits and leaves of all trees.
    pub fn nodes(&self) -> usize {
        self.trees.iter().map(|(_, tree)| tree.len()).sum()
    }

    /// The model as it was after its first `rounds`.
    pub fn truncate(&mut self, rounds: usize) {
        self.rounds.truncate(rounds);
        self.trees.truncate(self.rounds.last().copied().unwrap_or(0));
    }

    /// The prediction for each row, of shape (rows, [`Objective::outputs`]): probabilities, or values.
    ///
    /// # Errors
    /// Rows of another number of features.
    pub fn predict(&self, table: &Table<'_>) -> Result<Vec<f32>, Error> {
        let mut margins = self.margins(table)?;
        self.objective.predictions(&mut margins);
        Ok(margins)
    }

    /// The sums of the trees for each row, of shape (rows, [`Objective::outputs`]), in single precision and in the order of
    /// the trees, as XGBoost makes them.
    ///
    /// # Errors
    /// Rows of another number of features.
    pub fn margins(&self, table: &Table<'_>) -> Result<Vec<f32>, Error> {
        if table.features() != self.features {
            let (got, expected) = (table.features(), self.features);
            return Err(Error::Data(format!("rows of {got} features, the model has {expected}")));
        }
        let base: Vec<f32> = self.base.iter().map(|&base| self.objective.margin(base)).collect();
        let mut margins = base.repeat(table.rows());
        add(&self.trees, table, &mut margins, self.base.len());
        Ok(margins)
    }

    /// The features that trees split on, by falling gain.
    pub fn importance(&self) -> Vec<Importance> {
        let mut found = BTreeMap::new();
        for (_, tree) in &self.trees {
            for node in 0..tree.len() {
                if let Kind::Split(branch, _) = tree.kind(node) {
                    let feature = branch.feature;
                    let importance =
                        found.entry(feature).or_insert(Importance { feature, splits: 0, gain: 0.0 });
                    importance.splits += 1;
                    importance.gain += f64::from(tree.statistics(node).gain);
                }
            }
        }
        let mut all: Vec<Importance> = found.into_values().collect();
        all.sort_by(|a, b| b.gain.total_cmp(&a.gain).then(a.feature.cmp(&b.feature)));
        all
    }

    /// The model in the bytes of a JSON file that XGBoost's `save_model` or [`Booster::to_json`] wrote; `what` names them in
    /// errors.
    ///
    /// Read are tree boosters (`gbtree`, and `dart` with its weights multiplied into the leaves) with the objectives
    /// `binary:logistic`, `reg:logistic`, `multi:softprob`, `multi:softmax`, `reg:squarederror` and `reg:quantileerror` with
    /// one quantile, of all versions since 1.0. All trees count, also those after an early stopping's best round.
    ///
    /// # Errors
    /// Bytes that are no such file, and what is not read: linear boosters, categorical splits, trees of several outputs, other
    /// objectives.
    pub fn from_json(what: &str, bytes: &[u8]) -> Result<Self, Error> {
        xgboost::read(what, bytes)
    }

    /// The model as JSON that XGBoost's `load_model` reads. The same model gives the same bytes.
    pub fn to_json(&self) -> Vec<u8> {
        xgboost::write(self)
    }

    /// The model in a JSON file, see [`Booster::from_json`].
    ///
    /// # Errors
    /// A file that cannot be read; otherwise as [`Booster::from_json`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|source| Error::Io {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        Self::from_json(&path.display().to_string(), &bytes)
    }
}

/// Adds the values of trees to margins of shape (rows, outputs).
fn add(trees: &[(usize, Tree)], table: &Table<'_>, margins: &mut [f32], outputs: usize) {
    margins.par_chunks_mut(TOGETHER * 32 * outputs).enumerate().for_each(|(chunk, margins)| {
        let first = chunk * TOGETHER * 32;
        for (output, tree) in trees {
            for (group, margins) in margins.chunks_mut(TOGETHER * outputs).enumerate() {
                let row = first + group * TOGETHER;
                let rows = margins.len() / outputs;
                if rows == TOGETHER {
                    let values = tree.values::<TOGETHER>(std::array::from_fn(|at| table.row(row + at)));
                    for (margins, value) in margins.chunks_exact_mut(outputs).zip(values) {
                        margins[*output] += value;
                    }
                } else {
                    for (at, margins) in margins.chunks_exact_mut(outputs).enumerate() {
                        margins[*output] += tree.value(table.row(row + at));
                    }
                }
            }
        }
    });
}

/// A training, round by round.
///
/// ```
/// use fiducial_trees::{Config, Labelled, Objective, Table, Trainer};
///
/// let features: Vec<f32> = (0..200).map(|row| (row as f32 * 0.7).sin()).collect();
/// let targets: Vec<f32> = features.iter().map(|&x| if x > 0.3 { 1.0 } else { 0.0 }).collect();
/// let data = Labelled { table: Table::new(&features, 1)?, targets: &targets, weights: None };
///
/// let mut trainer = Trainer::new(&Config::default(), Objective::Logistic, data)?;
/// for _ in 0..20 {
///     trainer.round();
/// }
/// let booster = trainer.into_booster();
/// let scores = booster.predict(&Table::new(&[0.9, -0.5, f32::NAN], 1)?)?;
/// assert!(scores[0] > 0.8 && scores[1] < 0.2);
/// # Ok::<(), fiducial_trees::Error>(())
/// ```
pub struct Trainer<'a> {
    config: Config,
    data: Labelled<'a>,
    grower: Grower,
    booster: Booster,
    margins: Vec<f32>,
    derivatives: Vec<Vec<[f32; 2]>>,
    gradients: Vec<Gradient>,
}

impl<'a> Trainer<'a> {
    /// Sorts the rows into bins.
    ///
    /// Negative weights count as they are, in the sums of a node and in the base, and with their absolute value where bins are
    /// made and where a quantile is taken. A split needs [`Config::min_child_weight`] on both sides after they have been
    /// subtracted.
    ///
    /// # Errors
    /// Settings out of range; infinite features, targets that the objective has no use for, weights that are not finite or do
    /// not sum to more than zero, each named by its row.
    pub fn new(config: &Config, objective: Objective, data: Labelled<'a>) -> Result<Self, Error> {
        let features = data.table.features();
        let booster = Booster {
            objective,
            names: Vec::new(),
            features,
            base: vec![0.0; objective.outputs()],
            trees: Vec::new(),
            rounds: Vec::new(),
        };
        let mut trainer = Self::prepare(config, data, booster)?;
        trainer.booster.base.fill(objective.base(&data));
        trainer.margins.fill(objective.margin(trainer.booster.base[0]));
        Ok(trainer)
    }

    /// Goes on with a model that the same settings and data gave: the rounds to come give the same trees as if it had never
    /// stopped.
    ///
    /// # Errors
    /// As [`Trainer::new`], and a model of other features.
    pub fn resume(config: &Config, booster: Booster, data: Labelled<'a>) -> Result<Self, Error> {
        let mut trainer = Self::prepare(config, data, booster)?;
        trainer.margins = trainer.booster.margins(&data.table)?;
        Ok(trainer)
    }

    fn prepare(config: &Config, data: Labelled<'a>, booster: Booster) -> Result<Self, Error> {
        config.check()?;
        let outputs = booster.objective.outputs();
        let sane = match booster.objective {
            Objective::Softmax(classes) => (2..=MOST_CLASSES).contains(&classes),
            Objective::Quantile(alpha) => alpha > 0.0 && alpha < 1.0,
            Objective::Logistic | Objective::SquaredError => true,
        };
        if !sane {
            let value = format!("{:?}", booster.objective);
            let reason = "classes are 2 to 65,536, a quantile lies between 0 and 1";
            return Err(Error::Config { key: "objective", value, reason });
        }
        data.check(booster.objective)?;
        let rows = data.table.rows();
        Ok(Self {
            config: config.clone(),
            data,
            grower: Grower::new(Binned::new(&data.table, data.weights, config.max_bin)),
            booster,
            margins: vec![0.0; rows * outputs],
            derivatives: vec![vec![[0.0; 2]; rows]; outputs],
            gradients: vec![[0; 2]; rows],
        })
    }

    /// One round: a tree for each output.
    pub fn round(&mut self) {
        let round = self.booster.rounds.len() as u64;
        let objective = self.booster.objective;
        let outputs = objective.outputs();
        let features = self.features(round);
        let Config { subsample, seed, .. } = self.config;
        // A round's trees stand side by side: all are fitted to the margins before it.
        for (output, derivatives) in self.derivatives.iter_mut().enumerate() {
            objective.derivatives(&self.data, &self.margins, output, derivatives);
        }
        for output in 0..outputs {
            let scale = Scale::quantise(&self.derivatives[output], &mut self.gradients);
            let job = Job { config: &self.config, gradients: &self.gradients, scale, features: &features };
            let mut grown = self
                .grower
                .grow(job, |row| subsample >= 1.0 || uniform(seed, round << 1, row as u64) < subsample);
            if let Objective::Quantile(alpha) = objective {
                // The loss has no second derivative: a leaf's value is the quantile of what is left in it.
                for (leaf, rows) in &grown.leaves {
                    let rows = self.grower.rows(rows).iter().map(|&row| row as usize);
                    let rest =
                        rows.map(|row| (self.data.targets[row] - self.margins[row], self.data.weight(row)));
                    let value = self.config.learning_rate * f64::from(quantile(rest.collect(), alpha));
                    grown.tree.set_leaf(*leaf, value as f32);
                }
            }
            if subsample < 1.0 {
                let tree = [(output, grown.tree)];
                add(&tree, &self.data.table, &mut self.margins, outputs);
                self.booster.trees.extend(tree);
            } else {
                let leaves: Vec<(f32, &[u32])> = grown
                    .leaves
                    .iter()
                    .map(|(leaf, rows)| (grown.tree.statistics(*leaf).value, self.grower.rows(rows)))
                    .collect();
                add_leaves(&leaves, &mut self.margins, outputs, output);
                self.booster.trees.push((output, grown.tree));
            }
        }
        self.booster.rounds.push(self.booster.trees.len());
    }

    /// The features that a round may split on, ascending.
    fn features(&self, round: u64) -> Vec<usize> {
        let mut features: Vec<usize> = (0..self.booster.features).collect();
        let share = self.config.colsample_bytree;
        if share < 1.0 {
            let number = ((features.len() as f64 * share) as usize).max(1);
            let draw = |&feature: &usize| uniform(self.config.seed, round << 1 | 1, feature as u64);
            features.sort_by(|a, b| draw(a).total_cmp(&draw(b)));
            features.truncate(number);
            features.sort_unstable();
        }
        features
    }

    /// The loss on the rows that are learnt from: the sum of the weighted losses over the sum of absolute weights.
    pub fn loss(&self) -> f64 {
        self.booster.objective.loss(&self.data, &self.margins)
    }

    /// The model so far.
    pub fn booster(&self) -> &Booster {
        &self.booster
    }

    /// The model.
    pub fn into_booster(self) -> Booster {
        self.booster
    }
}

/// Classes that a model can tell apart.
pub(crate) const MOST_CLASSES: usize = 65_536;

/// Adds the value of each leaf to the margins of its rows, which are ascending.
fn add_leaves(leaves: &[(f32, &[u32])], margins: &mut [f32], outputs: usize, output: usize) {
    margins.par_chunks_mut(CHUNK * outputs).enumerate().for_each(|(chunk, margins)| {
        let first = chunk * CHUNK;
        for (value, rows) in leaves {
            let start = rows.partition_point(|&row| (row as usize) < first);
            for &row in rows[start..].iter().take_while(|&&row| (row as usize) < first + CHUNK) {
                margins[(row as usize - first) * outputs + output] += value;
            }
        }
    });
}

/// Watches a model that is being trained on rows that it does not learn from.
pub struct Validation<'a> {
    data: Labelled<'a>,
    objective: Objective,
    outputs: usize,
    trees: usize,
    margins: Vec<f32>,
}

impl<'a> Validation<'a> {
    /// Rows to watch `booster` on.
    ///
    /// # Errors
    /// As [`Trainer::new`], and rows of another number of features.
    pub fn new(booster: &Booster, data: Labelled<'a>) -> Result<Self, Error> {
        data.check(booster.objective)?;
        let mut start = booster.clone();
        start.truncate(0);
        let margins = start.margins(&data.table)?;
        Ok(Self { data, objective: booster.objective, outputs: booster.base.len(), trees: 0, margins })
    }

    /// Adds the trees that `booster` got since the last call.
    pub fn update(&mut self, booster: &Booster) {
        add(&booster.trees[self.trees..], &self.data.table, &mut self.margins, self.outputs);
        self.trees = booster.trees.len();
    }

    /// The loss of the model that was seen last: the sum of the weighted losses over the sum of absolute weights.
    pub fn loss(&self) -> f64 {
        self.objective.loss(&self.data, &self.margins)
    }

    /// The margins of the model that was seen last, as [`Booster::margins`].
    pub fn margins(&self) -> &[f32] {
        &self.margins
    }
}
