//! What a run costs: wall time, processor time, peak memory and energy.
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// The power that the estimate of energy takes for one busy core, in watts.
///
/// A round number: the thermal design power divided by the cores lies between 5 and 15 W for most laptops and servers
/// of the 2020s. Memory, disks, fans and the power supply's losses are not in it.
pub const WATTS_PER_CORE: f64 = 10.0;

/// Where Linux shows the energy counters of the processor (running average power limit, RAPL).
const POWERCAP: &str = "/sys/class/powercap";

/// The counters wrap around after some minutes at full power (2^32 µJ at worst: 21 s at 200 W), so they are read often.
const SAMPLE_EVERY: Duration = Duration::from_secs(5);

/// What a run has used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// Elapsed time, in seconds.
    pub wall_seconds: f64,
    /// Time on all cores together, user and system, in seconds.
    pub cpu_seconds: f64,
    /// The largest resident memory of the process so far, in bytes; none where the system does not tell.
    pub peak_memory_bytes: Option<u64>,
    /// The energy used.
    pub energy: Energy,
}

/// An energy, and how it is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Energy {
    /// The energy in joules (3.6 MJ = 1 kWh).
    pub joules: f64,
    /// How it is known.
    pub method: EnergyMethod,
    /// The method in words, for people: what was measured, or how it was estimated.
    pub note: String,
}

/// How an energy is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnergyMethod {
    /// From the processor's counters (RAPL).
    Measured,
    /// From the processor time and [`WATTS_PER_CORE`].
    Estimated,
}

impl Resources {
    /// Adds what another process of the same job has used in the same time. Counters of energy are a whole machine's: where they
    /// are read, this machine's are left as they are.
    pub(crate) fn add_process(&mut self, other: &Self) {
        self.cpu_seconds += other.cpu_seconds;
        self.peak_memory_bytes = self.peak_memory_bytes.zip(other.peak_memory_bytes).map(|(a, b)| a + b);
        if self.energy.method == EnergyMethod::Estimated {
            self.energy.joules += other.cpu_seconds * WATTS_PER_CORE;
        }
    }

    /// The sum of two stretches of one job, such as before and after an interruption. Peak memory is the larger one,
    /// and energy counts as measured only where both were.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let method = match (self.energy.method, other.energy.method) {
            (EnergyMethod::Measured, EnergyMethod::Measured) => EnergyMethod::Measured,
            _ => EnergyMethod::Estimated,
        };
        let note = match self.energy.note == other.energy.note {
            true => self.energy.note.clone(),
            false => format!("{}; and {}", self.energy.note, other.energy.note),
        };
        Self {
            wall_seconds: self.wall_seconds + other.wall_seconds,
            cpu_seconds: self.cpu_seconds + other.cpu_seconds,
            peak_memory_bytes: self.peak_memory_bytes.max(other.peak_memory_bytes),
            energy: Energy { joules: self.energy.joules + other.energy.joules, method, note },
        }
    }
}

/// Measures what this process uses from [`Meter::start`] on.
///
/// ```
/// let meter = fiducial_train::resources::Meter::start();
/// let used = meter.read();
/// assert!(used.wall_seconds >= 0.0 && used.energy.joules >= 0.0);
/// assert!(!used.energy.note.is_empty());
/// ```
#[derive(Debug)]
pub struct Meter {
    start: Instant,
    cpu_seconds: f64,
    rapl: Option<Sampler>,
}

impl Meter {
    /// Starts measuring. Where the energy counters are readable, a thread reads them every few seconds until the
    /// meter is dropped, so that no wrap-around is missed.
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
            cpu_seconds: cpu_seconds(),
            rapl: Rapl::open(Path::new(POWERCAP)).map(Sampler::start),
        }
    }

    /// What has been used since the start.
    pub fn read(&self) -> Resources {
        let cpu_seconds = (cpu_seconds() - self.cpu_seconds).max(0.0);
        let energy = match &self.rapl {
            Some(sampler) => sampler.read(),
            None => Energy {
                joules: cpu_seconds * WATTS_PER_CORE,
                method: EnergyMethod::Estimated,
                note: format!(
                    "estimate: processor seconds x {WATTS_PER_CORE} W for a busy core; \
                     the energy counters (RAPL) are not readable here"
                ),
            },
        };
        Resources {
            wall_seconds: self.start.elapsed().as_secs_f64(),
            cpu_seconds,
            peak_memory_bytes: peak_memory_bytes(),
            energy,
        }
    }
}

/// The process's user and system time over all threads, in seconds; 0 where the system does not tell.
fn cpu_seconds() -> f64 {
    usage().map_or(0.0, |usage| {
        let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
        seconds(usage.ru_utime) + seconds(usage.ru_stime)
    })
}

fn usage() -> Option<libc::rusage> {
    // SAFETY: `rusage` holds integers only, for which all zeros is a value; `getrusage` writes one such struct.
    unsafe {
        let mut usage = std::mem::zeroed();
        (libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) == 0).then_some(usage)
    }
}

/// The largest resident memory of this process since it began, in bytes: `VmHWM` of `/proc/self/status` on Linux,
/// `ru_maxrss` elsewhere.
pub fn peak_memory_bytes() -> Option<u64> {
    match fs::read_to_string("/proc/self/status") {
        Ok(status) => high_water_mark(&status),
        Err(_) => {
            let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
            usage().and_then(|usage| u64::try_from(usage.ru_maxrss).ok()).map(|value| value * unit)
        }
    }
}

fn high_water_mark(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// The energy counters of the machine's processors.
#[derive(Debug)]
struct Rapl {
    zones: Vec<Zone>,
    microjoules: u64,
}

/// One counter, which starts again at zero after `range` microjoules.
#[derive(Debug)]
struct Zone {
    path: PathBuf,
    range: u64,
    last: u64,
}

impl Rapl {
    /// Opens the counters under `root` that add up without counting anything twice: the processor packages, and the
    /// memory beside them. None if there is no package counter that may be read (root alone may, by default).
    fn open(root: &Path) -> Option<Self> {
        let mut zones = Vec::new();
        let mut packages = 0;
        let mut entries: Vec<_> = fs::read_dir(root).ok()?.flatten().map(|entry| entry.path()).collect();
        entries.sort();
        for path in entries {
            let name = fs::read_to_string(path.join("name")).unwrap_or_default();
            let package = name.starts_with("package-");
            if !(package || name.trim() == "dram") {
                continue; // cores and graphics are parts of a package; "psys" holds all of them
            }
            let Some(range) = number(&path.join("max_energy_range_uj")) else { continue };
            let counter = path.join("energy_uj");
            let Some(last) = number(&counter) else { continue };
            packages += usize::from(package);
            zones.push(Zone { path: counter, range, last });
        }
        (packages > 0).then_some(Self { zones, microjoules: 0 })
    }

    fn sample(&mut self) {
        for zone in &mut self.zones {
            let Some(now) = number(&zone.path) else { continue };
            let used =
                if now >= zone.last { now - zone.last } else { zone.range.saturating_sub(zone.last) + now };
            self.microjoules = self.microjoules.saturating_add(used);
            zone.last = now;
        }
    }
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Reads the counters now and then on a thread of its own.
#[derive(Debug)]
struct Sampler {
    rapl: Arc<Mutex<Rapl>>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sampler {
    fn start(rapl: Rapl) -> Self {
        let rapl = Arc::new(Mutex::new(rapl));
        let (stop, stopped) = channel();
        let shared = Arc::clone(&rapl);
        // Without the thread a wrap-around may be missed on a long run; that is no reason not to run.
        let thread = std::thread::Builder::new()
            .name("energy".into())
            .spawn(move || {
                while stopped.recv_timeout(SAMPLE_EVERY) == Err(RecvTimeoutError::Timeout) {
                    shared.lock().unwrap_or_else(PoisonError::into_inner).sample();
                }
            })
            .ok();
        Self { rapl, stop: Some(stop), thread }
    }

    fn read(&self) -> Energy {
        let mut rapl = self.rapl.lock().unwrap_or_else(PoisonError::into_inner);
        rapl.sample();
        Energy {
            joules: rapl.microjoules as f64 * 1e-6,
            method: EnergyMethod::Measured,
            note: format!(
                "measured: {} energy counters (RAPL) of the whole machine's processors and memory, \
                 other programs included",
                rapl.zones.len()
            ),
        }
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has nothing to tell us here.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(root: &Path, zone: &str, name: &str, range: u64, energy: u64) -> PathBuf {
        let dir = root.join(zone);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("name"), format!("{name}\n")).unwrap();
        fs::write(dir.join("max_energy_range_uj"), format!("{range}\n")).unwrap();
        fs::write(dir.join("energy_uj"), format!("{energy}\n")).unwrap();
        dir.join("energy_uj")
    }

    #[test]
    fn counters_add_up_and_wrap_around() {
        let root = tempfile::tempdir().unwrap();
        let package = zone(root.path(), "intel-rapl:0", "package-0", 1_000, 900);
        let memory = zone(root.path(), "intel-rapl:0:1", "dram", 1_000, 10);
        let core = zone(root.path(), "intel-rapl:0:0", "core", 1_000, 0);
        let all = zone(root.path(), "intel-rapl:1", "psys", 1_000, 0);
        let mut rapl = Rapl::open(root.path()).unwrap();
        assert_eq!(rapl.zones.len(), 2);
        for (path, value) in [(&package, 950), (&memory, 20), (&core, 500), (&all, 500)] {
            fs::write(path, value.to_string()).unwrap();
        }
        rapl.sample();
        assert_eq!(rapl.microjoules, 60);
        fs::write(&package, "50").unwrap(); // 50 to the top, then 50
        rapl.sample();
        assert_eq!(rapl.microjoules, 160);
        fs::remove_file(&package).unwrap();
        rapl.sample();
        assert_eq!(rapl.microjoules, 160);
    }

    #[test]
    fn no_readable_package_means_no_measurement() {
        let root = tempfile::tempdir().unwrap();
        assert!(Rapl::open(root.path()).is_none());
        assert!(Rapl::open(&root.path().join("absent")).is_none());
        zone(root.path(), "intel-rapl:0:1", "dram", 1_000, 10);
        assert!(Rapl::open(root.path()).is_none());
        let package = zone(root.path(), "intel-rapl:0", "package-0", 1_000, 900);
        fs::write(package, "what?").unwrap();
        assert!(Rapl::open(root.path()).is_none());
    }

    #[test]
    fn the_high_water_mark_is_read_in_bytes() {
        let check = |status, expected| assert_eq!(high_water_mark(status), expected, "{status:?}");
        check("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t 1 kB\n", Some(2_097_152));
        check("VmHWM: many kB\n", None);
        check("VmHWM: 18446744073709551615 kB\n", None);
        check("", None);
    }

    #[test]
    fn work_takes_time_and_energy() {
        let meter = Meter::start();
        let mut sum = 0.0_f64;
        while meter.start.elapsed() < Duration::from_millis(60) {
            sum += std::hint::black_box(1.0_f64).sin();
        }
        let used = meter.read();
        assert!(sum > 0.0 && used.wall_seconds > 0.05, "{used:?}");
        if used.energy.method == EnergyMethod::Estimated {
            assert_eq!(used.energy.joules, used.cpu_seconds * WATTS_PER_CORE);
        }
        let twice = used.plus(&used);
        assert_eq!(twice.wall_seconds, 2.0 * used.wall_seconds);
        assert_eq!(
            (twice.peak_memory_bytes, &twice.energy.note),
            (used.peak_memory_bytes, &used.energy.note)
        );
    }
}
