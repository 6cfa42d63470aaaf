//! Histograms as the UHI serialisation schema, version 1, which boost-histogram and hist read.
//!
//! <https://uhi.readthedocs.io/en/latest/serialization.html>

use crate::objects::histogram::{Axis, Bins, Histogram};
use crate::objects::json::{Field, Json, boxed};

/// How an axis is written.
enum Form<'a> {
    Regular,
    Variable(&'a [f64]),
    Category(Vec<&'a str>),
}

impl Histogram {
    /// The histogram in the UHI serialisation schema, version 1, as JSON text: `boost_histogram.serialization.from_uhi`
    /// and `uhi.io.json` read it.
    ///
    /// | here | storage in UHI |
    /// |---|---|
    /// | whole numbers (TH1C, S, I, L) without weights | `int` |
    /// | reals without `Sumw2` | `double` |
    /// | with `Sumw2` | `weighted` |
    /// | a profile | `mean`; `weighted_mean` where the squares of weights were kept |
    ///
    /// Values have the axes in their order and flow bins on both sides. The variance of a profile is the sample's, as
    /// boost-histogram defines it: Σ w (t − mean)² / (Σ w − Σ w² / Σ w), 0 where that is undefined. An axis whose bins all
    /// have names of their own is `category_str`, which has no underflow: where there is something in the underflow, it is
    /// `regular` or `variable` instead, and its metadata holds the names as a JSON list of `[bin, name]`. Names and titles
    /// are metadata: `name`, `label`, `class`, `entries`, and `label` of an axis. Numbers that are not finite stand as
    /// Python's `json` has them (`NaN`, `Infinity`).
    pub fn to_uhi_json(&self) -> String {
        let forms: Vec<Form<'_>> = (0..self.axes.len()).map(|i| self.form(i)).collect();
        let mut json = Json::default();
        json.object([
            ("uhi_schema", boxed(|json: &mut Json| json.raw(1))),
            ("writer_info", boxed(writer_info)),
            ("metadata", boxed(|json| self.metadata(json))),
            ("axes", boxed(|json| self.write_axes(json, &forms))),
            ("storage", boxed(|json| self.storage(json, &forms))),
        ]);
        json.finish()
    }

    fn write_axes(&self, json: &mut Json, forms: &[Form<'_>]) {
        json.list(self.axes.iter().zip(forms), |json, (axis, form)| write_axis(json, axis, form));
    }

    fn metadata(&self, json: &mut Json) {
        json.object([
            ("name", text(&self.name)),
            ("label", text(&self.title)),
            ("class", text(&self.class_name)),
            ("entries", boxed(|json: &mut Json| json.float(self.entries))),
            ("values_label", text(&self.label)),
        ]);
    }

    fn form(&self, axis: usize) -> Form<'_> {
        let described = &self.axes[axis];
        let named = described.labels.iter().enumerate().all(|(i, (bin, _))| i == *bin);
        let mut names: Vec<&str> = described.labels.iter().map(|(_, name)| name.as_str()).collect();
        if named && names.len() == described.bins && self.underflow_is_empty(axis) {
            let count = names.len();
            let labels = names.clone();
            names.sort_unstable();
            names.dedup();
            if names.len() == count {
                return Form::Category(labels);
            }
        }
        match &described.edges {
            Some(edges) => Form::Variable(edges),
            None => Form::Regular,
        }
    }

    fn underflow_is_empty(&self, axis: usize) -> bool {
        let shape = self.shape();
        let stride: usize = shape[axis + 1..].iter().product();
        let lies_under = |place: usize| (place / stride).is_multiple_of(shape[axis]);
        let empty = |values: &[f64]| values.iter().enumerate().all(|(i, &x)| x == 0.0 || !lies_under(i));
        match &self.bins {
            Bins::Sums { values, squares } => empty(values) && squares.as_deref().is_none_or(empty),
            Bins::Means { weights, sums, .. } => empty(weights) && empty(sums),
        }
    }

    fn storage(&self, json: &mut Json, forms: &[Form<'_>]) {
        let shape = self.shape();
        let starts: Vec<usize> =
            forms.iter().map(|form| usize::from(matches!(form, Form::Category(_)))).collect();
        let array = |values: &[f64]| -> Field<'static> {
            let (values, shape, starts) = (values.to_vec(), shape.clone(), starts.clone());
            boxed(move |json| nested(json, &values, &shape, &starts, &Json::float))
        };
        match &self.bins {
            Bins::Sums { values, squares: Some(squares) } => json.object([
                ("type", text("weighted")),
                ("values", array(values)),
                ("variances", array(squares)),
            ]),
            Bins::Sums { values, squares: None } if self.holds_whole_numbers() => {
                let whole = |json: &mut Json, x: f64| json.raw(x as i64);
                let write = boxed(|json: &mut Json| nested(json, values, &shape, &starts, &whole));
                json.object([("type", text("int")), ("values", write)]);
            }
            Bins::Sums { values, squares: None } => {
                json.object([("type", text("double")), ("values", array(values))]);
            }
            Bins::Means { weights, squares: None, .. } => json.object([
                ("type", text("mean")),
                ("counts", array(weights)),
                ("values", array(&self.values())),
                ("variances", array(&self.sample_variances())),
            ]),
            Bins::Means { weights, squares: Some(squares), .. } => json.object([
                ("type", text("weighted_mean")),
                ("sum_of_weights", array(weights)),
                ("sum_of_weights_squared", array(squares)),
                ("values", array(&self.values())),
                ("variances", array(&self.sample_variances())),
            ]),
        }
    }

    fn holds_whole_numbers(&self) -> bool {
        let letter = self.class_name.as_bytes().get(3);
        self.class_name.starts_with("TH") && letter.is_some_and(|letter| b"CSIL".contains(letter))
    }

    /// Of a profile: Σ w (t − mean)² / (Σ w − Σ w² / Σ w), which for weights of 1 is the sum over n − 1.
    fn sample_variances(&self) -> Vec<f64> {
        let Bins::Means { weights, squares, sums, square_sums, .. } = &self.bins else { return Vec::new() };
        let variance = |i: usize| {
            let (w, sum) = (weights[i], sums[i]);
            let freedom = w - squares.as_ref().map_or(1.0, |squares| squares[i] / w);
            if w == 0.0 || freedom == 0.0 { 0.0 } else { (square_sums[i] - sum * sum / w).max(0.0) / freedom }
        };
        (0..weights.len()).map(variance).collect()
    }
}

fn text(text: &str) -> Field<'_> {
    boxed(move |json| json.string(text))
}

fn writer_info(json: &mut Json) {
    let version = boxed(|json: &mut Json| json.object([("version", text(env!("CARGO_PKG_VERSION")))]));
    json.object([("fiducial", version)]);
}

fn write_axis(json: &mut Json, axis: &Axis, form: &Form<'_>) {
    let flag = |value: bool| boxed(move |json: &mut Json| json.raw(value));
    let float = |value: f64| boxed(move |json: &mut Json| json.float(value));
    let mut fields: Vec<(&str, Field<'_>)> = match form {
        Form::Regular => vec![
            ("type", text("regular")),
            ("lower", float(axis.lower)),
            ("upper", float(axis.upper)),
            ("bins", boxed(|json| json.raw(axis.bins))),
        ],
        Form::Variable(edges) => vec![
            ("type", text("variable")),
            ("edges", boxed(move |json| json.list(*edges, |json, edge| json.float(*edge)))),
        ],
        Form::Category(names) => vec![
            ("type", text("category_str")),
            ("categories", boxed(move |json| json.list(names, |json, name| json.string(name)))),
            ("flow", flag(true)),
        ],
    };
    if !matches!(form, Form::Category(_)) {
        fields.extend([("underflow", flag(true)), ("overflow", flag(true)), ("circular", flag(false))]);
    }
    fields.push(("metadata", boxed(|json| axis_metadata(json, axis, form))));
    json.object(fields);
}

fn axis_metadata(json: &mut Json, axis: &Axis, form: &Form<'_>) {
    let mut fields = vec![("label", text(&axis.title))];
    if !axis.labels.is_empty() && !matches!(form, Form::Category(_)) {
        // Metadata holds texts and numbers alone, so that a list goes in as its JSON.
        let mut names = Json::default();
        names.list(&axis.labels, |json, (bin, name)| {
            json.list([boxed(move |json: &mut Json| json.raw(bin)), text(name)], |json, write| write(json));
        });
        let names = names.finish();
        fields.push(("labels", boxed(move |json| json.string(&names))));
    }
    json.object(fields);
}

/// Lists within lists, from the place `starts` on along each axis.
fn nested(
    json: &mut Json,
    values: &[f64],
    shape: &[usize],
    starts: &[usize],
    write: &dyn Fn(&mut Json, f64),
) {
    match (shape, starts) {
        ([n], [start]) => json.list(&values[*start..*n], |json, x| write(json, *x)),
        ([n, inner @ ..], [start, inner_starts @ ..]) => {
            let stride: usize = inner.iter().product();
            json.list(*start..*n, |json, i| {
                nested(json, &values[i * stride..(i + 1) * stride], inner, inner_starts, write);
            });
        }
        _ => json.raw("[]"),
    }
}
