//! A histogram as a file.

use std::ffi::OsStr;
use std::path::Path;

use fiducial_root::{Compression, Histogram, RootWriter};

use super::{scene, to_png, to_svg};
use crate::convert::{aside, put};
use crate::source::Error;

/// The formats of files that a histogram can be kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A picture of lines and text.
    Svg,
    /// A picture of dots.
    Png,
    /// A ROOT file with the histogram in it.
    Root,
    /// The UHI schema as JSON, which boost-histogram and hist read.
    Json,
}

impl Format {
    /// The format that a file's extension names.
    ///
    /// # Errors
    /// When it is none of `.svg`, `.png`, `.root` and `.json`.
    pub fn of(path: &Path) -> Result<Self, Error> {
        match path.extension().and_then(OsStr::to_str) {
            Some("svg") => Ok(Self::Svg),
            Some("png") => Ok(Self::Png),
            Some("root") => Ok(Self::Root),
            Some("json") => Ok(Self::Json),
            _ => {
                let reason = format!("{} ends in none of .svg, .png, .root and .json", path.display());
                Err(Error::settings("save a histogram", reason))
            }
        }
    }
}

/// Writes a histogram. The file appears whole or not at all.
///
/// # Errors
/// When the picture is too large, or the system refuses to write.
pub fn save(histogram: &Histogram, path: &Path, format: Format) -> Result<(), Error> {
    let bytes = match format {
        Format::Svg => to_svg(&scene(histogram)).into_bytes(),
        Format::Png => to_png(&scene(histogram))?,
        Format::Root => {
            let failed = |source| Error::RootWrite { source: Box::new(source) };
            let mut file = RootWriter::create(path, Compression::default()).map_err(failed)?;
            return file.histogram(&histogram.name, histogram).and_then(|()| file.finish()).map_err(failed);
        }
        Format::Json => histogram.to_uhi_json().into_bytes(),
    };
    let mut file = aside(path)?;
    std::io::Write::write_all(&mut file, &bytes).map_err(Error::io("write", path))?;
    put(file, path)
}
