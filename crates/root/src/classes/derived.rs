//! Pointers to objects of derived classes: one record with the fields of all.

use std::sync::Arc;

use super::fields::{Fields, mark_optional, optional, renumber, same};
use super::{Classes, Made, special};
use crate::shape::{Class, Record, Shape};

/// More classes than this are not tried: whoever points to an object of one more gets an error.
const MOST: usize = 64;

/// Members that the derived classes of one pointer may have together.
const MOST_MEMBERS: usize = 5_000;

impl Classes<'_> {
    /// A class behind a pointer, with those derived from it that the file describes.
    pub(super) fn family(&mut self, base: &str) -> Made<Record> {
        let record = self.unshared(base, None)?;
        let derived = self.derived(base);
        Ok(if derived.is_empty() { record } else { united(record, derived) })
    }

    /// The derived classes, as far as they can be read. None of ROOT's own, from which everything is derived.
    fn derived(&mut self, base: &str) -> Vec<Record> {
        let mark: Arc<str> = format!("{base}*").into();
        // A derived class that points to the base class itself would never end.
        if special(base, &mut Fields::default()).is_some() || self.open.contains(&mark) {
            return Vec::new();
        }
        let names = self.streamers.derived(base, MOST);
        let before = self.left;
        self.left = before.min(MOST_MEMBERS);
        let given = self.left;
        self.open.push(mark);
        let made = names.iter().filter_map(|name| self.unshared(name, None).ok()).collect();
        self.open.pop();
        self.left = before - (given - self.left);
        made
    }
}

/// One record for the objects of all classes. The first field names the class; fields of one name and shape are the same, and those
/// that some class does not have may be null.
fn united(base: Record, derived: Vec<Record>) -> Record {
    let mut fields = vec![("class".to_owned(), Shape::Text)];
    let mut classes: Vec<(Class, Vec<usize>)> = Vec::with_capacity(1 + derived.len());
    for mut record in std::iter::once(base).chain(derived) {
        let name = Arc::clone(&record.class.name);
        let places: Vec<usize> =
            record.fields.into_iter().map(|(field, shape)| place(&mut fields, &name, field, shape)).collect();
        renumber(&mut record.class, &places);
        classes.push((record.class, places));
    }
    let may_lack = |field: &usize| {
        matches!(fields[*field].1, Shape::Optional(_))
            || classes.iter().any(|(_, places)| !places.contains(field))
    };
    let missing: Vec<usize> = (1..fields.len()).filter(may_lack).collect();
    for &field in &missing {
        optional(&mut fields[field].1);
    }
    let mut classes = classes.into_iter().map(|(mut class, places)| {
        mark_optional(&mut class, &missing);
        for variant in &mut class.variants {
            variant.missing.extend((1..fields.len()).filter(|field| !places.contains(field)));
        }
        class
    });
    let base = classes.next();
    let derived = classes.collect();
    match base {
        Some(class) => Record { fields, class, derived },
        // There is at least the base class.
        None => Record::empty(""),
    }
}

/// The place of a field among those of all classes.
fn place(fields: &mut Vec<(String, Shape)>, class: &str, name: String, shape: Shape) -> usize {
    let known = fields.iter().position(|(other, known)| *other == name && same(known, &shape));
    if let Some(found) = known {
        if matches!(shape, Shape::Optional(_)) {
            optional(&mut fields[found].1);
        }
        return found;
    }
    let taken = fields.iter().any(|(other, _)| *other == name);
    fields.push((if taken { format!("{class}::{name}") } else { name }, shape));
    fields.len() - 1
}
