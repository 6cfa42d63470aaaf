//! Progress on stderr: a live line on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use fiducial_train::Phase;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::tables::{bytes, count, duration};

/// Where there is no terminal, at most one line in this time.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows how far a command is.
pub(crate) struct Display {
    bar: ProgressBar,
    is_terminal: bool,
    quiet: bool,
    last_line: Instant,
}

impl Display {
    pub(crate) fn new(quiet: bool) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let target =
            if is_terminal && !quiet { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        // A fixed template: it parses, as the tests show.
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        Self { bar, is_terminal, quiet, last_line: Instant::now() }
    }

    /// A line that stays.
    pub(crate) fn say(&self, text: &str) {
        if self.quiet {
            return;
        }
        if self.is_terminal {
            self.bar.suspend(|| eprintln!("{text}"));
        } else {
            eprintln!("{text}");
        }
    }

    /// What goes on now; the next one takes its place.
    fn now(&mut self, text: String) {
        if self.quiet {
            return;
        }
        if self.is_terminal {
            self.bar.set_message(text);
            self.bar.tick();
        } else if self.last_line.elapsed() >= LINE_EVERY {
            eprintln!("{text}");
            self.last_line = Instant::now();
        }
    }

    /// Takes the live line away.
    pub(crate) fn done(&self) {
        self.bar.finish_and_clear();
    }

    pub(crate) fn preparing(&mut self, progress: fiducial_data::prepare::Progress) {
        let (read, total) = (count(progress.rows_read), count(progress.rows_total));
        self.now(format!("  preparing: {read} of {total} rows read, {} kept", count(progress.rows_kept)));
    }

    pub(crate) fn fetching(&mut self, done: u64, total: Option<u64>) {
        let total = total.map_or_else(String::new, |total| format!(" of {}", bytes(total)));
        self.now(format!("  fetching: {}{total}", bytes(done)));
    }

    pub(crate) fn training(&mut self, progress: &fiducial_train::Progress<'_>) {
        let width = progress.epochs.to_string().len();
        match (progress.phase, progress.history.last()) {
            (Phase::EpochDone, Some(epoch)) => self.say(&format!(
                "  epoch {:>width$}/{}  loss {:.4}  validation loss {:.4}  {}{} jets/s  {}",
                epoch.epoch,
                progress.epochs,
                epoch.train_loss,
                epoch.validation_loss,
                epoch.validation_accuracy.map_or_else(String::new, |share| format!("accuracy {share:.4}  ")),
                count(epoch.jets_per_second as u64),
                left(progress.left),
            )),
            _ => self.now(format!(
                "  epoch {:>width$}/{}  step {}/{}  loss {:.4}  {} jets/s  {}",
                progress.epoch,
                progress.epochs,
                progress.step,
                progress.steps,
                progress.loss,
                count(progress.jets_per_second as u64),
                left(progress.left),
            )),
        }
    }
}

fn left(left: Option<Duration>) -> String {
    left.map_or_else(String::new, |left| format!("{} left", duration(left.as_secs_f64())))
}
