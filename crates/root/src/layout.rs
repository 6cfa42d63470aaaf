//! What the bytes of a branch mean: from leaves and class names to a layout and an Arrow type.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields};

use crate::branch::{Branch, Leaf, Leaves, Owner};
use crate::classes::{Classes, array, is_collection};
use crate::cxx;
use crate::prim::{Packed, Prim, Store};
use crate::shape::{self, Class, Header, Lead, Record, Shape, Variant};
use crate::streamer::{Member, Step, Streamers};

/// A vector that is a whole entry starts with a byte count, a version and its number of items.
pub(crate) const VECTOR_HEADER: usize = 10;

/// What a branch is that counts the items of a collection, whose members are in sub-branches.
const SPLIT_COLLECTION: i32 = 4;

/// No class has more bases than this.
const MAX_BASES: usize = 64;

/// No array in an entry is larger than a basket can be.
pub(crate) const MAX_ITEM: usize = 1 << 28;

/// How the bytes of one entry are laid out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Layout {
    /// A number, or an array of the same size in each entry.
    Fixed(Item),
    /// As many items as fit the entry after some bytes of header.
    Jagged { item: Item, header: usize },
    /// Of each item of a split collection an array, or some of one length, as long as another member of the item says.
    Arrays { prim: Prim, each: Option<usize>, lengths: Arc<str> },
    /// The leaves of a leaf list, one after the other.
    Record(Vec<(String, Item)>),
    /// The bits of objects: numbers, unless an object is referenced to.
    Bits(Shape),
    /// Values that tell their own length.
    Nested(Shape),
}

/// A number, or a fixed array of numbers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Item {
    pub(crate) prim: Prim,
    pub(crate) dims: Vec<usize>,
}

impl Item {
    /// Numbers in one item.
    pub(crate) fn numbers(&self) -> usize {
        self.dims.iter().product()
    }

    /// Bytes in one item.
    pub(crate) fn width(&self) -> usize {
        self.numbers() * self.prim.width()
    }

    fn data_type(&self) -> DataType {
        self.dims.iter().rev().fold(self.prim.data_type(), |inner, &n| {
            DataType::FixedSizeList(Arc::new(Field::new("item", inner, false)), n as i32)
        })
    }

    fn name(&self, brackets: &str) -> String {
        let dims: String = self.dims.iter().map(|n| format!("[{n}]")).collect();
        format!("{}{brackets}{dims}", self.prim.name())
    }
}

fn list(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("item", item, false)))
}

impl Layout {
    /// What a collection of items that the file does not describe is, if they are enumerations.
    pub(crate) fn as_enumeration(&self) -> Option<Self> {
        let Self::Nested(Shape::Headed(inner)) = self else { return None };
        let Shape::List(item) = inner.as_ref() else { return None };
        let item =
            matches!(**item, Shape::Nothing(_)).then_some(Item { prim: Prim::I32, dims: Vec::new() })?;
        Some(Self::Jagged { item, header: VECTOR_HEADER })
    }

    /// Whether a whole entry may be missing, such as an object behind a pointer.
    pub(crate) fn nullable(&self) -> bool {
        matches!(self, Self::Nested(shape) if shape.nullable())
    }

    pub(crate) fn data_type(&self) -> DataType {
        match self {
            Self::Fixed(item) => item.data_type(),
            Self::Jagged { item, .. } => list(item.data_type()),
            Self::Arrays { prim, each, .. } => {
                let array = list(prim.data_type());
                list(match each {
                    Some(n) => DataType::FixedSizeList(Arc::new(Field::new("item", array, false)), *n as i32),
                    None => array,
                })
            }
            Self::Nested(shape) | Self::Bits(shape) => shape.data_type(),
            Self::Record(fields) => {
                let fields = fields.iter().map(|(name, item)| Field::new(name, item.data_type(), false));
                DataType::Struct(fields.collect::<Fields>())
            }
        }
    }
}

/// A layout with the C++ type it stands for, or the reason why there is none.
pub(crate) type Interpreted = Result<(Layout, String), (String, String)>;

/// Finds out what a branch without sub-branches holds.
pub(crate) fn interpret(
    branch: &Branch,
    owner: &Owner,
    leaves: &Leaves,
    classes: &mut Classes<'_>,
) -> Interpreted {
    let streamers = classes.streamers();
    if let Some(file) = &branch.other_file {
        return Err((String::new(), format!("its baskets are in another file, {file}")));
    }
    if branch.is_object {
        let name = branch.class_name.clone();
        return match classes.named(&name) {
            Ok(shape) => Ok((Layout::Nested(shape), name)),
            Err(reason) => Err((name, reason)),
        };
    }
    let typed = |layout: Layout, name: String| Ok((layout, name));
    match branch.leaves.as_slice() {
        [] => Err((branch.class_name.clone(), "it has no leaves".into())),
        [leaf] => {
            let leaf = &leaves[leaf];
            let dims = dims(leaf)?;
            if leaf.code == 15 && dims.is_empty() {
                return bits(leaf);
            }
            if let Some(prim) = leaf_prim(leaf, branch, owner, streamers) {
                let item = Item { prim, dims };
                if leaf.count.is_none() {
                    let name = item.name("");
                    return typed(Layout::Fixed(item), name);
                }
                let name = item.name("[]");
                return typed(Layout::Jagged { item, header: 0 }, name);
            }
            if branch.streamer_type == 65 && dims.is_empty() {
                return match owner.in_collection(branch) {
                    true => typed(Layout::Nested(Shape::Rest(Box::new(Shape::Text))), "TString[]".into()),
                    false => typed(Layout::Nested(Shape::Text), "TString".into()),
                };
            }
            if leaf.class == "TLeafC" {
                return typed(Layout::Nested(Shape::Text), "char*".into());
            }
            object(branch, owner, leaf, dims, classes)
        }
        many => {
            let mut fields = Vec::with_capacity(many.len());
            let mut counters = Vec::with_capacity(many.len());
            for leaf in many.iter().map(|leaf| &leaves[leaf]) {
                let Some(prim) = leaf_prim(leaf, branch, owner, streamers) else {
                    return Err((String::new(), format!("leaf {} of several is no number", leaf.name)));
                };
                counters.push(match leaf.count {
                    None => None,
                    Some(count) => match many.iter().take(fields.len()).position(|&before| before == count) {
                        Some(counter) => Some(counter),
                        None => {
                            return Err((
                                String::new(),
                                format!("leaf {} of several is counted in another branch", leaf.name),
                            ));
                        }
                    },
                });
                fields.push((leaf.name.clone(), Item { prim, dims: dims(leaf)? }));
            }
            if counters.iter().any(Option::is_some) {
                return typed(
                    Layout::Nested(counted_leaves(&fields, &counters)),
                    leaf_list(&fields, &counters),
                );
            }
            let name = leaf_list(&fields, &counters);
            typed(Layout::Record(fields), name)
        }
    }
}

/// The type of a branch with several leaves.
fn leaf_list(fields: &[(String, Item)], counters: &[Option<usize>]) -> String {
    let brackets = |counter: &Option<usize>| if counter.is_some() { "[]" } else { "" };
    let leaves = fields.iter().zip(counters);
    let leaves = leaves.map(|((name, item), counter)| format!("{} {name};", item.name(brackets(counter))));
    format!("struct {{{}}}", leaves.collect::<Vec<_>>().join(" "))
}

/// Leaves of one branch of which some count others: an object without a header.
fn counted_leaves(leaves: &[(String, Item)], counters: &[Option<usize>]) -> Shape {
    let (mut fields, mut steps) = (Vec::with_capacity(leaves.len()), Vec::with_capacity(leaves.len()));
    for (field, ((name, item), counter)) in leaves.iter().zip(counters).enumerate() {
        let number = Shape::Number(item.prim);
        let item = item.dims.iter().rev().fold(number, |inner, &n| Shape::Fixed(Box::new(inner), n));
        match *counter {
            None => {
                fields.push((name.clone(), item.clone()));
                steps.push(shape::Step::Field(field, item));
            }
            Some(counter) => {
                fields.push((name.clone(), Shape::List(Box::new(item.clone()))));
                steps.push(shape::Step::Counted { field, item, counter, lead: Lead::Nothing, times: None });
            }
        }
    }
    let variants = vec![Variant { version: 0, checksum: 0, steps, missing: Vec::new() }];
    let class = Class { name: "a leaf list".into(), header: Header::None, variants };
    Shape::Record(Arc::new(Record { fields, class, derived: Vec::new() }))
}

/// The fixed sizes in a leaf's title, such as "x[nx][3]": a counter's name is none.
fn dims(leaf: &Leaf) -> Result<Vec<usize>, (String, String)> {
    let inside = leaf.title.split('[').skip(1).filter_map(|part| part.split_once(']'));
    let mut dims: Vec<usize> = inside.filter_map(|(n, _)| n.parse().ok()).filter(|&n| n > 0).collect();
    if dims.is_empty() && leaf.len > 1 && leaf.title.contains('[') {
        dims.push(leaf.len);
    }
    match dims.iter().try_fold(1usize, |product, &n| product.checked_mul(n)) {
        Some(product) if product <= MAX_ITEM => Ok(dims),
        _ => Err((String::new(), format!("items of {dims:?} numbers"))),
    }
}

/// The bits of a `TObject`: where an object is referenced to, two bytes follow that name the process.
fn bits(leaf: &Leaf) -> Interpreted {
    let shape = if leaf.count.is_some() { Shape::Rest(Box::new(Shape::Bits)) } else { Shape::Bits };
    let name = if leaf.count.is_some() { "uint32_t[]" } else { "uint32_t" };
    Ok((Layout::Bits(shape), name.into()))
}

fn leaf_prim(leaf: &Leaf, branch: &Branch, owner: &Owner, streamers: &Streamers) -> Option<Prim> {
    let pick = |signed, unsigned| Some(if leaf.unsigned { unsigned } else { signed });
    match leaf.class.as_str() {
        "TLeafO" => Some(Prim::Bool),
        "TLeafB" => pick(Prim::I8, Prim::U8),
        "TLeafS" => pick(Prim::I16, Prim::U16),
        "TLeafI" => pick(Prim::I32, Prim::U32),
        "TLeafG" | "TLeafL" => pick(Prim::I64, Prim::U64),
        "TLeafF" => Some(Prim::F32),
        "TLeafD" => Some(Prim::F64),
        "TLeafD32" => Some(packed(true, &leaf.title)),
        "TLeafF16" => Some(packed(false, &leaf.title)),
        "TLeafElement" => {
            let code = if (21..40).contains(&leaf.code) { leaf.code - 20 } else { leaf.code };
            if code == 7 { None } else { member_prim(code, branch, owner, streamers) }
        }
        _ => None,
    }
}

/// The number that a type code stands for, which the title of a member may pack.
fn member_prim(code: i32, branch: &Branch, owner: &Owner, streamers: &Streamers) -> Option<Prim> {
    match code {
        9 | 19 => {
            let title = member(branch, owner, streamers).map(|m| m.title.clone()).unwrap_or_default();
            Some(packed(code == 9, &title))
        }
        _ => Prim::from_code(code),
    }
}

/// `Double32_t` and `Float16_t` say their range and bits in the title: "[low,high,bits]". Sizes of an array may stand before:
/// "[n][3][low,high,bits]".
pub(crate) fn packed(double: bool, title: &str) -> Prim {
    let brackets = title.split('[').skip(1).filter_map(|part| part.split_once(']'));
    let spec = brackets.map(|(inside, _)| inside).find(|inside| inside.contains(','));
    let mut parts = spec.into_iter().flat_map(|inside| inside.split(',')).map(str::trim);
    let bounds = (parts.next().and_then(constant), parts.next().and_then(constant));
    let bits = parts.next().map(str::parse::<u32>);
    let (Some(low), Some(high)) = bounds else {
        return if double { Prim::DOUBLE32 } else { Prim::FLOAT16 };
    };
    let bits = match bits {
        Some(Ok(bits)) if (2..=32).contains(&bits) => bits,
        _ => 32,
    };
    // Where there is no range, few bits are those of a short mantissa, and many change nothing (`TStreamerElement::GetRange`).
    let store = match bits {
        _ if low < high => Store::Range { low, step: (high - low) / steps(bits) },
        ..15 => Store::Truncated { bits },
        _ => return if double { Prim::DOUBLE32 } else { Prim::FLOAT16 },
    };
    Prim::Packed(Packed { double, store })
}

/// Into how many steps ROOT divides a range: one less than the numbers of 32 bits, so that they reach its end, but as many as there are of
/// fewer bits (`TStreamerElement::GetRange`).
fn steps(bits: u32) -> f64 {
    if bits < 32 { 2f64.powi(bits as i32) } else { f64::from(u32::MAX) }
}

/// Numbers, and `pi` and `twopi` with a factor or divisor, as ROOT allows in ranges.
fn constant(text: &str) -> Option<f64> {
    if let Some((left, right)) = text.split_once('*') {
        return Some(constant(left.trim())? * constant(right.trim())?);
    }
    if let Some((left, right)) = text.split_once('/') {
        return Some(constant(left.trim())? / constant(right.trim())?);
    }
    match text.strip_prefix('-') {
        Some(rest) => constant(rest.trim()).map(|x| -x),
        None if text.eq_ignore_ascii_case("pi") => Some(std::f64::consts::PI),
        None if text.eq_ignore_ascii_case("twopi") => Some(std::f64::consts::TAU),
        None => text.parse().ok(),
    }
}

/// What the streamer list says of the member that a sub-branch holds.
fn member<'a>(branch: &Branch, owner: &Owner, streamers: &'a Streamers) -> Option<&'a Member> {
    let bare = branch.name.split('[').next().unwrap_or_default();
    let name = bare.rsplit('.').next().unwrap_or_default();
    // The class that the member was found in, then the one that the branch hangs on: it may have inherited the member.
    let classes = [&branch.class_name, &branch.parent_name, &owner.class_name];
    classes
        .into_iter()
        .filter(|class| !class.is_empty())
        .find_map(|class| find_member(streamers, class, name))
}

/// Looks in a class and then in its bases, nearest first.
fn find_member<'a>(streamers: &'a Streamers, class: &str, name: &str) -> Option<&'a Member> {
    let first = streamers.newest(class).or_else(|| streamers.newest(&class.replace(' ', "")))?;
    let mut queue = vec![first];
    // A broken file could have a class inherit from itself.
    for i in 0..MAX_BASES {
        let layout = *queue.get(i)?;
        if let Some(found) = layout.members.iter().find(|member| &*member.name == name) {
            return Some(found);
        }
        queue.extend(layout.members.iter().take(MAX_BASES).filter_map(|member| match &member.step {
            Step::Base(base) => streamers.newest(base),
            _ => None,
        }));
    }
    None
}

/// A branch that holds something else than numbers in leaves: collections, strings, objects, arrays behind pointers.
fn object(
    branch: &Branch,
    owner: &Owner,
    leaf: &Leaf,
    dims: Vec<usize>,
    classes: &mut Classes<'_>,
) -> Interpreted {
    // An array behind a pointer: one byte says whether it is there.
    if (41..60).contains(&leaf.code)
        && let Some(prim) = member_prim(leaf.code - 40, branch, owner, classes.streamers())
    {
        let item = Item { prim, dims };
        let name = item.name("[]");
        let arrays = item.numbers();
        if owner.in_collection(branch) {
            let member = member(branch, owner, classes.streamers());
            let each = (!item.dims.is_empty()).then_some(arrays);
            return match member.and_then(|member| member.element.count.clone()) {
                Some(lengths) => Ok((Layout::Arrays { prim, each, lengths }, format!("{name}[]"))),
                None => Err((name, "no member of its class tells the lengths of its arrays".into())),
            };
        }
        if !item.dims.is_empty() && arrays > 0 {
            let lists = Shape::Fixed(Box::new(Shape::List(Box::new(Shape::Number(prim)))), arrays);
            return Ok((Layout::Nested(Shape::Shared(Box::new(lists))), name));
        }
        return Ok((Layout::Jagged { item, header: 1 }, name));
    }
    // A split collection of objects without members holds nothing but how many there are.
    if branch.branch_type == SPLIT_COLLECTION && dims.is_empty() && !owner.in_collection(branch) {
        let items = Shape::Record(Arc::new(Record::empty(&branch.clones_name)));
        return Ok((Layout::Nested(Shape::List(Box::new(items))), cxx::normalise(&branch.class_name)));
    }
    let member = if owner.is_branch { member(branch, owner, classes.streamers()) } else { None };
    let type_name = match member {
        Some(member) if member.type_name == "BASE" => member.name.to_string(),
        Some(member) => member.type_name.clone(),
        None => branch.class_name.clone(),
    };
    if type_name.is_empty() {
        return Err((type_name, format!("a leaf of class {} with type code {}", leaf.class, leaf.code)));
    }
    let name = cxx::normalise(&type_name);
    // An array of objects that another branch counts: as many as the entry has.
    if let Some(member) = member.filter(|m| m.element.code == 501 && m.element.dims.is_empty())
        && !owner.in_collection(branch)
        && !member.type_name.ends_with("**")
    {
        let class = member.type_name.trim_end_matches('*').trim();
        return match classes.value(class) {
            Ok(shape) => Ok((
                Layout::Nested(Shape::Rest(Box::new(Shape::Headed(Box::new(shape))))),
                format!("{class}[]"),
            )),
            Err(reason) => Err((name, reason)),
        };
    }
    let shape = match member {
        Some(member) => classes.member(member),
        None => {
            let collection = is_collection(&type_name) || classes.is_own_collection(&type_name);
            if branch.branch_type == 0 && dims.is_empty() && !collection {
                classes.whole(&type_name, branch.class_version)
            } else {
                // A string that is a whole branch has no header; a collection and an object have one.
                classes.value(&type_name).map(|shape| {
                    let whole = matches!(shape, Shape::Text) || !collection;
                    array(if whole { shape } else { Shape::Headed(Box::new(shape)) }, &dims)
                })
            }
        }
    };
    let shape = match shape {
        Ok(Shape::Opaque) => return Err((name.clone(), format!("{name} has a streamer of its own"))),
        Ok(shape) => shape,
        Err(reason) => return Err((name, reason)),
    };
    // Within a split collection the members of all items follow each other.
    if owner.in_collection(branch) {
        return Ok((Layout::Nested(Shape::Rest(Box::new(shape))), format!("{name}[]")));
    }
    Ok((fast(shape), name))
}

/// Vectors of numbers, the most common shape, are not read one by one.
fn fast(shape: Shape) -> Layout {
    if let Shape::Headed(inner) = &shape
        && let Shape::List(item) = inner.as_ref()
        && let Shape::Number(prim) = item.as_ref()
    {
        return Layout::Jagged { item: Item { prim: *prim, dims: Vec::new() }, header: VECTOR_HEADER };
    }
    Layout::Nested(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_packed_numbers_are_read_from_titles() {
        let range = |double, low: f64, high: f64, bits: u32| {
            let store = Store::Range { low, step: (high - low) / steps(bits) };
            Prim::Packed(Packed { double, store })
        };
        for (double, title, expected) in [
            (true, "x", Prim::DOUBLE32),
            (false, "x", Prim::FLOAT16),
            (true, "x[-1,1,8]", range(true, -1.0, 1.0, 8)),
            (true, "[0, twopi/2]", range(true, 0.0, std::f64::consts::PI, 32)),
            (false, "[-pi,pi,10]", range(false, -std::f64::consts::PI, std::f64::consts::PI, 10)),
            (false, "[0,0,8]", Prim::Packed(Packed { double: false, store: Store::Truncated { bits: 8 } })),
            (true, "x[0,0,15]", Prim::DOUBLE32),
            (false, "x[0,0,20]", Prim::FLOAT16),
            (true, "x[1,-1,10]", Prim::Packed(Packed { double: true, store: Store::Truncated { bits: 10 } })),
            (true, "x[0,1,40]", range(true, 0.0, 1.0, 32)),
            (true, "x[n]", Prim::DOUBLE32),
            (true, "x[n][3]/d[-1,1,8]", range(true, -1.0, 1.0, 8)),
        ] {
            assert_eq!(packed(double, title), expected, "{title}");
        }
    }
}
