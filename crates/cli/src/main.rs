//! `kaizen`: the command line. It decides nothing; it asks the engine and shows what came of it.

mod args;
mod commands;
mod context;
mod demo;
mod failure;
mod output;
mod render;
mod trail;
mod view;

use args::{Cli, Command, LogFormat};
use clap::Parser;
use failure::Failure;
use std::process::ExitCode;
use tracing_subscriber::fmt::format::FmtSpan;

/// Events are made by one thread and written by another, which the C library's allocator dislikes.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    log(&cli);
    let json = cli.json;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let result = match runtime {
        Ok(runtime) => {
            let result = runtime.block_on(run(cli));
            // A phase that somebody stopped waiting for does not hold up the end.
            runtime.shutdown_background();
            result
        }
        Err(error) => Err(Failure::usage("runtime", error.to_string())),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            output::failure(&failure, json);
            ExitCode::from(failure.exit)
        }
    }
}

/// Logs go to stderr: what `KAIZEN_LOG` asks for, else as much as there are `-v`.
fn log(cli: &Cli) {
    let level = ["warn", "info", "debug", "trace"][usize::from(cli.verbose.min(3))];
    let filter = tracing_subscriber::EnvFilter::try_from_env("KAIZEN_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    // It logs what servers answer, and that may hold values of people's rows.
    let filter = match "tiberius=off".parse() {
        Ok(off) => filter.add_directive(off),
        Err(_) => filter,
    };
    // A span that closes says how long it took.
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_span_events(FmtSpan::CLOSE)
        .with_writer(std::io::stderr);
    match cli.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}

async fn run(cli: Cli) -> Result<u8, Failure> {
    let out = output::Out { json: cli.json };
    let dir = cli.project.as_deref();
    let records = trail::records(&cli.command);
    let done = command(cli.command, dir, out).await;
    if records {
        trail::ship_for_a_moment(dir, out).await;
    }
    done
}

async fn command(
    command: Command,
    dir: Option<&std::path::Path>,
    out: output::Out,
) -> Result<u8, Failure> {
    match command {
        Command::Demo(args) => commands::demo::run(&args, out).await,
        Command::Init(args) => commands::init::run(&args, dir, out),
        Command::Analyze(args) => {
            let start = args::Start {
                workflow: args.workflow,
                apply: false,
                from: None,
                change: None,
                designer: None,
                agent_command: None,
                replay: None,
                approve: false,
                reason: None,
                detach: false,
                from_export: Some(args.from_export),
            };
            commands::start::run(&start, dir, out).await
        }
        Command::Start(args) => commands::start::run(&args, dir, out).await,
        Command::Resume(args) => commands::resume::run(&args, dir, out).await,
        Command::Pause(args) => commands::operate::pause(&args, dir, out).await,
        Command::Cancel(args) => commands::operate::cancel(&args, dir, out).await,
        Command::Rollback(args) => commands::operate::rollback(&args, dir, out).await,
        Command::Resolve(args) => commands::operate::resolve(&args, dir, out).await,
        Command::Runs(args) => commands::runs::run(&args, dir, out),
        Command::Show(args) => commands::show::run(&args, dir, out),
        Command::Why(args) => commands::why::run(&args, dir, out),
        Command::Pending(args) => commands::pending::run(&args, dir, out),
        Command::Approve(args) => commands::decide::approve(&args, dir, out).await,
        Command::Reject(args) => commands::decide::reject(&args, dir, out).await,
        Command::Audit(args) => commands::audit::run(args, dir, out).await,
        Command::Serve(args) => commands::serve::run(&args, dir, out).await,
        Command::Provenance(args) => commands::provenance::run(&args, dir, out).await,
        Command::Report(args) => commands::report::run(&args, out).await,
        Command::Models(args) => commands::models::run(&args, dir, out).await,
        Command::Sql(args) => commands::sql::run(&args, dir, out).await,
        Command::Journal(args) => commands::journal::run(&args, dir, out).await,
        Command::Doctor => commands::doctor::run(dir, out).await,
        Command::Completions(args) => Ok(commands::help::completions(&args)),
        Command::Man => commands::help::man(),
    }
}

/// Clap's own errors, in our exit codes and, with `--json`, in our shape.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if std::env::args().any(|arg| arg == "--json") {
        let text = error.render().to_string();
        let said: Vec<_> = text.lines().take_while(|line| !line.starts_with("Usage")).collect();
        let said = said.join(" ");
        let message = said.trim_start_matches("error: ").trim();
        let failure = Failure::usage("usage", message).next("kaizen --help");
        output::failure(&failure, true);
    } else {
        let _ = error.print();
    }
    ExitCode::from(failure::exit::USAGE)
}
