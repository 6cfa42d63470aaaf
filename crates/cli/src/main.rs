//! The `fiducial` command: parse, call, print. It holds no logic of its own.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is what a command line does")]

mod arguments;
mod commands;
mod failure;
mod progress;
mod size;
mod tables;

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use arguments::{Arguments, Bench, Command, Dataset, Model, View};
use failure::Failure;

/// Without it a quarter to a third of a training step goes into page faults: see `fiducial_models::allocator`.
#[global_allocator]
static ALLOCATOR: fiducial_models::allocator::Allocator = fiducial_models::allocator::Allocator;

fn main() -> ExitCode {
    fiducial_models::allocator::keep_freed_memory();
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    let threads = match &arguments.command {
        Command::Train(options) => arguments.threads.or_else(|| commands::train::threads(options)),
        _ => arguments.threads,
    };
    if let Some(threads) = threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(usize::from(threads))
            .build_global()
            .map_err(|error| Failure::other(format!("start {threads} threads: {error}")))?;
    }
    let quiet = arguments.quiet;
    match arguments.command {
        Command::Inspect(options) => commands::inspect::run(&options),
        Command::Convert(options) => commands::convert::run(&options, quiet),
        Command::Hist(options) => commands::hist::run(&options),
        Command::Prepare(options) => commands::prepare::run(&options, quiet),
        Command::View(View::Show { view }) => commands::view::show(&view),
        Command::Dataset(Dataset::Verify { directory }) => commands::dataset::verify(&directory),
        Command::Dataset(Dataset::List) => commands::catalogue::list(),
        Command::Dataset(Dataset::Info { name, view }) => commands::catalogue::info(&name, view),
        Command::Dataset(Dataset::Fetch { name, files, output }) => {
            commands::catalogue::fetch(&name, &files, output, quiet)
        }
        Command::Train(options) => commands::train::run(&options, quiet),
        Command::Model(Model::Info { model }) => commands::model::info(&model),
        Command::Model(Model::Card { model, licence, intended_use }) => {
            commands::model::card(&model, licence, intended_use)
        }
        Command::Model(Model::Export(options)) => commands::model::export(&options),
        Command::Model(Model::Import(options)) => commands::model::import(&options),
        Command::Predict(options) => commands::predict::run(&options),
        Command::Evaluate(options) => commands::evaluate::run(&options),
        Command::Bench(Bench::List) => commands::bench::list(),
        Command::Bench(Bench::Run(options)) => commands::bench::run(&options, quiet),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "fiducial", &mut std::io::stdout());
            Ok(())
        }
        Command::External(words) => commands::external::run(&words),
    }
}

/// Prints to stdout. A reader that has gone (`fiducial inspect … | head`) is no failure.
fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::other(format!("write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}
