//! Values by hand: the bytes are those that ROOT's rules give.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, types};

use super::*;
use crate::error::Place;
use crate::prim::{Packed, Prim, Store};
use crate::shape::{Class, Header, Record, Step, Variant};

fn list(item: Shape) -> Shape {
    Shape::List(Box::new(item))
}

fn headed(inner: Shape) -> Shape {
    Shape::Headed(Box::new(inner))
}

fn number(prim: Prim) -> Shape {
    Shape::Number(prim)
}

/// A class of some members, without base classes.
fn record(name: &str, header: Header, fields: &[(&str, Shape)]) -> Arc<Record> {
    let steps = fields.iter().enumerate().map(|(i, (_, shape))| Step::Field(i, shape.clone())).collect();
    let variants = vec![Variant { version: 3, checksum: 0xAB, steps, missing: Vec::new() }];
    let fields = fields.iter().map(|(name, shape)| ((*name).to_owned(), shape.clone())).collect();
    Arc::new(Record { fields, class: Class { name: name.into(), header, variants }, derived: Vec::new() })
}

fn point(header: Header) -> Shape {
    Shape::Record(record("Point", header, &[("x", number(Prim::U8)), ("y", number(Prim::U16))]))
}

fn read(shape: &Shape, entries: &[&[u8]]) -> std::result::Result<ArrayRef, String> {
    let place = Place::new(&"test".into(), "a basket", 100);
    let mut offsets = vec![0u32];
    entries.iter().for_each(|entry| offsets.push(offsets[offsets.len() - 1] + entry.len() as u32));
    let data: Vec<u8> = entries.concat();
    let basket = Basket::of_test(Cow::Owned(data), Some(offsets), entries.len(), 10, place.clone());
    let nested = super::basket(shape, &basket, &(0..entries.len())).map_err(|e| e.to_string())?;
    nested.finish(shape, &place, &Default::default()).map_err(|e| e.to_string())
}

fn numbers<T: arrow_array::ArrowPrimitiveType>(array: &dyn Array) -> Vec<T::Native> {
    array.as_primitive::<T>().values().to_vec()
}

#[test]
fn nested_values_are_read_by_hand() {
    let entries: [&[u8]; 2] = [&[0, 0, 0, 2, 0, 0, 0, 1, 0, 7, 0, 0, 0, 2, 1, 0, 0, 9], &[0, 0, 0, 0]];
    let array = read(&list(list(number(Prim::U16))), &entries).expect("this is right");
    let outer = array.as_list::<i32>();
    assert_eq!(outer.offsets().to_vec(), [0, 2, 2]);
    let inner = outer.values().as_list::<i32>();
    assert_eq!(inner.offsets().to_vec(), [0, 1, 3]);
    assert_eq!(numbers::<types::UInt16Type>(inner.values()), [7, 256, 9]);

    let strings = headed(list(Shape::Text));
    let strings =
        read(&strings, &[&[0x40, 0, 0, 9, 0, 9, 0, 0, 0, 2, 1, b'a', 0], &[0x40, 0, 0, 6, 0, 9, 0, 0, 0, 0]]);
    let strings = strings.expect("this is right");
    let texts: Vec<_> = strings.as_list::<i32>().values().as_string::<i32>().iter().flatten().collect();
    assert_eq!(texts, ["a", ""]);
}

/// Objects one after the other, each with its header, by version or by checksum; or all x, then all y.
#[test]
fn objects_are_read_one_by_one_and_member_by_member() {
    let points = headed(list(point(Header::Versioned)));
    let objectwise: &[u8] = &[
        0x40, 0, 0, 28, 0, 9, 0, 0, 0, 2, // two objects
        0x40, 0, 0, 5, 0, 3, 1, 0, 2, // version 3: 1, 2
        0x40, 0, 0, 9, 0, 0, 0, 0, 0, 0xAB, 3, 1, 0, // a checksum: 3, 256
    ];
    let memberwise: &[u8] = &[0x40, 0, 0, 14, 0x40, 9, 0, 3, 0, 0, 0, 2, 1, 3, 0, 2, 1, 0];
    let by_checksum: &[u8] = &[0x40, 0, 0, 18, 0x40, 9, 0, 0, 0, 0, 0, 0xAB, 0, 0, 0, 2, 1, 3, 0, 2, 1, 0];
    let empty: &[u8] = &[0x40, 0, 0, 8, 0x40, 9, 0, 3, 0, 0, 0, 0];
    for entry in [objectwise, memberwise, by_checksum] {
        let array = read(&points, &[empty, entry]).expect("this is right");
        let array = array.as_list::<i32>();
        assert_eq!(array.offsets().to_vec(), [0, 0, 2]);
        let items = array.values().as_struct();
        assert_eq!(numbers::<types::UInt8Type>(items.column(0)), [1, 3], "{entry:?}");
        assert_eq!(numbers::<types::UInt16Type>(items.column(1)), [2, 256], "{entry:?}");
    }
}

/// Of objects without members, and of those that the file does not describe since it holds none, there is only a number.
#[test]
fn objects_without_bytes_are_counted() {
    let nothing = headed(list(Shape::Nothing("Unknown".into())));
    let members: Arc<Record> = record("Empty", Header::Versioned, &[]);
    let memberwise: &[u8] = &[0x40, 0, 0, 12, 0x40, 9, 0, 0, 0, 0, 0, 0xAB, 0, 0, 2, 0xA4];
    let empty = Shape::Record(record("Empty", Header::None, &[]));
    let counts: &[u8] = &[0, 0, 2, 0xA4];
    for (shape, entry) in
        [(&nothing, memberwise), (&headed(list(Shape::Record(members))), memberwise), (&list(empty), counts)]
    {
        let array = read(shape, &[entry]).expect("this is right");
        assert_eq!(array.as_list::<i32>().values().len(), 676, "{shape:?}");
    }
    let objectwise: &[u8] = &[0x40, 0, 0, 10, 0, 9, 0, 0, 0, 1, 0x40, 0, 0, 2];
    let error = read(&nothing, &[objectwise]).expect_err("there is an object");
    assert!(error.contains("does not describe class Unknown"), "{error}");
    let more: &[u8] = &[0x40, 0, 0, 13, 0x40, 9, 0, 0, 0, 0, 0, 0xAB, 0, 0, 0, 1, 7];
    let error = read(&nothing, &[more]).expect_err("there is a member");
    assert!(error.contains("a collection has 17 bytes, its members 16"), "{error}");
}

/// Objectwise, a pair's members stand alone; memberwise, a collection among them has one header for all pairs.
#[test]
fn maps_are_read_both_ways() {
    let pair =
        record("pair", Header::Bare, &[("key", number(Prim::U8)), ("value", headed(list(number(Prim::U8))))]);
    let map = headed(list(Shape::Record(pair)));
    let objectwise: &[u8] = &[0x40, 0, 0, 19, 0, 9, 0, 0, 0, 2, 5, 0, 0, 0, 1, 8, 6, 0, 0, 0, 2, 9, 10];
    let memberwise: &[u8] = &[
        0x40, 0, 0, 27, 0x40, 9, 0, 3, 0, 0, 0, 2, 5, 6, // two keys
        0x40, 0, 0, 13, 0, 9, 0, 0, 0, 1, 8, 0, 0, 0, 2, 9, 10,
    ];
    for entry in [objectwise, memberwise] {
        let array = read(&map, &[entry]).expect("this is right");
        let pairs = array.as_list::<i32>().values().as_struct().clone();
        assert_eq!(numbers::<types::UInt8Type>(pairs.column(0)), [5, 6]);
        let values = pairs.column(1).as_list::<i32>();
        assert_eq!(values.offsets().to_vec(), [0, 1, 3]);
        assert_eq!(numbers::<types::UInt8Type>(values.values()), [8, 9, 10]);
    }
}

#[test]
fn packed_numbers_in_objects_are_unpacked() {
    let ranged = Prim::Packed(Packed { double: true, store: Store::Range { low: -1.0, step: 2.0 / 256.0 } });
    let half = Prim::Packed(Packed { double: false, store: Store::Truncated { bits: 12 } });
    let shape = Shape::Record(record("P", Header::None, &[("a", number(ranged)), ("b", number(half))]));
    let array = read(&shape, &[&[0, 0, 0, 0xC0, 127, 0x28, 0x00]]).expect("this is right");
    assert_eq!(numbers::<types::Float64Type>(array.as_struct().column(0)), [0.5]);
    assert_eq!(numbers::<types::Float32Type>(array.as_struct().column(1)), [-1.5]);
}

/// The second object refers to the class by its place: 2 + the key's 10 bytes + where the tag of the first stands.
#[test]
fn pointers_are_null_or_objects() {
    let Shape::Record(record) = point(Header::Versioned) else { return };
    let shape = list(Shape::Pointer(record));
    let entry: &[u8] = &[
        0, 0, 0, 3, 0, 0, 0, 0, // three, the first null
        0x40, 0, 0, 19, 0xFF, 0xFF, 0xFF, 0xFF, b'P', b'o', b'i', b'n', b't', 0, 0x40, 0, 0, 5, 0, 3, 1, 0,
        2, //
        0x40, 0, 0, 13, 0x80, 0, 0, 24, 0x40, 0, 0, 5, 0, 3, 4, 0, 5,
    ];
    let array = read(&shape, &[entry]).expect("this is right");
    let items = array.as_list::<i32>().values().as_struct().clone();
    assert_eq!((0..3).map(|i| items.is_null(i)).collect::<Vec<_>>(), [true, false, false]);
    assert_eq!(numbers::<types::UInt8Type>(items.column(0)), [0, 1, 4]);

    let mut other = entry.to_vec();
    other[16] = b'Q';
    let error = read(&shape, &[&other]).expect_err("it is another class");
    assert!(error.contains("class Qoint where Point is declared"), "{error}");
}

#[test]
fn pointers_may_lead_to_one_object() {
    let shape = list(Shape::Pointer(record("Point", Header::Versioned, &[("x", number(Prim::U8))])));
    // The key has 10 bytes and the list a count of four: the first pointer has the number 16.
    let object = b"\x40\0\0\x11\xFF\xFF\xFF\xFFPoint\0\x40\0\0\x03\0\x03\x07".as_slice();
    let entry = [&[0, 0, 0, 3], object, &[0, 0, 0, 0], &[0, 0, 0, 16]].concat();
    let array = read(&shape, &[&entry]).expect("this is right");
    let points = array.as_list::<i32>().values().as_struct();
    assert_eq!(numbers::<types::UInt8Type>(points.column(0)), [7, 0, 7]);
    assert!(points.is_null(1) && points.is_valid(2));
    let entry = [&[0, 0, 0, 2], object, &[0, 0, 0, 17]].concat();
    let error = read(&shape, &[&entry]).expect_err("there is no such object");
    assert!(error.contains("an object that no earlier pointer has given"), "{error}");
    // Each is read again for a few bytes: that is bounded.
    let mut entry = [&[0, 1, 0, 0], object].concat();
    (1..1 << 16).for_each(|_| entry.extend_from_slice(&[0, 0, 0, 16]));
    let error = read(&shape, &[&entry]).map(|array| array.len());
    assert!(error.is_ok(), "seven bytes for four: {error:?}");
}

#[test]
fn broken_values_say_where() {
    let texts = list(Shape::Text);
    let points = headed(list(point(Header::Versioned)));
    let nothing = Shape::Record(record("Empty", Header::None, &[]));
    let empties = list(list(nothing));
    // 2,000 lists that claim 16 million objects without bytes each, of 12 kB.
    let mut claims = vec![0, 0, 7, 0xD0];
    (0..2000).for_each(|_| claims.extend_from_slice(&[0, 0xFF, 0, 0]));
    claims.extend_from_slice(&[0; 4096]);
    for (shape, entry, part) in [
        (
            &texts,
            [0x7F, 0xFF, 0xFF, 0xFF, 0].as_slice(),
            "a count of 2147483647 does not fit the 1 bytes left",
        ),
        (&texts, &[0, 0, 0, 1, 9, b'a'], "9 bytes are needed, 1 are left"),
        (&texts, &[0, 0, 0, 0, 1], "an entry has 1 bytes too many"),
        (&Shape::Text, &[1, 0xFF], "its text is not UTF-8"),
        (&points, &[0x40, 0, 0, 99, 0, 9, 0, 0, 0, 0], "a byte count lets an object end at 103"),
        (&points, &[0x40, 0, 0, 7, 0, 9, 0, 0, 0, 0, 0], "a collection has 11 bytes, its members 10"),
        (
            &points,
            &[0x40, 0, 0, 16, 0, 9, 0, 0, 0, 1, 0x40, 0, 0, 6, 0, 3, 1, 0, 2, 9],
            "an object of class Point has 10 bytes, its members 9",
        ),
        (&points, &[0x40, 0, 0, 12, 0x40, 9, 0, 0, 0, 0, 0, 0xAC, 0, 0, 0, 0], "another class or version"),
        (&empties, &claims, "it claims more items than its bytes can stand for"),
    ] {
        let error = read(shape, &[entry]).expect_err("this is broken");
        assert!(
            error.contains(part) && error.contains("test at byte 100"),
            "{error:?} should contain {part:?}"
        );
    }
}
