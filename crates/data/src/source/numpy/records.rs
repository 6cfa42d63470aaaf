//! Arrays of records: what their headers say of the members, `[('pt', '<f4'), ('hits', '<i2', (3,)), ('p', [('x', '<f8')])]`.

use super::{Element, element};

/// Records within records, and no deeper.
const DEEPEST: usize = 8;
/// Members of all records together.
const MOST_MEMBERS: usize = 1 << 16;

/// A member of a record.
pub(super) struct Member {
    /// With dots between the names of records within records; empty for an array without records.
    pub(super) name: String,
    /// Or why its values cannot be read.
    pub(super) element: Result<Element, String>,
    /// Where it lies in the record.
    pub(super) origin: usize,
    /// The axes of a member that is an array.
    pub(super) dims: Vec<usize>,
}

impl Member {
    /// The values of an array that holds no records.
    pub(super) fn alone(element: Element) -> Self {
        Self { name: String::new(), element: Ok(element), origin: 0, dims: Vec::new() }
    }
}

/// The members that a description lists, and how many bytes a record has.
pub(super) fn members(text: &str) -> Result<(Vec<Member>, usize), String> {
    let mut parser = Parser { rest: text, found: Vec::new() };
    let size = parser
        .record("", 0, 0)
        .ok_or_else(|| format!("its records `{}` are not understood", text.trim_end()))?;
    Ok((parser.found, size))
}

/// Reads a list of Python's.
struct Parser<'a> {
    rest: &'a str,
    found: Vec<Member>,
}

impl<'a> Parser<'a> {
    fn take(&mut self, symbol: char) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(symbol)?;
        Some(())
    }

    fn quoted(&mut self) -> Option<&'a str> {
        let rest = self.rest.trim_start();
        let quote = rest.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
        let (text, rest) = rest[1..].split_once(quote)?;
        self.rest = rest;
        Some(text)
    }

    /// `[(name, type), ...]`, whose first byte lies at `origin`; its size.
    fn record(&mut self, prefix: &str, origin: usize, depth: usize) -> Option<usize> {
        self.take('[')?;
        let mut size = 0_usize;
        while self.take(']').is_none() {
            let member = self.member(prefix, origin.checked_add(size)?, depth)?;
            size = size.checked_add(member).filter(|_| self.found.len() <= MOST_MEMBERS)?;
            if self.take(',').is_none() {
                self.take(']')?;
                break;
            }
        }
        Some(size)
    }

    /// `(name, type)` or `(name, type, shape)`; its size.
    fn member(&mut self, prefix: &str, origin: usize, depth: usize) -> Option<usize> {
        self.take('(')?;
        let name = match self.quoted() {
            Some(name) => name,
            // With a title: `(title, name)`.
            None => {
                self.take('(')?;
                self.quoted()?;
                self.take(',')?;
                let name = self.quoted()?;
                self.take(')')?;
                name
            }
        };
        self.take(',')?;
        let name = format!("{prefix}{name}");
        let first = self.found.len();
        let size = if self.rest.trim_start().starts_with('[') {
            (depth < DEEPEST).then(|| self.record(&format!("{name}."), origin, depth + 1)).flatten()?
        } else {
            let descr = self.quoted()?;
            let element = element(descr);
            let size = element.as_ref().map_or_else(|_| size_of(descr), |element| Some(element.size))?;
            // Bytes that align the next member.
            if !(name == prefix && descr.contains('V')) {
                self.found.push(Member { name, element, origin, dims: Vec::new() });
            }
            size
        };
        let dims = if self.take(',').is_some() { self.shape()? } else { Vec::new() };
        self.take(')')?;
        let count = dims.iter().try_fold(1_usize, |all, dim| all.checked_mul(*dim))?;
        for member in self.found.iter_mut().skip(first).filter(|_| !dims.is_empty()) {
            if member.dims.is_empty()
                && member.origin == origin
                && size == member.element.as_ref().map_or(size, |e| e.size)
            {
                member.dims = dims.clone();
            } else {
                member.element = Err("arrays of records within records cannot be read".to_owned());
            }
        }
        size.checked_mul(count)
    }

    /// `(3,)`, `(2, 3)` or `3`; nothing where the tuple ends.
    fn shape(&mut self) -> Option<Vec<usize>> {
        let rest = self.rest.trim_start();
        let (text, after) = match rest.strip_prefix('(') {
            Some(rest) => rest.split_once(')')?,
            None => rest.split_at(rest.find(')')?),
        };
        self.rest = after;
        let dims = text.split(',').map(str::trim).filter(|dim| !dim.is_empty());
        dims.map(|dim| dim.trim_end_matches('L').parse().ok()).collect()
    }
}

/// The bytes of a value of a type that cannot be read, such as `<c16`, `<M8[ns]` or `|V3`.
fn size_of(descr: &str) -> Option<usize> {
    let digits = descr.get(2..)?.split('[').next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_lie_where_numpy_puts_them() {
        let shown = |text: &str| {
            let (members, size) = members(text).unwrap();
            let shown = members.iter().map(|m| {
                format!("{}@{}{:?}{}", m.name, m.origin, m.dims, if m.element.is_err() { "!" } else { "" })
            });
            format!("{} {size}", shown.collect::<Vec<_>>().join(" "))
        };
        assert_eq!(shown("[('pt', '<f4'), ('id', '<i8'), ]"), "pt@0[] id@4[] 12");
        assert_eq!(shown("[('a', '|b1'), ('', '|V3'), ('b', '>f4', (2, 3))], "), "a@0[] b@4[2, 3] 28");
        assert_eq!(shown("[(('title', 'a'), '<c16'), ('b', '<f2', 3)]"), "a@0[]! b@16[3] 22");
        assert_eq!(shown("[('p', [('x', '<f8'), ('y', '<f8')]), ('q', '|S5')]"), "p.x@0[] p.y@8[] q@16[] 21");
        assert_eq!(
            shown("[('p', [('x', '<f8'), ('y', '<i4')], (2,)), ('q', '|O8')]"),
            "p.x@0[]! p.y@8[]! q@24[]! 32"
        );
        for broken in ["[('a', '<f4')", "[('a')]", "['a']", "[(a, '<f4')]", "[('a', '<f4', (2)]"] {
            assert!(members(broken).is_err(), "{broken}");
        }
        let deep = format!("{}('x', '<f4'){}", "[('p', ".repeat(20), ")]".repeat(20));
        assert!(members(&deep).is_err());
    }
}
