//! Writes histograms: TH1, TH2 and TH3 of `float`s or `double`s.

use super::base_classes::{TATTFILL, TATTLINE, TATTMARKER, TOBJSTRING};
use super::classes::Class;
use super::file::RootWriter;
use super::histogram_classes::{
    HISTOGRAM, TATT3D, TATTAXIS, TAXIS, TH1, TH1D, TH1F, TH2, TH2D, TH2F, TH3, TH3D, TH3F,
};
use super::out::{BITS, Out};
use crate::error::Result;
use crate::objects::{Axis, Bins, Histogram, columns};

/// The version of lists, whatever the class: THashList is written as TList.
const LIST_VERSION: u16 = 5;
/// An axis whose bins all have names.
const ALPHANUMERIC: u16 = 1;
/// What ROOT takes for "no limit was set".
const NO_LIMIT: f64 = -1111.0;
/// "As the user's session says": the value of `TH1::EStatOverflows` that a new histogram has.
const NEUTRAL: u32 = 2;

impl RootWriter {
    /// Writes a histogram, "name" or "directory/name", so that ROOT and others read it back equal.
    ///
    /// It becomes a TH1F, TH2F or TH3F where its class ends with F, and a TH1D, TH2D or TH3D otherwise: values that are
    /// whole numbers stay exact up to 2⁵³. Axes, titles, names of bins, flow bins, entries, sums and sums of squared weights
    /// are kept; colours, fitted functions and other things for drawing are not.
    ///
    /// # Errors
    /// [`crate::Error::Unwritable`] for a profile, and where the parts do not fit together; [`crate::Error::Write`].
    pub fn histogram(&mut self, path: &str, histogram: &Histogram) -> Result<()> {
        let refuse = |writer: &Self, reason: &str| Err(writer.unwritable(path, reason));
        if let Err(reason) = histogram.check() {
            return refuse(self, &reason);
        }
        let Bins::Sums { values, squares } = &histogram.bins else {
            return refuse(self, "profiles are not written");
        };
        let floats = histogram.class_name.ends_with('F');
        let shape = histogram.shape();
        let record = Record {
            histogram,
            floats,
            values: columns(values, &shape),
            squares: squares.as_ref().map(|squares| columns(squares, &shape)).unwrap_or_default(),
            sums: histogram.sums_or_those_of_bins(),
        };
        let (class, base) = match (shape.len(), floats) {
            (1, true) => (&TH1F, None),
            (1, false) => (&TH1D, None),
            (2, true) => (&TH2F, Some(&TH2)),
            (2, false) => (&TH2D, Some(&TH2)),
            (_, true) => (&TH3F, Some(&TH3)),
            (_, false) => (&TH3D, Some(&TH3)),
        };
        let mut classes: Vec<&'static Class> = HISTOGRAM.to_vec();
        classes.extend(base);
        if shape.len() == 3 {
            classes.push(&TATT3D);
        }
        classes.push(class);
        self.object(path, &histogram.title, class.name, &classes, |out| record.write(class, out))
    }
}

/// A histogram in the form in which it is written.
struct Record<'a> {
    histogram: &'a Histogram,
    floats: bool,
    /// In ROOT's order, the first axis fastest.
    values: Vec<f64>,
    squares: Vec<f64>,
    sums: Vec<f64>,
}

impl Record<'_> {
    fn write(&self, class: &Class, out: &mut Out) {
        out.versioned(class.version, |out| {
            match self.histogram.axes.len() {
                1 => self.write_th1(out),
                2 => out.versioned(TH2.version, |out| {
                    self.write_th1(out);
                    out.f64(1.0); // the scale factor
                    self.sums[4..7].iter().for_each(|&sum| out.f64(sum));
                }),
                _ => out.versioned(TH3.version, |out| {
                    self.write_th1(out);
                    out.versioned(TATT3D.version, |_| {});
                    self.sums[4..11].iter().for_each(|&sum| out.f64(sum));
                }),
            }
            if self.floats {
                out.u32(self.values.len() as u32);
                self.values.iter().for_each(|&value| out.f32(value as f32));
            } else {
                doubles(&self.values, out);
            }
        });
    }

    fn write_th1(&self, out: &mut Out) {
        let histogram = self.histogram;
        out.versioned(TH1.version, |out| {
            out.t_named(BITS, &histogram.name, &histogram.title);
            style(out);
            out.u32(self.values.len() as u32);
            let axes = histogram.axes.iter().map(Some).chain([None, None]);
            for (i, (axis, name)) in axes.zip(["xaxis", "yaxis", "zaxis"]).enumerate() {
                let title = if i == histogram.axes.len() { histogram.label.as_str() } else { "" };
                write_axis(axis, name, title, out);
            }
            out.u16(0); // bars start at their bins
            out.u16(1000); // and are as wide
            out.f64(histogram.entries);
            self.sums[..4].iter().for_each(|&sum| out.f64(sum));
            out.f64(NO_LIMIT);
            out.f64(NO_LIMIT);
            out.f64(0.0); // no normalisation
            doubles(&[], out); // no contours
            doubles(&self.squares, out);
            out.text("");
            out.versioned(LIST_VERSION, |out| list(0, out)); // no functions
            out.u32(0); // no buffer of fills
            out.u8(0);
            out.u32(0); // errors as usual
            out.u32(NEUTRAL);
        });
    }
}

/// Line, area and marker as a new histogram has them in ROOT.
fn style(out: &mut Out) {
    let numbers = |version: u16, numbers: &[u16], out: &mut Out| {
        out.versioned(version, |out| numbers.iter().for_each(|&number| out.u16(number)));
    };
    numbers(TATTLINE.version, &[602, 1, 1], out);
    numbers(TATTFILL.version, &[0, 1001], out);
    out.versioned(TATTMARKER.version, |out| {
        out.u16(1);
        out.u16(1);
        out.f32(1.0);
    });
}

/// An axis; one that the histogram does not have is a single bin from 0 to 1, whose title says what the bins hold.
fn write_axis(axis: Option<&Axis>, name: &str, title: &str, out: &mut Out) {
    out.versioned(TAXIS.version, |out| {
        out.t_named(BITS, name, axis.map_or(title, |axis| &axis.title));
        out.versioned(TATTAXIS.version, |out| {
            out.u32(510); // divisions
            [1, 1, 42].into_iter().for_each(|number| out.u16(number));
            [0.005, 0.035, 0.03, 1.0, 0.035].into_iter().for_each(|number| out.f32(number));
            [1, 42].into_iter().for_each(|number| out.u16(number));
        });
        let (bins, lower, upper) = axis.map_or((1, 0.0, 1.0), |axis| (axis.bins, axis.lower, axis.upper));
        out.u32(bins as u32);
        out.f64(lower);
        out.f64(upper);
        doubles(axis.and_then(|axis| axis.edges.as_deref()).unwrap_or(&[]), out);
        out.u32(0); // all bins are shown
        out.u32(0);
        let labels = axis.map(|axis| axis.labels.as_slice()).unwrap_or_default();
        out.u16(if labels.len() == bins { ALPHANUMERIC } else { 0 });
        out.bool(false);
        out.text("");
        if labels.is_empty() {
            out.pointer(None);
        } else {
            out.object("THashList", |out| out.versioned(LIST_VERSION, |out| write_labels(labels, out)));
        }
        out.pointer(None); // no labels with looks of their own
    });
}

fn write_labels(labels: &[(usize, String)], out: &mut Out) {
    list(labels.len(), out);
    for (bin, label) in labels {
        out.object(TOBJSTRING.name, |out| {
            out.versioned(TOBJSTRING.version, |out| {
                out.u16(1);
                // The number of the bin, counted from 1, is the text's id.
                out.u32(*bin as u32 + 1);
                out.u32(BITS);
                out.text(label);
            });
        });
        out.text(""); // no option
    }
}

/// What a list starts with.
fn list(n: usize, out: &mut Out) {
    out.t_object(BITS);
    out.text("");
    out.u32(n as u32);
}

/// A TArrayD.
fn doubles(values: &[f64], out: &mut Out) {
    out.u32(values.len() as u32);
    values.iter().for_each(|&value| out.f64(value));
}
