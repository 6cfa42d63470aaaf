//! Records from Arrow structs, and the four-vectors that some of them are.

use std::sync::Arc;

use arrow_array::{Array, StructArray};
use arrow_schema::{DataType, Fields as ArrowFields};

use super::arrow::{ColumnFault, first_null, flat};
use super::four_vectors::{FourVectors, Quantity};
use super::functions::native_of;
use super::value::{Content, Fields, Named, Record};

use Quantity::{E, Eta, Mass, Phi, Pt, Px, Py, Pz};

/// Records within records, and no deeper.
const MAX_DEPTH: usize = 8;

/// What the members of ROOT's four-vectors are called: `TLorentzVector`, and `ROOT::Math::LorentzVector` of all its coordinates.
const ROOT_VECTORS: [[(&str, Quantity); 4]; 5] = [
    [("fP.fX", Px), ("fP.fY", Py), ("fP.fZ", Pz), ("fE", E)],
    [("fCoordinates.fX", Px), ("fCoordinates.fY", Py), ("fCoordinates.fZ", Pz), ("fCoordinates.fT", E)],
    [("fCoordinates.fX", Px), ("fCoordinates.fY", Py), ("fCoordinates.fZ", Pz), ("fCoordinates.fM", Mass)],
    [
        ("fCoordinates.fPt", Pt),
        ("fCoordinates.fPhi", Phi),
        ("fCoordinates.fEta", Eta),
        ("fCoordinates.fE", E),
    ],
    [
        ("fCoordinates.fPt", Pt),
        ("fCoordinates.fPhi", Phi),
        ("fCoordinates.fEta", Eta),
        ("fCoordinates.fM", Mass),
    ],
];

/// What a record of four-vectors can be asked for, whatever it is made of.
pub(crate) const VECTOR_MEMBERS: [&str; 8] = ["px", "py", "pz", "energy", "pt", "eta", "phi", "mass"];

/// A record of those members that hold numbers, booleans, or records of these; a four-vector too, where they make one.
pub(super) fn read(array: &StructArray) -> Result<Content, ColumnFault> {
    read_to(array, MAX_DEPTH)
}

fn read_to(array: &StructArray, depth: usize) -> Result<Content, ColumnFault> {
    let mut named = Vec::with_capacity(array.num_columns());
    for (field, values) in array.fields().iter().zip(array.columns()) {
        let is_record = matches!(field.data_type(), DataType::Struct(_)) && depth > 0;
        if !is_record && !is_number(field.data_type()) {
            continue;
        }
        if let Some(item) = first_null(values.as_ref()) {
            return Err(ColumnFault::Null(item));
        }
        let content = match values.as_any().downcast_ref::<StructArray>() {
            Some(record) => read_to(record, depth - 1)?,
            None => Content::Plain(flat(values.as_ref())?),
        };
        named.push(Named { name: field.name().clone(), content, unit: None });
    }
    let vector = coordinates_of(array.fields()).and_then(|coordinates| vector(&named, &coordinates));
    let mut fields = Fields::of_named(array.len(), named);
    fields.vector = vector.map(Arc::new);
    Ok(Content::Record(Record { fields: Arc::new(fields), index: None }))
}

pub(super) fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric() && !data_type.is_decimal() || *data_type == DataType::Boolean
}

/// Whether records with these members are four-vectors.
pub(crate) fn is_vector(members: &ArrowFields) -> bool {
    coordinates_of(members).is_some()
}

/// The members that make a four-vector, and what each is.
fn coordinates_of(members: &ArrowFields) -> Option<Vec<(String, Quantity)>> {
    let has = |path: &str| member(members, path).is_some_and(is_number);
    let of_root = ROOT_VECTORS.iter().find(|vector| vector.iter().all(|(path, _)| has(path)));
    if let Some(vector) = of_root {
        return Some(vector.iter().map(|(path, quantity)| ((*path).to_owned(), *quantity)).collect());
    }
    let own: Vec<(String, Quantity)> = members
        .iter()
        .filter(|field| is_number(field.data_type()))
        .filter_map(|field| Some((field.name().clone(), Quantity::of(field.name())?)))
        .collect();
    let native = native_of(&own.iter().map(|(_, quantity)| *quantity).collect::<Vec<_>>())?;
    native.iter().map(|wanted| own.iter().find(|(_, quantity)| quantity == wanted).cloned()).collect()
}

/// The type of a member, or of a member's member.
fn member<'a>(members: &'a ArrowFields, path: &str) -> Option<&'a DataType> {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let (_, field) = members.find(name)?;
    match (field.data_type(), rest) {
        (data_type, None) => Some(data_type),
        (DataType::Struct(members), Some(rest)) => member(members, rest),
        _ => None,
    }
}

fn vector(named: &[Named], coordinates: &[(String, Quantity)]) -> Option<FourVectors> {
    let column = |(path, quantity): &(String, Quantity)| Some((*quantity, floats(named, path)?));
    let columns: Vec<_> = coordinates.iter().map(column).collect::<Option<_>>()?;
    let columns: [_; 4] = columns.try_into().ok()?;
    Some(FourVectors::new(
        columns.each_ref().map(|(quantity, _)| *quantity),
        columns.map(|(_, values)| values),
    ))
}

fn floats(named: &[Named], path: &str) -> Option<arrow_buffer::ScalarBuffer<f64>> {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let content = &named.iter().find(|named| named.name == name)?.content;
    match (content, rest) {
        (Content::Plain(data), None) => Some(data.floats()),
        (Content::Record(record), Some(rest)) => floats(&record.fields.named, rest),
        _ => None,
    }
}
