//! ONNX Runtime, which is loaded from a shared library when it is asked for, and the proof in it.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use ort::session::{Session as OrtSession, SessionInputValue};
use ort::value::TensorRef;

use super::{Answers, OUTPUT, PREDICTIONS};
use crate::{Error, Inputs, Network, PaddedGroups};

/// The largest difference between two probabilities that a proof lets pass.
pub const TOLERANCE: f64 = 1e-5;

/// ONNX Runtime, loaded. One process has one.
#[derive(Clone, Debug)]
pub struct Runtime {
    path: PathBuf,
    environment: Environment,
}

/// ONNX Runtime refuses a second environment in a process, so the first is kept and shared.
static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

fn failed(action: &str) -> impl Fn(ort::Error) -> Error {
    move |error| Error::Runtime(format!("{action}: {error}"))
}

impl Runtime {
    /// The library that the environment variable `ORT_DYLIB_PATH` names, or else `libonnxruntime` where the system
    /// looks for libraries; none if neither is there.
    ///
    /// # Errors
    /// A library that the variable names and that cannot be loaded.
    pub fn find() -> Result<Option<Self>, Error> {
        if let Some(path) = std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()) {
            return Self::load(Path::new(&path)).map(Some);
        }
        let name = format!("{}onnxruntime{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
        Ok(Self::load(Path::new(&name)).ok())
    }

    /// The library at `path`: 1.18 or newer. The Python package has it as `onnxruntime/capi/libonnxruntime.so.VERSION`.
    ///
    /// # Errors
    /// No such file, no ONNX Runtime, one that is too old, or another than the process has loaded already.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = &*loaded {
            return match first.path == path {
                true => Ok(first.clone()),
                false => {
                    let (path, first) = (path.display(), first.path.display());
                    Err(Error::Runtime(format!("{path}: {first} is loaded already, and a process has one")))
                }
            };
        }
        let builder = ort::init_from(path).map_err(|error| Error::Runtime(error.to_string()))?;
        let environment = builder.with_telemetry(false).build().map_err(failed("start ONNX Runtime"))?;
        let runtime = Self { path: path.to_owned(), environment };
        *loaded = Some(runtime.clone());
        Ok(runtime)
    }

    /// Where it was loaded from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name and version, such as `ONNX Runtime 1.32.0`.
    pub fn version(&self) -> String {
        // The interface tells the branch that it was built from, which is not always that of a release; the name of the
        // file ends in the version.
        let info = ort::info();
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let version = info.split_once("git-branch=rel-").or_else(|| name.split_once(".so."));
        let version = version.map_or("", |(_, rest)| rest).split([',', ' ']).next().unwrap_or("");
        format!("ONNX Runtime {version}").trim_end().to_owned()
    }

    /// A file of [`export`](super::export), ready to run on `threads` threads.
    ///
    /// # Errors
    /// A file that ONNX Runtime refuses.
    pub fn session(&self, file: &[u8], threads: usize) -> Result<Session, Error> {
        let load = || -> ort::Result<OrtSession> {
            OrtSession::builder(&self.environment)?.with_intra_threads(threads)?.commit_from_memory(file)
        };
        Ok(Session(load().map_err(failed("load the exported file"))?))
    }
}

/// A loaded file.
#[derive(Debug)]
pub struct Session(OrtSession);

impl Session {
    /// The probability of each class for each jet, (jets, classes) row-major, or what a regression predicts.
    ///
    /// # Errors
    /// Groups that the file reads and that are missing or of another size; what ONNX Runtime fails with.
    pub fn run(&mut self, groups: &PaddedGroups<'_>) -> Result<Vec<f32>, Error> {
        let names: Vec<String> = self.0.inputs().iter().map(|input| input.name().to_owned()).collect();
        let mut inputs = Vec::new();
        for name in names {
            let data = match name.as_str() {
                "pf_points" => groups.points,
                "pf_features" => Some(groups.features),
                "pf_vectors" => groups.vectors,
                "pf_mask" => groups.mask,
                "globals" => groups.globals,
                "parameters" => groups.parameters,
                "images" => groups.images,
                _ => None,
            };
            let data = data.ok_or_else(|| Error::Inputs(format!("the file needs the group {name}")))?;
            let each = data.len().checked_div(groups.jets).unwrap_or(0);
            let shape = match name.as_str() {
                "globals" | "parameters" => vec![groups.jets, each],
                "images" => [&[groups.jets], groups.image.as_slice()].concat(),
                _ => vec![groups.jets, each.checked_div(groups.length).unwrap_or(0), groups.length],
            };
            let tensor = TensorRef::from_array_view((shape, data)).map_err(failed("make a tensor"))?;
            inputs.push((name, SessionInputValue::from(tensor)));
        }
        let outputs = self.0.run(inputs).map_err(failed("run the exported file"))?;
        let output = outputs.get(OUTPUT).or_else(|| outputs.get(PREDICTIONS));
        let output = output.ok_or_else(|| Error::Runtime(format!("no output {OUTPUT} or {PREDICTIONS}")))?;
        let (_, values) = output.try_extract_tensor::<f32>().map_err(failed("read the output"))?;
        Ok(values.to_vec())
    }
}

/// Jets that a proof runs together. Files of networks that look at pairs need memory for all pairs of places.
const TOGETHER: usize = 64;

/// Places that a proof adds to each jet.
const PADDING: usize = 5;

/// That a file gives what the network does, measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    /// What ran the file.
    pub runtime: String,
    /// Jets that were compared.
    pub jets: usize,
    /// The largest difference between two probabilities of one jet and class; of a regression, in units of the target's scale,
    /// or of the predicted value where that is larger.
    pub largest_difference: f64,
}

impl Proof {
    /// Runs both on the same jets and compares all that `answers` asks for.
    ///
    /// `raw` is what the file reads and `standardised` what the network reads: the same jets, before and after the
    /// pre-processing where it lies in the file, else the same values twice. The jets are run together, then the first of
    /// them alone, and then all with more padding: number and length are free in each call.
    ///
    /// # Errors
    /// A difference beyond [`TOLERANCE`], with the jet; otherwise as [`Session::run`] and [`Network::logits`].
    pub fn make(
        session: &mut Session,
        runtime: &Runtime,
        network: &Network,
        answers: &Answers,
        raw: &PaddedGroups<'_>,
        standardised: &PaddedGroups<'_>,
    ) -> Result<Self, Error> {
        let columns = network.config().outputs();
        let outputs = network.logits(&Inputs::pack(standardised)?)?;
        let rows = outputs.chunks_exact(columns.max(1));
        let expected: Vec<f64> =
            rows.flat_map(|row| answers.loss.predictions(row, &answers.targets)).collect();
        let mut largest = 0.0_f64;
        let parts = (0..raw.jets).step_by(TOGETHER).map(|start| start..raw.jets.min(start + TOGETHER));
        // Without a mask nothing can be padded.
        let more = if raw.mask.is_some() { PADDING } else { 0 };
        let longer = parts.clone().map(|jets| (jets, more));
        let alone = (0..raw.jets.min(1), 0);
        for (jets, more) in parts.map(|jets| (jets, 0)).chain([alone]).chain(longer) {
            let (part, expected) = (Owned::of(raw, jets.clone(), more), &expected[jets.start * columns..]);
            let groups = part.groups();
            let found = session.run(&groups)?;
            if found.len() != groups.jets * columns {
                let (found, jets) = (found.len(), groups.jets);
                return Err(Error::Runtime(format!("{found} numbers for {jets} jets of {columns} columns")));
            }
            for (index, (&found, &expected)) in found.iter().zip(expected).enumerate() {
                let scale = match answers.loss.classifies() {
                    true => 1.0,
                    false => answers.scale(index % columns, columns).max(expected.abs()),
                };
                let difference = (f64::from(found) - expected).abs() / scale;
                if difference > TOLERANCE || difference.is_nan() {
                    let (jet, column) = (jets.start + index / columns, index % columns);
                    return Err(Error::Runtime(format!(
                        "the exported file is not the network: jet {jet} gets {found} in column {column}, the \
                         network gives {expected}; {} ran it on {} jets padded to {}",
                        runtime.version(),
                        groups.jets,
                        groups.length
                    )));
                }
                largest = largest.max(difference);
            }
        }
        Ok(Self { runtime: runtime.version(), jets: raw.jets, largest_difference: largest })
    }
}

/// Groups with memory of their own.
#[derive(Default)]
struct Owned {
    jets: usize,
    length: usize,
    /// Points, features, vectors and mask.
    constituents: [Option<Vec<f32>>; 4],
    /// Globals, parameters and images.
    of_jets: [Option<Vec<f32>>; 3],
    image: [usize; 3],
}

impl Owned {
    /// Some of the jets, with `more` padding.
    fn of(groups: &PaddedGroups<'_>, jets: Range<usize>, more: usize) -> Self {
        let cells = groups.jets * groups.length;
        let constituents = [groups.points, Some(groups.features), groups.vectors, groups.mask].map(|data| {
            let data = data?;
            let each = data.len().checked_div(cells).unwrap_or(0);
            let rows =
                data.chunks_exact(groups.length.max(1)).skip(jets.start * each).take(jets.len() * each);
            Some(rows.flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(0.0, more))).collect())
        });
        let of_jets = [groups.globals, groups.parameters, groups.images].map(|data| {
            let data = data?;
            let each = data.len().checked_div(groups.jets).unwrap_or(0);
            Some(data[jets.start * each..jets.end * each].to_vec())
        });
        let length = groups.length + more;
        Self { jets: jets.len(), length, constituents, of_jets, image: groups.image }
    }

    fn groups(&self) -> PaddedGroups<'_> {
        let [points, features, vectors, mask] = self.constituents.each_ref().map(|data| data.as_deref());
        let [globals, parameters, images] = self.of_jets.each_ref().map(|data| data.as_deref());
        PaddedGroups {
            jets: self.jets,
            length: self.length,
            points,
            features: features.unwrap_or(&[]),
            vectors,
            mask,
            globals,
            parameters,
            images,
            image: self.image,
        }
    }
}
