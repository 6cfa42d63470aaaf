//! Work away from the interpreter: on threads of our own, interruptible, and sound after a fork.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::Error;
use crate::number::whole;

/// How long a wait goes on before it looks for an interrupt.
const LOOK: Duration = Duration::from_millis(50);

/// The threads, and the process that they belong to. torch's `DataLoader` forks its workers, and threads do not come along:
/// work that waited for those of rayon's global pool would wait for ever.
static POOL: Mutex<Option<Pool>> = Mutex::new(None);

struct Pool {
    process: u32,
    threads: Arc<ThreadPool>,
}

/// This process's threads.
pub(crate) fn pool() -> PyResult<Arc<ThreadPool>> {
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    match &*pool {
        Some(pool) if pool.process == std::process::id() => Ok(pool.threads.clone()),
        _ => replace(&mut pool, 0),
    }
}

/// How many threads work from here on; 0 for one a core, or what `RAYON_NUM_THREADS` says. Work that was begun stays where it is.
#[pyfunction]
pub(crate) fn set_threads(#[pyo3(from_py_with = whole)] threads: usize) -> PyResult<()> {
    replace(&mut POOL.lock().unwrap_or_else(PoisonError::into_inner), threads).map(drop)
}

/// How many threads work.
#[pyfunction]
pub(crate) fn threads() -> PyResult<usize> {
    Ok(pool()?.current_num_threads())
}

fn replace(pool: &mut Option<Pool>, threads: usize) -> PyResult<Arc<ThreadPool>> {
    let built =
        ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("fiducial-{i}")).build();
    let threads =
        Arc::new(built.map_err(|error| Error::new_err(format!("failed to start threads: {error}")))?);
    let process = std::process::id();
    if let Some(old) = pool.replace(Pool { process, threads: threads.clone() })
        && old.process != process
    {
        // Its threads are in the parent; to end them here would be to touch locks that they may hold.
        std::mem::forget(old);
    }
    Ok(threads)
}

/// Work that has begun.
pub(crate) struct Job<T> {
    result: Mutex<Receiver<Result<T, Box<dyn Any + Send>>>>,
    process: u32,
}

impl<T: Send + 'static> Job<T> {
    /// Begins work on the threads of this process.
    pub(crate) fn start(work: impl FnOnce() -> T + Send + 'static) -> PyResult<Self> {
        let (sender, receiver) = sync_channel(1);
        pool()?.spawn(move || {
            // Nobody may be waiting any more: then the result is dropped.
            let _ = sender.send(catch_unwind(AssertUnwindSafe(work)));
        });
        Ok(Self { result: Mutex::new(receiver), process: std::process::id() })
    }

    /// Waits for the result with the interpreter free, and calls `look` some times a second. An interrupt, or an error of
    /// `look`, ends the wait, not the work; a further call waits on.
    pub(crate) fn wait_and(&self, py: Python<'_>, mut look: impl FnMut() -> PyResult<()>) -> PyResult<T> {
        if self.process != std::process::id() {
            return Err(Error::new_err(
                "failed to wait for work: it was begun before this process was forked; begin it in this process",
            ));
        }
        loop {
            let received =
                py.detach(|| self.result.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(LOOK));
            match received {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(panic)) => return Err(broken(panic.as_ref())),
                Err(RecvTimeoutError::Disconnected) => return Err(broken(&"its thread is gone")),
                Err(RecvTimeoutError::Timeout) => {
                    py.check_signals()?;
                    look()?;
                }
            }
        }
    }

    /// Waits for the result, see [`Job::wait_and`].
    pub(crate) fn wait(&self, py: Python<'_>) -> PyResult<T> {
        self.wait_and(py, || Ok(()))
    }
}

/// Does work on the threads of this process while other Python threads run. An interrupt ends the wait at once; the work, which
/// only reads, goes on to its end unseen.
pub(crate) fn run<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce() -> T + Send + 'static,
) -> PyResult<T> {
    Job::start(work)?.wait(py)
}

/// A panic of a library: a mistake of ours, told as an error and not as the end of the process.
fn broken(panic: &(dyn Any + Send)) -> PyErr {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    Error::new_err(format!("failed for an internal reason, which is a bug: {text}"))
}

/// Results that are prepared ahead of being asked for, in order.
pub(crate) struct Ahead<T> {
    jobs: VecDeque<Job<T>>,
}

impl<T: Send + 'static> Ahead<T> {
    /// How many results are prepared ahead: while one is used, the next is there and the one after it is made.
    const DEPTH: usize = 2;

    pub(crate) fn new() -> Self {
        Self { jobs: VecDeque::with_capacity(Self::DEPTH) }
    }

    /// How many results are being prepared or wait to be taken.
    pub(crate) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Begins jobs until enough are under way.
    pub(crate) fn fill(&mut self, mut next: impl FnMut() -> Option<PyResult<Job<T>>>) -> PyResult<()> {
        while self.jobs.len() <= Self::DEPTH
            && let Some(job) = next()
        {
            self.jobs.push_back(job?);
        }
        Ok(())
    }

    /// The next result, none after the last; `next` begins the job after those that it began. An interrupt loses nothing.
    pub(crate) fn take(
        &mut self,
        py: Python<'_>,
        next: impl FnMut() -> Option<PyResult<Job<T>>>,
    ) -> PyResult<Option<T>> {
        self.fill(next)?;
        let Some(job) = self.jobs.front() else { return Ok(None) };
        let result = job.wait(py)?;
        self.jobs.pop_front();
        Ok(Some(result))
    }
}
