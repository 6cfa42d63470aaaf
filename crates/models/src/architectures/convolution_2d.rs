//! Convolutions on images: jet images as of J. Cogan et al., arXiv:1407.5675, and L. de Oliveira et al., arXiv:1511.05190;
//! the order of layers is that of K. Simonyan, A. Zisserman, arXiv:1409.1556.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use serde::{Deserialize, Serialize};

use super::convolution_1d::odd;
use super::{Configuration, Forward};
use crate::config::{at_most, probability, widths};
use crate::fused::Activation;
use crate::fused::gather::{Rows, ZEROS, gather};
use crate::fused::pool::pool;
use crate::layers::{BatchNorm, Dense, Head, Initialiser, Pass};
use crate::{Error, Inputs, Need, Reads, Shape};

/// Sizes of a two-dimensional convolutional network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Convolution2dConfig {
    /// Channels of the convolutions of each stage. Between stages each square of four pixels becomes their mean.
    pub stages: Vec<Vec<usize>>,
    /// Pixels that a convolution sees in each direction; odd.
    pub kernel: usize,
    /// Widths of the layers after the average over pixels.
    pub head: Vec<usize>,
    /// Dropout after each layer of the head.
    pub dropout: f64,
}

impl Default for Convolution2dConfig {
    fn default() -> Self {
        Self {
            stages: vec![vec![16, 16], vec![32, 32], vec![64, 64]],
            kernel: 3,
            head: vec![64],
            dropout: 0.0,
        }
    }
}

impl Configuration for Convolution2dConfig {
    type Module = Convolution2d;

    fn reads(&self) -> Reads {
        Reads { images: true, globals: Need::IfThere, ..Reads::default() }
    }

    fn check(&self, shape: &Shape) -> Result<(), String> {
        at_most("the number of stages", self.stages.len(), 1)?;
        self.stages.iter().try_for_each(|stage| widths("stages", stage, 1))?;
        odd("kernel", self.kernel)?;
        let [_, height, width] = shape.image;
        let side = height.min(width);
        if side > 0 && self.stages.len() > 1 && side >> (self.stages.len() - 1) == 0 {
            let stages = self.stages.len();
            return Err(format!("{stages} stages halve images of {height} x {width} pixels to nothing"));
        }
        widths("head", &self.head, 0)?;
        probability("dropout", self.dropout)
    }

    fn build(&self, shape: &Shape, start: &mut Initialiser) -> Convolution2d {
        let [mut from, height, width] = shape.image;
        let seen = self.kernel.saturating_mul(self.kernel);
        let mut stages = Vec::new();
        for widths in &self.stages {
            let (mut layers, mut norms) = (Vec::new(), Vec::new());
            for &to in widths {
                layers.push(Dense::new(from.saturating_mul(seen), to, false, start));
                norms.push(BatchNorm::new(to, start));
                from = to;
            }
            stages.push(Stage { layers, norms });
        }
        let head = Head::new(from + shape.globals, &self.head, shape.outputs, self.dropout, start);
        Convolution2d { stages, head, kernel: self.kernel, height, width }
    }
}

/// Stages of convolutions with a batch norm and ReLU each, an average over all pixels, and a head. Beyond the edges there
/// are zeros.
#[derive(Module, Debug)]
pub(crate) struct Convolution2d {
    stages: Vec<Stage>,
    head: Head,
    kernel: usize,
    height: usize,
    width: usize,
}

#[derive(Module, Debug)]
struct Stage {
    /// (kernel x kernel x inputs, outputs), line after line.
    layers: Vec<Dense>,
    norms: Vec<BatchNorm>,
}

impl Forward for Convolution2d {
    fn forward(&self, inputs: &Inputs, pass: &mut Pass) -> Result<Tensor<2>, Error> {
        let jets = inputs.jets();
        let [mut height, mut width] = [self.height, self.width];
        let mut x = inputs.images_tensor(&pass.device());
        for (index, stage) in self.stages.iter().enumerate() {
            if index > 0 {
                let (squares, offsets) = squares(jets, height, width);
                x = pool(gather(x, &squares)?, &offsets, true)?;
                [height, width] = [height.div_ceil(2), width.div_ceil(2)];
            }
            let windows = windows(jets, height, width, self.kernel);
            for (layer, norm) in stage.layers.iter().zip(&stage.norms) {
                let [rows, channels] = x.dims();
                let seen = gather(x, &windows)?.reshape([rows, self.kernel * self.kernel * channels]);
                x = relu(norm.forward(layer.forward(seen, Activation::Identity)?, pass)?);
            }
        }
        let pixels: Vec<usize> = (0..=jets).map(|jet| jet * height * width).collect();
        self.head.forward(inputs.with_globals(pool(x, &pixels, true)?), pass)
    }

    fn batch_norms(&mut self) -> Vec<&mut BatchNorm> {
        self.stages.iter_mut().flat_map(|stage| &mut stage.norms).collect()
    }
}

/// For each pixel the pixels of its image around it, line after line.
fn windows(images: usize, height: usize, width: usize, kernel: usize) -> Rows {
    let mut rows = Vec::with_capacity(images * height * width * kernel * kernel);
    let seen = move |centre: usize, size: usize| {
        (0..kernel).map(move |place| (centre + place).checked_sub(kernel / 2).filter(|place| *place < size))
    };
    for image in 0..images {
        for (line, column) in (0..height).flat_map(|line| (0..width).map(move |column| (line, column))) {
            for line in seen(line, height) {
                rows.extend(seen(column, width).map(|column| match (line, column) {
                    (Some(line), Some(column)) => ((image * height + line) * width + column) as u32,
                    _ => ZEROS,
                }));
            }
        }
    }
    Arc::new(rows)
}

/// The pixels square by square, and where each square ends; squares at the far edges of odd sizes have fewer than four.
fn squares(images: usize, height: usize, width: usize) -> (Rows, Vec<usize>) {
    let (mut rows, mut offsets) = (Vec::with_capacity(images * height * width), vec![0]);
    for image in 0..images {
        for line in (0..height).step_by(2) {
            for column in (0..width).step_by(2) {
                for line in line..(line + 2).min(height) {
                    let start = (image * height + line) * width;
                    rows.extend((column..(column + 2).min(width)).map(|column| (start + column) as u32));
                }
                offsets.push(rows.len());
            }
        }
    }
    (Arc::new(rows), offsets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_and_squares_of_a_small_image() {
        let z = ZEROS;
        // 0 1 2
        // 3 4 5
        let windows = windows(1, 2, 3, 3);
        assert_eq!(windows[..9], [z, z, z, z, 0, 1, z, 3, 4]);
        assert_eq!(windows[5 * 9..], [1, 2, z, 4, 5, z, z, z, z]);
        let (rows, offsets) = squares(2, 2, 3);
        assert_eq!(*rows, [0, 1, 3, 4, 2, 5, 6, 7, 9, 10, 8, 11]);
        assert_eq!(offsets, [0, 4, 6, 10, 12]);
    }
}
