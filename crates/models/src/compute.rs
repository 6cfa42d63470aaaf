//! Where a network computes.

use std::fmt;
use std::str::FromStr;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::{Error, fused};

/// Where a network lives and computes.
///
/// ```
/// use fiducial_models::ComputeDevice;
/// assert_eq!("cuda:1".parse(), Ok(ComputeDevice::Cuda(1)));
/// ComputeDevice::Cpu.check()?;
/// # Ok::<(), fiducial_models::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ComputeDevice {
    /// The processor. Results are the same, to the bit, at any number of threads.
    #[default]
    Cpu,
    /// The NVIDIA GPU of this number, counted from 0. Sums have no fixed order there: results are the processor's but for rounding.
    Cuda(usize),
}

/// The numbers that matrix products are made of.
///
/// ```
/// use fiducial_models::{ComputeDevice, Precision};
/// assert!(Precision::Single.check(ComputeDevice::Cpu).is_ok());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32 bits.
    #[default]
    Single,
    /// bfloat16: the exponent of single precision and 8 bits of mantissa. Products alone are rounded to it; their sums, and all else,
    /// are in single precision. On a processor that takes Intel's AMX, on a GPU one since NVIDIA's Ampere.
    #[serde(rename = "bf16")]
    BFloat16,
}

impl Precision {
    /// Whether `device` has it.
    ///
    /// # Errors
    /// bf16 on a processor without it.
    pub fn check(self, device: ComputeDevice) -> Result<(), Error> {
        if self == Self::Single || device != ComputeDevice::Cpu || fused::has_brain_float() {
            return Ok(());
        }
        let reason = "this processor makes no bf16 products (it has no AMX); leave out `precision`, which then is single";
        Err(Error::NoDevice { device, reason: reason.to_owned() })
    }
}

impl ComputeDevice {
    /// The first GPU that can be used, or else the processor.
    pub fn best() -> Self {
        let gpu = Self::Cuda(0);
        if gpu.check().is_ok() { gpu } else { Self::Cpu }
    }

    /// Whether it is there.
    ///
    /// # Errors
    /// A GPU for a program that was built without them; no driver, no compiler of kernels, or fewer GPUs than that.
    pub fn check(self) -> Result<(), Error> {
        match self {
            Self::Cpu => Ok(()),
            Self::Cuda(index) => check_cuda(index).map_err(|reason| Error::NoDevice { device: self, reason }),
        }
    }

    /// Of [`ComputeDevice::check`]ed devices alone: burn panics where there is no driver.
    pub(crate) fn tensors(self) -> Device {
        match self {
            #[cfg(feature = "cuda")]
            Self::Cuda(index) => Device::cuda(index),
            _ => Device::flex(),
        }
    }
}

#[cfg(feature = "cuda")]
fn check_cuda(index: usize) -> Result<(), String> {
    // SAFETY: both only try to load a library and forget it.
    let (driver, compiler) =
        unsafe { (cudarc::driver::sys::is_culib_present(), cudarc::nvrtc::sys::is_culib_present()) };
    if !driver {
        return Err("the NVIDIA driver's library (libcuda) was not found".to_owned());
    }
    if !compiler {
        return Err(
            "CUDA's run-time compiler (libnvrtc) was not found; `pip install nvidia-cuda-nvrtc` has it"
                .to_owned(),
        );
    }
    let count =
        cudarc::driver::CudaContext::device_count().map_err(|error| format!("the driver says: {error}"))?;
    match usize::try_from(count) {
        Ok(count) if index < count => Ok(()),
        _ => Err(format!("there are {count}, counted from 0")),
    }
}

#[cfg(not(feature = "cuda"))]
fn check_cuda(_: usize) -> Result<(), String> {
    Err("this program was built without GPUs; build it with `--features cuda`".to_owned())
}

impl fmt::Display for ComputeDevice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => write!(formatter, "cpu"),
            Self::Cuda(index) => write!(formatter, "cuda:{index}"),
        }
    }
}

impl FromStr for ComputeDevice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || format!("there is no device `{text}`: it is `cpu`, `cuda` or `cuda:N`");
        match text.split_once(':') {
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "cuda" => Ok(Self::Cuda(0)),
            Some(("cuda", index)) => Ok(Self::Cuda(index.parse().map_err(|_| unknown())?)),
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_devices_come_back() {
        for name in ["cpu", "cuda:0", "cuda:7"] {
            assert_eq!(name.parse::<ComputeDevice>().unwrap().to_string(), name);
        }
        assert_eq!("cuda".parse(), Ok(ComputeDevice::Cuda(0)));
        for wrong in ["", "gpu", "cuda:", "cuda:-1", "cuda:1:2", "cpu:0"] {
            assert!(wrong.parse::<ComputeDevice>().unwrap_err().contains("`cuda:N`"), "{wrong}");
        }
    }

    /// True with a GPU and without one, with the feature and without it: a number that no machine has.
    #[test]
    fn a_device_that_is_not_there_is_an_error_with_its_reason() {
        let error = ComputeDevice::Cuda(4096).check().unwrap_err().to_string();
        assert!(error.contains("cuda:4096"), "{error}");
        assert!(ComputeDevice::best().check().is_ok());
    }
}
