//! The fields of a record that a class and its bases share, over all versions of them.

use std::ops::Range;

use super::Made;
use crate::shape::{Class, Shape, Step};

/// The fields of a record while its classes are walked.
#[derive(Default)]
pub(super) struct Fields(pub(super) Vec<(String, Shape)>);

/// Gives the members of one version their fields.
pub(super) struct Slots<'a> {
    pub(super) fields: &'a mut Fields,
    /// The fields of the newest version, among which an older one must find its own.
    pub(super) known: Option<Range<usize>>,
    pub(super) used: Vec<usize>,
}

impl Slots<'_> {
    pub(super) fn take(&mut self, name: &str, class: &str, shape: Shape) -> Made<usize> {
        if let Some(known) = &self.known {
            let names = |i: &usize| self.fields.0[*i].0 == name && same(&self.fields.0[*i].1, &shape);
            let found = known.clone().find(names).ok_or("an older version has other fields")?;
            self.used.push(found);
            return Ok(found);
        }
        // A member may hide one of a base class.
        let taken = self.fields.0.iter().any(|(other, _)| other == name);
        let name = if taken { format!("{class}::{name}") } else { name.to_owned() };
        if self.fields.0.iter().any(|(other, _)| *other == name) {
            return Err(format!("there are two members {name}"));
        }
        self.fields.0.push((name, shape));
        self.used.push(self.fields.0.len() - 1);
        Ok(self.fields.0.len() - 1)
    }

    /// The field of an earlier member, in this class or in a base class.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let numbers = |i: &&usize| {
            let (other, shape) = &self.fields.0[**i];
            other.rsplit("::").next() == Some(name) && matches!(shape, Shape::Number(_))
        };
        self.used.iter().rev().find(numbers).copied()
    }
}

pub(super) fn same(a: &Shape, b: &Shape) -> bool {
    match (a, b) {
        (Shape::Optional(a), b) => same(a, b),
        (a, Shape::Optional(b)) => same(a, b),
        (a, b) => a == b,
    }
}

pub(super) fn optional(shape: &mut Shape) {
    if !matches!(shape, Shape::Optional(_)) {
        *shape = Shape::Optional(Box::new(std::mem::replace(shape, Shape::Text)));
    }
}

/// The fields that some version of a class or of its bases does not have.
pub(super) fn absent(class: &Class, out: &mut Vec<usize>) {
    for variant in &class.variants {
        out.extend_from_slice(&variant.missing);
        variant.steps.iter().for_each(|step| {
            if let Step::Base(base) = step {
                absent(base, out);
            }
        });
    }
}

pub(super) fn mark_optional(class: &mut Class, missing: &[usize]) {
    for step in class.variants.iter_mut().flat_map(|variant| &mut variant.steps) {
        match step {
            Step::Field(field, shape) if missing.contains(field) => optional(shape),
            Step::Base(base) => mark_optional(base, missing),
            _ => {}
        }
    }
}

pub(super) fn renumber(class: &mut Class, places: &[usize]) {
    let move_to = |field: &mut usize| *field = places.get(*field).copied().unwrap_or(*field);
    for variant in &mut class.variants {
        variant.missing.iter_mut().for_each(move_to);
        for step in &mut variant.steps {
            match step {
                Step::Field(field, _) | Step::Reference(field) => move_to(field),
                Step::Counted { field, counter, .. } => {
                    move_to(field);
                    move_to(counter);
                }
                Step::Identity(id, flags) => {
                    move_to(id);
                    move_to(flags);
                }
                Step::Base(base) => renumber(base, places),
                Step::Skip | Step::Pass(_) => {}
            }
        }
    }
}
