//! NumPy's basic slices, as a view's `[arrays]` and `--columns` write them: `showers[:, 0:40]`, `X[:, :, 3]`.

/// A slice of an array: its name, and what is taken along each axis after the first, which is the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slice {
    pub(crate) array: String,
    pub(crate) axes: Vec<Axis>,
}

/// What is taken along one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Axis {
    /// One place, counted from the end where negative; the axis goes away.
    Index(i64),
    /// `start:stop:step`.
    Range { start: Option<i64>, stop: Option<i64>, step: usize },
}

impl Slice {
    /// Reads `NAME[:, …]`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let inner = text.strip_suffix(']').and_then(|text| text.rsplit_once('['));
        let Some((array, axes)) = inner else {
            return Ok(Self { array: text.to_owned(), axes: Vec::new() });
        };
        let mut axes = axes.split(',').map(axis);
        if axes.next() != Some(Ok(Axis::Range { start: None, stop: None, step: 1 })) {
            return Err(format!("`{text}`: the first axis is that of the rows and must be `:`"));
        }
        let axes = axes.collect::<Result<_, _>>().map_err(|reason| format!("`{text}`: {reason}"))?;
        Ok(Self { array: array.trim().to_owned(), axes })
    }

    /// Takes the slice of an array whose rows have these dimensions and strides (in bytes): how far behind the row's start
    /// it begins, and its own dimensions and strides.
    pub(crate) fn take(
        &self,
        dims: &[usize],
        strides: &[usize],
    ) -> Result<(usize, Vec<usize>, Vec<usize>), String> {
        if self.axes.len() > dims.len() {
            let (has, asked) = (dims.len() + 1, self.axes.len() + 1);
            return Err(format!("the array has {has} axes, {asked} are asked for"));
        }
        let (mut origin, mut left, mut left_strides) = (0_usize, Vec::new(), Vec::new());
        for (number, (&dim, &stride)) in dims.iter().zip(strides).enumerate() {
            match self.axes.get(number) {
                None => {
                    left.push(dim);
                    left_strides.push(stride);
                }
                Some(Axis::Index(index)) => {
                    let place = place(*index, dim).filter(|place| *place < dim);
                    let place = place.ok_or_else(|| format!("index {index} of an axis of {dim}"))?;
                    origin += place * stride;
                }
                Some(Axis::Range { start, stop, step }) => {
                    let bound = |bound: &Option<i64>, default: usize| {
                        bound.map_or(default, |bound| place(bound, dim).unwrap_or(0).min(dim))
                    };
                    let (start, stop) = (bound(start, 0), bound(stop, dim));
                    origin += if start < dim { start * stride } else { 0 };
                    left.push(stop.saturating_sub(start).div_ceil(*step));
                    left_strides.push(stride.saturating_mul(*step));
                }
            }
        }
        Ok((origin, left, left_strides))
    }
}

/// A place that may be counted from the end; none where it lies before the first.
fn place(index: i64, dim: usize) -> Option<usize> {
    if index >= 0 {
        usize::try_from(index).ok()
    } else {
        dim.checked_sub(usize::try_from(index.unsigned_abs()).ok()?)
    }
}

fn axis(text: &str) -> Result<Axis, String> {
    let number = |text: &str| {
        let text = text.trim();
        let parsed = (!text.is_empty()).then(|| text.parse::<i64>());
        parsed.transpose().map_err(|_| format!("`{text}` is not a whole number"))
    };
    let parts: Vec<&str> = text.split(':').collect();
    match parts.as_slice() {
        [index] => number(index)?.map(Axis::Index).ok_or_else(|| "an axis is empty".to_owned()),
        [start, stop] => Ok(Axis::Range { start: number(start)?, stop: number(stop)?, step: 1 }),
        [start, stop, step] => {
            let step = number(step)?.unwrap_or(1);
            let step = usize::try_from(step).ok().filter(|step| *step > 0);
            let step = step.ok_or_else(|| "a step is at least 1".to_owned())?;
            Ok(Axis::Range { start: number(start)?, stop: number(stop)?, step })
        }
        _ => Err(format!("`{}` is not START:STOP:STEP", text.trim())),
    }
}

#[cfg(test)]
mod tests {
    use super::Slice;

    #[test]
    fn slices_are_numpys() {
        // Of rows (4, 6) of 8-byte numbers, as `numpy.zeros((n, 4, 6))` has them.
        let check = |text: &str, expected: Result<(usize, &[usize], &[usize]), &str>| {
            let taken = Slice::parse(text).and_then(|slice| slice.take(&[4, 6], &[48, 8]));
            match (taken, expected) {
                (Ok(taken), Ok((origin, dims, strides))) => {
                    assert_eq!(taken, (origin, dims.to_vec(), strides.to_vec()), "{text}");
                }
                (Err(reason), Err(part)) => assert!(reason.contains(part), "{text}: {reason}"),
                (taken, expected) => panic!("{text}: {taken:?} is not {expected:?}"),
            }
        };
        check("x", Ok((0, &[4, 6], &[48, 8])));
        check("x[:]", Ok((0, &[4, 6], &[48, 8])));
        check("x[:, :, 2]", Ok((16, &[4], &[48])));
        check("x[:, -1]", Ok((144, &[6], &[8])));
        check("x[:, 1, -6]", Ok((48, &[], &[])));
        check("x[:, :, 1:6:3]", Ok((8, &[4, 2], &[48, 24])));
        check("x[:, ::2, -2:]", Ok((32, &[2, 2], &[96, 8])));
        check("x[:, 3:1]", Ok((144, &[0, 6], &[48, 8])));
        check("x[:, 9:]", Ok((0, &[0, 6], &[48, 8])));
        check("x[:, 4]", Err("index 4 of an axis of 4"));
        check("x[:, -5]", Err("index -5 of an axis of 4"));
        check("x[0, 1]", Err("first axis"));
        check("x[:, 1:2:0]", Err("at least 1"));
        check("x[:, a]", Err("not a whole number"));
        check("x[:, ]", Err("empty"));
        check("x[:, 0, 0, 0]", Err("3 axes, 4 are asked for"));
    }
}
