//! The objects of a file that are no trees: histograms, graphs, efficiencies, parameters, texts, and all others as a
//! plain tree of their members.
//!
//! Everything is read by the layouts that the file carries ([`reader`]); those of histograms and their like are built in
//! too, for files without ([`built_in`]).

mod buffer;
mod built_in;
pub(crate) mod classes;
mod efficiency;
mod graph;
mod histogram;
mod json;
mod print;
pub(crate) mod reader;
mod stl;
mod uhi;
mod value;

use std::sync::Arc;

pub use efficiency::Efficiency;
pub use graph::Graph;
pub(crate) use histogram::columns;
pub use histogram::{Axis, Bins, Histogram, Spread};
pub use value::{Members, Value};

use crate::error::{Error, Result};
use crate::file::{KeyInfo, RootFile};
use crate::objects::reader::Reader;

/// An object of a ROOT file.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Object {
    /// TH1, TH2, TH3 of every type of number; TProfile, TProfile2D, TProfile3D.
    Histogram(Box<Histogram>),
    /// TEfficiency.
    Efficiency(Box<Efficiency>),
    /// TGraph, TGraphErrors, TGraphAsymmErrors.
    Graph(Graph),
    /// TParameter of any type.
    Parameter(Parameter),
    /// TObjString, TNamed, std::string.
    Text(Text),
    /// Any other class: a collection as a list or map, an object with its members.
    Other(Other),
}

impl Object {
    /// Whether objects of this class have a type of their own here, and are no [`Object::Other`].
    pub fn is_typed(class_name: &str) -> bool {
        has_type(class_name) || matches!(class_name, "string" | "std::string")
    }
}

/// A TParameter: one number with a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// The C++ class, such as "TParameter<double>".
    pub class_name: String,
    /// The parameter's name.
    pub name: String,
    /// The number: [`Value::Bool`], [`Value::Int`], [`Value::UInt`] or [`Value::Float`].
    pub value: Value,
}

/// A text with or without a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    /// The C++ class.
    pub class_name: String,
    /// The name of a TNamed; empty for the others.
    pub name: String,
    /// The string, or the title of a TNamed.
    pub text: String,
}

/// An object of a class that has no type of its own here.
#[derive(Debug, Clone, PartialEq)]
pub struct Other {
    /// The C++ class.
    pub class_name: String,
    /// What it holds; [`Value::Unread`] where the file does not say how the class is written.
    pub value: Value,
}

impl Members {
    /// The object as what it is: members of a list can be histograms, too.
    ///
    /// # Errors
    /// The reason why a histogram, graph or efficiency is not whole.
    pub fn typed(&self) -> std::result::Result<Object, String> {
        let text = |name: &str| self.text(name).unwrap_or_default().to_owned();
        let class_name = self.class_name.to_string();
        Ok(match &*self.class_name {
            "TEfficiency" => Object::Efficiency(Box::new(Efficiency::read(self)?)),
            "TGraph" | "TGraphErrors" | "TGraphAsymmErrors" => Object::Graph(Graph::read(self)?),
            "TNamed" => Object::Text(Text { class_name, name: text("fName"), text: text("fTitle") }),
            "TObjString" => Object::Text(Text { class_name, name: String::new(), text: text("fString") }),
            class if is_histogram(class) => Object::Histogram(Box::new(Histogram::read(self)?)),
            class if class.starts_with("TParameter<") => {
                let value = self.get("fVal").cloned().ok_or("it has no value")?;
                Object::Parameter(Parameter { class_name, name: text("fName"), value })
            }
            _ => Object::Other(Other { class_name, value: Value::Object(Box::new(self.clone())) }),
        })
    }
}

/// The classes that [`Histogram`] stands for. Classes derived from them have bins of other kinds.
pub(crate) fn is_histogram(class: &str) -> bool {
    match class.as_bytes() {
        b"TProfile" | b"TProfile2D" | b"TProfile3D" => true,
        [b'T', b'H', b'1'..=b'3', letter] => b"CSILFD".contains(letter),
        _ => false,
    }
}

impl RootFile {
    /// Reads an object by its name: "dir/name", or "dir/name;cycle" for another than the highest cycle.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for trees and directories, which have functions of their own; [`Error::Malformed`] where
    /// its record cannot be read.
    pub fn object(&self, name: &str) -> Result<Object> {
        let (path, cycle) = match name.rsplit_once(';') {
            Some((path, cycle)) => (path, cycle.parse::<i16>().ok()),
            None => (name, None),
        };
        let keys = self.keys()?;
        let named =
            keys.iter().filter(|key| key.path == path && cycle.is_none_or(|cycle| cycle == key.cycle));
        match named.filter(|key| is_object(&key.class_name)).max_by_key(|key| key.cycle) {
            Some(key) => self.object_at(key),
            None => {
                let what = match keys.iter().find(|key| key.path == path) {
                    Some(key) => {
                        format!("object {name:?} (there is a {}, cycle {})", key.class_name, key.cycle)
                    }
                    None => format!("object {name:?}"),
                };
                Err(Error::NotFound { file: Arc::clone(self.name()), what })
            }
        }
    }

    /// Reads the object of a key from [`RootFile::keys`].
    ///
    /// # Errors
    /// [`Error::Malformed`] where its record cannot be read.
    pub fn object_at(&self, key: &KeyInfo) -> Result<Object> {
        let record = self.record(key.seek, key.bytes as usize, &format!("object {}", key.path))?;
        let classes = self.classes();
        let value = match Reader::new(&record, &classes).top(&key.class_name) {
            Ok(value) => value,
            // Of a class that this crate knows it is an error; of another it is a fact about the class.
            Err(error) if has_type(&key.class_name) => return Err(error),
            Err(error) => Value::Unread(reason(error)),
        };
        let class_name = key.class_name.clone();
        Ok(match value {
            Value::Object(members) => match members.typed() {
                Ok(Object::Other(Other { class_name, .. })) => {
                    Object::Other(Other { class_name, value: Value::Object(members) })
                }
                Ok(object) => object,
                Err(reason) => return Err(record.place.error(0, reason)),
            },
            Value::Text(text) => Object::Text(Text { class_name, name: String::new(), text }),
            value => Object::Other(Other { class_name, value }),
        })
    }
}

fn is_object(class: &str) -> bool {
    !matches!(class, "TTree" | "TNtuple" | "TNtupleD" | "TDirectory" | "TDirectoryFile")
}

fn has_type(class: &str) -> bool {
    is_histogram(class)
        || class.starts_with("TParameter<")
        || matches!(
            class,
            "TEfficiency" | "TGraph" | "TGraphErrors" | "TGraphAsymmErrors" | "TNamed" | "TObjString"
        )
}

/// What is wrong, without where.
pub(crate) fn reason(error: Error) -> String {
    match error {
        Error::Malformed { reason, .. } => reason,
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::Record;
    use crate::objects::classes::Classes;
    use crate::streamer::Streamers;

    const FIXTURE: &[u8] = include_bytes!("../../tests/fixtures/histograms.root");

    fn record_of(file: &RootFile, key: &KeyInfo) -> Record<'static> {
        let Record { data, key_len, place } =
            file.record(key.seek, key.bytes as usize, &key.path).expect("the fixture is right");
        Record { data: data.into_owned().into(), key_len, place }
    }

    /// Changes some bytes, as SplitMix64 says: the same on every machine.
    fn mutate(bytes: &mut [u8], seed: u64) {
        let mut state = seed;
        let mut below = |n: usize| {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            ((z ^ (z >> 27)) % n.max(1) as u64) as usize
        };
        for _ in 0..1 + below(4) {
            let at = below(bytes.len());
            bytes[at] = [0, 1, 0x40, 0x7F, 0x80, 0xFF, bytes[at] ^ 1 << below(8), below(256) as u8][below(8)];
        }
    }

    /// Most bytes of a file are compressed, so that few mutations of a file come this far.
    #[test]
    fn mutated_records_end_in_values_or_errors() {
        let file = RootFile::from_bytes("test", FIXTURE.to_vec()).expect("the fixture opens");
        let classes = file.classes();
        let (mut read, mut refused) = (0, 0);
        for key in file.keys().expect("the fixture is right").iter().filter(|key| is_object(&key.class_name))
        {
            let original = record_of(&file, key);
            for seed in 0..300 {
                let mut bytes = original.data.to_vec();
                mutate(&mut bytes, seed);
                let record =
                    Record { data: bytes.into(), key_len: original.key_len, place: original.place.clone() };
                match Reader::new(&record, &classes).top(&key.class_name) {
                    Ok(Value::Object(members)) => {
                        read += 1;
                        let _ = members.typed().map(|object| (object.summary(), object.to_json()));
                    }
                    Ok(value) => assert!(!value.to_json().is_empty()),
                    Err(_) => refused += 1,
                }
            }
        }
        // The mutations do neither miss nor destroy everything.
        assert!(read > 1000 && refused > 1000, "{read} were read, {refused} refused");
    }

    #[test]
    fn mutated_layouts_end_in_values_or_errors() {
        let file = RootFile::from_bytes("test", FIXTURE.to_vec()).expect("the fixture opens");
        let info = file.streamer_record().expect("there is a list");
        let keys = file.keys().expect("the fixture is right");
        let objects: Vec<_> = keys
            .iter()
            .filter(|key| matches!(&*key.path, "plots/deep/h3_weighted" | "list" | "efficiency" | "pairs"))
            .map(|key| (record_of(&file, key), key.class_name.clone()))
            .collect();
        assert_eq!(objects.len(), 4);
        for seed in 0..1000 {
            let mut bytes = info.data.to_vec();
            mutate(&mut bytes, seed);
            let list = Record { data: bytes.into(), key_len: info.key_len, place: info.place.clone() };
            let classes = Classes::new(&Streamers::read(&list));
            for (record, class) in &objects {
                if let Ok(value) = Reader::new(record, &classes).top(class) {
                    assert!(!value.to_json().is_empty());
                }
            }
        }
    }

    #[test]
    fn what_the_file_does_not_describe_is_read_by_what_is_built_in() {
        let file = RootFile::from_bytes("test", FIXTURE.to_vec()).expect("the fixture opens");
        let mut bytes = FIXTURE.to_vec();
        // Where the streamer list is, and its length.
        bytes[37..45].fill(0);
        let bare = RootFile::from_bytes("test", bytes).expect("the header is right");
        assert!(bare.streamer_record().is_none());
        let mut compared = 0;
        for key in
            file.keys().expect("the fixture is right").iter().filter(|key| Object::is_typed(&key.class_name))
        {
            let (expected, found) = (file.object_at(key).expect("it is read"), bare.object_at(key));
            assert_eq!(format!("{found:?}"), format!("{:?}", Ok::<_, Error>(expected)), "{}", key.path);
            compared += 1;
        }
        assert!(compared > 40, "{compared}");
    }
}
