//! Dense numbers in memory of ours, for NumPy (the array interface) and for torch, JAX and CuPy (DLPack), without a copy.

use std::ffi::{CStr, c_void};
use std::ptr::NonNull;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::{ArrowNativeType, Buffer};
use arrow_schema::DataType;
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule, PyDict, PyTuple};

use crate::error::Error;

/// What kind of numbers, with their codes in DLPack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Int = 0,
    UInt = 1,
    Float = 2,
    Bool = 6,
}

/// Numbers of one type in a block of memory, the last axis running fastest.
#[pyclass(module = "fiducial", frozen)]
pub(crate) struct Tensor {
    data: Buffer,
    kind: Kind,
    item_bytes: usize,
    shape: Vec<usize>,
    /// Arrow's memory may be shared with other tables: who writes there would change them.
    is_writable: bool,
}

impl Tensor {
    /// Numbers that belong to nobody else.
    pub(crate) fn new<T: ArrowNativeType>(values: Vec<T>, kind: Kind, shape: Vec<usize>) -> Self {
        debug_assert_eq!(values.len(), shape.iter().product::<usize>());
        Self { data: Buffer::from_vec(values), kind, item_bytes: size_of::<T>(), shape, is_writable: true }
    }
}

#[pymethods]
impl Tensor {
    /// The length of each axis.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.shape)
    }

    /// The type of the numbers, as NumPy names it.
    #[getter]
    fn dtype(&self) -> String {
        let name = match self.kind {
            Kind::Int => "int",
            Kind::UInt => "uint",
            Kind::Float => "float",
            Kind::Bool => return "bool".to_owned(),
        };
        format!("{name}{}", 8 * self.item_bytes)
    }

    fn __len__(&self) -> usize {
        self.shape.first().copied().unwrap_or(0)
    }

    #[getter]
    fn __array_interface__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let letter = match self.kind {
            Kind::Int => 'i',
            Kind::UInt => 'u',
            Kind::Float => 'f',
            Kind::Bool => 'b',
        };
        let order = if self.item_bytes == 1 {
            '|'
        } else if cfg!(target_endian = "little") {
            '<'
        } else {
            '>'
        };
        let interface = PyDict::new(py);
        interface.set_item("version", 3)?;
        interface.set_item("shape", self.shape(py)?)?;
        interface.set_item("typestr", format!("{order}{letter}{}", self.item_bytes))?;
        interface.set_item("data", (self.data.as_ptr() as usize, !self.is_writable))?;
        Ok(interface)
    }

    /// Where the memory is: on the processor.
    #[pyo3(name = "__dlpack_device__")]
    fn dlpack_device(&self) -> (i32, i32) {
        CPU
    }

    /// The memory as a DLPack capsule, which keeps it alive.
    #[pyo3(name = "__dlpack__", signature = (*, stream=None, max_version=None, dl_device=None, copy=None))]
    fn dlpack<'py>(
        &self,
        py: Python<'py>,
        stream: Option<Bound<'py, PyAny>>,
        max_version: Option<(u32, u32)>,
        dl_device: Option<(i32, i32)>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        if stream.is_some() || dl_device.is_some_and(|device| device != CPU) {
            return Err(PyBufferError::new_err(
                "the memory is the processor's: it has no streams and stays there",
            ));
        }
        let is_copy = copy == Some(true);
        let data = if is_copy { Buffer::from(self.data.as_slice()) } else { self.data.clone() };
        let is_read_only = !self.is_writable && !is_copy;
        let is_versioned = max_version.is_some_and(|(major, _)| major >= 1);
        if is_read_only && !is_versioned {
            return Err(PyBufferError::new_err(
                "the memory is read-only, which this version of DLPack cannot say",
            ));
        }
        if is_versioned {
            let flags = (u64::from(is_read_only) * READ_ONLY) | (u64::from(is_copy) * IS_COPY);
            self.capsule(py, data, |tensor, manager_ctx| Versioned {
                version: [1, 0],
                manager_ctx,
                deleter: Some(delete::<Versioned>),
                flags,
                tensor,
            })
        } else {
            self.capsule(py, data, |tensor, manager_ctx| Unversioned {
                tensor,
                manager_ctx,
                deleter: Some(delete::<Unversioned>),
            })
        }
    }

    /// The numbers as a `numpy.ndarray`, without a copy.
    pub(crate) fn numpy<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("numpy")?.call_method1("asarray", (slf,))
    }

    /// The numbers as a `torch.Tensor`, without a copy.
    pub(crate) fn torch<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("torch")?.call_method1("from_dlpack", (slf,))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, State<'py>)> {
        let state =
            (self.kind as u8, self.item_bytes, self.shape.clone(), PyBytes::new(py, self.data.as_slice()));
        Ok((py.import("fiducial._fiducial")?.getattr("unpickle_tensor")?, state))
    }

    fn __repr__(&self) -> String {
        format!("<fiducial.Tensor {} {:?}>", self.dtype(), self.shape)
    }
}

/// The kind of numbers, their size, the shape and the bytes.
type State<'py> = (u8, usize, Vec<usize>, Bound<'py, PyBytes>);

/// What a pickled `Tensor` was.
#[pyfunction]
pub(crate) fn unpickle_tensor(
    kind: u8,
    item_bytes: usize,
    shape: Vec<usize>,
    data: &[u8],
) -> PyResult<Tensor> {
    let kind =
        [Kind::Int, Kind::UInt, Kind::Float, Kind::Bool].into_iter().find(|known| *known as u8 == kind);
    let bytes = shape.iter().try_fold(item_bytes, |bytes, length| bytes.checked_mul(*length));
    match kind.filter(|_| bytes == Some(data.len()) && matches!(item_bytes, 1 | 2 | 4 | 8)) {
        Some(kind) => Ok(Tensor { data: Buffer::from(data), kind, item_bytes, shape, is_writable: true }),
        None => Err(Error::new_err("failed to unpickle a tensor: its bytes do not fit its shape")),
    }
}

impl Tensor {
    fn capsule<'py, M: Managed>(
        &self,
        py: Python<'py>,
        data: Buffer,
        managed: impl FnOnce(DlTensor, *mut c_void) -> M,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let length =
            |value: &usize| i64::try_from(*value).map_err(|_| PyBufferError::new_err("an axis is too long"));
        let mut shape = self.shape.iter().map(length).collect::<PyResult<Box<[i64]>>>()?;
        let mut strides: Box<[i64]> = shape.clone();
        let mut step = 1;
        for (stride, length) in strides.iter_mut().zip(&shape).rev() {
            *stride = step;
            step *= *length;
        }
        let tensor = DlTensor {
            data: data.as_ptr().cast_mut().cast(),
            device: CPU.into(),
            dimensions: i32::try_from(shape.len()).map_err(|_| PyBufferError::new_err("too many axes"))?,
            data_type: DlType { code: self.kind as u8, bits: (8 * self.item_bytes) as u8, lanes: 1 },
            shape: shape.as_mut_ptr(),
            strides: strides.as_mut_ptr(),
            byte_offset: 0,
        };
        let memory = Box::new(Memory { _data: data, _shape: shape, _strides: strides });
        let managed = Box::new(managed(tensor, Box::into_raw(memory).cast()));
        let pointer = NonNull::from(Box::leak(managed));
        // SAFETY: the pointer is of a box of `M` that nobody else has; who takes the tensor out of the capsule renames it and
        // calls the deleter once, and the capsule's destructor does so where nobody did.
        let capsule = unsafe {
            PyCapsule::new_with_pointer_and_destructor(py, pointer.cast(), M::NAME, Some(drop_capsule::<M>))
        };
        if capsule.is_err() {
            // SAFETY: without a capsule nobody but us has the pointer.
            unsafe { delete(pointer.as_ptr()) };
        }
        capsule
    }
}

/// DLPack's device: the processor's memory.
const CPU: (i32, i32) = (1, 0);
/// DLPack's flags.
const READ_ONLY: u64 = 1;
const IS_COPY: u64 = 2;

// The structs of dlpack.h, <https://dmlc.github.io/dlpack/latest/c_api.html>.

#[repr(C)]
struct DlDevice {
    device_type: i32,
    device_id: i32,
}

impl From<(i32, i32)> for DlDevice {
    fn from((device_type, device_id): (i32, i32)) -> Self {
        Self { device_type, device_id }
    }
}

#[repr(C)]
struct DlType {
    code: u8,
    bits: u8,
    lanes: u16,
}

#[repr(C)]
struct DlTensor {
    data: *mut c_void,
    device: DlDevice,
    dimensions: i32,
    data_type: DlType,
    shape: *mut i64,
    strides: *mut i64,
    byte_offset: u64,
}

/// `DLManagedTensor`.
#[repr(C)]
struct Unversioned {
    tensor: DlTensor,
    manager_ctx: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Self)>,
}

/// `DLManagedTensorVersioned`.
#[repr(C)]
struct Versioned {
    version: [u32; 2],
    manager_ctx: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Self)>,
    flags: u64,
    tensor: DlTensor,
}

/// What a managed tensor points to.
struct Memory {
    _data: Buffer,
    _shape: Box<[i64]>,
    _strides: Box<[i64]>,
}

/// Either form of a managed tensor.
trait Managed {
    /// The capsule's name while nobody took the tensor out of it.
    const NAME: &'static CStr;
    fn memory(&self) -> *mut c_void;
}

impl Managed for Unversioned {
    const NAME: &'static CStr = c"dltensor";
    fn memory(&self) -> *mut c_void {
        self.manager_ctx
    }
}

impl Managed for Versioned {
    const NAME: &'static CStr = c"dltensor_versioned";
    fn memory(&self) -> *mut c_void {
        self.manager_ctx
    }
}

/// Frees a managed tensor and its memory.
///
/// # Safety
/// `managed` comes from [`Tensor::capsule`] and is not used again.
unsafe extern "C" fn delete<M: Managed>(managed: *mut M) {
    // SAFETY: both were boxes in `Tensor::capsule`, and this is called once.
    unsafe {
        let managed = Box::from_raw(managed);
        drop(Box::from_raw(managed.memory().cast::<Memory>()));
    }
}

/// Frees what a capsule holds where nobody took it out.
///
/// # Safety
/// `capsule` is one of [`Tensor::capsule`], at the end of its life.
unsafe extern "C" fn drop_capsule<M: Managed>(capsule: *mut ffi::PyObject) {
    // SAFETY: a capsule that is being freed is valid; under its first name it still owns the pointer it was made with.
    unsafe {
        if ffi::PyCapsule_IsValid(capsule, M::NAME.as_ptr()) == 1 {
            delete(ffi::PyCapsule_GetPointer(capsule, M::NAME.as_ptr()).cast::<M>());
        }
    }
}

/// An Arrow array of numbers, booleans, or fixed numbers of these as a NumPy array.
pub(crate) fn numpy<'py>(py: Python<'py>, name: &str, array: &ArrayRef) -> PyResult<Bound<'py, PyAny>> {
    let mut shape = vec![array.len()];
    let mut values = array.clone();
    loop {
        if values.null_count() > 0 {
            let reason = format!(
                "failed to make a NumPy array of `{name}`: it has missing values; use to_pyarrow() or to_awkward()"
            );
            return Err(Error::new_err(reason));
        }
        let DataType::FixedSizeList(_, length) = values.data_type() else { break };
        shape.push(usize::try_from(*length).unwrap_or(0));
        values = values.as_fixed_size_list().values().clone();
    }
    let (data, kind, item_bytes) = match values.data_type() {
        DataType::Boolean => {
            let bytes: Vec<u8> = values.as_boolean().values().iter().map(u8::from).collect();
            (Buffer::from_vec(bytes), Kind::Bool, 1)
        }
        DataType::Int8 => (values.as_primitive::<Int8Type>().values().inner().clone(), Kind::Int, 1),
        DataType::Int16 => (values.as_primitive::<Int16Type>().values().inner().clone(), Kind::Int, 2),
        DataType::Int32 => (values.as_primitive::<Int32Type>().values().inner().clone(), Kind::Int, 4),
        DataType::Int64 => (values.as_primitive::<Int64Type>().values().inner().clone(), Kind::Int, 8),
        DataType::UInt8 => (values.as_primitive::<UInt8Type>().values().inner().clone(), Kind::UInt, 1),
        DataType::UInt16 => (values.as_primitive::<UInt16Type>().values().inner().clone(), Kind::UInt, 2),
        DataType::UInt32 => (values.as_primitive::<UInt32Type>().values().inner().clone(), Kind::UInt, 4),
        DataType::UInt64 => (values.as_primitive::<UInt64Type>().values().inner().clone(), Kind::UInt, 8),
        DataType::Float16 => (values.as_primitive::<Float16Type>().values().inner().clone(), Kind::Float, 2),
        DataType::Float32 => (values.as_primitive::<Float32Type>().values().inner().clone(), Kind::Float, 4),
        DataType::Float64 => (values.as_primitive::<Float64Type>().values().inner().clone(), Kind::Float, 8),
        other => {
            let reason = format!(
                "failed to make a NumPy array of `{name}`: its type is {other}; use to_awkward() or to_pyarrow()"
            );
            return Err(Error::new_err(reason));
        }
    };
    Tensor::numpy(&Bound::new(py, Tensor { data, kind, item_bytes, shape, is_writable: false })?)
}
