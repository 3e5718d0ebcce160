//! The command line: what can be typed, and the help that teaches it.

use clap::{Args, Parser, Subcommand, ValueEnum};
use kaizen_engine::workflow::duration;
use std::{path::PathBuf, time::Duration};

/// Runs a seven-phase improvement loop as a durable, governed workflow.
///
/// Kaizen looks at how a database performs, designs a change, tries it on a copy, asks for
/// approval, deploys it through git, measures what it did, and takes it back when it did not help.
/// It may be killed at any instant and goes on where it was. Every step is in a journal that can
/// be verified.
#[derive(Debug, Parser)]
#[command(name = "kaizen", version, max_term_width = 100, after_help = FIRST_STEPS)]
pub struct Cli {
    /// Print one JSON document on stdout instead of text for people
    #[arg(long, global = true)]
    pub json: bool,
    /// More about what is going on, on stderr (repeat for even more)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// How logs are written to stderr
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// Work on the project in this directory instead of the current one
    #[arg(short = 'C', long = "project", global = true, value_name = "DIR")]
    pub project: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

/// What a line of the log looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

const FIRST_STEPS: &str = "First steps:
  kaizen demo                         see the whole loop on a sample project
  kaizen init --sqlite app.db --workload 'workload/*.sql'
  kaizen start workflows/sqlite-index-tuning.toml

Exit codes: 0 done · 1 failed, cancelled, expired · 2 usage or configuration · 3 waits for a human
            4 rolled back · 5 the audit found a difference · 6 refused by policy, rejected";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// See the whole loop at work on a sample project: one change kept, one rolled back
    #[command(after_help = "Example:\n  kaizen demo --dir /tmp/kaizen-demo --yes")]
    Demo(Demo),
    /// Set up Kaizen in an existing git repository
    #[command(after_help = "Examples:\n  kaizen init --sqlite app.db --workload 'workload/*.sql'
  kaizen init --sqlserver shop --database Shop")]
    Init(Init),
    /// Look at a SQL Server that Kaizen may not connect to, through an exported Query Store
    ///
    /// The run designs a change and stops there: nothing could be measured. Literals of queries are
    /// taken out before anything is stored.
    #[command(after_help = "Example:\n  kaizen sql export --database Shop > export.sql
  sqlcmd -S SERVER -i export.sql -o export.jsonl -y 0 -f o:65001
  kaizen analyze --from-export export.jsonl")]
    Analyze(Analyze),
    /// Start a run: a dry run, unless --apply says otherwise
    #[command(after_help = "Examples:
  kaizen start workflows/sqlite-index-tuning.toml                     look, design, try on a copy
  kaizen start workflows/sqlite-index-tuning.toml --apply --from r1   deploy what r1 tried
  kaizen start workflows/sqlite-index-tuning.toml --change idea.toml  judge an idea of your own")]
    Start(Start),
    /// Go on with a run that waits, sleeps, is paused or was interrupted
    #[command(after_help = "Examples:\n  kaizen resume r2\n  kaizen resume --all")]
    Resume(Resume),
    /// Stop a run for now; `resume` goes on
    #[command(after_help = "Example:\n  kaizen pause r2 --reason 'until the release is out'")]
    Pause(Reasoned),
    /// End a run; what it did is undone
    #[command(after_help = "Example:\n  kaizen cancel r2 --reason 'not this week'")]
    Cancel(Reasoned),
    /// Take back a change that was kept: down script, git revert
    #[command(after_help = "Example:\n  kaizen rollback r2 --reason 'the report got slower'")]
    Rollback(Reasoned),
    /// Say what you found out about an effect that Kaizen cannot judge by itself
    #[command(after_help = "Example:
  kaizen resolve r2 --effect revert --done --reason 'reverted by hand, conflicts mended'")]
    Resolve(Resolve),
    /// List runs, newest first
    #[command(after_help = "Example:\n  kaizen runs --status rolled_back --limit 5")]
    Runs(Runs),
    /// Show a run: its change, the evidence, the decisions
    #[command(after_help = "Example:\n  kaizen show r2 --diff")]
    Show(Show),
    /// Say why a run is where it is, step by step
    #[command(after_help = "Example:\n  kaizen why r2")]
    Why(RunName),
    /// List runs that wait for a decision
    #[command(after_help = "Example:\n  kaizen pending")]
    Pending(Pending),
    /// Approve a run's change
    #[command(after_help = "Example:\n  kaizen approve r2 --reason 'evidence is clear' --resume")]
    Approve(Approve),
    /// Reject a run's change
    #[command(after_help = "Example:\n  kaizen reject r2 --reason 'wait for the migration'")]
    Reject(Decide),
    /// Print, verify or export the trail
    #[command(after_help = "Examples:\n  kaizen audit r2\n  kaizen audit verify
  kaizen audit export --to trail && python3 trail/verify.py trail")]
    Audit(Audit),
    /// Stay: ship the trail as it grows, go on with runs whose time has come
    #[command(after_help = "Example:\n  kaizen serve --every 10s")]
    Serve(Serve),
    /// The trail in SQL Server: how far it is, and shipping the rest
    #[command(after_help = "Examples:\n  kaizen provenance status\n  kaizen provenance sync")]
    Provenance(Provenance),
    /// Tell how the loop fares, or how a target does, by the reports in SQL Server
    #[command(after_help = "Examples:\n  kaizen report\n  kaizen report --target shop")]
    Report(Report),
    /// What is learnt from outcomes: versions, figures, fitting anew, going back
    #[command(after_help = "Examples:\n  kaizen models list
  kaizen models show ChangeSuccessPredictor\n  kaizen models train --dry-run
  kaizen models rollback QualityScorer --to 3 --reason 'the last ratings were a joke'
  kaizen models export ChangeSuccessPredictor --to predictor.onnx")]
    Models(Models),
    /// The trail's schema in SQL Server, optional features, and who may do what there
    #[command(after_help = "Examples:\n  kaizen sql plan\n  kaizen sql apply
  kaizen sql grants provenance\n  kaizen sql check

Where it is says KAIZEN_SQLSERVER, an ADO.NET connection string:
  Server=tcp:HOST,1433;Database=kaizen;User Id=LOGIN;Password='…'")]
    Sql(Sql),
    /// Look after the journal itself
    #[command(after_help = "Example:\n  kaizen journal salvage --to intact.db")]
    Journal(Journal),
    /// Check what Kaizen needs here, and say how to mend what is wrong
    #[command(after_help = "Example:\n  kaizen doctor")]
    Doctor,
    /// Print a completion script for your shell
    #[command(
        after_help = "Example:\n  kaizen completions bash > ~/.local/share/bash-completion/completions/kaizen"
    )]
    Completions(Completions),
    /// Print the manual page
    #[command(after_help = "Example:\n  kaizen man | man -l -")]
    Man,
}

#[derive(Debug, Args)]
pub struct Models {
    #[command(subcommand)]
    pub what: ModelsCommand,
}

#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// List what is learnt, and the version of each that is in force
    #[command(after_help = "Example:\n  kaizen models list --json")]
    List,
    /// Show a model: what it rests on, its coefficients, how good it has been, its versions
    #[command(after_help = "Example:\n  kaizen models show ChangeSuccessPredictor")]
    Show {
        /// ChangeSuccessPredictor, QualityScorer, SearchReranker or Weights
        name: String,
        /// This version instead of the one in force
        #[arg(long, value_name = "N")]
        version: Option<i64>,
    },
    /// Fit the models anew from the whole history
    ///
    /// A new version is promoted only if its loss, on examples predicted before they were learned,
    /// is not worse than that of the version in force. The trail records who asked.
    #[command(after_help = "Examples:\n  kaizen models train --dry-run
  kaizen models train QualityScorer")]
    Train {
        /// Only this one
        name: Option<String>,
        /// Only tell what would come of it
        #[arg(long)]
        dry_run: bool,
    },
    /// Put an earlier version back; it stays in force until `models train`
    ///
    /// The weights go on learning from there.
    #[command(after_help = "Example:
  kaizen models rollback ChangeSuccessPredictor --to 3 --reason 'learnt from a broken workload'")]
    Rollback {
        /// ChangeSuccessPredictor, QualityScorer, SearchReranker or Weights
        name: String,
        /// The version to put back
        #[arg(long, value_name = "N")]
        to: i64,
        /// Why, for the trail
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Write a model as ONNX, for other programs to score with; or as a function of T-SQL
    #[command(after_help = "Examples:
  kaizen models export ChangeSuccessPredictor --to predictor.onnx
  kaizen models export ChangeSuccessPredictor --to predictor.sql")]
    Export {
        /// ChangeSuccessPredictor, QualityScorer or SearchReranker
        name: String,
        /// This version instead of the one in force
        #[arg(long, value_name = "N")]
        version: Option<i64>,
        /// The file; one that is there is replaced. A name that ends in .sql asks for T-SQL
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
}

#[derive(Debug, Args)]
pub struct Journal {
    #[command(subcommand)]
    pub what: JournalCommand,
}

#[derive(Debug, Subcommand)]
pub enum JournalCommand {
    /// Copy the intact part of a damaged journal into a new one; the old one is left as it is
    #[command(after_help = "Example:\n  kaizen journal salvage --to intact.db")]
    Salvage {
        /// The new journal: a file that is not there yet
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Take from runs that ended long ago what their phases handed over; for ever
    ///
    /// What was looked at, thought and measured goes, and artifacts that nothing names any more.
    /// Who decided, what was done, what came out and what was learnt stays, with every hash.
    /// A compacted run cannot be rolled back by Kaizen any more, nor started again from. The last
    /// kept run of each target stays whole.
    #[command(
        after_help = "Examples:\n  kaizen journal compact --older-than 90d --dry-run\n  kaizen journal compact --older-than 90d"
    )]
    Compact {
        /// Runs that ended at least so long ago: 90d, 12h
        #[arg(long, value_name = "AGE", value_parser = duration::parse)]
        older_than: Duration,
        /// Only tell which
        #[arg(long)]
        dry_run: bool,
        /// Then give the room back to the disk: for when nothing else runs; needs up to twice the size
        #[arg(long, conflicts_with = "dry_run")]
        vacuum: bool,
    },
}

#[derive(Debug, Args)]
pub struct Demo {
    /// Where to make the sample project (a new or empty directory)
    #[arg(long, default_value = "kaizen-demo")]
    pub dir: PathBuf,
    /// Approve by itself instead of asking
    #[arg(long)]
    pub yes: bool,
    /// TPC-H scale factor of the generated data
    #[arg(long, default_value_t = crate::demo::SCALE, hide = true)]
    pub scale: f64,
}

#[derive(Debug, Args)]
pub struct Init {
    /// The SQLite database to improve
    #[arg(long, value_name = "FILE", required_unless_present = "sqlserver")]
    pub sqlite: Option<PathBuf>,
    /// The queries that count: a glob of .sql files (repeatable)
    #[arg(long, value_name = "GLOB", conflicts_with = "sqlserver")]
    pub workload: Vec<String>,
    /// A SQL Server to improve: a name of your own, under which the environment says how to reach it
    #[arg(long, value_name = "NAME", conflicts_with = "sqlite", requires = "database")]
    pub sqlserver: Option<String>,
    /// The database on it
    #[arg(long, value_name = "DB", requires = "sqlserver")]
    pub database: Option<String>,
    /// Commit what was written
    #[arg(long)]
    pub commit: bool,
}

#[derive(Debug, Args)]
pub struct Start {
    /// The workflow's file
    pub workflow: PathBuf,
    /// Do it for real; stops at the gate for approval
    #[arg(long)]
    pub apply: bool,
    /// Go on with the change set of this earlier run
    #[arg(long, value_name = "RUN", conflicts_with = "change")]
    pub from: Option<String>,
    /// Judge the change in this TOML file instead of designing one
    #[arg(long, value_name = "FILE")]
    pub change: Option<PathBuf>,
    /// Who proposes the change, whatever the workflow says
    #[arg(long, value_enum, conflicts_with_all = ["change", "from"])]
    pub designer: Option<Designer>,
    /// The agent that proposes it, as a JSON array: '["PROGRAM", "ARG"]'
    #[arg(long, value_name = "JSON", conflicts_with_all = ["change", "from", "designer"])]
    pub agent_command: Option<String>,
    /// Take the answers that the designer gave in this earlier run; nobody is asked
    #[arg(long, value_name = "RUN", conflicts_with_all = ["change", "from", "designer", "agent_command"])]
    pub replay: Option<String>,
    /// Approve this run's change set beforehand
    #[arg(long, requires = "apply", requires = "reason")]
    pub approve: bool,
    /// Why, for the trail
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Create the run and return; `resume` drives it
    #[arg(long)]
    pub detach: bool,
    /// What was exported of the target (`kaizen analyze`)
    #[arg(skip)]
    pub from_export: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Analyze {
    /// What the script of `kaizen sql export` wrote
    #[arg(long, value_name = "FILE")]
    pub from_export: PathBuf,
    /// The workflow's file
    #[arg(default_value = "workflows/sqlserver-index-tuning.toml")]
    pub workflow: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Designer {
    /// Candidates derived from the queries, measured on copies
    Rules,
    /// The model that the workflow or KAIZEN_MODEL_URL names
    Model,
    /// The workflow's agent
    Agent,
}

#[derive(Debug, Args)]
pub struct Resume {
    /// The run: r42, its UUID, or a unique part of that
    #[arg(required_unless_present = "all")]
    pub run: Option<String>,
    /// Every run that can go on
    #[arg(long, conflicts_with = "run")]
    pub all: bool,
}

#[derive(Debug, Args)]
pub struct RunName {
    /// The run: r42, its UUID, or a unique part of that
    pub run: String,
}

#[derive(Debug, Args)]
pub struct Reasoned {
    /// The run: r42, its UUID, or a unique part of that
    pub run: String,
    /// Why, for the trail
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

#[derive(Debug, Args)]
pub struct Resolve {
    /// The run: r42, its UUID, or a unique part of that
    pub run: String,
    /// The effect: commit, worktree, push, up, down, revert, revert_worktree, revert_push
    #[arg(long, value_name = "EFFECT")]
    pub effect: String,
    /// It has been done
    #[arg(long, conflicts_with = "not_done", required_unless_present = "not_done")]
    pub done: bool,
    /// It has not been done
    #[arg(long)]
    pub not_done: bool,
    /// What you found, for the trail
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

#[derive(Debug, Args)]
pub struct Runs {
    /// Only this status or outcome
    #[arg(long, value_name = "STATUS")]
    pub status: Option<String>,
    /// Only this workflow
    #[arg(long, value_name = "NAME")]
    pub workflow: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub limit: u32,
}

#[derive(Debug, Args)]
pub struct Pending {
    /// At most so many, newest first; 0: all
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub limit: u32,
}

#[derive(Debug, Args)]
pub struct Show {
    /// The run: r42, its UUID, or a unique part of that
    pub run: String,
    /// Only this phase's output
    #[arg(long, value_name = "PHASE")]
    pub phase: Option<String>,
    /// With the whole diff
    #[arg(long)]
    pub diff: bool,
}

#[derive(Debug, Args)]
pub struct Approve {
    #[command(flatten)]
    pub decide: Decide,
    /// What you think of the change: 1 (poor) to 5 (excellent); the QualityScorer learns from it
    #[arg(long, value_name = "1..5", value_parser = clap::value_parser!(u8).range(1..=5))]
    pub rating: Option<u8>,
}

#[derive(Debug, Args)]
pub struct Decide {
    /// The run: r42, its UUID, or a unique part of that
    pub run: String,
    /// Why, for the trail
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Decide only if this is still what is asked, as `show` printed it
    #[arg(long, value_name = "DIGEST")]
    pub digest: Option<String>,
    /// Decide in this name; recorded as unverified
    #[arg(long = "as", value_name = "WHO")]
    pub who: Option<String>,
    /// Go on with the run at once
    #[arg(long)]
    pub resume: bool,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Audit {
    /// Only this run
    pub run: Option<String>,
    #[command(subcommand)]
    pub what: Option<AuditCommand>,
}

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Recompute every hash and compare journal and git
    Verify {
        /// Only this run
        run: Option<String>,
    },
    /// Find earlier attempts by what they were about, the most similar first
    #[command(after_help = "Example:\n  kaizen audit search index orders")]
    Search {
        /// Words: of titles, tables, files, scripts, errors; none: the newest
        words: Vec<String>,
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Write the trail as JSONL with its artifacts and an independent verifier
    Export {
        /// Only this run
        run: Option<String>,
        /// A new or empty directory
        #[arg(long, default_value = "kaizen-trail", value_name = "DIR")]
        to: PathBuf,
    },
}

#[derive(Debug, Args)]
pub struct Serve {
    /// How often to look: 5s, 1m
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration::parse)]
    pub every: Duration,
}

#[derive(Debug, Args)]
pub struct Provenance {
    #[command(subcommand)]
    pub what: ProvenanceCommand,
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub enum ProvenanceCommand {
    /// Show what SQL Server has acknowledged, what waits, and why
    #[command(after_help = "Example:\n  kaizen provenance status")]
    Status,
    /// Ship everything that SQL Server has not got yet
    #[command(after_help = "Example:\n  kaizen provenance sync")]
    Sync {
        /// Ship again what was acknowledged once and is gone: first see why, with `audit verify`
        #[arg(long)]
        resend: bool,
    },
}

#[derive(Debug, Args)]
pub struct Sql {
    #[command(subcommand)]
    pub what: SqlCommand,
}

#[derive(Debug, Subcommand)]
pub enum SqlCommand {
    /// Print the T-SQL that `apply` would run, each step reversible or PERMANENT
    #[command(after_help = "Examples:\n  kaizen sql plan
  kaizen sql plan --feature query_store --target shop")]
    Plan(Featured),
    /// Make or migrate the trail's schema, or switch a feature on
    #[command(after_help = "Examples:\n  kaizen sql apply
  kaizen sql apply --feature query_store --target shop")]
    Apply {
        #[command(flatten)]
        featured: Featured,
        /// Also take the steps that cannot be taken back
        #[arg(long, requires = "feature")]
        accept_permanent: bool,
    },
    /// Switch a feature off again; what is PERMANENT stays, and no table with rows is dropped
    #[command(after_help = "Example:\n  kaizen sql disable --feature query_store --target shop")]
    Disable(Featured),
    /// Show what is there, and what is not as the migrations made it
    #[command(after_help = "Examples:\n  kaizen sql status
  kaizen sql status --feature query_store --target shop")]
    Status(Featured),
    /// Prove that the login can add to the trail and read it, and change nothing
    #[command(after_help = "Example:\n  kaizen sql check")]
    Check,
    /// Print the script that sees a target where Kaizen may not connect; it changes nothing
    #[command(after_help = "Example:\n  kaizen sql export --database Shop > export.sql")]
    Export {
        /// The target's database
        #[arg(long, value_name = "NAME")]
        database: String,
        /// The server's major version: 14 is 2017, 15 is 2019, 16 is 2022, 17 is 2025
        #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(14..=17))]
        server_version: u32,
    },
    /// Print a script that gives a login what it needs, and no more
    #[command(after_help = "Example:\n  kaizen sql grants provenance --login kaizen_provenance")]
    Grants {
        /// What the login is for
        #[arg(value_enum)]
        kind: LoginKind,
        /// Its name [default: kaizen_ and what it is for]
        #[arg(long, value_name = "NAME")]
        login: Option<String>,
        /// The database: the trail's own, or the target
        #[arg(long, value_name = "NAME", default_value = "kaizen")]
        database: String,
        /// The server's major version: 14 is 2017, 15 is 2019, 16 is 2022, 17 is 2025
        #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(14..=17))]
        server_version: u32,
    },
}

/// An optional feature, and where.
#[derive(Debug, Args)]
pub struct Featured {
    /// One of query_store, billing, columnstore, temporal, filestream, predict
    #[arg(long, value_name = "NAME")]
    pub feature: Option<String>,
    /// On this target (KAIZEN_TARGET_NAME) instead of in the trail's database
    #[arg(long, value_name = "NAME", requires = "feature")]
    pub target: Option<String>,
    /// A parameter of the feature, name=value (repeatable); `plan` names them
    #[arg(long, value_name = "NAME=VALUE", requires = "feature")]
    pub set: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Report {
    /// Of this target (KAIZEN_TARGET_NAME) instead of the loop by its trail
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LoginKind {
    /// Makes and migrates the trail
    SchemaOwner,
    /// Adds to the trail and reads it: the login of KAIZEN_SQLSERVER
    Provenance,
    /// Reads a target
    Observe,
    /// Changes a target
    Deploy,
}

#[derive(Debug, Args)]
pub struct Completions {
    pub shell: clap_complete::Shell,
}
