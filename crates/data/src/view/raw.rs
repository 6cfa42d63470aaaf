//! The view as it stands in TOML, before validation.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeMap};

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawView {
    pub(super) format: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tree: Option<String>,
    #[serde(default, skip_serializing_if = "Ordered::is_empty")]
    pub(super) arrays: Ordered<String>,
    #[serde(default, deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub(super) selection: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) observers: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) splits: Option<RawSplits>,
    #[serde(default, skip_serializing_if = "Ordered::is_empty")]
    pub(super) columns: Ordered<RawColumn>,
    #[serde(default, skip_serializing_if = "Ordered::is_empty")]
    pub(super) file_columns: Ordered<Ordered<f64>>,
    #[serde(default, skip_serializing_if = "Ordered::is_empty")]
    pub(super) new_variables: Ordered<String>,
    #[serde(default, skip_serializing_if = "Ordered::is_empty")]
    pub(super) inputs: Ordered<RawGroup>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) labels: Option<RawLabels>,
    #[serde(default, skip_serializing_if = "Ordered::is_empty")]
    pub(super) targets: Ordered<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) weights: Option<RawWeights>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sampling: Option<RawSampling>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) bucketing: Option<RawBucketing>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSplits {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fractions: Option<Ordered<f64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) seed: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) column: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) values: Option<Ordered<i64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) files: Option<Ordered<String>>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawColumn {
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) data_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawGroup {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) length: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) shape: Option<[usize; 2]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pad: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) standardise: Option<String>,
    pub(super) variables: Vec<RawVariable>,
}

/// A name, or a table with a name and what is done to the values.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(super) struct RawVariable {
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) center: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) scale: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) clip: Option<[f64; 2]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pad: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) standardise: Option<String>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLabels {
    pub(super) classes: Ordered<String>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWeights {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) event: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) class_balance: bool,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSampling {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) weight: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) method: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) classes: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) class_weights: Vec<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) threshold: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) discard_outside: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) base: Option<String>,
    #[serde(default, skip_serializing_if = "Ordered::is_empty")]
    pub(super) variables: Ordered<Vec<f64>>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBucketing {
    pub(super) variable: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) buckets: Option<usize>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) edges: Vec<f64>,
}

/// A table whose order matters.
#[derive(Debug, Clone)]
pub(super) struct Ordered<T>(pub(super) Vec<(String, T)>);

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Ordered<T> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Serialize> Serialize for Ordered<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Ordered<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

// By hand and not `#[serde(untagged)]`, whose errors do not name the key at fault.
impl<'de> Deserialize<'de> for RawVariable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrTable;
        impl<'de> Visitor<'de> for NameOrTable {
            type Value = RawVariable;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a variable's name, or a table with `name`")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<RawVariable, E> {
                Ok(RawVariable { name: name.to_owned(), ..RawVariable::default() })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawVariable, A::Error> {
                RawVariable::deserialize(MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_any(NameOrTable)
    }
}

impl Serialize for RawVariable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { name, center, scale, clip, pad, standardise } = self;
        if center.is_none() && scale.is_none() && clip.is_none() && pad.is_none() && standardise.is_none() {
            serializer.serialize_str(name)
        } else {
            Self::serialize(self, serializer)
        }
    }
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct OneOrMany;
    impl<'de> Visitor<'de> for OneOrMany {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an expression, or a list of expressions")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Vec<String>, E> {
            Ok(vec![text.to_owned()])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<String>, A::Error> {
            let mut texts = Vec::new();
            while let Some(text) = sequence.next_element()? {
                texts.push(text);
            }
            Ok(texts)
        }
    }
    deserializer.deserialize_any(OneOrMany)
}
