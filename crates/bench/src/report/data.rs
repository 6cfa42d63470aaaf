//! What a report shows, as plain values: nothing here knows where they come from.

use fiducial_metrics::{Estimate, RocCurve};
use serde::{Deserialize, Serialize};

use super::Published;

/// All that [`render`](super::render) needs. Empty lists and `None` leave their figure out, and the page says so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportData {
    /// The task's title.
    pub title: String,
    /// The task's name, `jet-tagging/top`.
    pub task: String,
    /// The task in a few sentences.
    pub description: String,
    /// The model's name, `pfn`.
    pub model: String,
    /// What was measured, to follow "Measured on": sample, split, number of jets.
    pub measured_on: String,
    /// How the intervals were made, a sentence without its full stop.
    pub intervals: String,
    /// The signal class.
    pub signal: String,
    /// The background class.
    pub background: String,
    /// The metrics, in the order in which they are shown.
    pub metrics: Vec<MetricValue>,
    /// The ROC curve with its band.
    pub roc_curve: Option<RocCurve>,
    /// Distribution of the signal's score, one for each class.
    pub scores: Vec<ClassHistogram>,
    /// The training.
    pub training: Option<TrainingHistory>,
    /// Average jet images, one for each class.
    pub images: Vec<JetImage>,
    /// What the scores rest on.
    #[serde(default)]
    pub explanation: Option<Explanation>,
    /// Published results of the reference data set.
    pub published: Option<Published>,
    /// Whether the events measured here are those of the reference data set. If not, the page says that the numbers are
    /// not to be compared.
    pub is_reference_data: bool,
    /// One or two sentences on how the data differ from the reference data set, where they do.
    pub data_difference: Option<String>,
    /// The data.
    pub data: DataSummary,
    /// What was run and what it cost.
    pub run: RunSummary,
}

/// Which inputs the scores rest on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The loss of ROC AUC where one input is shuffled, the largest first.
    pub importances: Vec<Share>,
    /// Jets that it was measured on, and in how many parts.
    pub importance_jets: [usize; 2],
    /// Of networks that read features of constituents.
    pub gradients: Option<GradientShares>,
}

/// Integrated gradients on the features of constituents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GradientShares {
    /// The mean size of the integrated gradients of each feature, the largest first.
    pub features: Vec<Share>,
    /// The same for the constituents of a jet in their order, the features summed.
    pub constituents: Vec<Share>,
    /// Jets whose gradients were integrated, and in how many steps.
    pub jets: [usize; 2],
    /// The mean size of what the gradients leave unexplained, over that of what they explain.
    pub incompleteness: f64,
}

/// A number with its standard error and what it belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Of what.
    pub name: String,
    /// The number.
    pub value: f64,
    /// Its standard error.
    pub error: f64,
}

/// A metric with its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricValue {
    /// Its key in `metrics.json`, which is also its key in the published results.
    pub key: String,
    /// Its name for a person: `ROC AUC`, `1/εB at εS = 0.3`.
    pub title: String,
    /// Its value.
    pub estimate: Estimate,
    /// What `estimate.n` counts: `jets`, `background jets pass the cut`.
    pub counted: String,
}

/// A histogram of one class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassHistogram {
    /// The class.
    pub class: String,
    /// Its distribution.
    pub histogram: Histogram,
}

/// A histogram with bins of equal width, weighted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// Lower edge of the first bin.
    pub low: f64,
    /// Upper edge of the last bin.
    pub high: f64,
    /// Sum of the weights in each bin.
    pub sums: Vec<f64>,
    /// Sum of the squared weights in each bin: the square of its statistical error.
    pub squares: Vec<f64>,
    /// Sum of the weights below `low` and from `high` on; the last bin includes `high` itself.
    pub outside: f64,
}

impl Histogram {
    /// An empty histogram of `bins` bins (at least one) between `low` and `high`.
    pub fn new(low: f64, high: f64, bins: usize) -> Self {
        let bins = bins.max(1);
        Self { low, high, sums: vec![0.0; bins], squares: vec![0.0; bins], outside: 0.0 }
    }

    /// Adds a value. What lies outside, NaN too, is counted in `outside`.
    pub fn fill(&mut self, value: f64, weight: f64) {
        let bins = self.sums.len();
        let position = (value - self.low) / (self.high - self.low) * bins as f64;
        if position >= 0.0 && value <= self.high {
            let bin = (position as usize).min(bins - 1);
            self.sums[bin] += weight;
            self.squares[bin] += weight * weight;
        } else {
            self.outside += weight;
        }
    }

    /// The sum of all weights, those outside too.
    pub fn total(&self) -> f64 {
        self.sums.iter().sum::<f64>() + self.outside
    }
}

/// The average jet of a class: transverse momentum in cells of (Δη, Δφ) around the jet axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JetImage {
    /// The class.
    pub class: String,
    /// The image spans `[-half_width, half_width]` in Δη and in Δφ.
    pub half_width: f64,
    /// Cells along each side.
    pub bins: usize,
    /// Summed weight times transverse momentum share of each cell, `(bins, bins)`: rows are Δφ, columns are Δη.
    pub sums: Vec<f64>,
    /// Summed weight of the jets.
    pub jets: f64,
    /// Summed weight times share of the constituents outside the image.
    pub outside: f64,
}

impl JetImage {
    /// An empty image.
    pub fn new(class: &str, half_width: f64, bins: usize) -> Self {
        let bins = bins.max(1);
        let sums = vec![0.0; bins * bins];
        Self { class: class.to_owned(), half_width, bins, sums, jets: 0.0, outside: 0.0 }
    }

    /// Counts a jet of this weight; its constituents are added with [`add_constituent`](Self::add_constituent).
    pub fn add_jet(&mut self, weight: f64) {
        self.jets += weight;
    }

    /// Adds a constituent at (`deta`, `dphi`) from the jet axis, whose share of the jet's transverse momentum times the
    /// jet's weight is `share`.
    pub fn add_constituent(&mut self, deta: f64, dphi: f64, share: f64) {
        let cell = |x: f64| {
            let position = (x + self.half_width) / (2.0 * self.half_width) * self.bins as f64;
            (position >= 0.0 && position < self.bins as f64).then_some(position as usize)
        };
        match (cell(deta), cell(dphi)) {
            (Some(column), Some(row)) => self.sums[row * self.bins + column] += share,
            _ => self.outside += share,
        }
    }
}

/// The training, epoch by epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingHistory {
    /// The epochs in order.
    pub epochs: Vec<EpochValues>,
    /// The epoch whose weights the model has.
    pub best_epoch: usize,
    /// Why the training ended, in words.
    pub ended: String,
    /// Trained numbers of the model.
    pub parameters: usize,
}

/// One epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochValues {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Mean loss on the training split.
    pub train_loss: f64,
    /// Mean loss on the validation split.
    pub validation_loss: f64,
    /// Accuracy on the validation split; none of a regression.
    pub validation_accuracy: Option<f64>,
    /// Learning rate of the last step.
    pub learning_rate: f64,
}

/// The data that a run used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataSummary {
    /// Its name.
    pub name: String,
    /// What it is and how it was made.
    pub description: String,
    /// The hash of its content.
    pub version: String,
    /// The files that it was made of.
    pub sources: Vec<SourceSummary>,
    /// Rows of each split.
    pub splits: Vec<SplitSummary>,
    /// Rows left after each step of the selection, in order; the first is all that was read.
    pub cutflow: Vec<CutflowStep>,
    /// What the view cut or clipped, and anything else that a reader should know.
    pub notes: Vec<String>,
}

/// A source file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceSummary {
    /// Its name.
    pub file: String,
    /// Rows in it.
    pub rows: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// SHA-256 of its content.
    pub sha256: String,
}

/// A split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SplitSummary {
    /// Its name.
    pub name: String,
    /// Its rows.
    pub rows: u64,
}

/// A step of the selection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CutflowStep {
    /// The clause, `jet_pt > 550`.
    pub step: String,
    /// Rows that are left.
    pub rows: u64,
}

/// What was run, with which code, where, and what it cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// The command that does it again.
    pub command: String,
    /// Facts in the order in which they are shown: seed, versions, commit, machine.
    pub facts: Vec<Fact>,
    /// What each step used.
    pub steps: Vec<StepResources>,
    /// How the energy is known.
    pub energy_note: String,
    /// Texts shown folded: recipe, view.
    pub texts: Vec<Fact>,
}

/// A name and a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// What it is.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl Fact {
    /// A fact.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// What one step used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepResources {
    /// `prepare`, `train`, `evaluate`, `total`.
    pub step: String,
    /// Elapsed time in seconds.
    pub wall_seconds: f64,
    /// Time on all cores in seconds.
    pub cpu_seconds: f64,
    /// Largest resident memory in bytes.
    pub peak_memory_bytes: Option<u64>,
    /// Energy in joules.
    pub energy_joules: f64,
    /// Whether the energy was estimated and not measured.
    pub energy_is_estimated: bool,
}
