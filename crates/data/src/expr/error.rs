//! Errors that point at the place in the text.

use std::fmt;

use super::node::Span;

/// Why an expression could not be parsed or evaluated. It carries the text and the place in it, and shows both:
///
/// ```text
/// evaluate an expression: no column `part_pz` (column 7)
///   | 1.0 + part_pz
///   |       ^^^^^^^
///   hint: near names: `part_px`, `part_py`
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExprError(Box<Detail>);

/// Boxed, so that a `Result` stays small.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Detail {
    stage: Stage,
    message: String,
    hint: Option<String>,
    text: String,
    span: Span,
    row: Option<u64>,
    variable: Option<String>,
}

/// What was being done when the error was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Parse,
    Evaluate,
}

/// A message with its place, before the text is attached to it.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) span: Span,
    pub(super) message: String,
    pub(super) hint: Option<String>,
    pub(super) row: Option<u64>,
}

impl Fault {
    pub(super) fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), hint: None, row: None }
    }

    /// What no text can bring about: the parser counts operands.
    pub(super) fn missing(span: Span) -> Self {
        Self::new(span, "an operand is missing")
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn row(mut self, row: u64) -> Self {
        self.row = Some(row);
        self
    }

    pub(super) fn at(self, stage: Stage, text: &str) -> ExprError {
        let Self { span, message, hint, row } = self;
        ExprError(Box::new(Detail { stage, message, hint, text: text.to_owned(), span, row, variable: None }))
    }
}

impl ExprError {
    pub(super) fn of_variable(mut self, name: &str) -> Self {
        self.0.variable = Some(name.to_owned());
        self
    }

    /// The new variable whose expression failed, where an expression failed since it refers to one.
    pub fn variable(&self) -> Option<&str> {
        self.0.variable.as_deref()
    }

    /// What is wrong, without the place: `no column "x"`.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The text of the expression.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The place in the text: first character, counted from 1. Over several lines, newlines count as characters.
    pub fn position(&self) -> usize {
        self.0.text.get(..self.0.span.start).map_or(0, |before| before.chars().count()) + 1
    }

    /// The row of the data at which evaluation failed, counted from
    /// [`Environment::with_first_row`](super::Environment::with_first_row), where one row is to blame.
    pub fn row(&self) -> Option<u64> {
        self.0.row
    }
}

impl std::error::Error for ExprError {}

impl fmt::Display for ExprError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.stage, &self.0.variable) {
            (Stage::Parse, _) => f.write_str("parse an expression")?,
            (Stage::Evaluate, None) => f.write_str("evaluate an expression")?,
            (Stage::Evaluate, Some(name)) => write!(f, "evaluate the new variable `{name}`")?,
        }
        write!(f, ": {} (column {})", self.0.message, self.position())?;
        let (line, start, width) = excerpt(&self.0.text, self.0.span);
        if !line.is_empty() {
            write!(f, "\n  | {line}\n  | {}{}", " ".repeat(start), "^".repeat(width.max(1)))?;
        }
        if let Some(hint) = &self.0.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

/// Widest part of a text that an error shows.
const EXCERPT: usize = 100;

/// The line of the text that holds the span, cut to [`EXCERPT`] characters around its start, with the span's place and
/// width in it. Control characters show as spaces, so that a message cannot move a terminal's cursor.
fn excerpt(text: &str, span: Span) -> (String, usize, usize) {
    let begin = span.start.min(text.len());
    let line_start = text.get(..begin).and_then(|t| t.rfind('\n')).map_or(0, |i| i + 1);
    let line_end = text.get(begin..).and_then(|t| t.find('\n')).map_or(text.len(), |i| begin + i);
    let line: Vec<char> = text.get(line_start..line_end).unwrap_or("").chars().collect();
    let start = text.get(line_start..begin).unwrap_or("").chars().count();
    let width = text.get(begin..span.end.min(line_end)).unwrap_or("").chars().count();
    let show =
        |chars: &[char]| chars.iter().map(|c| if c.is_control() { ' ' } else { *c }).collect::<String>();
    if line.len() <= EXCERPT {
        return (show(&line), start, width);
    }
    let from = start.saturating_sub(EXCERPT / 2).min(line.len() - EXCERPT);
    let to = from + EXCERPT;
    let (left, right) = (if from > 0 { "..." } else { "" }, if to < line.len() { "..." } else { "" });
    let shown = format!("{left}{}{right}", show(&line[from..to]));
    (shown, start - from + left.len(), width.min(to - start.min(to)))
}

/// Up to three names within a small edit distance of `name`, nearest first, as a hint.
pub(crate) fn near_names<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let wanted: Vec<char> = name.chars().take(80).collect();
    let limit = (wanted.len() / 3).clamp(1, 4);
    let mut near: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= 4 * limit)
        .filter_map(|candidate| {
            let distance = edit_distance(&wanted, candidate);
            (distance <= limit).then_some((distance, candidate))
        })
        .collect();
    near.sort_unstable();
    near.dedup();
    let names: Vec<String> = near.iter().take(3).map(|(_, name)| format!("`{name}`")).collect();
    match names.len() {
        0 => None,
        1 => Some(format!("did you mean {}?", names[0])),
        _ => Some(format!("near names: {}", names.join(", "))),
    }
}

/// Levenshtein distance, upper and lower case alike.
fn edit_distance(a: &[char], b: &str) -> usize {
    let mut previous: Vec<usize> = (0..=a.len()).collect();
    for (j, y) in b.chars().take(80).enumerate() {
        let mut current = vec![j + 1; a.len() + 1];
        for (i, x) in a.iter().enumerate() {
            let substituted = previous[i] + usize::from(!x.eq_ignore_ascii_case(&y));
            current[i + 1] = substituted.min(previous[i + 1] + 1).min(current[i] + 1);
        }
        previous = current;
    }
    previous[a.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpt_of_a_long_text_keeps_the_place() {
        let text = format!("{} ? {}", "a + ".repeat(100), "b".repeat(200));
        let at = text.find('?').unwrap();
        let error = Fault::new(Span { start: at, end: at + 1 }, "odd").at(Stage::Parse, &text);
        let shown = error.to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[1].len() < 120, "{shown}");
        assert_eq!(
            lines[1].chars().position(|c| c == '?'),
            lines[2].chars().position(|c| c == '^'),
            "{shown}"
        );
    }

    #[test]
    fn near_names_are_few_and_near() {
        let columns = ["part_px", "part_py", "part_pz", "part_energy", "jet_pt"];
        assert_eq!(near_names("jet_Pt", columns).as_deref(), Some("did you mean `jet_pt`?"));
        assert_eq!(
            near_names("part_p", columns).as_deref(),
            Some("near names: `part_px`, `part_py`, `part_pz`")
        );
        assert_eq!(near_names("unrelated", columns), None);
    }
}
