//! Hangs functions on slices into burn's graph.

use std::fmt::Debug;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Flex};
use burn::tensor::{Device, Tensor, TensorData};

use crate::{ComputeDevice, Error};

type Tracking = Autodiff<Flex>;

/// Where the tensors of a pass live.
pub(crate) fn device(compute: ComputeDevice, training: bool) -> Device {
    if training { compute.tensors().autodiff() } else { compute.tensors() }
}

/// A tensor from numbers in row-major order.
pub(crate) fn from_values<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// The numbers of a tensor in row-major order.
pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, Error> {
    tensor.inner().into_data().try_into_vec::<f32>().map_err(|error| Error::Backend(format!("{error:?}")))
}

/// Contiguous numbers with a shape; a clone shares them.
#[derive(Clone, Debug)]
pub(crate) struct Array(FlexTensor);

impl Array {
    pub(crate) fn new<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Self {
        Self(FlexTensor::from_data(TensorData::new(values, shape)))
    }

    /// A tensor of these numbers that no gradient comes back to.
    pub(crate) fn into_tensor<const D: usize>(self) -> Tensor<D> {
        Tensor::from_primitive::<Flex>(self.0)
    }

    fn from_flex(tensor: FlexTensor) -> Self {
        if tensor.as_slice::<f32>().is_some() { Self(tensor) } else { Self(tensor.to_contiguous()) }
    }

    /// The numbers in row-major order.
    pub(crate) fn values(&self) -> &[f32] {
        // None only for another type than f32, and no tensor of this crate has one.
        self.0.as_slice().unwrap_or(&[])
    }

    fn shape(&self) -> Vec<usize> {
        self.0.layout().shape().to_vec()
    }

    /// Length of the last dimension.
    pub(crate) fn columns(&self) -> usize {
        self.shape().last().copied().unwrap_or(0)
    }

    /// Product of all dimensions but the last.
    pub(crate) fn rows(&self) -> usize {
        let shape = self.shape();
        shape.iter().take(shape.len().saturating_sub(1)).product()
    }
}

/// What an operation keeps to compute the gradients of its inputs.
pub(crate) trait Gradient<const N: usize>: Clone + Send + Debug + 'static {
    /// The gradient of each input that is `wanted`, in the input's own shape, from that of the output.
    fn gradients(self, output: Array, wanted: [bool; N]) -> [Option<Vec<f32>>; N];

    /// Inputs of the output's shape whose gradient is that of the output, which is then shared and not copied.
    fn passes_through(&self) -> [bool; N] {
        [false; N]
    }
}

#[derive(Debug)]
struct Step<S>(std::marker::PhantomData<fn() -> S>);

impl<S: Gradient<N>, const N: usize> Backward<Flex, N> for Step<S> {
    type State = (S, [Vec<usize>; N]);

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let output = Array::from_flex(grads.consume::<Flex>(&ops.node));
        let (state, shapes) = ops.state;
        let same = state.passes_through();
        let wanted = std::array::from_fn(|input| ops.parents[input].is_some() && !same[input]);
        let gradients = state.gradients(output.clone(), wanted);
        for (input, (parent, gradient)) in ops.parents.into_iter().zip(gradients).enumerate() {
            let Some(node) = parent else { continue };
            if same[input] {
                grads.register::<Flex>(node.id, output.0.clone());
            } else if let Some(gradient) = gradient {
                let data = TensorData::new(gradient, shapes[input].clone());
                grads.register::<Flex>(node.id, FlexTensor::from_data(data));
            }
        }
    }
}

/// A tensor of any rank, tracked or not.
pub(crate) enum Operand {
    Plain(FlexTensor),
    Tracked(FloatTensor<Tracking>),
}

impl Operand {
    pub(crate) fn new<const D: usize>(tensor: Tensor<D>) -> Result<Self, Error> {
        let wrong = |error| Error::Backend(format!("{error:?}"));
        if tensor.is_autodiff() {
            tensor.try_into_primitive::<Tracking>().map(Self::Tracked).map_err(wrong)
        } else {
            tensor.try_into_primitive::<Flex>().map(Self::Plain).map_err(wrong)
        }
    }

    /// The numbers, of which no gradient will be asked.
    pub(crate) fn untracked(self) -> Array {
        Array::from_flex(match self {
            Self::Plain(tensor) => tensor,
            Self::Tracked(tensor) => tensor.into_primitive(),
        })
    }

    fn track(self) -> FloatTensor<Tracking> {
        match self {
            Self::Plain(tensor) => Tracking::from_inner(tensor),
            Self::Tracked(tensor) => tensor,
        }
    }
}

/// Runs an operation, and in training hangs its gradient into the graph.
///
/// `forward` gets the inputs' numbers and whether a gradient will be asked for, and returns the output of shape
/// `(rows, columns)` and the operation's memory.
pub(crate) fn apply<const N: usize, const D: usize, S: Gradient<N>>(
    inputs: [Operand; N],
    forward: impl FnOnce([Array; N], bool) -> (Array, Option<S>),
) -> Result<Tensor<D>, Error> {
    if inputs.iter().all(|input| matches!(input, Operand::Plain(_))) {
        return Ok(forward(inputs.map(Operand::untracked), false).0.into_tensor());
    }
    let inputs = inputs.map(Operand::track);
    #[allow(clippy::redundant_closure_for_method_calls, reason = "the type's name has five parts")]
    let nodes = inputs.each_ref().map(|input| input.node());
    let arrays = inputs.map(|input| Array::from_flex(input.into_primitive()));
    let shapes = arrays.each_ref().map(Array::shape);
    let prepared =
        Step::<S>(std::marker::PhantomData).prepare::<NoCheckpointing>(nodes).compute_bound().stateful();
    let output = match prepared {
        OpsKind::Tracked(prepared) => {
            let (output, state) = forward(arrays, true);
            let Some(state) = state else {
                return Err(Error::Backend("an operation kept nothing for its backward".to_owned()));
            };
            prepared.finish((state, shapes), output.0)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(forward(arrays, false).0.0),
    };
    Ok(Tensor::from_primitive::<Tracking>(output))
}
