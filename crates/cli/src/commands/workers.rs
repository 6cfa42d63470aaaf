//! The processes of one training: started here, or by whoever sets the environment on several hosts.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fiducial_train::World;
use fiducial_train::world::{Meeting, Watch};

use crate::arguments::Train;
use crate::failure::Failure;

const RANK: &str = "FIDUCIAL_RANK";
const WORLD: &str = "FIDUCIAL_WORLD";
const ADDRESS: &str = "FIDUCIAL_ADDRESS";
const KEY: &str = "FIDUCIAL_KEY";

/// The processes that were started here. They end with this one.
#[derive(Default)]
pub(crate) struct Workers(Arc<Mutex<Vec<Child>>>);

impl Drop for Workers {
    fn drop(&mut self) {
        for child in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            // Those that are done are gone already; the others have nothing to go on for.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Threads of each process, where the command line does not say: its share of the cores.
pub(crate) fn threads(options: &Train) -> Option<u16> {
    let processes = usize::from(options.processes?);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    u16::try_from((cores / processes).max(1)).ok()
}

/// This process among those of its training, and those that it has started.
pub(crate) fn world(options: &Train, dataset: &Path, output: &Path) -> Result<(World, Workers), Failure> {
    let patience = Duration::from_secs(u64::from(options.worker_timeout));
    let meeting = |size: usize, key: String| Meeting { size, key, patience };
    if let Some(rank) = number(RANK)? {
        let size = number(WORLD)?.ok_or_else(|| missing(WORLD))?;
        let address = text(ADDRESS).ok_or_else(|| missing(ADDRESS))?;
        let key = text(KEY).ok_or_else(|| missing(KEY))?;
        if rank >= size {
            return Err(Failure::usage(format!("join a training as {RANK} {rank} of {size}")));
        }
        let world = match rank {
            0 => World::host(&listen(&address)?, &meeting(size, key), None),
            _ => World::join(&address, rank, &meeting(size, key)),
        };
        return Ok((world?, Workers::default()));
    }
    let size = options.processes.map_or(1, usize::from);
    if size == 1 {
        return Ok((World::alone(), Workers::default()));
    }
    let listener = listen("127.0.0.1:0")?;
    let address = listener.local_addr().map_err(Failure::other)?.to_string();
    // Different from one training to the next is all that it has to be.
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let key = format!("{}-{clock}", std::process::id());
    let workers = Workers::default();
    let program = std::env::current_exe().map_err(Failure::other)?;
    for rank in 1..size {
        let mut command = Command::new(&program);
        command.args(["--quiet", "--threads", &rayon::current_num_threads().to_string(), "train"]);
        command.arg(&options.recipe).arg("--dataset").arg(dataset).arg("--output").arg(output);
        command.args(["--worker-timeout", &options.worker_timeout.to_string()]);
        if let Some(seed) = options.seed {
            command.args(["--seed", &seed.to_string()]);
        }
        if let Some(device) = options.device {
            command.args(["--device", &device.to_string()]);
        }
        command.envs([(RANK, rank.to_string()), (WORLD, size.to_string())]);
        command.envs([(ADDRESS, &address), (KEY, &key)]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let child = child.map_err(|error| Failure::other(format!("start process {rank}: {error}")))?;
        workers.0.lock().unwrap_or_else(PoisonError::into_inner).push(child);
    }
    let children = Arc::clone(&workers.0);
    let watch: Watch = Box::new(move |rank| {
        let mut children = children.lock().unwrap_or_else(PoisonError::into_inner);
        let child = children.get_mut(rank.checked_sub(1)?)?;
        child.try_wait().ok()?.map(|status| ended(child.id(), status))
    });
    Ok((World::host(&listener, &meeting(size, key), Some(watch))?, workers))
}

fn ended(process: u32, status: ExitStatus) -> String {
    format!("(process {process}) has ended: {status}")
}

fn listen(address: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).map_err(|error| Failure::other(format!("listen at {address}: {error}")))
}

fn text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn number(name: &str) -> Result<Option<usize>, Failure> {
    let Some(value) = text(name) else { return Ok(None) };
    let number = value.parse().map_err(|_| Failure::usage(format!("take {name}={value} for a number")));
    number.map(Some)
}

fn missing(name: &str) -> Failure {
    Failure::usage(format!("join a training: {name} is not set"))
        .hint("`fiducial train --help` says what is needed")
}
