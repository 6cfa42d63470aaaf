//! C++ type names, as far as they name collections of numbers and strings.

use crate::layout::Shape;
use crate::prim::Prim;

/// Deeper nesting than this is no data.
const MAX_DEPTH: usize = 16;

/// Parses "vector<vector<float> >" and the like. `None` for classes.
pub(crate) fn parse(name: &str) -> Option<Shape> {
    parse_inner(name, 0)
}

fn parse_inner(name: &str, depth: usize) -> Option<Shape> {
    if depth > MAX_DEPTH {
        return None;
    }
    let name = name.trim();
    let name = name.strip_prefix("const ").unwrap_or(name).trim();
    let name = name.strip_prefix("std::").unwrap_or(name);
    if let Some(prim) = Prim::from_name(name) {
        return Some(Shape::Number(prim));
    }
    if matches!(name, "string" | "TString") || name.starts_with("basic_string<char") {
        return Some(Shape::Text);
    }
    if name == "char*" {
        return Some(Shape::LongText);
    }
    let (outer, rest) = name.split_once('<')?;
    let inside = rest.trim_end().strip_suffix('>')?;
    // Sets and lists are written as vectors are. A vector's allocator, a set's order do not change that.
    matches!(
        outer.trim(),
        "vector"
            | "list"
            | "deque"
            | "set"
            | "multiset"
            | "unordered_set"
            | "ROOT::VecOps::RVec"
            | "ROOT::RVec"
    )
    .then(|| first_argument(inside))
    .and_then(|item| parse_inner(item, depth + 1))
    .map(|item| Shape::List(Box::new(item)))
}

fn first_argument(inside: &str) -> &str {
    let mut depth = 0usize;
    for (i, c) in inside.char_indices() {
        match c {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => return &inside[..i],
            _ => {}
        }
    }
    inside
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
        Shape::Rest(item) => format!("{}[]", spell(item)),
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
