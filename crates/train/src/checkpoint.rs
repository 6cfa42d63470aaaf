//! Checkpoints: the whole state of a training on disk, from which it goes on to the same bytes.
//!
//! A directory holds `checkpoint.toml` (the manifest, committed last) and the files that it names: the weights with the
//! running statistics, the optimiser's moments, the average of the weights if there is one, and the best weights so far. Each file is written aside, synced and
//! renamed, under a name of its own; what the manifest does not name is removed after the commit. A kill at any moment
//! thus leaves the old manifest with its files, or the new one with its files.
//!
//! Random numbers need no state: the order of an epoch and the dropout of a step are functions of the seed and of the
//! epoch and step, which the manifest holds. The manifest is TOML because its numbers come back bit by bit (JSON's do
//! not, as serde_json reads them by default).
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::files::{self, Faults};
use crate::report::Epoch;
use crate::resources::Resources;
use crate::{Error, Stopped};

const FORMAT: &str = "fiducial-checkpoint/1";
const MANIFEST: &str = "checkpoint.toml";
const LOCK: &str = ".lock";
const PARTS: [&str; 4] = ["weights-", "optimiser-", "average-", "best-"];

/// What a checkpoint must share with the training that goes on from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    /// The hash of the model's configuration and the training's settings.
    pub(crate) configuration: String,
    /// The hash of both splits' tensors.
    pub(crate) data: String,
    /// Name and version of the code.
    pub(crate) code: String,
}

/// Where a training stands, but for its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Position {
    /// Epochs that are done.
    pub(crate) epochs_done: usize,
    /// Steps that are done in the epoch after those.
    pub(crate) steps_done: usize,
    /// The epoch with the lowest validation loss, from 1; 0 if none is done.
    pub(crate) best_epoch: usize,
    pub(crate) best_loss: f64,
    /// Why the training ended, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stopped: Option<Stopped>,
    /// How many processes have worked on it.
    pub(crate) sessions: usize,
    /// The length of the log; 0 without one.
    #[serde(default)]
    pub(crate) log_bytes: u64,
    pub(crate) running: Running,
    pub(crate) resources: Resources,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) history: Vec<Epoch>,
}

/// Sums over the steps of an unfinished epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Running {
    /// Of the batches' losses, each times its weight.
    pub(crate) loss: f64,
    pub(crate) weight: f64,
    pub(crate) jets: usize,
    pub(crate) seconds: f64,
}

/// A training's numbers, each as the bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbers<B> {
    pub(crate) weights: B,
    pub(crate) optimiser: B,
    pub(crate) average: Option<B>,
    pub(crate) best: Option<B>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: String,
    identity: Identity,
    weights: Part,
    optimiser: Part,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    average: Option<Part>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    best: Option<Part>,
    position: Position,
}

/// A file beside the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    file: String,
    sha256: String,
}

/// A checkpoint as it was saved.
pub(crate) type Loaded = (Position, Numbers<Vec<u8>>);

/// A checkpoint as bytes, for the other processes of a training; no bytes where there is none.
pub(crate) fn to_message(loaded: Option<&Loaded>) -> Result<Vec<u8>, Error> {
    let Some((position, numbers)) = loaded else { return Ok(Vec::new()) };
    let wrong = |error: toml::ser::Error| Error::damaged(Path::new(MANIFEST), error);
    let position = toml::to_string(position).map_err(wrong)?.into_bytes();
    let Numbers { weights, optimiser, average, best } = numbers;
    let mut bytes = Vec::new();
    for part in [Some(&position), Some(weights), Some(optimiser), average.as_ref(), best.as_ref()] {
        // One more than the length, so that a part may be absent.
        bytes.extend(part.map_or(0, |part| part.len() as u64 + 1).to_le_bytes());
        bytes.extend(part.into_iter().flatten());
    }
    Ok(bytes)
}

/// Reads what [`to_message`] wrote.
pub(crate) fn from_message(bytes: &[u8]) -> Result<Option<Loaded>, Error> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let damaged = |reason: &str| Error::damaged(Path::new("the checkpoint that rank 0 sent"), reason);
    let mut rest = bytes;
    let mut part = || -> Option<Option<Vec<u8>>> {
        let (length, after) = rest.split_first_chunk::<8>()?;
        let Some(length) = u64::from_le_bytes(*length).checked_sub(1) else {
            rest = after;
            return Some(None);
        };
        let (part, after) = after.split_at_checked(usize::try_from(length).ok()?)?;
        rest = after;
        Some(Some(part.to_vec()))
    };
    let mut next = || part().ok_or_else(|| damaged("it is cut short"));
    let (position, weights, optimiser) = (next()?, next()?, next()?);
    let (average, best) = (next()?, next()?);
    let (Some(position), Some(weights), Some(optimiser)) = (position, weights, optimiser) else {
        return Err(damaged("a part is missing"));
    };
    let position = toml::from_str(&String::from_utf8_lossy(&position));
    let position = position.map_err(|error| damaged(&error.to_string()))?;
    Ok(Some((position, Numbers { weights, optimiser, average, best })))
}

/// A directory of checkpoints, of which it holds one at a time. No other process has it meanwhile.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    directory: PathBuf,
    /// Held as long as this lives; the system lets it go when a process is killed.
    _lock: Option<File>,
    faults: Faults,
    /// The best weights that are on disk already: they are written only when they change.
    best: Option<(usize, Part)>,
}

impl Checkpoints {
    pub(crate) fn open(directory: &Path, faults: Faults) -> Result<Self, Error> {
        files::create_directory(directory)?;
        let _lock = lock(directory)?;
        Ok(Self { directory: directory.to_path_buf(), _lock, faults, best: None })
    }

    pub(crate) fn manifest(&self) -> PathBuf {
        self.directory.join(MANIFEST)
    }

    /// The checkpoint, if there is one.
    pub(crate) fn load(&mut self, identity: &Identity) -> Result<Option<Loaded>, Error> {
        let path = self.manifest();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", &path)(error)),
        };
        let damaged = |error: toml::de::Error| Error::damaged(&path, error.to_string().trim_end());
        // The format first: a newer one may have other keys.
        let table: toml::Table = toml::from_str(&text).map_err(damaged)?;
        let format = table.get("format").and_then(toml::Value::as_str).unwrap_or_default();
        if format != FORMAT {
            return Err(Error::damaged(&path, format!("its format is \"{format}\", not \"{FORMAT}\"")));
        }
        let manifest: Manifest = toml::from_str(&text).map_err(damaged)?;
        let found = &manifest.identity;
        for (what, found, expected) in [
            ("another code version", &found.code, &identity.code),
            ("another configuration", &found.configuration, &identity.configuration),
            ("other data", &found.data, &identity.data),
        ] {
            if found != expected {
                let (found, expected) = (found.clone(), expected.clone());
                return Err(Error::OtherTraining { path, what, found, expected });
            }
        }
        let numbers = Numbers {
            weights: self.read_part(&manifest.weights)?,
            optimiser: self.read_part(&manifest.optimiser)?,
            average: manifest.average.as_ref().map(|part| self.read_part(part)).transpose()?,
            best: manifest.best.as_ref().map(|part| self.read_part(part)).transpose()?,
        };
        self.best = manifest.best.map(|part| (manifest.position.best_epoch, part));
        Ok(Some((manifest.position, numbers)))
    }

    /// Writes a checkpoint and then removes the one before it.
    pub(crate) fn save(
        &mut self,
        identity: &Identity,
        position: Position,
        numbers: Numbers<&[u8]>,
    ) -> Result<(), Error> {
        let place = format!("{:04}-{:06}.safetensors", position.epochs_done, position.steps_done);
        let weights = self.write_part("weights", &place, numbers.weights)?;
        let optimiser = self.write_part("optimiser", &place, numbers.optimiser)?;
        let average = numbers.average.map(|bytes| self.write_part("average", &place, bytes)).transpose()?;
        if let Some(best) = numbers.best
            && self.best.as_ref().is_none_or(|(epoch, _)| *epoch != position.best_epoch)
        {
            let part = self.write_part("best", &format!("{:04}.safetensors", position.best_epoch), best)?;
            self.best = Some((position.best_epoch, part));
        }
        let manifest = Manifest {
            format: FORMAT.into(),
            identity: identity.clone(),
            weights,
            optimiser,
            average,
            best: self.best.as_ref().map(|(_, part)| part.clone()),
            position,
        };
        let path = self.manifest();
        let text = toml::to_string(&manifest).map_err(|error| Error::damaged(&path, error))?;
        files::write_whole_with(&path, "manifest", text.as_bytes(), &self.faults)?;
        self.remove_all_but(&manifest)
    }

    fn write_part(&self, part: &str, place: &str, bytes: &[u8]) -> Result<Part, Error> {
        let file = format!("{part}-{place}");
        files::write_whole_with(&self.directory.join(&file), part, bytes, &self.faults)?;
        Ok(Part { file, sha256: files::sha256(bytes) })
    }

    fn read_part(&self, part: &Part) -> Result<Vec<u8>, Error> {
        // The name comes from a file: it must not lead out of the directory.
        if !is_part(&part.file) || Path::new(&part.file).components().count() != 1 {
            return Err(Error::damaged(&self.manifest(), format!("it names the file {:?}", part.file)));
        }
        let path = self.directory.join(&part.file);
        let bytes = files::read(&path)?;
        let found = files::sha256(&bytes);
        if found != part.sha256 {
            let expected = &part.sha256;
            return Err(Error::damaged(
                &path,
                format!("its sha256 is {found}, where {MANIFEST} says {expected}"),
            ));
        }
        Ok(bytes)
    }

    /// Removes our own files that the manifest does not name: an older checkpoint's, and what a kill left behind.
    fn remove_all_but(&self, manifest: &Manifest) -> Result<(), Error> {
        let Manifest { weights, optimiser, average, best, .. } = manifest;
        let parts = [Some(weights), Some(optimiser), average.as_ref(), best.as_ref()];
        let keep: Vec<&str> = parts.into_iter().flatten().map(|part| part.file.as_str()).collect();
        let entries =
            fs::read_dir(&self.directory).map_err(Error::io("read directory", &self.directory))?.flatten();
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let left_behind = name.strip_prefix('.').and_then(|name| name.strip_suffix(".tmp"));
            if left_behind.is_some_and(|name| is_part(name) || name == MANIFEST)
                || is_part(&name) && !keep.contains(&name.as_str())
            {
                let path = entry.path();
                self.faults.at("clean", "").map_err(Error::io("remove", &path))?;
                fs::remove_file(&path).map_err(Error::io("remove", &path))?;
            }
        }
        Ok(())
    }
}

/// Locks a directory; none where the file system has no locks, or does not let us write, which then is said where it matters.
fn lock(directory: &Path) -> Result<Option<File>, Error> {
    let Ok(file) = File::create(directory.join(LOCK)) else { return Ok(None) };
    // A process that this one starts has what is open here until it runs its program: a lock may outlive its file by a moment.
    for _ in 0..50 {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
            Err(TryLockError::Error(_)) => return Ok(None),
        }
    }
    Err(Error::Busy { path: directory.to_path_buf() })
}

/// Whether a file of this name is ours.
fn is_part(name: &str) -> bool {
    PARTS.iter().any(|part| name.starts_with(part)) && name.ends_with(".safetensors")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::Meter;

    fn identity() -> Identity {
        Identity { configuration: "c".into(), data: "d".into(), code: "v".into() }
    }

    fn position(step: usize) -> Position {
        Position {
            epochs_done: 0,
            steps_done: step,
            best_epoch: step,
            best_loss: 0.1 + 0.2,
            stopped: None,
            sessions: 1,
            log_bytes: 17,
            running: Running { loss: 1e-300 / 3.0, weight: f64::MIN_POSITIVE, jets: 3, seconds: 0.3 },
            resources: Meter::start().read(),
            history: (1..50).map(|epoch| f64::from(epoch).sqrt() / 3.0).map(epoch).collect(),
        }
    }

    fn epoch(value: f64) -> Epoch {
        Epoch {
            epoch: 1,
            train_loss: value,
            validation_loss: value.exp(),
            validation_accuracy: Some(value.sin()),
            learning_rate: value * 1e-17,
            seconds: value * 1e9,
            jets_per_second: f64::INFINITY,
        }
    }

    fn numbers(version: &[u8]) -> Numbers<&[u8]> {
        Numbers { weights: version, optimiser: b"moments", average: Some(version), best: Some(version) }
    }

    /// Two of them wrote each other's log and removed each other's files.
    #[test]
    fn two_trainings_do_not_share_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let first = Checkpoints::open(dir.path(), Faults::default()).unwrap();
        let error = Checkpoints::open(dir.path(), Faults::default()).unwrap_err().to_string();
        assert!(error.contains("another process is at work there"), "{error}");
        drop(first);
        Checkpoints::open(dir.path(), Faults::default()).unwrap();
    }

    #[test]
    fn numbers_come_back_bit_by_bit() {
        let dir = tempfile::tempdir().unwrap();
        let mut checkpoints = Checkpoints::open(dir.path(), Faults::default()).unwrap();
        let before = position(1);
        checkpoints.save(&identity(), before.clone(), numbers(b"1")).unwrap();
        let loaded = checkpoints.load(&identity()).unwrap();
        assert_eq!(loaded.as_ref().unwrap().0, before);
        // Also on the way to another process.
        let mut message = to_message(loaded.as_ref()).unwrap();
        assert_eq!(from_message(&message).unwrap(), loaded);
        message.pop();
        assert!(from_message(&message).is_err());
        assert_eq!(from_message(&to_message(None).unwrap()).unwrap(), None);
    }

    #[test]
    fn a_fault_at_any_point_leaves_the_old_checkpoint_or_the_new_one() {
        let points = ["weights", "optimiser", "average", "best", "manifest"]
            .iter()
            .flat_map(|part| ["write", "sync", "rename"].map(|action| format!("{action} {part}")))
            .chain(["clean".to_owned()]);
        for point in points {
            let dir = tempfile::tempdir().unwrap();
            let mut first = Checkpoints::open(dir.path(), Faults::default()).unwrap();
            assert!(first.load(&identity()).unwrap().is_none());
            first.save(&identity(), position(1), numbers(b"1")).unwrap();
            drop(first);

            let at = point.clone();
            let faults = Faults::new(move |here| match here == at {
                true => Err(std::io::Error::other("fault")),
                false => Ok(()),
            });
            let mut second = Checkpoints::open(dir.path(), faults).unwrap();
            second.load(&identity()).unwrap().unwrap();
            second.save(&identity(), position(2), numbers(b"2")).unwrap_err();
            drop(second);

            let mut third = Checkpoints::open(dir.path(), Faults::default()).unwrap();
            let (position_then, numbers_then) = third.load(&identity()).unwrap().unwrap();
            let (step, version) = if point == "clean" { (2, b"2") } else { (1, b"1") };
            assert_eq!(position_then.steps_done, step, "{point}");
            assert_eq!(numbers_then.weights, version, "{point}");
            assert_eq!(numbers_then.best.as_deref(), Some(version.as_slice()), "{point}");

            // The next one cleans up what the fault left behind.
            third.save(&identity(), position(3), numbers(b"3")).unwrap();
            let mut names: Vec<_> =
                fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            let expected = [
                LOCK,
                "average-0000-000003.safetensors",
                "best-0003.safetensors",
                MANIFEST,
                "optimiser-0000-000003.safetensors",
                "weights-0000-000003.safetensors",
            ];
            assert_eq!(names, expected, "{point}");
        }
    }

    #[test]
    fn another_training_and_damage_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut checkpoints = Checkpoints::open(dir.path(), Faults::default()).unwrap();
        checkpoints.save(&identity(), position(1), numbers(b"1")).unwrap();
        let mut check = |identity: Identity, message: &str| {
            let error = checkpoints.load(&identity).unwrap_err().to_string();
            assert!(error.contains(message), "{error} lacks {message}");
        };
        let other = || "other".to_owned();
        check(Identity { code: other(), ..identity() }, "another code version (v, here other)");
        check(Identity { configuration: other(), ..identity() }, "another configuration (c, here other)");
        check(Identity { data: other(), ..identity() }, "other data (d, here other)");

        fs::write(dir.path().join("weights-0000-000001.safetensors"), "2").unwrap();
        check(identity(), "weights-0000-000001.safetensors: its sha256 is");
        let manifest = dir.path().join(MANIFEST);
        let text = fs::read_to_string(&manifest).unwrap();
        fs::write(&manifest, text.replace("weights-0000", "weights-/../../a")).unwrap();
        check(identity(), "it names the file");
        fs::write(&manifest, text.replace("checkpoint/1", "checkpoint/2")).unwrap();
        check(identity(), "its format is \"fiducial-checkpoint/2\"");
        fs::write(&manifest, text.replace("steps_done", "stepsdone")).unwrap();
        check(identity(), "unknown field `stepsdone`");
        fs::write(&manifest, "[").unwrap();
        check(identity(), "checkpoint.toml: TOML parse error");
    }
}
