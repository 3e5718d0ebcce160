//! For maintainers: how far the rule-based designer gets on a database, against `.expert` of the
//! sqlite3 shell.
//!
//!     cargo run --example designer_vs_expert -- app.db 'workload/*.sql' --sqlite3 /usr/bin/sqlite3
//!     cargo run --example designer_vs_expert -- --sample tpch --scale 0.01 --sqlite3 sqlite3
//!
//! It works on copies in a temporary directory: runs the designer, applies what it proposes, and
//! so on until it proposes nothing; asks `.expert` about each query and applies all its answers;
//! then measures start, Kaizen and `.expert` in turn. Exits with 1 where Kaizen's total is above
//! `.expert`'s or a query is slower than at the start by more than the limit.

mod data;

use kaizen_steps::{
    designers::rules::{self, Input, Limits, Strategy},
    targets::sqlite::{
        Workload, analyze,
        measure::{self, Hash, Outcome, Run},
    },
};
use rusqlite::Connection;
use std::{
    collections::BTreeSet,
    error::Error,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

const USAGE: &str = "designer_vs_expert (DATABASE GLOB | --sample tpch|shop|forum) [--scale X] \
                     [--seed N] [--budget SECONDS] [--write-cost PERCENT] [--max-changes N] \
                     [--greedy] [--sqlite3 PATH] [--analyze]";
/// How often each query is measured on each of the three.
const ROUNDS: usize = 7;

/// When a single execution is interrupted.
const TIMEOUT: Duration = Duration::from_secs(20);

struct Options {
    sample: Option<String>,
    paths: Vec<String>,
    scale: f64,
    seed: u64,
    budget: Duration,
    write_cost: f64,
    max_changes: usize,
    greedy: bool,
    analyze: bool,
    sqlite3: String,
}

fn main() -> ExitCode {
    match options().and_then(|options| run(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut options = Options {
        sample: None,
        paths: Vec::new(),
        scale: 1.0,
        seed: 1,
        budget: Duration::from_secs(120),
        write_cost: 100.0,
        max_changes: 1,
        greedy: false,
        analyze: false,
        sqlite3: "sqlite3".to_owned(),
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        match arg.as_str() {
            "--sample" => options.sample = Some(value()?),
            "--scale" => options.scale = value()?.parse()?,
            "--seed" => options.seed = value()?.parse()?,
            "--budget" => options.budget = Duration::from_secs_f64(value()?.parse()?),
            "--write-cost" => options.write_cost = value()?.parse()?,
            "--max-changes" => options.max_changes = value()?.parse()?,
            "--sqlite3" => options.sqlite3 = value()?,
            "--greedy" => options.greedy = true,
            "--analyze" => options.analyze = true,
            _ => options.paths.push(arg),
        }
    }
    Ok(options)
}

fn run(options: &Options) -> Result<bool, Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let start = dir.path().join("start.db");
    let workload = prepare(options, dir.path(), &start)?;
    let kaizen = dir.path().join("kaizen.db");
    std::fs::copy(&start, &kaizen)?;
    rounds(options, &workload, &kaizen, dir.path())?;
    let expert = dir.path().join("expert.db");
    std::fs::copy(&start, &expert)?;
    let proposals = ask_expert(options, &workload, &start)?;
    println!("\n.expert proposes {} indexes:", proposals.len());
    for sql in &proposals {
        println!("  {sql}");
        Connection::open(&expert)?.execute_batch(sql)?;
    }
    compare(&workload, [&start, &kaizen, &expert])
}

fn prepare(options: &Options, dir: &Path, start: &Path) -> Result<Workload, Box<dyn Error>> {
    let workload = match (&options.sample, options.paths.as_slice()) {
        (Some(name), []) => {
            data::generate(name, start, options.scale, options.seed)?;
            let sql = data::workload(name).ok_or("no such sample")?;
            std::fs::write(dir.join("workload.sql"), sql)?;
            Workload::load(dir, &["workload.sql".to_owned()])?
        }
        (None, [database, glob]) => {
            std::fs::copy(database, start)?;
            Workload::load(Path::new("."), std::slice::from_ref(glob))?
        }
        _ => return Err("one database and one glob, or a sample".into()),
    };
    let conn = Connection::open(start)?;
    if options.analyze {
        conn.execute_batch("ANALYZE")?;
    }
    workload.check(&conn)?;
    Ok(workload)
}

/// Designs and applies until nothing is proposed.
fn rounds(
    options: &Options,
    workload: &Workload,
    kaizen: &Path,
    dir: &Path,
) -> Result<(), Box<dyn Error>> {
    let limits = Limits {
        min_improvement_pct: 10.0,
        max_regression_pct: 10.0,
        max_write_cost_pct: options.write_cost,
        max_changes: options.max_changes,
        timeout: TIMEOUT,
    };
    let strategy = if options.greedy { Strategy::Greedy } else { Strategy::Measured };
    for round in 1..=8 {
        let snapshot = dir.join("snapshot.db");
        std::fs::copy(kaizen, &snapshot)?;
        let scratch = tempfile::tempdir_in(dir)?;
        let analysis = analyze::analyze(&snapshot, workload, &analysis_options(), &|_| {})?;
        let input = Input {
            snapshot: &snapshot,
            scratch: scratch.path(),
            workload,
            analysis: &analysis,
            limits,
            already_rolled_back: &[],
            strategy,
            budget: options.budget,
            seed: options.seed,
        };
        let started = Instant::now();
        let proposal = rules::design(&input, &|line| eprintln!("  {line}"))?;
        println!("\nround {round}: {:.1} s", started.elapsed().as_secs_f64());
        for note in &proposal.notes {
            println!("  {note}");
        }
        let Some(best) = proposal.candidates.first() else { return Ok(()) };
        let up = best.change.up.clone().unwrap_or_default();
        println!("  => {}\n  {}\n{up}", best.change.title, best.rationale);
        Connection::open(kaizen)?.execute_batch(&up)?;
        if options.greedy {
            return Ok(());
        }
    }
    Err("still proposing after 8 rounds".into())
}

fn analysis_options() -> analyze::Options {
    analyze::Options {
        target: "sample".to_owned(),
        timeout: TIMEOUT,
        repetitions: 3,
        budget: Duration::from_secs(30),
        baseline: None,
        regression_pct: 10.0,
        absent: Vec::new(),
    }
}

fn ask_expert(
    options: &Options,
    workload: &Workload,
    database: &PathBuf,
) -> Result<Vec<String>, Box<dyn Error>> {
    let mut proposals = BTreeSet::new();
    for query in &workload.queries {
        let mut child = Command::new(&options.sqlite3)
            .arg(database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().ok_or("no stdin")?;
        // The shell reads line by line; comments inside a statement are fine.
        writeln!(stdin, ".expert\n{};", query.sql)?;
        drop(stdin);
        let output = child.wait_with_output()?;
        let answer = String::from_utf8(output.stdout)?;
        let indexes = answer.lines().filter(|line| line.starts_with("CREATE INDEX"));
        proposals.extend(indexes.map(str::to_owned));
    }
    Ok(proposals.into_iter().collect())
}

fn compare(workload: &Workload, paths: [&Path; 3]) -> Result<bool, Box<dyn Error>> {
    let mut conns = Vec::new();
    for path in paths {
        conns.push(measure::open_copy(path)?);
    }
    println!(
        "\n{:34} {:>6} | {:>10} {:>10} {:>10} | {:>11} {:>11} {:>11}",
        "query", "weight", "start ms", "kaizen", ".expert", "start steps", "kaizen", ".expert"
    );
    let mut totals = [0.0; 3];
    let mut steps = [0.0; 3];
    let mut slower = Vec::new();
    for query in &workload.queries {
        let mut least = [f64::INFINITY; 3];
        let mut counted = [0; 3];
        for round in 0..ROUNDS {
            for place in 0..3 {
                let side = (place + round) % 3;
                let (ms, vm_steps) = time(&mut conns[side], &query.sql)?;
                least[side] = least[side].min(ms);
                counted[side] = vm_steps;
            }
            if least[0] > 3_000.0 && round > 0 {
                break;
            }
        }
        let mark =
            if least[1] > least[0] * 1.1 && counted[1] != counted[0] { " SLOWER" } else { "" };
        println!(
            "{:34} {:>6} | {:>10.3} {:>10.3} {:>10.3} | {:>11} {:>11} {:>11}{mark}",
            query.name,
            query.weight,
            least[0],
            least[1],
            least[2],
            counted[0],
            counted[1],
            counted[2]
        );
        if !mark.is_empty() {
            slower.push(&query.name);
        }
        for side in 0..3 {
            totals[side] += query.weight * least[side];
            steps[side] += query.weight * counted[side] as f64;
        }
    }
    println!(
        "{:41} | {:>10.1} {:>10.1} {:>10.1} | {:>11} {:>11} {:>11}",
        "total, weighted", totals[0], totals[1], totals[2], steps[0], steps[1], steps[2]
    );
    let size = |path: &Path| std::fs::metadata(path).map(|data| data.len() / 1024).unwrap_or(0);
    println!("size in KiB: {} {} {}", size(paths[0]), size(paths[1]), size(paths[2]));
    println!("slower than at the start: {slower:?}");
    Ok(totals[1] <= totals[2] && slower.is_empty())
}

fn time(conn: &mut Connection, sql: &str) -> Result<(f64, u64), Box<dyn Error>> {
    let how = Run { timeout: TIMEOUT, hash: Hash::None };
    let mut least = f64::INFINITY;
    let mut steps = 0;
    let mut left = 1;
    while left > 0 {
        left -= 1;
        match measure::execute(conn, sql, &how)? {
            Outcome::TimedOut { after } => return Ok((after.as_secs_f64() * 1e3, 0)),
            Outcome::Done(done) => {
                if least.is_infinite() && done.ms() < 5.0 {
                    left = 5;
                }
                least = least.min(done.ms());
                steps = done.counters.vm_steps;
            }
        }
    }
    Ok((least, steps))
}
