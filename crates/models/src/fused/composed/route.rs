//! Rows of a tensor in any order, whose gradient is rows in an order too.
//!
//! The gradient of burn's `select` adds row after row into place, on a GPU with one thread for each column. Here it is a second
//! `select`: for each row the places that it went to, which are then summed.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, AutodiffBackend, Backend, DispatchKindConversion, DispatchTensor, Flex};
use burn::tensor::{Device, Int, Shape, Tensor, TensorData};

use crate::Error;
use crate::fused::from_values;
use crate::fused::gather::ZEROS;

/// Row `rows[i]` of `x`, (rows, channels), as row `i`; zeros for [`ZEROS`].
pub(in crate::fused) fn take(x: Tensor<2>, rows: &[u32]) -> Result<Tensor<2>, Error> {
    let [sources, channels] = x.dims();
    // There is nothing to select from without a row.
    let x = if sources == 0 { Tensor::cat(vec![x.clone(), zero_row(channels, &x.device())], 0) } else { x };
    #[cfg(feature = "cuda")]
    if !super::on_host(&x) {
        return on::<burn::backend::Cuda>(x, rows);
    }
    on::<Flex>(x, rows)
}

fn zero_row(channels: usize, device: &Device) -> Tensor<2> {
    from_values(vec![0.0; channels], [1, channels], device)
}

fn on<B: Backend>(x: Tensor<2>, rows: &[u32]) -> Result<Tensor<2>, Error>
where
    DispatchTensor: DispatchKindConversion<B> + DispatchKindConversion<Autodiff<B>>,
{
    let wrong = |error| Error::Backend(format!("{error:?}"));
    let device = x.device().without_autodiff();
    let there = Selection::<B>::new(rows, 1, &device)?;
    if !x.is_autodiff() {
        return Ok(Tensor::from_primitive::<B>(there.apply(x.try_into_primitive::<B>().map_err(wrong)?)));
    }
    let (places, copies) = places(rows, x.dims()[0]);
    let tensor = x.try_into_primitive::<Autodiff<B>>().map_err(wrong)?;
    #[allow(clippy::redundant_closure_for_method_calls, reason = "the type's name has five parts")]
    let prepared =
        Take::<B>::default().prepare::<NoCheckpointing>([tensor.node()]).compute_bound().stateful();
    let primitive = <Autodiff<B> as AutodiffBackend>::inner(tensor);
    let output = match prepared {
        OpsKind::Tracked(prepared) => {
            prepared.finish(Selection::<B>::new(&places, copies, &device)?, there.apply(primitive))
        }
        OpsKind::UnTracked(prepared) => prepared.finish(there.apply(primitive)),
    };
    Ok(Tensor::from_primitive::<Autodiff<B>>(output))
}

/// Where each of `sources` rows went, as many places for each as the most frequent row has: [`ZEROS`] for those that it lacks.
fn places(rows: &[u32], sources: usize) -> (Vec<u32>, usize) {
    let mut counts = vec![0_usize; sources];
    let rows = || rows.iter().enumerate().filter(|(_, row)| **row != ZEROS);
    rows().for_each(|(_, &row)| counts[row as usize] += 1);
    let copies = counts.iter().copied().max().unwrap_or(0).max(1);
    let mut places = vec![ZEROS; sources * copies];
    counts.fill(0);
    for (place, &row) in rows() {
        let row = row as usize;
        places[row * copies + counts[row]] = place as u32;
        counts[row] += 1;
    }
    (places, copies)
}

/// Rows to select, of which `copies` that follow each other are summed.
#[derive(Clone, Debug)]
struct Selection<B: Backend> {
    rows: IntTensor<B>,
    /// (rows, 1): 0 for a row of zeros, else 1; none where there is no row of zeros.
    mask: Option<FloatTensor<B>>,
    number: usize,
    copies: usize,
}

impl<B: Backend> Selection<B>
where
    DispatchTensor: DispatchKindConversion<B>,
{
    fn new(rows: &[u32], copies: usize, device: &Device) -> Result<Self, Error> {
        let wrong = |error| Error::Backend(format!("{error:?}"));
        let number = rows.len();
        let numbers: Vec<i32> =
            rows.iter().map(|&row| if row == ZEROS { 0 } else { row.cast_signed() }).collect();
        let mask = rows.contains(&ZEROS).then(|| {
            let mask = rows.iter().map(|&row| if row == ZEROS { 0.0 } else { 1.0 }).collect();
            from_values::<2>(mask, [number, 1], device)
        });
        let rows = Tensor::<1, Int>::from_data(TensorData::new(numbers, [number]), device);
        Ok(Self {
            rows: rows.try_into_primitive::<B>().map_err(wrong)?,
            mask: mask.map(Tensor::try_into_primitive::<B>).transpose().map_err(wrong)?,
            number,
            copies,
        })
    }

    fn apply(self, x: FloatTensor<B>) -> FloatTensor<B> {
        let selected = B::float_select(x, 0, self.rows);
        let selected = match self.mask {
            Some(mask) => B::float_mul(selected, mask),
            None => selected,
        };
        if self.copies == 1 {
            return selected;
        }
        let channels = burn::backend::TensorMetadata::shape(&selected)[1];
        let sums = self.number / self.copies;
        let grouped = B::float_reshape(selected, Shape::new([sums, self.copies, channels]));
        B::float_reshape(B::float_sum_dim(grouped, 1), Shape::new([sums, channels]))
    }
}

#[derive(Debug)]
struct Take<B>(std::marker::PhantomData<fn() -> B>);

impl<B> Default for Take<B> {
    fn default() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<B: Backend> Backward<B, 1> for Take<B>
where
    DispatchTensor: DispatchKindConversion<B>,
{
    type State = Selection<B>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let back = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |gradient| back.apply(gradient));
    }
}
