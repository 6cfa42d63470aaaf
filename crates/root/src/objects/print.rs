//! Objects as text: one line for a listing, or the whole as JSON.

use crate::objects::histogram::{Axis, Histogram};
use crate::objects::json::{Field, Json, boxed};
use crate::objects::value::Value;
use crate::objects::{Efficiency, Graph, Object};

impl Object {
    /// The object as JSON text: a histogram as [`Histogram::to_uhi_json`], an efficiency with two of them; a graph,
    /// parameter or text as its fields; any other as [`Value::to_json`].
    pub fn to_json(&self) -> String {
        let mut json = Json::default();
        match self {
            Self::Histogram(histogram) => return histogram.to_uhi_json(),
            Self::Other(other) => return other.value.to_json(),
            Self::Efficiency(efficiency) => write_efficiency(&mut json, efficiency),
            Self::Graph(graph) => write_graph(&mut json, graph),
            Self::Parameter(parameter) => json.object([
                ("class", text(&parameter.class_name)),
                ("name", text(&parameter.name)),
                ("value", boxed(|json: &mut Json| json.value(&parameter.value))),
            ]),
            Self::Text(own) => {
                json.object([
                    ("class", text(&own.class_name)),
                    ("name", text(&own.name)),
                    ("text", text(&own.text)),
                ]);
            }
        }
        json.finish()
    }

    /// What the object is in one line, such as "4 bins from 0 to 100, 60 entries, integral 49".
    pub fn summary(&self) -> String {
        match self {
            Self::Histogram(histogram) => summary(histogram),
            Self::Efficiency(efficiency) => format!(
                "{} of {} passed in {}",
                efficiency.passed.integral(),
                efficiency.total.integral(),
                axes(&efficiency.total.axes)
            ),
            Self::Graph(graph) => format!("{} points", graph.x.len()),
            Self::Parameter(parameter) => parameter.value.to_json(),
            Self::Text(own) => own.text.clone(),
            Self::Other(other) => match &other.value {
                Value::List(items) => format!("{} items", items.len()),
                Value::Map(pairs) => format!("{} pairs", pairs.len()),
                Value::Object(members) => format!("{} members", members.members.len()),
                Value::Unread(reason) => format!("not read: {reason}"),
                _ => String::new(),
            },
        }
    }
}

fn summary(histogram: &Histogram) -> String {
    let axes = axes(&histogram.axes);
    if histogram.is_profile() {
        format!("means in {axes}, {} entries", histogram.entries)
    } else {
        format!("{axes}, {} entries, integral {}", histogram.entries, histogram.integral())
    }
}

fn axes(axes: &[Axis]) -> String {
    match axes {
        [axis] => format!("{} bins from {} to {}", axis.bins, axis.lower, axis.upper),
        _ => {
            let bins: Vec<String> = axes.iter().map(|axis| axis.bins.to_string()).collect();
            format!("{} bins", bins.join(" × "))
        }
    }
}

fn write_efficiency(json: &mut Json, efficiency: &Efficiency) {
    json.object([
        ("class", text("TEfficiency")),
        ("name", text(&efficiency.name)),
        ("title", text(&efficiency.title)),
        ("confidence", boxed(|json: &mut Json| json.float(efficiency.confidence))),
        ("statistic", boxed(|json| json.raw(efficiency.statistic))),
        ("prior", numbers(&[efficiency.prior.0, efficiency.prior.1])),
        ("weight", boxed(|json| json.float(efficiency.weight))),
        ("passed", boxed(|json| json.raw(efficiency.passed.to_uhi_json()))),
        ("total", boxed(|json| json.raw(efficiency.total.to_uhi_json()))),
    ]);
}

fn write_graph(json: &mut Json, graph: &Graph) {
    let mut fields = vec![
        ("class", text(&graph.class_name)),
        ("name", text(&graph.name)),
        ("title", text(&graph.title)),
        ("x", numbers(&graph.x)),
        ("y", numbers(&graph.y)),
    ];
    if let Some((low, high)) = &graph.x_errors {
        fields.extend([("x_error_low", numbers(low)), ("x_error_high", numbers(high))]);
    }
    if let Some((low, high)) = &graph.y_errors {
        fields.extend([("y_error_low", numbers(low)), ("y_error_high", numbers(high))]);
    }
    json.object(fields);
}

fn text(text: &str) -> Field<'_> {
    boxed(move |json| json.string(text))
}

fn numbers(values: &[f64]) -> Field<'static> {
    let values = values.to_vec();
    boxed(move |json| json.list(values, Json::float))
}
