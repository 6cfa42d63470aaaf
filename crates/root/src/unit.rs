//! Units in titles.

const UNITS: &[&str] = &[
    "eV", "keV", "MeV", "GeV", "TeV", "m", "cm", "mm", "um", "nm", "km", "s", "ms", "us", "ns", "ps", "fs",
    "rad", "mrad", "deg", "degrees", "T", "c", "Hz", "kHz", "MHz", "b", "mb", "ub", "nb", "pb", "fb", "K",
    "V", "A", "e", "ADC", "%",
];

/// The unit that a title gives in brackets, as "[GeV]" or "(mm)": only what is made of known units counts, so that
/// "Jet_pt[nJet]" gives none.
pub(crate) fn unit(title: &str) -> Option<String> {
    let brackets = [('[', ']'), ('(', ')')];
    brackets.iter().find_map(|&(open, close)| {
        let parts = title.split(open).skip(1).filter_map(|part| part.split_once(close));
        parts.map(|(inside, _)| inside.trim()).find(|inside| is_unit(inside)).map(str::to_owned)
    })
}

fn is_unit(text: &str) -> bool {
    !text.is_empty()
        && text.split(['/', '*', ' ', '.']).filter(|word| !word.is_empty()).all(|word| {
            let base =
                word.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '^' | '-' | '{' | '}'));
            UNITS.contains(&base)
        })
}

#[cfg(test)]
mod tests {
    #[test]
    fn units_are_told_from_dimensions() {
        for (title, expected) in [
            ("transverse momentum [GeV]", Some("GeV")),
            ("vertex (mm)", Some("mm")),
            ("mass [GeV/c^2]", Some("GeV/c^2")),
            ("Jet_pt[nJet]/F", None),
            ("x[3]/D", None),
            ("a (very good) thing", None),
        ] {
            assert_eq!(super::unit(title).as_deref(), expected, "{title}");
        }
    }
}
