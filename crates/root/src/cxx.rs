//! C++ type names, as far as they name collections of numbers and strings.

use crate::prim::Prim;
use crate::shape::Shape;

/// Deeper nesting than this is no data.
const MAX_DEPTH: usize = 16;

/// A type's name without what does not matter to how it is written.
pub(crate) fn bare(name: &str) -> &str {
    let name = name.trim();
    let name = name.strip_prefix("const ").unwrap_or(name).trim();
    name.strip_prefix("std::").unwrap_or(name)
}

/// Parses "vector<vector<float> >" and the like. `None` for classes.
pub(crate) fn parse(name: &str) -> Option<Shape> {
    parse_inner(name, 0)
}

fn parse_inner(name: &str, depth: usize) -> Option<Shape> {
    if depth > MAX_DEPTH {
        return None;
    }
    let name = bare(name);
    if let Some(shape) = simple(name) {
        return Some(shape);
    }
    let (outer, arguments) = template(name)?;
    let item = is_list(outer).then(|| arguments.first().copied()).flatten()?;
    parse_inner(item, depth + 1).map(|item| Shape::List(Box::new(item)))
}

/// Numbers and strings.
pub(crate) fn simple(name: &str) -> Option<Shape> {
    if let Some(prim) = Prim::from_name(name) {
        return Some(Shape::Number(prim));
    }
    if matches!(name, "string" | "TString") || name.starts_with("basic_string<char") {
        return Some(Shape::Text);
    }
    (name == "char*").then_some(Shape::LongText)
}

/// Sets and lists are written as vectors are. A vector's allocator, a set's order do not change that.
pub(crate) fn is_list(outer: &str) -> bool {
    matches!(
        outer,
        "vector"
            | "list"
            | "forward_list"
            | "deque"
            | "set"
            | "multiset"
            | "unordered_set"
            | "unordered_multiset"
            | "ROOT::VecOps::RVec"
            | "ROOT::RVec"
    )
}

pub(crate) fn is_map(outer: &str) -> bool {
    matches!(outer, "map" | "multimap" | "unordered_map" | "unordered_multimap")
}

/// The name and the arguments of a template.
pub(crate) fn template(name: &str) -> Option<(&str, Vec<&str>)> {
    let (outer, rest) = name.split_once('<')?;
    let inside = rest.trim_end().strip_suffix('>')?;
    Some((outer.trim(), arguments(inside)))
}

fn arguments(inside: &str) -> Vec<&str> {
    let mut depth = 0usize;
    let mut start = 0;
    let mut out = Vec::new();
    for (i, c) in inside.char_indices() {
        match c {
            '<' | '(' => depth += 1,
            '>' | ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                out.push(inside[start..i].trim());
                start = i + 1;
            }
            _ => {}
        }
    }
    out.push(inside[start..].trim());
    out
}

/// The name with the standard's spelling: "std::vector<std::vector<float>>".
pub(crate) fn normalise(name: &str) -> String {
    match parse(name) {
        Some(Shape::Text) if name.trim() == "TString" => "TString".into(),
        Some(shape) if !name.contains("set<") && !name.contains("list<") && !name.contains("deque<") => {
            spell(&shape)
        }
        _ => name.trim().replace("> >", ">>"),
    }
}

fn spell(shape: &Shape) -> String {
    match shape {
        Shape::Number(prim) => prim.name().into(),
        Shape::Text => "std::string".into(),
        Shape::LongText => "char*".into(),
        Shape::Bits => Prim::U32.name().into(),
        Shape::List(item) => format!("std::vector<{}>", spell(item)),
        // What is parsed here is made of the above.
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_collections_are_parsed_and_spelt() {
        for (name, spelt) in [
            ("vector<float>", Some("std::vector<float>")),
            ("vector<vector<Int_t> >", Some("std::vector<std::vector<int32_t>>")),
            ("std::vector<std::string>", Some("std::vector<std::string>")),
            ("vector<unsigned long long,allocator<unsigned long long> >", Some("std::vector<uint64_t>")),
            ("vector<const bool>", Some("std::vector<bool>")),
            ("ROOT::VecOps::RVec<double>", Some("std::vector<double>")),
            ("TString", Some("TString")),
            ("char*", Some("char*")),
            ("set<int>", Some("set<int>")),
            ("TLorentzVector", None),
            ("vector<TLorentzVector>", None),
            ("map<int,float>", None),
            ("vector<", None),
            ("", None),
        ] {
            assert_eq!(parse(name).map(|_| normalise(name)).as_deref(), spelt, "{name}");
        }
        assert_eq!(parse(&"vector<".repeat(1000)), None);
    }
}
