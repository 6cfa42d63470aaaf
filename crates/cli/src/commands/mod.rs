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

use std::path::Path;

use fiducial_data::dataset::{Dataset, MANIFEST};
use fiducial_models::ComputeDevice;
use fiducial_train::SavedModel;

use crate::failure::Failure;

/// The prepared dataset in a directory.
fn dataset(directory: &Path) -> Result<Dataset, Failure> {
    Dataset::open(directory).map_err(|error| {
        let failure = Failure::from(error);
        match directory.join(MANIFEST).exists() {
            true => failure,
            false => failure.hint("a dataset is a directory: fiducial prepare VIEW FILES -o DIR"),
        }
    })
}

/// The model in a directory.
fn saved_model(directory: &Path) -> Result<SavedModel, Failure> {
    SavedModel::load(directory).map_err(|error| {
        let failure = Failure::from(error);
        match directory.join("model.json").exists() {
            true => failure,
            false => failure.hint("a model is a directory: fiducial train RECIPE -o DIR"),
        }
    })
}

/// Whether the device that was asked for is there, before anything else is done.
fn check_device(device: Option<ComputeDevice>) -> Result<(), Failure> {
    let Some(device) = device else { return Ok(()) };
    device
        .check()
        .map_err(|error| Failure::other(error).hint("leave out --device for the best that is there"))
}

/// A word of a command line as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "_-./:=@%+,".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_take_them_apart() {
        for (word, expected) in [
            ("jet-tagging/top", "jet-tagging/top"),
            ("größe.toml", "größe.toml"),
            ("my model", "'my model'"),
            ("it's", "'it'\\''s'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }
}
