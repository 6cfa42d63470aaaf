//! Histograms of expressions, in one pass over any sources.
//!
//! A [`View`] selects rows and defines variables; [`fill`] puts the values of one or two expressions into bins, with weights and
//! their squares. Lists give an entry for each item. What is not a number is in no bin, and counted.
//!
//! ```no_run
//! use fiducial_data::expr::Expr;
//! use fiducial_data::hist::{Spec, fill};
//! use fiducial_data::view::View;
//! use fiducial_root::Axis;
//!
//! let view = View::parse(r#"
//!     format = "fiducial-view/1"
//!     selection = "count(Jet_pt[Jet_pt > 40]) >= 2"
//! "#)?;
//! let spec = Spec {
//!     name: "met".to_owned(),
//!     axes: vec![(Expr::parse("MET_pt")?, Axis::regular("MET [GeV]", 100, 0.0, 200.0))],
//!     weight: None,
//! };
//! let source = fiducial_data::source::open("nano.root".as_ref(), Some("Events"))?;
//! let filled = fill(&view, &spec, &[source], &mut |_| {})?;
//! println!("{}", filled.histogram.to_uhi_json());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bins;
mod fill;
mod plot;
mod png;
mod save;
mod scene;
mod svg;
mod terminal;

use fiducial_root::{Axis, Histogram};

use crate::expr::Expr;

pub use fill::fill;
pub use plot::scene;
pub use png::to_png;
pub use save::{Format, save};
pub use scene::Scene;
pub use svg::to_svg;
pub use terminal::{summary, to_text};

/// What to fill.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// The histogram's name.
    pub name: String,
    /// One or two axes: what is along each, and its bins. A value on the upper edge belongs to the overflow.
    pub axes: Vec<(Expr, Axis)>,
    /// The weight of a row, or of each item.
    pub weight: Option<Expr>,
}

/// A histogram and what became of the rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Filled {
    /// The histogram: TH1D or TH2D, with the squares of weights where there are weights.
    pub histogram: Histogram,
    /// The rows that were read.
    pub rows: u64,
    /// For each clause of the selection the rows that fulfil it and all before it.
    pub passed: Vec<u64>,
    /// Entries of which a coordinate or the weight is NaN: they are in no bin.
    pub nan: u64,
}
