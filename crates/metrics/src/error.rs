use thiserror::Error;

/// Why a metric has no value. The messages complete "failed to {error}".
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no event.
    #[error("measure a metric without events")]
    Empty,
    /// Two inputs describe different numbers of events.
    #[error("match {found} {what} with {expected} events")]
    LengthMismatch {
        /// What has the wrong length: "truth labels", "weights", "scores".
        what: &'static str,
        /// Number of events.
        expected: usize,
        /// Number found.
        found: usize,
    },
    /// A score or a weight is NaN or infinite.
    #[error("use the {what} of event {index}: it is {value}")]
    NotFinite {
        /// "score", "residual", "weight" or "threshold".
        what: &'static str,
        /// Position of the event, from 0.
        index: usize,
        /// The value.
        value: f64,
    },
    /// Only one class is present where two are needed.
    #[error("compare signal with background: every event is {present}")]
    OneClass {
        /// "signal" or "background".
        present: &'static str,
    },
    /// The weights of a class, or of all events, sum to nothing or less.
    #[error("normalise by the total weight of {which}: it is {total}")]
    TotalWeight {
        /// "signal", "background" or "all events".
        which: &'static str,
        /// The sum of the weights.
        total: f64,
    },
    /// An efficiency outside `(0, 1]`.
    #[error("cut at an efficiency of {value}: it must lie in (0, 1]")]
    Efficiency {
        /// The value asked for.
        value: f64,
    },
    /// A label that is no class.
    #[error("use the label {label} of event {index}: there are {classes} classes")]
    Label {
        /// Position of the event, from 0.
        index: usize,
        /// The label.
        label: u32,
        /// Number of classes.
        classes: usize,
    },
    /// Fewer than two classes, points or replicas asked for.
    #[error("work with {value} {what}: at least {minimum} are needed")]
    TooFew {
        /// "classes", "points" or "replicas".
        what: &'static str,
        /// The number asked for.
        value: usize,
        /// The least that makes sense.
        minimum: usize,
    },
    /// Negative weights outweigh the positive ones in a mean square.
    #[error("measure a root mean square: the mean squared residual is negative for these weights")]
    MeanSquare,
    /// A relative width without a positive scale.
    #[error("measure a relative resolution: the median response is {value}")]
    Median {
        /// The median.
        value: f64,
    },
    /// More than half of the bootstrap replicas had no value.
    #[error(
        "estimate the uncertainty: {undefined} of {replicas} bootstrap replicas have no value; a class may have no event in them"
    )]
    UnstableBootstrap {
        /// Replicas without a value.
        undefined: usize,
        /// All replicas.
        replicas: usize,
    },
}
