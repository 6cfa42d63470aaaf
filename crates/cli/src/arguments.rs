//! One definition for each option: parsing, help and completions all come from here.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use fiducial_models::ComputeDevice;

const EXIT_CODES: &str = "Exit codes:
  0  done
  1  failed for a reason outside the input (disk, memory, network)
  2  wrong usage: an unknown option, command, task or model
  3  bad input: a file, view, recipe or predictions that cannot be read or do not fit
  4  a check found problems (`dataset verify`), or columns had to be left out (`convert`)

stdout is data, stderr is talk. NO_COLOR is respected.
An unknown command `x` runs the program `fiducial-x`, if there is one.";

const MAIN_EXAMPLES: &str = "From a ROOT file to a measured tagger, step by step:
  fiducial inspect jets.root
  fiducial prepare view.toml jets.root -o jets/
  fiducial train recipe.toml -o model/
  fiducial predict model/ jets/ -o predictions.parquet
  fiducial evaluate jet-tagging/top predictions.parquet --dataset jets/

Or all of it on the embedded sample:
  fiducial bench run jet-tagging/top";

/// AI for high-energy physics: from the file that an experiment wrote to a model that is measured.
#[derive(Debug, Parser)]
#[command(name = "fiducial", version, about, after_help = MAIN_EXAMPLES, after_long_help = format!("{MAIN_EXAMPLES}\n\n{EXIT_CODES}"))]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    /// Threads to use; all cores by default. Results do not depend on it
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: Option<u16>,

    /// No progress on stderr; warnings and errors still appear there
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what is in a file: tables, columns, types, entries, sizes
    Inspect(Inspect),
    /// Write a table of a file as Parquet, Arrow or ROOT
    Convert(Convert),
    /// Fill and draw a histogram of any expression
    Hist(Hist),
    /// Make an AI-ready dataset from files of any format that is read
    Prepare(Prepare),
    /// Work with views: show
    #[command(subcommand)]
    View(View),
    /// Work with datasets: verify, and the catalogue of public ones: list, info, fetch
    #[command(subcommand)]
    Dataset(Dataset),
    /// Train a model as a recipe says
    Train(Train),
    /// Write a model's scores for a dataset
    Predict(Predict),
    /// Bring models in from other programs, take them out as ONNX, and say what is in them
    #[command(subcommand)]
    Model(Model),
    /// Measure predictions, from any framework, by a task's metrics
    Evaluate(Evaluate),
    /// Run whole benchmarks: data, training, evaluation, report
    #[command(subcommand)]
    Bench(Bench),
    /// Print completions for a shell
    ///
    /// For bash: fiducial completions bash > ~/.local/share/bash-completion/completions/fiducial
    Completions {
        /// The shell to complete in
        shell: clap_complete::Shell,
    },
    #[command(external_subcommand)]
    External(Vec<OsString>),
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// A ROOT, Parquet, HDF5, NumPy, CSV, LHE or HepMC file, or the address of a remote one: https://,
    /// s3://, for ROOT root:// too
    pub(crate) file: PathBuf,
    /// Show this tree, ntuple, group or array alone
    #[arg(long)]
    pub(crate) tree: Option<String>,
    /// Print this object alone, as JSON: a histogram in the UHI schema, which boost-histogram and hist
    /// read; any other with its members
    #[arg(long, value_name = "NAME", conflicts_with = "tree")]
    pub(crate) object: Option<String>,
    /// Read the histograms and other objects of a remote file too, and say what they hold; of a file on this
    /// machine they always are
    #[arg(long, conflicts_with = "object")]
    pub(crate) contents: bool,
    /// Print JSON (format fiducial-inspect/1)
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fiducial convert nano.root:Events events.parquet --columns 'Muon_*,nMuon'
  fiducial convert jets.parquet jets.root --format ntuple --compression zstd:9

Rows stream through in bounded memory, and the file appears whole or not at all. Columns that cannot
be read, or that the format has no form for, are named on stderr with the reason; the others are
written, and the exit code is 4.")]
pub(crate) struct Convert {
    /// A file of any format that `inspect` reads; of one with several tables FILE:TABLE
    #[arg(value_name = "FILE[:TREE]")]
    pub(crate) input: String,
    /// The file to write; its extension chooses the format: .parquet, .arrow or .root
    pub(crate) output: PathBuf,
    /// Columns to take, with * and ? as in file names; all by default
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) columns: Vec<String>,
    /// Entries to take, from A up to but not including B; either may be left out
    #[arg(long, value_name = "A..B")]
    pub(crate) entries: Option<String>,
    /// What a ROOT file is to hold
    #[arg(long, value_enum, default_value_t = RootFormat::Tree)]
    pub(crate) format: RootFormat,
    /// none, lz4, zlib:1 to zlib:12, zstd:1 to zstd:19; zstd:5 by default, for Arrow none
    #[arg(long, value_name = "CODEC[:LEVEL]")]
    pub(crate) compression: Option<String>,
    /// The name of the tree or ntuple in a ROOT file; by default the input's tree, or its file name
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fiducial hist nano.root -x MET_pt --bins 100,0,200 -o met.svg
  fiducial hist nano.root -x 'Jet_pt[abs(Jet_eta) < 1]' --bins 100,15,60
  fiducial hist nano.root --where 'count(Jet_pt[Jet_pt > 40]) >= 2' \\
    -x MET_pt --edges 0,20,50,100,200
  fiducial hist nano.root \\
    --define 'muons = p4(pt=Muon_pt, eta=Muon_eta, phi=Muon_phi, mass=Muon_mass)' \\
    --where 'count(Muon_pt) == 2' -x 'sum(muons).mass' --bins 60,60,120 -o mass.json

docs/guides/expressions.md has the language. Lists give an entry for each item. What is NaN is in no
bin, and counted on stderr.")]
pub(crate) struct Hist {
    /// ROOT, Parquet and other files, or addresses of remote ones
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// What is along the x axis
    #[arg(short, value_name = "EXPR")]
    pub(crate) x: String,
    /// Bins of equal width along x
    #[arg(long, value_name = "N,LOW,HIGH", required_unless_present = "edges", allow_hyphen_values = true)]
    pub(crate) bins: Option<String>,
    /// Or the edges of the bins along x
    #[arg(long, value_name = "A,B,...", conflicts_with = "bins", allow_hyphen_values = true)]
    pub(crate) edges: Option<String>,
    /// What is along the y axis, for a histogram of two axes
    #[arg(short, value_name = "EXPR", requires = "y_axis")]
    pub(crate) y: Option<String>,
    /// Bins of equal width along y
    #[arg(long, value_name = "N,LOW,HIGH", requires = "y", group = "y_axis", allow_hyphen_values = true)]
    pub(crate) y_bins: Option<String>,
    /// Or the edges of the bins along y
    #[arg(long, value_name = "A,B,...", requires = "y", group = "y_axis", allow_hyphen_values = true)]
    pub(crate) y_edges: Option<String>,
    /// The weight of each row, or of each item
    #[arg(long, short, value_name = "EXPR")]
    pub(crate) weight: Option<String>,
    /// Keep rows for which this holds; may be given several times, and each is counted
    #[arg(long = "where", value_name = "EXPR")]
    pub(crate) selection: Vec<String>,
    /// A new variable, which later expressions may use; may be given several times
    #[arg(long, short, value_name = "NAME=EXPR")]
    pub(crate) define: Vec<String>,
    /// Take tree, selection and new variables from a view
    #[arg(long)]
    pub(crate) view: Option<PathBuf>,
    /// The tree or ntuple, where a file has several
    #[arg(long)]
    pub(crate) tree: Option<String>,
    /// Also write it: .svg, .png, .root, or .json for the UHI schema, which boost-histogram and hist read
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RootFormat {
    /// A TTree, which every version of ROOT reads
    Tree,
    /// An RNTuple, ROOT's format since 6.34
    Ntuple,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  fiducial prepare benchmarks/jet-tagging/top/view.toml data/*.root -o top/

Rows that the selection drops are counted, clause by clause, in the cutflow that is printed at the
end and stored in the dataset. The dataset appears whole or not at all. A run that was killed goes on
when the same command is given again, and ends in the same bytes.")]
pub(crate) struct Prepare {
    /// The view that names columns, selection and splits: TOML, or weaver's YAML
    pub(crate) view: PathBuf,
    /// Files of any format that `inspect` reads, patterns with * and ?, or addresses of remote files
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Directory to make
    #[arg(long, short, value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// Replace a dataset that is already there
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// What to do about a file that cannot be read or lacks a column
    #[arg(long, value_enum, default_value_t = BadFile::Fail)]
    pub(crate) on_bad_file: BadFile,
    /// What to do about a row with a NaN or infinite value in a column that the view computes with
    #[arg(long, value_enum, default_value_t = BadValue::Fail)]
    pub(crate) on_bad_value: BadValue,
    /// The most memory to use, whatever the number of rows; the dataset does not depend on it
    #[arg(long, value_name = "SIZE", default_value = "4GiB", value_parser = crate::size::parse)]
    pub(crate) memory_limit: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BadFile {
    /// Give up
    Fail,
    /// Leave out all of its rows, and list it with what was lost
    Skip,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BadValue {
    /// Give up, and name file, row and column
    Fail,
    /// Leave out the row, and count it in the cutflow under its column
    Drop,
}

#[derive(Debug, Subcommand)]
pub(crate) enum View {
    /// Print a view in normal form, or weaver's YAML as a view; what is otherwise than in weaver goes to stderr
    ///
    /// Example: fiducial view show JetClass_full.yaml > jetclass.toml
    Show {
        /// The view: TOML, or weaver's YAML
        view: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Dataset {
    /// Check every file of a dataset against its manifest: presence, size, sha256, rows, schema
    Verify {
        /// The dataset's directory
        directory: PathBuf,
    },
    /// List the public datasets of the catalogue
    List,
    /// Show what is known of a public dataset, or the view that makes it AI-ready
    Info {
        /// Its name in the catalogue
        name: String,
        /// Print the view alone, as TOML: fiducial dataset info NAME --view > view.toml
        #[arg(long)]
        view: bool,
    },
    /// Fetch a public dataset, checked against its checksums; what was broken off goes on
    Fetch {
        /// Its name in the catalogue
        name: String,
        /// Files of it; all by default
        #[arg(value_name = "FILE")]
        files: Vec<String>,
        /// Where to put them; by default a directory of its name
        #[arg(long, short, value_name = "DIR")]
        output: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fiducial train benchmarks/jet-tagging/top/recipes/pfn.toml --dataset top/ -o pfn/
  fiducial train recipe.toml --dataset top/ --plan
  fiducial train recipe.toml --dataset top/ -o model/ --processes 4

A run that was killed goes on from its last checkpoint when the same command is given again, and
ends in the same bytes as one that was not, in whatever number of processes.

On several hosts start the same command on each, with FIDUCIAL_WORLD (how many processes there
are), FIDUCIAL_RANK (0, 1, ...), FIDUCIAL_ADDRESS (HOST:PORT of rank 0) and FIDUCIAL_KEY (any
secret) in its environment. Rank 0 writes the model.")]
pub(crate) struct Train {
    /// The recipe: model, sizes, schedule
    pub(crate) recipe: PathBuf,
    /// The dataset; by default the one that the recipe names
    #[arg(long, value_name = "DIR")]
    pub(crate) dataset: Option<PathBuf>,
    /// Directory for the model; by default the recipe's name without its extension
    #[arg(long, short, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Seed of initial weights, order of batches and dropout
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Predict parameters, memory and time from a few steps on the processor, and write no model
    #[arg(long)]
    pub(crate) plan: bool,
    /// Where the network computes: cpu, cuda or cuda:N; by default a GPU, if the program was built for them and one is there
    #[arg(long, conflicts_with = "plan")]
    pub(crate) device: Option<ComputeDevice>,
    /// Processes on this machine that share each batch; the result does not depend on it. --threads then is for
    /// each of them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), conflicts_with = "plan")]
    pub(crate) processes: Option<u16>,
    /// How long one of several processes may be silent
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) worker_timeout: u32,
    /// Steps from one line of log.jsonl to the next
    #[arg(long, value_name = "STEPS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) log_every: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Predict {
    /// A model's directory, as `train` leaves it
    pub(crate) model: PathBuf,
    /// A dataset's directory
    pub(crate) dataset: PathBuf,
    /// Parquet file to write: row_id, one score per class or the numbers of a regression, the view's observers
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// The split to predict
    #[arg(long, default_value = "test")]
    pub(crate) split: String,
    /// Where the network computes: cpu, cuda or cuda:N; by default a GPU, if the program was built for them and one is there
    #[arg(long)]
    pub(crate) device: Option<ComputeDevice>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Predictions are a Parquet file with the column `row_id` (as in the dataset) and one column
`score_CLASS` for each class, or, for two classes, one column `score` of the signal. Each row of
the task's test split must be there once: nothing may be left out.

Without --dataset the task's embedded sample is prepared anew, which takes seconds.

A regression is measured by the targets of its model: give the model's directory in the place of a
task, and --dataset. Predictions then have the columns that `fiducial predict` writes."
)]
pub(crate) struct Evaluate {
    /// A task, such as jet-tagging/top, a folder with a task.toml, or the directory of a regression model
    pub(crate) task: String,
    /// Predictions, from any framework
    pub(crate) predictions: PathBuf,
    /// The prepared dataset
    #[arg(long, value_name = "DIR")]
    pub(crate) dataset: Option<PathBuf>,
    /// The split that a regression was predicted on; a task's is always test
    #[arg(long, default_value = "test")]
    pub(crate) split: String,
    /// Write the metrics as JSON to this file too
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Measure a regression in bins of these columns of its view, beside bins of truth and prediction; the
    /// view's observers if none is named
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    pub(crate) against: Vec<String>,
    /// Write a regression's report, an HTML page that needs no network, to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Put a regression's metrics into the model's card
    #[arg(long)]
    pub(crate) card: bool,
    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Model {
    /// Show what a model's directory or a PyTorch state dict (.pt) holds
    Info {
        /// A model's directory, as `train` leaves it, or a .pt file
        model: PathBuf,
    },
    /// Print a model's card, after what is said here is put into it
    Card {
        /// A model's directory
        model: PathBuf,
        /// The licence of the weights, as model hubs abbreviate it: cc-by-4.0
        #[arg(long, value_name = "NAME")]
        licence: Option<String>,
        /// What the model is for
        #[arg(long, value_name = "TEXT")]
        intended_use: Option<String>,
    },
    /// Write a model as an ONNX file, and prove it
    Export(ModelExport),
    /// Make a model of weights that weaver-core trained
    Import(ModelImport),
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  export ORT_DYLIB_PATH=.../onnxruntime/capi/libonnxruntime.so.1.32.0
  fiducial model export pfn/ --dataset top/

Writes model.onnx, preprocess.json (as weaver does) and export.json. ONNX Runtime (1.18 or newer; its
Python package has the library) runs the file on jets of the dataset, and its probabilities are
compared with the model's: beyond 1e-5 nothing is written. The difference stands in the model's card.")]
pub(crate) struct ModelExport {
    /// A model's directory, as `train` leaves it
    pub(crate) model: PathBuf,
    /// The dataset whose jets prove the file
    #[arg(long, value_name = "DIR")]
    pub(crate) dataset: Option<PathBuf>,
    /// The split of them
    #[arg(long, default_value = "test")]
    pub(crate) split: String,
    /// How many of its first jets
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) jets: u32,
    /// Put standardisation and clipping into the file
    #[arg(long)]
    pub(crate) preprocessing: bool,
    /// Directory to write; by default MODEL/onnx
    #[arg(long, short, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Write a file that was not compared; the card says so
    #[arg(long)]
    pub(crate) unproven: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  fiducial model import ParticleNet_kin.pt --view JetClass_kin.yaml --neighbours 16 -o particlenet/

Reads PyTorch's state dicts of ParticleNet, Particle Transformer and particle flow networks, by the
names that weaver-core gives to tensors. Nothing in the file is executed.")]
pub(crate) struct ModelImport {
    /// The .pt file
    pub(crate) weights: PathBuf,
    /// What fed the network: TOML, or weaver's YAML with the numbers of its standardisation
    #[arg(long)]
    pub(crate) view: PathBuf,
    /// Neighbours of ParticleNet's edge convolutions, which its file does not tell
    #[arg(long, value_name = "K")]
    pub(crate) neighbours: Option<usize>,
    /// Directory for the model
    #[arg(long, short, value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// The model's name; by default the file's
    #[arg(long)]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// List the tasks
    List,
    /// Run a task from its data to its report
    Run(BenchRun),
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  fiducial bench run jet-tagging/top --model particlenet --seed 2 --out runs/particlenet-2

DIR then holds report.html, metrics.json, run.json, predictions.parquet, model/ and dataset/.
The same command again goes on with what was interrupted; what is finished is shown again.")]
pub(crate) struct BenchRun {
    /// A task, such as jet-tagging/top, or a folder with a task.toml
    pub(crate) task: String,
    /// The recipe among the task's own, or a recipe file; the task's baseline by default
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Seed of initial weights, order of batches, dropout and bootstrap
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// The embedded sample, or the full data set, which is fetched
    #[arg(long, value_enum, default_value_t = Data::Sample)]
    pub(crate) data: Data,
    /// Directory of the run; by default runs/TASK/MODEL-DATA-seedN
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Throw away what is in DIR and start anew
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Where the network computes: cpu, cuda or cuda:N; by default a GPU, if the program was built for them and one is there
    #[arg(long)]
    pub(crate) device: Option<ComputeDevice>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Data {
    Sample,
    Full,
}
