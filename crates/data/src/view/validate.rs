//! From the raw form to the validated one.

use std::collections::BTreeSet;
use std::fmt::Display;

use arrow_schema::DataType;

use crate::expr::{DefinitionError, Definitions, Expr};
use crate::source::check_slice;

use super::raw::{Ordered, RawGroup, RawSplits, RawVariable, RawView};
use super::sampling;
use super::{
    Class, ColumnNote, DEFAULT_CLIP, FORMAT, Group, Pad, SPLITS, Scaling, Splits, Variable, View, ViewError,
    Weights,
};

/// Longest padded list: beyond it a typing error would ask for more memory than there is.
const MAX_LENGTH: usize = 65_536;

pub(super) type Result<T> = std::result::Result<T, ViewError>;

pub(super) fn wrong<T>(key: impl Into<String>, message: impl Into<String>) -> Result<T> {
    Err(ViewError::Key { key: key.into(), message: message.into() })
}

pub(super) fn parse(key: impl Display, text: &str) -> Result<Expr> {
    Expr::parse(text).map_err(|source| ViewError::Expression { key: key.to_string(), source })
}

pub(super) fn validate(text: &str, raw: RawView) -> Result<View> {
    if raw.format != FORMAT {
        return wrong("format", format!("it is \"{}\", and this version reads \"{FORMAT}\"", raw.format));
    }
    let selection = raw.selection.iter().enumerate();
    let selection =
        selection.map(|(i, clause)| parse(format!("selection[{i}]"), clause)).collect::<Result<_>>()?;
    let new_variables = new_variables(&raw.new_variables)?;
    let columns = columns(&raw, &new_variables)?;
    arrays(&raw, &new_variables)?;
    let inputs = raw.inputs.0.iter().map(|(name, group)| input(name, group)).collect::<Result<_>>()?;
    let classes = classes(&raw)?;
    let targets = targets(&raw)?;
    let file_columns = sampling::file_columns(&raw.file_columns, &new_variables)?;
    let sampling = raw.sampling.as_ref().map(sampling::sampling).transpose()?;
    let bucketing = raw.bucketing.as_ref().map(sampling::bucketing).transpose()?;
    let weights = match &raw.weights {
        None => Weights::default(),
        Some(weights) => {
            let event = weights.event.as_ref().map(|text| parse("weights.event", text)).transpose()?;
            Weights { event, class_balance: weights.class_balance }
        }
    };
    if weights.class_balance && classes.is_empty() {
        return wrong("weights.class_balance", "there are no classes to balance without `labels.classes`");
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = raw.observers.iter().find(|name| name.is_empty() || !seen.insert(name.as_str())) {
        return wrong(
            "observers",
            if twice.is_empty() { "a name is empty".into() } else { format!("`{twice}` stands twice") },
        );
    }
    let splits = raw.splits.as_ref().map(splits).transpose()?;
    Ok(View {
        text: text.to_owned(),
        raw,
        selection,
        splits,
        columns,
        file_columns,
        new_variables,
        inputs,
        classes,
        targets,
        weights,
        sampling,
        bucketing,
    })
}

fn new_variables(raw: &Ordered<String>) -> Result<Definitions> {
    let mut entries = Vec::new();
    for (name, text) in &raw.0 {
        if name.is_empty() {
            return wrong("new_variables", "a name is empty");
        }
        entries.push((name.clone(), parse(format!("new_variables.{name}"), text)?));
    }
    Definitions::new(entries).map_err(|error| {
        let message = match &error {
            DefinitionError::Twice(_) => "it is defined twice".to_owned(),
            DefinitionError::Itself(_) => {
                "it refers to itself; a new variable needs a name of its own".to_owned()
            }
            DefinitionError::Later(_, later) => format!("it refers to `{later}`, which is defined below it"),
        };
        ViewError::Key { key: format!("new_variables.{}", error.variable()), message }
    })
}

fn columns(raw: &RawView, new_variables: &Definitions) -> Result<Vec<ColumnNote>> {
    let note = |(name, column): &(String, super::raw::RawColumn)| match new_variables.get(name) {
        Some(_) => wrong(format!("columns.{name}"), "it is a new variable, which is computed and not stored"),
        None => Ok(ColumnNote {
            name: name.clone(),
            unit: column.unit.clone(),
            description: column.description.clone(),
            data_type: column.data_type.as_deref().map(|text| data_type(name, text)).transpose()?,
        }),
    };
    raw.columns.0.iter().map(note).collect()
}

/// The types that a column of a CSV file may be declared to have.
fn data_type(column: &str, text: &str) -> Result<DataType> {
    Ok(match text {
        "int64" => DataType::Int64,
        "uint64" => DataType::UInt64,
        "float64" => DataType::Float64,
        "bool" => DataType::Boolean,
        "string" => DataType::Utf8,
        _ => {
            let message = format!("\"{text}\" is none of int64, uint64, float64, bool and string");
            return wrong(format!("columns.{column}.type"), message);
        }
    })
}

/// Columns that are slices of arrays are columns like others: none of them is a new variable too.
fn arrays(raw: &RawView, new_variables: &Definitions) -> Result<()> {
    let mut seen = BTreeSet::new();
    for (name, text) in &raw.arrays.0 {
        let key = format!("arrays.{name}");
        if new_variables.get(name).is_some() || !seen.insert(name) {
            return wrong(key, "it is defined twice");
        }
        check_slice(text).or_else(|reason| wrong(key, reason))?;
    }
    Ok(())
}

fn input(name: &str, raw: &RawGroup) -> Result<Group> {
    let key = |part: &str| format!("inputs.{name}.{part}");
    if raw.variables.is_empty() {
        return wrong(key("variables"), "there are none");
    }
    let length = match (raw.length, raw.shape) {
        (Some(_), Some(_)) => return wrong(key("shape"), "give this or `length`, but not both"),
        (length, None) => length,
        (None, Some([height, width])) => match height.checked_mul(width) {
            Some(pixels) if (1..=MAX_LENGTH).contains(&pixels) => Some(pixels),
            _ => return wrong(key("shape"), format!("it must have between 1 and {MAX_LENGTH} pixels")),
        },
    };
    if raw.length.is_some_and(|length| !(1..=MAX_LENGTH).contains(&length)) {
        return wrong(key("length"), format!("it must be between 1 and {MAX_LENGTH}"));
    }
    let pad = match raw.pad.as_deref() {
        None | Some("constant") => Pad::Constant,
        Some("wrap") if name == "mask" || name.ends_with("_mask") => {
            return wrong(
                key("pad"),
                "a mask that repeats its particles marks padding as real; use \"constant\"",
            );
        }
        Some("wrap") => Pad::Wrap,
        Some(other) => {
            return wrong(key("pad"), format!("it is \"{other}\", and may be \"constant\" or \"wrap\""));
        }
    };
    if raw.pad.is_some() && raw.length.is_none() {
        return wrong(key("pad"), "without a `length` nothing is padded");
    }
    let measure = standardise(&key("standardise"), raw.standardise.as_deref())?.unwrap_or(false);
    let mut seen = BTreeSet::new();
    let mut variables = Vec::new();
    for (i, variable) in raw.variables.iter().enumerate() {
        let key = key(&format!("variables[{i}]"));
        if variable.name.is_empty() {
            return wrong(key, "its name is empty");
        }
        if !seen.insert(variable.name.as_str()) {
            return wrong(key, format!("`{}` stands twice in this group", variable.name));
        }
        if raw.length.is_none() && variable.pad.is_some() || pad == Pad::Wrap && variable.pad.is_some() {
            return wrong(format!("{key}.pad"), "in this group nothing is padded with a value");
        }
        variables.push(self::variable(&key, variable, measure)?);
    }
    Ok(Group { name: name.to_owned(), length, shape: raw.shape, pad, variables })
}

fn standardise(key: &str, value: Option<&str>) -> Result<Option<bool>> {
    match value {
        None => Ok(None),
        Some("measure") => Ok(Some(true)),
        Some("none") => Ok(Some(false)),
        Some(other) => wrong(key, format!("it is \"{other}\", and may be \"measure\" or \"none\"")),
    }
}

fn variable(key: &str, raw: &RawVariable, measure: bool) -> Result<Variable> {
    let own = standardise(&format!("{key}.standardise"), raw.standardise.as_deref())?;
    if own.is_some() && (raw.center.is_some() || raw.scale.is_some()) {
        return wrong(format!("{key}.standardise"), "give this, or `center` and `scale`, but not both");
    }
    let scaling = match (raw.center, raw.scale) {
        (None, Some(_)) => return wrong(format!("{key}.scale"), "a scale needs a `center`"),
        (Some(center), _) if !center.is_finite() => {
            return wrong(format!("{key}.center"), "it is no finite number");
        }
        (Some(_), Some(scale)) if !scale.is_finite() || scale == 0.0 => {
            return wrong(format!("{key}.scale"), "it must be finite and not 0");
        }
        (Some(center), scale) => Scaling::Given { center, scale: scale.unwrap_or(1.0) },
        (None, None) if own.unwrap_or(measure) => Scaling::Measured,
        (None, None) => Scaling::None,
    };
    let clip = match raw.clip {
        // NaN bounds fail this comparison too.
        Some([low, high]) if low < high => Some((low, high)),
        Some(_) => return wrong(format!("{key}.clip"), "the lower bound must be below the upper one"),
        None => (scaling != Scaling::None).then_some(DEFAULT_CLIP),
    };
    let pad = raw.pad.unwrap_or(0.0);
    if !pad.is_finite() {
        return wrong(format!("{key}.pad"), "it is no finite number");
    }
    Ok(Variable { name: raw.name.clone(), scaling, clip, pad })
}

fn classes(raw: &RawView) -> Result<Vec<Class>> {
    let Some(labels) = &raw.labels else { return Ok(Vec::new()) };
    let classes = &labels.classes.0;
    if classes.len() < 2 {
        return wrong("labels.classes", "there must be at least two");
    }
    let class = |(name, text): &(String, String)| {
        let key = format!("labels.classes.{name}");
        // The name becomes part of a column's and of a file's name.
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c)) {
            return wrong(key, "a class is named with letters, digits, `_`, `-` and `.`");
        }
        Ok(Class { name: name.clone(), condition: parse(&key, text)? })
    };
    classes.iter().map(class).collect()
}

fn targets(raw: &RawView) -> Result<Vec<(String, Expr)>> {
    let target = |(name, text): &(String, String)| match name.is_empty() {
        true => wrong("targets", "a name is empty"),
        false => Ok((name.clone(), parse(format!("targets.{name}"), text)?)),
    };
    raw.targets.0.iter().map(target).collect()
}

fn splits(raw: &RawSplits) -> Result<Splits> {
    let ways = [raw.fractions.is_some(), raw.column.is_some() || raw.values.is_some(), raw.files.is_some()];
    if ways.iter().filter(|way| **way).count() != 1 {
        return wrong("splits", "give one of `fractions`, `column` with `values`, and `files`");
    }
    if raw.seed.is_some() && raw.fractions.is_none() {
        return wrong("splits.seed", "it is used with `fractions` alone");
    }
    if let Some(Ordered(fractions)) = &raw.fractions {
        names("splits.fractions", fractions)?;
        if let Some((name, _)) = fractions.iter().find(|(_, fraction)| !(0.0..=1.0).contains(fraction)) {
            return wrong(format!("splits.fractions.{name}"), "a fraction lies between 0 and 1");
        }
        let sum: f64 = fractions.iter().map(|(_, fraction)| fraction).sum();
        // So that 0.3333 and the like may be written, but a forgotten split is noticed.
        if (sum - 1.0).abs() > 1e-3 {
            return wrong("splits.fractions", format!("they sum to {sum}, not to 1"));
        }
        let fractions = fractions.iter().map(|(name, fraction)| (name.clone(), fraction / sum)).collect();
        return Ok(Splits::Fractions { fractions, seed: raw.seed.unwrap_or(0) });
    }
    if let Some(Ordered(files)) = &raw.files {
        names("splits.files", files)?;
        return Ok(Splits::Files(files.clone()));
    }
    let (Some(column), Some(Ordered(values))) = (&raw.column, &raw.values) else {
        return wrong("splits", "`column` and `values` belong together");
    };
    names("splits.values", values)?;
    let mut seen = BTreeSet::new();
    if let Some((name, value)) = values.iter().find(|(_, value)| !seen.insert(*value)) {
        return wrong(format!("splits.values.{name}"), format!("another split has the value {value} too"));
    }
    Ok(Splits::Column { column: column.clone(), values: values.clone() })
}

fn names<T>(key: &str, entries: &[(String, T)]) -> Result<()> {
    if entries.is_empty() {
        return wrong(key, "there is no split");
    }
    match entries.iter().find(|(name, _)| !SPLITS.contains(&name.as_str())) {
        Some((name, _)) => wrong(format!("{key}.{name}"), format!("a split is one of {}", SPLITS.join(", "))),
        None => Ok(()),
    }
}
