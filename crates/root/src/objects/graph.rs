//! Graphs: points in a plane, with or without errors.

use crate::objects::value::Members;

/// A TGraph, TGraphErrors or TGraphAsymmErrors: points in the order of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// The C++ class.
    pub class_name: String,
    /// The object's own name.
    pub name: String,
    /// The title; ROOT takes "title;x;y" as the titles of the axes too.
    pub title: String,
    /// The points, `(n)` each.
    pub x: Vec<f64>,
    /// See `x`.
    pub y: Vec<f64>,
    /// The errors of x downwards and upwards, `(n)` each, which are equal for a TGraphErrors; `None` for a TGraph.
    pub x_errors: Option<(Vec<f64>, Vec<f64>)>,
    /// The errors of y downwards and upwards.
    pub y_errors: Option<(Vec<f64>, Vec<f64>)>,
}

impl Graph {
    pub(crate) fn read(object: &Members) -> Result<Self, String> {
        let points = object.count("fNpoints").ok_or("it has no number of points")?;
        let array = |name: &str| match object.floats(name) {
            values if values.len() == points => Ok(values),
            values => Err(format!("{name} has {} values for {points} points", values.len())),
        };
        let pair = |low: &str, high: &str| Ok::<_, String>(Some((array(low)?, array(high)?)));
        let (x_errors, y_errors) = match &*object.class_name {
            "TGraphErrors" => (pair("fEX", "fEX")?, pair("fEY", "fEY")?),
            "TGraphAsymmErrors" => (pair("fEXlow", "fEXhigh")?, pair("fEYlow", "fEYhigh")?),
            _ => (None, None),
        };
        Ok(Self {
            class_name: object.class_name.to_string(),
            name: object.text("fName").unwrap_or_default().to_owned(),
            title: object.text("fTitle").unwrap_or_default().to_owned(),
            x: array("fX")?,
            y: array("fY")?,
            x_errors,
            y_errors,
        })
    }
}
