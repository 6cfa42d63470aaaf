//! The standard library's collections, by their C++ names.

use std::sync::Arc;

use crate::prim::Prim;

/// Deeper nesting than this is no data.
const MAX_DEPTH: usize = 16;

/// What a collection or one of its items is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Stl {
    Number(Prim),
    Text,
    /// Vectors, sets, lists, deques.
    List(Box<Stl>),
    Map(Box<Stl>, Box<Stl>),
    Pair(Box<Stl>, Box<Stl>),
    Class(Arc<str>),
    Pointer,
}

/// Parses "map<string,vector<float> >" and the like. `None` for what is no collection and no string.
pub(crate) fn parse(name: &str) -> Option<Stl> {
    match item(name.trim().trim_end_matches('*'), 0)? {
        Stl::Class(_) | Stl::Pointer | Stl::Number(_) => None,
        stl => Some(stl),
    }
}

fn item(name: &str, depth: usize) -> Option<Stl> {
    if depth > MAX_DEPTH {
        return None;
    }
    let name = name.trim();
    let name = name.strip_prefix("const ").unwrap_or(name).trim();
    if name.ends_with('*') {
        return Some(Stl::Pointer);
    }
    let name = name.strip_prefix("std::").unwrap_or(name);
    if let Some(prim) = Prim::from_name(name) {
        return Some(Stl::Number(prim));
    }
    if name == "string" || name.starts_with("basic_string<char") {
        return Some(Stl::Text);
    }
    let Some((outer, rest)) = name.split_once('<') else { return Some(Stl::Class(name.into())) };
    let Some(inside) = rest.trim_end().strip_suffix('>') else { return Some(Stl::Class(name.into())) };
    let arguments = arguments(inside);
    let argument = |i: usize| Some(Box::new(item(arguments.get(i)?, depth + 1)?));
    Some(match outer.trim() {
        "vector" | "list" | "deque" | "set" | "multiset" | "unordered_set" | "unordered_multiset"
        | "forward_list" | "ROOT::VecOps::RVec" | "ROOT::RVec" => Stl::List(argument(0)?),
        "map" | "multimap" | "unordered_map" | "unordered_multimap" => Stl::Map(argument(0)?, argument(1)?),
        "pair" => Stl::Pair(argument(0)?, argument(1)?),
        "bitset" => return None,
        _ => Stl::Class(name.into()),
    })
}

/// The template's arguments: "int,vector<float,allocator<float> >" has two.
fn arguments(inside: &str) -> Vec<&str> {
    let (mut depth, mut start, mut out) = (0usize, 0, Vec::new());
    for (i, c) in inside.char_indices() {
        match c {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                out.push(&inside[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    out.push(&inside[start..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_collections_are_parsed() {
        let float = || Box::new(Stl::Number(Prim::F32));
        for (name, expected) in [
            ("vector<float>", Some(Stl::List(float()))),
            ("std::vector<std::vector<float> >", Some(Stl::List(Box::new(Stl::List(float()))))),
            ("string", Some(Stl::Text)),
            ("map<string,float>", Some(Stl::Map(Box::new(Stl::Text), float()))),
            (
                "vector<pair<float,float>,allocator<pair<float,float> > >",
                Some(Stl::List(Box::new(Stl::Pair(float(), float())))),
            ),
            ("vector<TH1D*>", Some(Stl::List(Box::new(Stl::Pointer)))),
            ("vector<TNamed>", Some(Stl::List(Box::new(Stl::Class("TNamed".into()))))),
            ("TNamed", None),
            ("float", None),
            ("TParameter<double>", None),
            ("bitset<8>", None),
            ("vector<", None),
            ("map<int>", None),
            ("", None),
        ] {
            assert_eq!(parse(name), expected, "{name}");
        }
        assert_eq!(parse(&"vector<".repeat(1000)), None);
        assert_eq!(parse(&format!("{}int{}", "vector<".repeat(100), ">".repeat(100))), None);
    }
}
