//! A histogram in a terminal.

use fiducial_root::{Axis, Histogram};

/// Lines of a histogram of one axis.
const LINES: usize = 16;
/// Eighths of a line.
const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// From empty to full.
const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];

/// The histogram as text of at most `width` columns. Bins that have no room of their own are drawn together.
pub fn to_text(histogram: &Histogram, width: usize) -> String {
    let drawn = match histogram.axes.as_slice() {
        [x] => bars(histogram, x, width),
        [x, y] => shades(histogram, x, y, width),
        _ => String::new(),
    };
    format!("{drawn}{}\n", summary(histogram))
}

/// One line: entries, sum with its error, what is outside, mean with its error and width.
pub fn summary(histogram: &Histogram) -> String {
    format!("{}: {}", histogram.title, statistics(histogram))
}

pub(super) fn statistics(histogram: &Histogram) -> String {
    let (values, variances) = (histogram.values(), histogram.variances());
    let inside = inside(histogram);
    let sum = |numbers: &[f64]| inside.iter().map(|place| numbers[*place]).sum::<f64>();
    let (sum, error) = (sum(&values), sum(&variances).max(0.0).sqrt());
    let mut parts = vec![
        format!("{} entries", number(histogram.entries)),
        format!("{} ± {} within range", number(sum), rounded(error)),
    ];
    let outside = values.iter().sum::<f64>() - sum;
    if outside.abs() > 1e-9 * sum.abs() {
        parts.push(format!("{} outside", number(outside)));
    }
    if let (1, [w, w2, wx, wx2, ..]) = (histogram.axes.len(), histogram.sums.as_slice())
        && *w > 0.0
    {
        let mean = wx / w;
        let deviation = (wx2 / w - mean * mean).max(0.0).sqrt();
        // The effective number of entries is (Σw)² / Σw².
        let error = deviation * w2.sqrt() / w;
        parts.push(match error > 0.0 {
            true => {
                format!("mean {} ± {}, width {}", to_error(mean, error), rounded(error), rounded(deviation))
            }
            // Of one entry, or of equal ones, nothing is known of how others would scatter.
            false => format!("mean {}", number(mean)),
        });
    }
    parts.join(", ")
}

/// The places of the bins within range.
fn inside(histogram: &Histogram) -> Vec<usize> {
    match histogram.axes.as_slice() {
        [x] => (1..=x.bins).collect(),
        [x, y] => (1..=x.bins).flat_map(|i| (1..=y.bins).map(move |j| i * (y.bins + 2) + j)).collect(),
        _ => Vec::new(),
    }
}

fn bars(histogram: &Histogram, axis: &Axis, width: usize) -> String {
    const MARGIN: usize = 10;
    let columns = width.saturating_sub(MARGIN + 1).max(10);
    let values = histogram.values();
    let together = axis.bins.div_ceil(columns);
    let heights: Vec<f64> = values[1..=axis.bins].chunks(together).map(|bins| bins.iter().sum()).collect();
    // Few bins are drawn wider.
    let each = (columns / heights.len()).clamp(1, 8);
    let highest = heights.iter().copied().fold(0.0, f64::max);
    let mut out = String::new();
    for line in (0..LINES).rev() {
        let label = match line {
            line if line == LINES - 1 => number(highest),
            0 => "0".to_owned(),
            line if line == LINES / 2 => number(highest / 2.0),
            _ => String::new(),
        };
        out.push_str(&format!("{label:>MARGIN$}│"));
        for height in &heights {
            let eighths = if highest > 0.0 { height / highest * (8 * LINES) as f64 } else { 0.0 };
            let here = (eighths.round() - (8 * line) as f64).clamp(0.0, 8.0) as usize;
            // What is there shows, however little it is.
            let here = if line == 0 && *height > 0.0 { here.max(1) } else { here };
            out.extend(std::iter::repeat_n(BARS[here], each));
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    let drawn = heights.len() * each;
    out.push_str(&format!("{:>MARGIN$}└{}\n", "", "─".repeat(drawn)));
    out.push_str(&ends(axis, MARGIN + 1, drawn));
    if together > 1 {
        out.push_str(&format!("{:MARGIN$} {together} bins in each column\n", ""));
    }
    if let Some(edges) = &axis.edges {
        let edges: Vec<String> = edges.iter().map(|edge| number(*edge)).collect();
        let shown: String = edges.join(", ").chars().take(columns.saturating_sub(43)).collect();
        out.push_str(&format!("{:MARGIN$} bins differ in width and are drawn alike: {shown}\n", ""));
    }
    out
}

/// The limits of an axis below it, with its title between.
fn ends(axis: &Axis, margin: usize, drawn: usize) -> String {
    let (low, high) = (number(axis.lower), number(axis.upper));
    let room = drawn.saturating_sub(low.chars().count() + high.chars().count());
    format!("{:margin$}{low}{:^room$}{high}\n", "", axis.title)
}

fn shades(histogram: &Histogram, x: &Axis, y: &Axis, width: usize) -> String {
    const MARGIN: usize = 10;
    const MOST_LINES: usize = 32;
    let columns = width.saturating_sub(MARGIN + 1).max(10);
    let values = histogram.values();
    let (across, down) = (x.bins.div_ceil(columns), y.bins.div_ceil(MOST_LINES));
    let (cells, lines) = (x.bins.div_ceil(across), y.bins.div_ceil(down));
    // A character is twice as high as it is wide.
    let each = (columns / cells).clamp(1, 2);
    let mut sums = vec![vec![0.0; cells]; lines];
    for i in 0..x.bins {
        for j in 0..y.bins {
            sums[j / down][i / across] += values[(i + 1) * (y.bins + 2) + j + 1];
        }
    }
    let highest = sums.iter().flatten().copied().fold(0.0, f64::max);
    let mut out = String::new();
    for (line, cells) in sums.iter().enumerate().rev() {
        let label = match line {
            0 => number(y.lower),
            line if line == lines - 1 => number(y.upper),
            _ => String::new(),
        };
        out.push_str(&format!("{label:>MARGIN$}│"));
        for sum in cells {
            let shade = if *sum > 0.0 { 1 + (sum / highest * 3.999) as usize } else { 0 };
            out.extend(std::iter::repeat_n(SHADES[shade.min(4)], each));
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    out.push_str(&format!("{:>MARGIN$}└{}\n", "", "─".repeat(cells * each)));
    out.push_str(&ends(x, MARGIN + 1, cells * each));
    out.push_str(&format!("{:MARGIN$} y: {}; █ is {}\n", "", y.title, number(highest)));
    out
}

/// A number as a person writes it: up to six digits.
pub(super) fn number(x: f64) -> String {
    let size = x.abs();
    if x == 0.0 {
        "0".to_owned()
    } else if (1e-3..1e6).contains(&size) || (x.fract() == 0.0 && size < 1e9) {
        let decimals = (5 - size.log10().floor() as i32).clamp(0, 8) as usize;
        let text = format!("{x:.decimals$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    } else {
        format!("{x:.3e}")
    }
}

/// Two digits that count: more of an error mean nothing.
fn rounded(error: f64) -> String {
    if error == 0.0 || !error.is_finite() {
        return number(error);
    }
    let decimals = (1 - error.abs().log10().floor() as i32).max(0) as usize;
    if decimals > 8 { format!("{error:.1e}") } else { format!("{error:.decimals$}") }
}

/// A number with as many decimals as its error.
fn to_error(x: f64, error: f64) -> String {
    if error == 0.0 || !error.is_finite() {
        return number(x);
    }
    let decimals = (1 - error.abs().log10().floor() as i32).clamp(0, 8) as usize;
    format!("{x:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (x, text) in [(0.0, "0"), (200.0, "200"), (0.25, "0.25"), (-1.5, "-1.5"), (110_000.0, "110000")] {
            assert_eq!(number(x), text);
        }
        assert_eq!(
            (rounded(0.1234), rounded(12.34), rounded(1234.0)),
            ("0.12".into(), "12".into(), "1234".into())
        );
        assert_eq!(to_error(91.187_63, 0.0021), "91.1876");
    }
}
