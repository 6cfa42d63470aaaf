//! Parameters for rows to which they mean nothing, as parametrised networks are trained (arXiv:1601.07913).
use fiducial_data::batches::{Tensors, shuffled};
use fiducial_models::{ArchitectureConfig, ModelConfig};

use crate::Error;

/// Gives each row of a background class the parameters of a row of another class.
///
/// The rows of the other classes are gone through in random order, as often as it takes, so that background and signal have
/// the same parameters as nearly as their numbers allow. The seed fixes the order.
pub(crate) fn draw_parameters(
    tensors: &mut Tensors,
    model: &ModelConfig,
    classes: &[String],
    seed: u64,
) -> Result<(), Error> {
    let ArchitectureConfig::ParametrisedPerceptron(config) = &model.architecture else { return Ok(()) };
    let refuse = |value: &str, reason: &'static str| {
        Err(Error::Setting { field: "model.background", value: value.to_owned(), reason })
    };
    if let Some(unknown) = config.background.iter().find(|name| !classes.contains(name)) {
        return refuse(unknown, "the view has no such class");
    }
    if config.background.is_empty() {
        return Ok(());
    }
    let is_background: Vec<bool> = classes.iter().map(|name| config.background.contains(name)).collect();
    let rows = 0..tensors.labels.len();
    let (background, signal): (Vec<usize>, Vec<usize>) =
        rows.partition(|&row| is_background[tensors.labels[row] as usize]);
    if signal.is_empty() && !background.is_empty() {
        return refuse(&format!("{:?}", config.background), "there are no rows of other classes to draw from");
    }
    let Some(group) = tensors.groups.iter_mut().find(|group| group.name == "parameters") else {
        return Ok(());
    };
    for (round, rows) in background.chunks(signal.len()).enumerate() {
        for (row, from) in rows.iter().zip(shuffled(signal.len() as u32, seed, round as u64)) {
            let parameters = group.row(signal[from as usize]).to_vec();
            let size = parameters.len();
            group.data[row * size..(row + 1) * size].copy_from_slice(&parameters);
        }
    }
    Ok(())
}
