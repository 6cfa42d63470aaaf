//! What the first lines of a file say: remarks, the names of the columns, what stands between cells.

use csv::ByteRecord;

use super::kinds::Kinds;
use super::rows::{Records, Rows, SEPARATORS, Separator};

/// What the first lines say.
pub(super) struct Head {
    pub(super) names: Vec<String>,
    pub(super) separator: Separator,
    /// Where the first row begins, and its line.
    pub(super) start: usize,
    pub(super) line: usize,
}

/// Lines that begin with `#` before any other are remarks. One of them may have the names of the columns: the last one with as many
/// cells as the row that follows, where that row holds numbers and so is none of names. Else the first line has the names, unless
/// all of its cells are numbers.
///
/// # Errors
/// When there is no row, when names are no text, and when a remark or the line behind it may have the names.
pub(super) fn read(bytes: &[u8]) -> Result<Head, String> {
    let start = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    // What separates the cells the first line says: until then anything may.
    let mut rows = Rows { bytes, at: start, line: 1, separator: None };
    let remarks = remarks(&mut rows);
    let begin = (rows.at, rows.line);
    let first = next_line(&mut rows).ok_or_else(|| match remarks.last() {
        Some(_) => "it has remarks and no rows".to_owned(),
        None => "it is empty".to_owned(),
    })?;
    let behind = (rows.at, rows.line);
    let second = next_line(&mut rows);
    let separator = separator(first, second);
    let (cells, numbers) = cells(first, separator)?;
    let row = |names| Head { names, separator, start: begin.0, line: begin.1 };
    if let Some(names) = remarks.iter().rev().find_map(|remark| names_in(remark, separator, cells.len())) {
        if numbers > 0 {
            return Ok(row(names));
        }
        let next = second.map(|line| self::cells(line, separator)).transpose()?;
        if cells.len() > 1 && next.is_none_or(|(_, numbers)| numbers == 0) {
            let line = begin.1;
            return Err(format!(
                "a remark before line {line} and the line itself may have the columns' names: remove one"
            ));
        }
    }
    if numbers == cells.len() {
        return Ok(row((0..cells.len()).map(|column| format!("column_{column}")).collect()));
    }
    let name = |(column, cell): (usize, &[u8])| match std::str::from_utf8(cell).map(str::trim) {
        // Such as that of the index in what pandas writes.
        Ok("") => Ok(format!("column_{column}")),
        name => name.map(str::to_owned),
    };
    let names = cells.iter().enumerate().map(name).collect::<Result<_, _>>();
    let names = names.map_err(|_| "the names of its columns are no text")?;
    Ok(Head { names, separator, start: behind.0, line: behind.1 })
}

/// Passes the lines that begin with `#`, and empty ones between them; what stands behind the `#` of each.
fn remarks<'a>(rows: &mut Rows<'a>) -> Vec<&'a [u8]> {
    let mut remarks = Vec::new();
    loop {
        let rest = rows.bytes.get(rows.at..).unwrap_or_default();
        let length = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len());
        let line = rest[..length].trim_ascii();
        if rest.is_empty() || !(line.is_empty() || line.starts_with(b"#")) {
            return remarks;
        }
        if !line.is_empty() {
            let hashes = line.iter().take_while(|byte| **byte == b'#').count();
            remarks.push(line[hashes..].trim_ascii());
        }
        // Of "\r\n" the second character is the end of an empty line.
        rows.line += usize::from(rest.get(length) == Some(&b'\n'));
        rows.at += (length + 1).min(rest.len());
    }
}

/// The bytes of the next row.
fn next_line<'a>(rows: &mut Rows<'a>) -> Option<&'a [u8]> {
    let row = rows.next()?;
    rows.bytes.get(row.start..rows.at)
}

/// The one among comma, semicolon and tab that the first line has most of. Where it has none, blanks: if the first two lines
/// have equally many words and there are numbers among those of the second.
fn separator(first: &[u8], second: Option<&[u8]>) -> Separator {
    let count = |separator: &u8| first.iter().filter(|byte| *byte == separator).count();
    // The first of several with one count: `max_by_key` takes the last.
    let most = SEPARATORS.into_iter().max_by_key(count).filter(|separator| count(separator) > 0);
    if let Some(separator) = most {
        return Separator::Byte(separator);
    }
    let count = |line: &[u8]| {
        cells(line, Separator::Blanks).map_or((0, 0), |(cells, numbers)| (cells.len(), numbers))
    };
    let (words, numbers) = count(first);
    let is_blank = match second.map(count) {
        Some((others, numbers)) => words == others && numbers > 0,
        None => words == numbers,
    };
    if words > 1 && is_blank { Separator::Blanks } else { Separator::Byte(b',') }
}

/// The cells of a line, and how many of them are numbers.
fn cells(line: &[u8], separator: Separator) -> Result<(ByteRecord, usize), String> {
    let mut cells = ByteRecord::new();
    Records::new(line, separator).next(&mut cells).map_err(|(_, reason)| reason)?;
    let numbers = cells.iter().filter(|cell| Kinds::of(cell).is_number()).count();
    Ok((cells, numbers))
}

/// The names in a remark, where it has so many and none of them is a number.
fn names_in(remark: &[u8], separator: Separator, count: usize) -> Option<Vec<String>> {
    let (cells, numbers) = cells(remark, separator).ok()?;
    let names = cells.iter().map(|cell| std::str::from_utf8(cell).map(|name| name.trim().to_owned()));
    let names: Vec<String> = names.collect::<Result<_, _>>().ok()?;
    let is_sentence = count == 1 && names.first().is_some_and(|name| name.contains(char::is_whitespace));
    let are_names = names.len() == count && numbers == 0 && names.iter().all(|name| !name.is_empty());
    (are_names && !is_sentence).then_some(names)
}
