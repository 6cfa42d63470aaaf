//! `fiducial hist`.

use std::path::PathBuf;

use fiducial_data::expr::Expr;
use fiducial_data::hist::{Filled, Format, Spec, fill, save, to_text};
use fiducial_data::source::{self, Source};
use fiducial_data::view::{FORMAT, View};
use fiducial_root::Axis;

use crate::arguments::Hist;
use crate::failure::Failure;
use crate::tables::{count, table};

/// Columns of a terminal whose width is not known.
const WIDTH: usize = 100;

pub(crate) fn run(options: &Hist) -> Result<(), Failure> {
    let view = view(options)?;
    let mut axes = vec![axis(&options.x, options.bins.as_deref(), options.edges.as_deref())?];
    if let Some(y) = &options.y {
        axes.push(axis(y, options.y_bins.as_deref(), options.y_edges.as_deref())?);
    }
    let name = match &options.output {
        Some(path) => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        None => "histogram".to_owned(),
    };
    let weight = options.weight.as_deref().map(expression).transpose()?;
    let format = options.output.as_deref().map(Format::of).transpose()?;
    let sources = sources(options, &view)?;
    if let Some(path) = &options.output {
        source::check_output(path, sources.iter().map(|source| source.path())).map_err(Failure::usage)?;
    }
    let filled = fill(&view, &Spec { name, axes, weight }, &sources, &mut |_| {})?;
    if filled.nan > 0 {
        eprintln!("warning: {} entries are NaN and in no bin", count(filled.nan));
    }
    if let (Some(path), Some(format)) = (&options.output, format) {
        save(&filled.histogram, path, format)?;
    }
    let text = format!("{}{}", cutflow(&view, &filled), to_text(&filled.histogram, WIDTH));
    crate::print(&text)
}

fn expression(text: &str) -> Result<Expr, Failure> {
    Expr::parse(text).map_err(Failure::input)
}

/// The view that is named, or one without anything, with what the command line adds.
fn view(options: &Hist) -> Result<View, Failure> {
    let base = match &options.view {
        Some(path) => super::view::read(path)?,
        None => View::parse(&format!("format = {FORMAT:?}")).map_err(Failure::input)?,
    };
    let mut definitions = Vec::new();
    for text in &options.define {
        let Some((name, expression)) = text.split_once('=').filter(|(name, _)| !name.trim().is_empty())
        else {
            return Err(Failure::usage(format!("read --define {text:?}: it is not NAME=EXPR")));
        };
        definitions.push((name.trim().to_owned(), expression.trim().to_owned()));
    }
    base.extended(definitions, options.selection.iter().cloned()).map_err(Failure::input)
}

fn axis(expr: &str, bins: Option<&str>, edges: Option<&str>) -> Result<(Expr, Axis), Failure> {
    let wrong = |what: &str| Failure::usage(format!("read the bins of {expr:?}: {what}"));
    let numbers = |text: &str| -> Result<Vec<f64>, Failure> {
        let number = |part: &str| part.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        let numbers: Option<Vec<f64>> = text.split(',').map(number).collect();
        numbers.ok_or_else(|| wrong(&format!("{text:?} is not a list of numbers")))
    };
    let axis = match (bins, edges) {
        (Some(text), _) => match numbers(text)?[..] {
            [bins, low, high] if (1.0..=1e6).contains(&bins) && bins.fract() == 0.0 && low < high => {
                Axis::regular(expr, bins as usize, low, high)
            }
            _ => return Err(wrong(&format!("{text:?} is not N,LOW,HIGH with LOW < HIGH"))),
        },
        (None, Some(text)) => {
            let edges = numbers(text)?;
            if edges.len() < 2 || !edges.is_sorted_by(|a, b| a < b) {
                return Err(wrong(&format!("the edges {text:?} do not rise")));
            }
            Axis::variable(expr, edges)
        }
        (None, None) => return Err(wrong("there are none")),
    };
    Ok((expression(expr)?, axis))
}

fn sources(options: &Hist, view: &View) -> Result<Vec<Box<dyn Source>>, Failure> {
    let mut open_options = view.open_options();
    if options.tree.is_some() {
        open_options.table.clone_from(&options.tree);
    }
    let open = |path: &PathBuf| -> Result<Box<dyn Source>, Failure> {
        Ok(source::with_file_columns(source::open_with(path, &open_options)?, view)?)
    };
    source::expand(&options.files)?.iter().map(open).collect()
}

/// The rows that each clause leaves; nothing without clauses.
fn cutflow(view: &View, filled: &Filled) -> String {
    if filled.passed.is_empty() {
        return String::new();
    }
    let clauses = view.selection().iter().map(|clause| clause.text().to_owned());
    let rows =
        std::iter::once(("read".to_owned(), filled.rows)).chain(clauses.zip(filled.passed.iter().copied()));
    let lines: Vec<Vec<String>> = rows.map(|(what, rows)| vec![what, count(rows)]).collect();
    format!("{}\n", table(&["cutflow", "rows"], &[false, true], &lines))
}
