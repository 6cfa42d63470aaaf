//! The sections of a configuration, one function each.

use super::expression;
use super::raw::{Bins, LabelValue, Number, RawInput, RawVariable, RawWeaver};
use crate::view::ViewError;
use crate::view::raw::{Ordered, RawBucketing, RawGroup, RawLabels, RawSampling, RawVariable as OurVariable};

/// weaver's bounds where a variable has a center and none are given.
const BOUNDS: (f64, f64) = (-5.0, 5.0);

type Result<T> = std::result::Result<T, ViewError>;

fn wrong<T>(key: &str, message: impl Into<String>) -> Result<T> {
    Err(ViewError::Key { key: key.to_owned(), message: message.into() })
}

pub(super) fn selection(raw: &RawWeaver, notes: &mut Vec<String>) -> Vec<String> {
    if let Some(test) = raw.test_time_selection.as_ref().filter(|test| Some(*test) != raw.selection.as_ref())
    {
        notes.push(format!(
            "`test_time_selection` is not the selection that the view has: prepare the test data as a dataset of their own, with \
             `selection = [{test:?}]`"
        ));
    }
    raw.selection.iter().map(|text| expression(text)).collect()
}

pub(super) fn observers(raw: &RawWeaver) -> Result<Vec<String>> {
    let given = |list: &Option<Vec<String>>| list.clone().filter(|list| !list.is_empty());
    match (given(&raw.observers), given(&raw.monitor_variables)) {
        (Some(_), Some(_)) => {
            wrong("monitor_variables", "weaver does not take them together with `observers`")
        }
        (observers, monitored) => Ok(observers.or(monitored).unwrap_or_default()),
    }
}

pub(super) fn file_columns(raw: &RawWeaver) -> Result<Ordered<Ordered<f64>>> {
    Ok(raw.file_magic.clone().unwrap_or_default())
}

/// Definitions, but for those that define a name as itself, which weaver drops.
pub(super) fn new_variables(raw: &RawWeaver) -> Ordered<String> {
    let entries = raw.new_variables.iter().flat_map(|variables| &variables.0);
    let others = entries.filter(|(name, text)| name != text);
    Ordered(others.map(|(name, text)| (name.clone(), expression(text))).collect())
}

pub(super) fn inputs(raw: &RawWeaver, notes: &mut Vec<String>) -> Result<Ordered<RawGroup>> {
    let automatic = raw
        .preprocess
        .as_ref()
        .and_then(|preprocess| preprocess.method.as_ref())
        .is_some_and(|method| method.to_lowercase().starts_with("auto"));
    let parameters = raw.preprocess.as_ref().and_then(|preprocess| preprocess.params.as_ref());
    if automatic && parameters.is_none() {
        let fraction = raw.preprocess.as_ref().and_then(|preprocess| preprocess.data_fraction).unwrap_or(0.1);
        notes.push(format!(
            "automatic standardisation is measured on the training split alone, not on the first {fraction} of each file, and is stored \
             with the data's hash"
        ));
    }
    let mut groups = Vec::new();
    for (name, input) in raw.inputs.iter().flat_map(|inputs| &inputs.0) {
        let key = format!("inputs.{name}");
        let pad = match input.pad_mode.as_ref().map(|mode| mode.to_lowercase()).as_deref() {
            None | Some("constant") => None,
            Some("wrap") if input.length.is_some() => Some("wrap".to_owned()),
            Some("wrap") => None,
            Some(other) => {
                return wrong(&key, format!("its pad_mode is \"{other}\", not constant or wrap"));
            }
        };
        let variable = |variable: &RawVariable| match parameters {
            Some(parameters) => measured(&key, variable, parameters, input),
            None => self::variable(&key, variable, automatic, input, pad.is_some()),
        };
        let variables = input.vars.iter().map(variable).collect::<Result<_>>()?;
        groups.push((
            name.clone(),
            RawGroup { length: input.length, shape: None, pad, standardise: None, variables },
        ));
    }
    Ok(Ordered(groups))
}

/// A variable as the group lists it: `[name, center, scale, min, max, pad_value]`.
fn variable(
    key: &str,
    raw: &RawVariable,
    automatic: bool,
    input: &RawInput,
    wraps: bool,
) -> Result<OurVariable> {
    let at = |i: usize| raw.numbers.get(i).copied();
    let value = |i: usize, default: f64| match at(i) {
        None => Ok(default),
        Some(Number::Value(value)) => Ok(value),
        Some(_) => wrong(&format!("{key}.{}", raw.name), "only the center may be null or auto"),
    };
    let mut ours = OurVariable { name: raw.name.clone(), ..OurVariable::default() };
    if !wraps && input.length.is_some() {
        ours.pad = Some(value(4, 0.0)?).filter(|pad| *pad != 0.0);
    }
    let clip = [value(2, BOUNDS.0)?, value(3, BOUNDS.1)?];
    match at(0).unwrap_or(if automatic { Number::Auto } else { Number::Null }) {
        Number::Null => {}
        Number::Auto if raw.name.ends_with("_mask") => {}
        Number::Auto => {
            ours.standardise = Some("measure".to_owned());
            ours.clip = Some(clip);
        }
        Number::Value(center) => {
            ours.center = Some(center);
            ours.scale = Some(value(1, 1.0)?);
            ours.clip = Some(clip);
        }
    }
    Ok(ours)
}

/// A variable of which weaver has written down what it measured.
fn measured(
    key: &str,
    raw: &RawVariable,
    parameters: &Ordered<super::raw::RawParameters>,
    input: &RawInput,
) -> Result<OurVariable> {
    let Some((_, found)) = parameters.0.iter().find(|(name, _)| *name == raw.name) else {
        return wrong(&format!("{key}.{}", raw.name), "`preprocess.params` does not have it");
    };
    let mut ours = OurVariable { name: raw.name.clone(), ..OurVariable::default() };
    if input.length.is_some() && input.pad_mode.as_deref() != Some("wrap") {
        ours.pad = found.pad_value.filter(|pad| *pad != 0.0);
    }
    if let Some(center) = found.center {
        ours.center = Some(center);
        ours.scale = Some(found.scale.unwrap_or(1.0));
        ours.clip = Some([found.min.unwrap_or(BOUNDS.0), found.max.unwrap_or(BOUNDS.1)]);
    }
    Ok(ours)
}

/// Classes of a simple label; the expressions of a custom one.
pub(super) fn labels(raw: &RawWeaver) -> Result<(Option<RawLabels>, Ordered<String>)> {
    let Some(labels) = &raw.labels else { return Ok((None, Ordered::default())) };
    match (&labels.value, labels.kind == "simple") {
        (LabelValue::Columns(columns), true) => {
            let class = |text: &String| (class_name(text), condition(&expression(text)));
            let classes = Ordered(columns.iter().map(class).collect());
            Ok((Some(RawLabels { classes }), Ordered::default()))
        }
        (LabelValue::Expressions(expressions), false) => {
            let target = |(name, text): &(String, String)| (name.clone(), expression(text));
            Ok((None, Ordered(expressions.0.iter().map(target).collect())))
        }
        (LabelValue::Columns(_), false) => {
            wrong("labels.value", "custom labels are a map from names to expressions")
        }
        (LabelValue::Expressions(_), true) => wrong("labels.value", "simple labels are a list of columns"),
    }
}

/// weaver's labels are columns of 0 and 1 most often; `1-label` is allowed too.
fn condition(expression: &str) -> String {
    if expression.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        format!("{expression} == 1")
    } else {
        format!("({expression}) == 1")
    }
}

fn class_name(expression: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "_-.".contains(c) { c } else { '_' };
    expression.chars().map(allowed).collect()
}

pub(super) fn sampling(raw: &RawWeaver, notes: &mut Vec<String>) -> Result<Option<RawSampling>> {
    let Some(weights) = &raw.weights else { return Ok(None) };
    let mut sampling = RawSampling::default();
    if weights.use_precomputed_weights {
        let Some(branches) = weights.weight_branches.as_ref().filter(|branches| !branches.is_empty()) else {
            return wrong("weights.weight_branches", "precomputed weights need them");
        };
        sampling.weight = Some(branches.join(" * "));
        return Ok(Some(sampling));
    }
    if weights.reweight_hists.is_some() {
        notes.push(
            "`reweight_hists`, which weaver measured, are measured anew on the training split".to_owned(),
        );
    }
    let required = |name: &str| ViewError::Key {
        key: format!("weights.{name}"),
        message: "weights that are not precomputed need it".to_owned(),
    };
    let variables = weights.reweight_vars.clone().ok_or_else(|| required("reweight_vars"))?;
    if variables.0.len() != 2 {
        return wrong("weights.reweight_vars", format!("there are {}, weaver takes two", variables.0.len()));
    }
    sampling.method = Some(weights.reweight_method.clone().ok_or_else(|| required("reweight_method"))?);
    sampling.variables = variables;
    sampling.classes = weights.reweight_classes.clone().ok_or_else(|| required("reweight_classes"))?;
    sampling.class_weights = weights.class_weights.clone().unwrap_or_default();
    sampling.threshold = weights.reweight_threshold;
    sampling.discard_outside = weights.reweight_discard_under_overflow;
    sampling.base = weights.reweight_basewgt.clone();
    Ok(Some(sampling))
}

pub(super) fn bucketing(raw: &RawWeaver) -> Result<Option<RawBucketing>> {
    let Some(bucketing) = &raw.bucketing else { return Ok(None) };
    let mut ours = RawBucketing { variable: bucketing.var.clone(), buckets: None, edges: Vec::new() };
    match &bucketing.bins {
        Bins::Count(count) => ours.buckets = Some(*count),
        Bins::Edges(edges) => ours.edges = edges.clone(),
    }
    Ok(Some(ours))
}
