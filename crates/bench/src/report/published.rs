//! Published results of a reference data set, from the task's `published.toml`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The format that `published.toml` has to name.
pub const PUBLISHED_FORMAT: &str = "fiducial-published/1";

/// Published results to stand beside.
///
/// ```
/// let text = r#"
/// format = "fiducial-published/1"
/// data = "top tagging reference data set (Zenodo 2603256)"
/// protocol = "mean and spread over trainings"
///
/// [sources.lgatr]
/// reference = "arXiv:2405.14806, table 1"
/// status = "seen in the source"
///
/// [[results]]
/// model = "ParticleNet"
/// source = "lgatr"
/// roc_auc = { value = 0.9858 }
/// "background_rejection_at_0.5" = { value = 397.0, uncertainty = 7.0 }
/// "#;
/// let published = fiducial_bench::report::Published::parse(text)?;
/// assert_eq!(published.results[0].metrics["roc_auc"].value, 0.9858);
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Always [`PUBLISHED_FORMAT`].
    pub format: String,
    /// The data set that the results were measured on.
    pub data: String,
    /// How values and uncertainties were made, in a sentence.
    pub protocol: String,
    /// Where the results come from, by key.
    pub sources: BTreeMap<String, PublishedSource>,
    /// The results, in the order in which they are shown.
    pub results: Vec<PublishedResult>,
}

/// Where results come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedSource {
    /// Paper and table, `arXiv:2405.14806, table 1`.
    pub reference: String,
    /// Whether the numbers were compared with the paper itself.
    pub status: Status,
}

/// How sure it is that a number is what the paper says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Compared with the source that is named.
    #[serde(rename = "seen in the source")]
    SeenInSource,
    /// Taken from a transcription by others.
    #[serde(rename = "third party")]
    ThirdParty,
}

impl Status {
    /// The words of `published.toml`.
    pub fn describe(self) -> &'static str {
        match self {
            Self::SeenInSource => "seen in the source",
            Self::ThirdParty => "third party",
        }
    }
}

/// The results of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PublishedResult {
    /// The model's name.
    pub model: String,
    /// The key of its source.
    pub source: String,
    /// What sets it apart: `2.0 M parameters`, `pretrained`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The values by the metric's key, as in `metrics.json`.
    #[serde(flatten)]
    pub metrics: BTreeMap<String, PublishedValue>,
}

/// A published number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedValue {
    /// The value.
    pub value: f64,
    /// Its uncertainty, where one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncertainty: Option<f64>,
}

impl Published {
    /// Reads `published.toml`.
    ///
    /// # Errors
    /// Why the text is not of this format, as a fragment; a result whose source is not listed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let published: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        if published.format != PUBLISHED_FORMAT {
            return Err(format!("the format is \"{}\" and not \"{PUBLISHED_FORMAT}\"", published.format));
        }
        match published.results.iter().find(|result| !published.sources.contains_key(&result.source)) {
            Some(result) => {
                Err(format!("the source \"{}\" of {} is not among [sources]", result.source, result.model))
            }
            None => Ok(published),
        }
    }
}
