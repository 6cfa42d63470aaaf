//! Metrics with their uncertainty: pure functions from scores, truth and weights to an [`Estimate`].
//!
//! Every value comes with a 68.27 % interval from a Poisson [`Bootstrap`] and with the number of events behind it.
//! Weights are honoured everywhere, negative ones too: sums are signed, and nothing is clipped or dropped. The crate
//! knows nothing of files, models or tasks.
//!
//! [`BinaryScores`] serves two classes: it checks and sorts the events once, and measures accuracy, ROC AUC,
//! background rejection, signal efficiency and the ROC curve. [`ClassScores`] serves several classes,
//! [`Residuals`] a regression.
//!
//! ```
//! use fiducial_metrics::{BinaryScores, Bootstrap};
//!
//! let scores = [0.1, 0.4, 0.35, 0.8, 0.2, 0.9];
//! let is_signal = [false, false, true, true, false, true];
//! let events = BinaryScores::new(&scores, &is_signal, None)?;
//!
//! let auc = events.roc_auc(&Bootstrap::default())?;
//! assert_eq!(auc.value, Some(8.0 / 9.0));
//! assert!(auc.low <= 8.0 / 9.0 && auc.n == 6);
//!
//! // No background event scores above the best third of the signal: the rejection is a lower limit.
//! let rejection = events.background_rejection(0.3, &Bootstrap::default())?;
//! assert!(rejection.is_limit() && rejection.low > 1.0);
//! # Ok::<(), fiducial_metrics::Error>(())
//! ```
//!
//! # Conventions
//!
//! - An event passes a cut when its score is greater than or equal to the threshold.
//! - Events of equal score cannot be told apart by a cut. Between the point before such a group and the point after it
//!   the ROC curve is a straight line, which is a random choice among them: AUC is the trapezoidal rule, the same as
//!   counting half of each tied pair.
//! - Scores must be finite, as in scikit-learn. Beware of probabilities in single precision: a softmax rounds to exactly 1
//!   for the surest events, and ties are what is left of their order. Log odds keep it.
#![deny(missing_docs)]

mod binary;
mod bootstrap;
mod classes;
mod error;
mod estimate;
mod residuals;

pub use binary::{BinaryScores, RocCurve, RocPoint, Summary, WorkingPoint};
pub use bootstrap::Bootstrap;
pub use classes::ClassScores;
pub use error::Error;
pub use estimate::{CONFIDENCE, Estimate, effective_events};
pub use residuals::{RelativeSummary, ResidualSummary, Residuals};
