//! `fiducial predict`.

use fiducial_bench::protocol;
use fiducial_data::batches::{Labels, tensors_with};
use fiducial_models::ComputeDevice;

use crate::arguments::Predict;
use crate::failure::Failure;
use crate::tables::count;

pub(crate) fn run(options: &Predict) -> Result<(), Failure> {
    super::check_device(options.device)?;
    let device = options.device.unwrap_or_else(ComputeDevice::best);
    let saved = super::saved_model(&options.model)?.on(device)?;
    let dataset = super::dataset(&options.dataset)?;
    let tensors =
        tensors_with(&saved.view, &saved.standardisation, &dataset, &options.split, Labels::Absent)?;
    let predictions = protocol::predict(&saved, &tensors)?;
    predictions.write(&options.output, &saved.prediction_names(), &tensors.observers)?;
    crate::print(&format!("{} rows\n{}\n", count(tensors.row_ids.len() as u64), options.output.display()))
}
