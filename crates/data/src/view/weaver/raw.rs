//! The configuration as it stands in YAML. A key of null counts as one that is not there, as in weaver.

use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

use crate::view::raw::Ordered;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWeaver {
    pub(super) treename: Option<String>,
    pub(super) branch_magic: Option<Ordered<String>>,
    pub(super) file_magic: Option<Ordered<Ordered<f64>>>,
    pub(super) selection: Option<String>,
    pub(super) test_time_selection: Option<String>,
    pub(super) preprocess: Option<RawPreprocess>,
    pub(super) new_variables: Option<Ordered<String>>,
    pub(super) inputs: Option<Ordered<RawInput>>,
    pub(super) labels: Option<RawLabels>,
    pub(super) observers: Option<Vec<String>>,
    pub(super) monitor_variables: Option<Vec<String>>,
    pub(super) weights: Option<RawWeights>,
    pub(super) bucketing: Option<RawBucketing>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPreprocess {
    pub(super) method: Option<String>,
    pub(super) data_fraction: Option<f64>,
    /// What an automatic standardisation measured: weaver writes it into a copy of the configuration.
    pub(super) params: Option<Ordered<RawParameters>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawParameters {
    #[serde(rename = "length")]
    pub(super) _length: Option<usize>,
    #[serde(rename = "pad_mode")]
    pub(super) _pad_mode: Option<String>,
    pub(super) center: Option<f64>,
    pub(super) scale: Option<f64>,
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
    pub(super) pad_value: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawInput {
    /// Required in weaver: null means that the variables have one value per row.
    pub(super) length: Option<usize>,
    pub(super) pad_mode: Option<String>,
    pub(super) vars: Vec<RawVariable>,
}

/// A name, or a list of it with up to five numbers.
#[derive(Debug)]
pub(super) struct RawVariable {
    pub(super) name: String,
    pub(super) numbers: Vec<Number>,
}

/// One of the numbers after a variable's name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Null,
    Auto,
    Value(f64),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLabels {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) value: LabelValue,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum LabelValue {
    Columns(Vec<String>),
    Expressions(Ordered<String>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWeights {
    pub(super) use_precomputed_weights: bool,
    pub(super) weight_branches: Option<Vec<String>>,
    pub(super) reweight_method: Option<String>,
    pub(super) reweight_vars: Option<Ordered<Vec<f64>>>,
    pub(super) reweight_classes: Option<Vec<String>>,
    pub(super) class_weights: Option<Vec<f64>>,
    pub(super) reweight_threshold: Option<f64>,
    pub(super) reweight_discard_under_overflow: Option<bool>,
    pub(super) reweight_basewgt: Option<String>,
    /// What weaver measured: written into a copy of the configuration.
    pub(super) reweight_hists: Option<Ordered<Vec<Vec<f64>>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBucketing {
    pub(super) var: String,
    pub(super) bins: Bins,
}

/// Edges, or into how many parts of equally many rows.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Bins {
    Count(usize),
    Edges(Vec<f64>),
}

impl<'de> Deserialize<'de> for RawVariable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrList;
        impl<'de> Visitor<'de> for NameOrList {
            type Value = RawVariable;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a variable's name, or [name, center, scale, min, max, pad_value]")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<RawVariable, E> {
                Ok(RawVariable { name: name.to_owned(), numbers: Vec::new() })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<RawVariable, A::Error> {
                let name = list.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
                let mut numbers = Vec::new();
                while let Some(number) = list.next_element()? {
                    numbers.push(number);
                }
                if numbers.len() > 5 {
                    return Err(A::Error::invalid_length(numbers.len() + 1, &self));
                }
                Ok(RawVariable { name, numbers })
            }
        }
        deserializer.deserialize_any(NameOrList)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrAuto;
        impl Visitor<'_> for NumberOrAuto {
            type Value = Number;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number, null or auto")
            }

            fn visit_unit<E: Error>(self) -> Result<Number, E> {
                Ok(Number::Null)
            }

            fn visit_none<E: Error>(self) -> Result<Number, E> {
                Ok(Number::Null)
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Number, E> {
                Ok(Number::Value(number as f64))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Number, E> {
                Ok(Number::Value(number as f64))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Number, E> {
                Ok(Number::Value(number))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
                match text {
                    "auto" => Ok(Number::Auto),
                    // YAML 1.1, which weaver reads, takes "1e-3" for a text; NumPy makes a number of it.
                    _ => text
                        .parse()
                        .map(Number::Value)
                        .map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_any(NumberOrAuto)
    }
}
