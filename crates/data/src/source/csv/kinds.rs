//! What the cells of a column can be.

use arrow_schema::DataType;

/// Up to here every whole number is a double.
const EXACT: u64 = 1 << 53;
/// What stands for a missing number, as R, SQL, Python and spreadsheets write it. Among texts these are texts.
const MISSING: [&[u8]; 9] = [b"NA", b"N/A", b"n/a", b"<NA>", b"#N/A", b"#NA", b"NULL", b"null", b"None"];

/// What the cells of a column can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kinds {
    is_signed: bool,
    is_unsigned: bool,
    is_float: bool,
    is_bool: bool,
    /// Whether a cell is empty.
    is_empty: bool,
    /// Whether a cell is one of [`MISSING`].
    is_missing: bool,
    /// Whether there was any cell that is not.
    is_seen: bool,
    /// Whether a whole number is too large to be exact as a double.
    is_large: bool,
    /// Whether a number is not a whole one.
    is_broken: bool,
}

impl Kinds {
    pub(super) fn any() -> Self {
        Self {
            is_signed: true,
            is_unsigned: true,
            is_float: true,
            is_bool: true,
            is_empty: false,
            is_missing: false,
            is_seen: false,
            is_large: false,
            is_broken: false,
        }
    }

    pub(super) fn of(cell: &[u8]) -> Self {
        let cell = cell.trim_ascii();
        if cell.is_empty() {
            return Self { is_empty: true, ..Self::any() };
        }
        Self::of_digits(cell).unwrap_or_else(|| Self::of_any(cell))
    }

    /// Whether the cell, or each of the cells, is a number.
    pub(super) fn is_number(&self) -> bool {
        self.is_float && self.is_seen && !self.is_empty && !self.is_missing
    }

    /// Whether a cell has no value of the column's type.
    pub(super) fn is_nullable(&self, data_type: &DataType) -> bool {
        self.is_empty || (self.is_missing && *data_type != DataType::Utf8)
    }

    /// The commonest cells, without parsing them: up to fifteen digits, of which a point may part some.
    pub(super) fn of_digits(cell: &[u8]) -> Option<Self> {
        let (digits, has_sign, is_negative) = match cell {
            [sign @ (b'-' | b'+'), digits @ ..] => (digits, true, *sign == b'-'),
            digits => (digits, false, false),
        };
        let is_code = matches!(digits, [b'0', second, ..] if second.is_ascii_digit());
        if digits.is_empty() || digits.len() > 15 || is_code || (has_sign && !is_negative) {
            return None;
        }
        let mut points = 0;
        for byte in digits {
            match byte {
                b'0'..=b'9' => {}
                b'.' => points += 1,
                _ => return None,
            }
        }
        // A point alone, or one with no digit before or after it, is left to the parser.
        let is_broken = points == 1 && digits.first() != Some(&b'.') && digits.last() != Some(&b'.');
        if points > 0 && !is_broken {
            return None;
        }
        Some(Self {
            is_signed: !is_broken,
            // "-0" is as the parser has it: no unsigned number has a sign.
            is_unsigned: !is_broken && !is_negative,
            is_float: true,
            is_bool: false,
            is_empty: false,
            is_missing: false,
            is_seen: true,
            is_large: false,
            is_broken,
        })
    }

    /// Any cell, which is not empty.
    pub(super) fn of_any(cell: &[u8]) -> Self {
        if is_missing(cell) {
            return Self { is_missing: true, ..Self::any() };
        }
        let text = std::str::from_utf8(cell).unwrap_or_default();
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        let is_code = digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
        let signed = text.parse::<i64>().ok().filter(|_| !is_code);
        let unsigned = text.parse::<u64>().ok().filter(|_| !is_code);
        let float = float(text).filter(|_| !is_code);
        let magnitude = unsigned.or_else(|| signed.map(i64::unsigned_abs));
        let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        Self {
            is_signed: signed.is_some(),
            is_unsigned: unsigned.is_some(),
            is_float: float.is_some(),
            is_bool: boolean(text).is_some(),
            is_empty: false,
            is_missing: false,
            is_seen: true,
            is_large: is_whole && magnitude.is_none_or(|magnitude| magnitude > EXACT),
            is_broken: !is_whole,
        }
    }

    pub(super) fn restrict(&mut self, other: Self) {
        self.is_signed &= other.is_signed;
        self.is_unsigned &= other.is_unsigned;
        self.is_float &= other.is_float;
        self.is_bool &= other.is_bool;
        self.is_empty |= other.is_empty;
        self.is_missing |= other.is_missing;
        self.is_seen |= other.is_seen;
        self.is_large |= other.is_large;
        self.is_broken |= other.is_broken;
    }

    pub(super) fn data_type(&self) -> DataType {
        match self {
            Self { is_seen: false, .. } => DataType::Utf8,
            Self { is_signed: true, .. } => DataType::Int64,
            Self { is_unsigned: true, .. } => DataType::UInt64,
            Self { is_float: true, is_large: false, .. } => DataType::Float64,
            Self { is_bool: true, .. } => DataType::Boolean,
            _ => DataType::Utf8,
        }
    }
}

/// Whether a cell says that there is no value.
pub(super) fn is_missing(cell: &[u8]) -> bool {
    MISSING.contains(&cell)
}

/// A number; one that is too large for a double is none.
pub(super) fn float(text: &str) -> Option<f64> {
    // As Windows prints what is not a number.
    if matches!(text.trim_start_matches('-'), "1.#QNAN" | "1.#IND") {
        return Some(f64::NAN);
    }
    let value: f64 = text.parse().ok()?;
    let is_named = text.bytes().any(|byte| matches!(byte, b'i' | b'I' | b'n' | b'N'));
    (value.is_finite() || is_named).then_some(value)
}

pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_what_the_parser_makes_of_them() {
        let cells = [
            "0",
            "7",
            "-7",
            "-0",
            "00",
            "01",
            "-01",
            "0.5",
            "-0.5",
            "00.5",
            "1.",
            ".5",
            ".",
            "-",
            "-.",
            "1.2.3",
            "12a",
            "999999999999999",
            "-999999999999999",
            "1234567890123456",
            "123456789.12345",
            "-12.5",
            "+1",
            "+1.5",
        ];
        let mut short = 0;
        for cell in cells {
            if let Some(found) = Kinds::of_digits(cell.as_bytes()) {
                assert_eq!(found, Kinds::of_any(cell.as_bytes()), "{cell}");
                short += 1;
            }
        }
        assert_eq!(short, 10);
    }
}
