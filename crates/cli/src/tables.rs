//! Plain tables and numbers for the terminal.

/// A table: the first column is left-aligned, the others as `right` says.
pub(crate) fn table(header: &[&str], right: &[bool], rows: &[Vec<String>]) -> String {
    let columns = header.len();
    let mut widths: Vec<usize> = header.iter().map(|cell| width(cell)).collect();
    for row in rows {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = (*widest).max(width(cell));
        }
    }
    let line = |cells: &[String]| {
        let mut text = String::new();
        for (index, cell) in cells.iter().enumerate() {
            let padding = " ".repeat(widths[index] - width(cell));
            let is_last = index + 1 == columns;
            if right[index] {
                text.push_str(&padding);
                text.push_str(cell);
            } else {
                text.push_str(cell);
                if !is_last {
                    text.push_str(&padding);
                }
            }
            if !is_last {
                text.push_str("  ");
            }
        }
        text + "\n"
    };
    let header: Vec<String> = header.iter().map(|cell| (*cell).to_owned()).collect();
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    std::iter::once(&header).chain(std::iter::once(&rule)).chain(rows).map(|row| line(row)).collect()
}

/// Characters as a terminal shows them; enough for the texts that are printed here.
fn width(text: &str) -> usize {
    text.chars().count()
}

/// Bytes in the largest binary unit that leaves at least 1: `3.4 MiB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// A count with thousands set apart: `1 211 000`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// Seconds as `42 s`, `3 min 05 s` or `2 h 10 min`.
pub(crate) fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_a_person() {
        assert_eq!(
            (bytes(1023), bytes(1024), bytes(12 << 20)),
            ("1023 B".into(), "1.0 KiB".into(), "12.0 MiB".into())
        );
        assert_eq!(
            (count(7), count(1211), count(1_211_000)),
            ("7".into(), "1 211".into(), "1 211 000".into())
        );
        assert_eq!(
            (duration(41.6), duration(185.0), duration(7800.0)),
            ("42 s".into(), "3 min 05 s".into(), "2 h 10 min".into())
        );
    }

    #[test]
    fn columns_are_aligned() {
        let rows =
            vec![vec!["part_px".to_owned(), "12".to_owned()], vec!["ε".to_owned(), "1 200".to_owned()]];
        assert_eq!(
            table(&["name", "n"], &[false, true], &rows),
            "name         n\n-------  -----\npart_px     12\nε        1 200\n"
        );
    }
}
