//! Sizes of memory as a person writes them.

/// Reads `4GiB`, `500 MB` or a number of bytes.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 9] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("B", 1),
    ];
    let text = text.trim();
    let unit = UNITS.iter().find_map(|(name, size)| Some((text.strip_suffix(name)?, *size)));
    let (number, size) = unit.unwrap_or((text, 1));
    let bytes = number.trim().parse::<f64>().ok().map(|number| (number * size as f64).round());
    match bytes {
        Some(bytes) if bytes >= 1.0 && bytes < u64::MAX as f64 => Ok(bytes as u64),
        _ => Err("a size is a number with a unit, such as 4GiB, 500MiB or 8GB".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes() {
        let check =
            |text: &str, expected: Option<u64>| assert_eq!(super::parse(text).ok(), expected, "{text}");
        check("4GiB", Some(4 << 30));
        check("1.5 GB", Some(1_500_000_000));
        check("500MiB", Some(500 << 20));
        check("4096", Some(4096));
        check("12B", Some(12));
        check("", None);
        check("4G", None);
        check("-1GiB", None);
        check("0", None);
        check("nanGiB", None);
    }
}
