//! One module a command.

pub(crate) mod bench;
pub(crate) mod catalogue;
pub(crate) mod convert;
pub(crate) mod dataset;
pub(crate) mod evaluate;
pub(crate) mod external;
pub(crate) mod hist;
pub(crate) mod inspect;
pub(crate) mod model;
pub(crate) mod predict;
pub(crate) mod prepare;
pub(crate) mod train;
pub(crate) mod view;
pub(crate) mod workers;

use fiducial_models::ComputeDevice;

use crate::failure::Failure;

/// Whether the device that was asked for is there, before anything else is done.
fn check_device(device: Option<ComputeDevice>) -> Result<(), Failure> {
    let Some(device) = device else { return Ok(()) };
    device
        .check()
        .map_err(|error| Failure::other(error).hint("leave out --device for the best that is there"))
}
