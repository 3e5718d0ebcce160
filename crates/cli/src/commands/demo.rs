//! `kaizen demo`: the whole loop on a sample project, by the same code as `kaizen start --apply`.
//!
//! No result is written in advance: what helps, what harms and by how much is measured here.

use super::{decide::ask, shared};
use crate::{
    args::{Demo, Start},
    commands,
    context::Place,
    demo::{data::build_database, project::write_project},
    failure::{Failure, exit},
    output::Out,
    render::{
        self,
        style::{BOLD, DIM, paint},
    },
    trail,
    view::{self, Full},
};
use kaizen_engine::{
    journal::{Effect, Event, Fact, Run},
    shell::Reader,
};
use kaizen_steps::{
    adapters::{
        git::Repo,
        process::{Command, Exit},
    },
    provenance::VARIABLE,
};
use serde_json::json;
use std::{
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

const MEASURED: &str = "workflows/sqlite-index-tuning.toml";
const GREEDY: &str = "workflows/greedy-index.toml";

/// How long the killed process may take to begin its deployment.
const KILL_WITHIN: Duration = Duration::from_secs(30);

pub async fn run(args: &Demo, out: Out) -> Result<u8, Failure> {
    let began = Instant::now();
    trail::stay_apart();
    prepare(args, out)?;
    let dir = args.dir.as_path();
    let place = Place::find(Some(dir))?;

    chapter(out, "1. A change that helps: designed by rules, tried on copies, approved by you");
    let first = propose(dir, &place, MEASURED, out).await?;
    let first = approve(&place, first, args, out).await?;
    chapter(out, "2. The deployment is killed with SIGKILL in the middle, and resumed");
    let when = kill_in_deploy(dir, &place, &first, out)?;
    go_on(&place, &reread(&place, &first)?, out).await?;
    let first = reread(&place, &first)?;
    let commits = commits_of(&place, &first)?;
    out.say(&format!(
        "  killed {when}; resumed; commits of {} on the branch: {commits}",
        first.name()
    ));

    chapter(out, "3. A plausible index that nobody tried first");
    let second = propose(dir, &place, GREEDY, out).await?;
    let second = approve(&place, second, args, out).await?;
    go_on(&place, &second, out).await?;
    let second = reread(&place, &second)?;

    chapter(out, "4. The trail");
    if !out.json {
        commands::audit::run(crate::args::Audit { run: None, what: None }, Some(dir), out).await?;
    }
    let verify = crate::args::Audit {
        run: None,
        what: Some(crate::args::AuditCommand::Verify { run: None }),
    };
    let verified = if out.json {
        exit_of_verify(dir)?
    } else {
        commands::audit::run(verify, Some(dir), out).await?
    };
    let ok = view::exit_code(&first) == exit::DONE
        && view::exit_code(&second) == exit::ROLLED_BACK
        && commits == 1
        && verified == exit::DONE;
    finish(&place, [&first, &second], args, began.elapsed(), ok, out)?;
    Ok(if ok { exit::DONE } else { exit::FAILED })
}

fn chapter(out: Out, title: &str) {
    out.say(&format!("\n{}\n", paint(BOLD, title)));
}

fn prepare(args: &Demo, out: Out) -> Result<(), Failure> {
    let dir = &args.dir;
    out.say(&format!("{}\n", paint(BOLD, "Kaizen on a sample project")));
    write_project(dir)?;
    let built = build_database(&dir.join("app.db"), args.scale, &|_| {})?;
    git(dir, &["init", "--quiet", "--initial-branch", "main"])?;
    git(dir, &["config", "user.name", "Kaizen demo"])?;
    git(dir, &["config", "user.email", "demo@localhost"])?;
    git(dir, &["config", "commit.gpgsign", "false"])?;
    git(dir, &["add", "--all"])?;
    git(dir, &["commit", "--quiet", "-m", "Begin the sample project"])?;
    out.say(&format!(
        "  {}: TPC-H data at scale {}, {} rows, {} MiB. The data is generated; everything else is measured.",
        dir.display(),
        args.scale,
        built.rows(),
        built.bytes >> 20
    ));
    Ok(())
}

fn git(dir: &Path, words: &[&str]) -> Result<(), Failure> {
    let argv = std::iter::once("git").chain(words.iter().copied());
    let command = Command::new(argv, dir, Duration::from_secs(60));
    let output = command.run()?;
    match output.status {
        Exit::Code(0) => Ok(()),
        Exit::Code(_) | Exit::Signal(_) | Exit::TimedOut => {
            let why = output.stderr_text();
            Err(Failure::usage("git", format!("git {} failed: {}", words.join(" "), why.trim())))
        }
    }
}

/// `kaizen start WORKFLOW --apply`, up to the gate.
async fn propose(dir: &Path, place: &Place, workflow: &str, out: Out) -> Result<Run, Failure> {
    out.say(&paint(DIM, &format!("$ kaizen start {workflow} --apply")));
    let args = Start {
        workflow: dir.join(workflow),
        apply: true,
        from: None,
        change: None,
        designer: None,
        approve: false,
        reason: None,
        detach: false,
        from_export: None,
        agent_command: None,
        replay: None,
    };
    let number = commands::start::drive(&args, Some(dir), out).await?.run.created.number;
    Ok(place.reader()?.run(number)?)
}

/// The diff and the evidence, then the question.
async fn approve(place: &Place, run: Run, args: &Demo, out: Out) -> Result<Run, Failure> {
    let reader = place.reader()?;
    let full = Full::read(&reader, run)?;
    out.say(&render::run::change(&full, true));
    if !args.yes && !ask(&format!("Approve {}?", full.run.name())) {
        let message =
            format!("{} was not approved; it waits in {}", full.run.name(), args.dir.display());
        return Err(Failure { exit: exit::WAITS, ..Failure::usage("not_confirmed", message) }
            .next(format!("kaizen -C {} pending", args.dir.display())));
    }
    let name = full.run.name();
    out.say(&paint(DIM, &format!("$ kaizen approve {name} --reason 'demo'")));
    let Some(gate) = &full.run.gate else {
        let message = format!("{name} did not come to the gate: {}", full.run.status.word());
        return Err(Failure { exit: exit::FAILED, ..Failure::usage("no_gate", message) }
            .next(format!("kaizen -C {} why {name}", args.dir.display())));
    };
    let decision = crate::context::decision(None, "demo", gate.binding.digest());
    let (number, who) = (full.run.created.number, decision.who.clone());
    let command = kaizen_engine::journal::Command::Approve { decision };
    place.store()?.write(move |tx| tx.operate(number, &who, command)).await?;
    reread(place, &full.run)
}

/// `kaizen resume`; with `--json` there is one document, at the very end.
async fn go_on(place: &Place, run: &Run, out: Out) -> Result<(), Failure> {
    out.say(&paint(DIM, &format!("$ kaizen resume {}", run.name())));
    if out.json {
        let engine = shared::engine(place, run, out)?;
        engine.resume(run.created.number, &crate::context::os_user()).await?;
        return Ok(());
    }
    shared::drive(place, run, out).await.map(drop)
}

fn reread(place: &Place, run: &Run) -> Result<Run, Failure> {
    Ok(place.reader()?.run(run.created.number)?)
}

/// Starts `kaizen resume` as a process of its own and kills it once it has announced its commit.
fn kill_in_deploy(dir: &Path, place: &Place, run: &Run, out: Out) -> Result<String, Failure> {
    let failed = |e: std::io::Error| Failure::usage("demo_child", e.to_string());
    let name = run.name();
    out.say(&paint(DIM, &format!("$ kaizen resume {name} &   kill -9 $!")));
    let kaizen = std::env::current_exe().map_err(failed)?;
    let mut child = std::process::Command::new(kaizen)
        .arg("-C")
        .arg(dir)
        .args(["resume", &name, "--json"])
        .env_remove(VARIABLE)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
    let reader = place.reader()?;
    let began = Instant::now();
    while !announced(&reader, run)? {
        if began.elapsed() > KILL_WITHIN || ended(&mut child) {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let _ = child.kill();
    let _ = child.wait();
    let now = reread(place, run)?;
    let done: Vec<_> = Effect::ALL
        .iter()
        .filter(|effect| now.is_done(**effect))
        .map(ToString::to_string)
        .collect();
    Ok(match (done.is_empty(), now.phase()) {
        (true, Some(phase)) => {
            format!("in {phase}, its commit announced and nothing yet recorded as done")
        }
        (false, Some(phase)) => format!("in {phase}, after {}", done.join(", ")),
        (_, None) => "too late: it had ended".to_owned(),
    })
}

fn announced(reader: &Reader, run: &Run) -> Result<bool, Failure> {
    for row in reader.rows(Some(run.created.number), 0, 1_000)? {
        let event = Event::decode(&row.event).map_err(kaizen_engine::shell::Error::from)?;
        if matches!(event.fact, Fact::EffectAnnounced { effect: Effect::Commit, .. }) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn ended(child: &mut Child) -> bool {
    matches!(child.try_wait(), Ok(Some(_)) | Err(_))
}

/// How many commits on the branch say that they belong to this run's deployment.
fn commits_of(place: &Place, run: &Run) -> Result<usize, Failure> {
    let repo = Repo::open(&place.root)?;
    let id = run.id.to_string();
    let commits = repo.commits_with_trailer("Kaizen-Run")?;
    let mine = commits.iter().filter(|commit| {
        commit.trailer("Kaizen-Run").as_ref() == Some(&id)
            && commit.trailer("Kaizen-Phase").as_deref() == Some("deploy")
    });
    Ok(mine.count())
}

fn exit_of_verify(dir: &Path) -> Result<u8, Failure> {
    let place = Place::find(Some(dir))?;
    let report = kaizen_engine::shell::verify::verify(&place.reader()?, None)?;
    Ok(if report.differences.is_empty() { exit::DONE } else { exit::DIFFERENCE })
}

fn finish(
    place: &Place,
    runs: [&Run; 2],
    args: &Demo,
    elapsed: Duration,
    ok: bool,
    out: Out,
) -> Result<(), Failure> {
    let reader = place.reader()?;
    let mut views = Vec::new();
    let mut times = String::new();
    for run in runs {
        views.push(Full::read(&reader, run.clone())?.view());
        times += &format!("  {}  {}\n", run.name(), phase_times(&reader, run)?);
    }
    let seconds = elapsed.as_secs_f64();
    let answer = json!({ "ok": ok, "directory": args.dir, "seconds": seconds, "runs": views });
    out.answer(&answer, || {
        let word = if ok { "It all came out as it should" } else { "Something did NOT come out as it should" };
        let dir = args.dir.display();
        format!(
            "\n{}, in {seconds:.1} s\n{times}\n{}\n  cd {dir}\n  kaizen runs\n  kaizen show r1 --diff\n  \
             kaizen why r2\n  git log --stat\n  kaizen start {MEASURED}\n  kaizen audit export --to trail && \
             python3 trail/verify.py trail\n",
            paint(BOLD, word),
            paint(BOLD, "The project is yours to play with:")
        )
    });
    Ok(())
}

/// Each phase's own computing, from the journal.
fn phase_times(reader: &Reader, run: &Run) -> Result<String, Failure> {
    let mut parts = Vec::new();
    for row in reader.rows(Some(run.created.number), 0, 1_000)? {
        let event = Event::decode(&row.event).map_err(kaizen_engine::shell::Error::from)?;
        if let Fact::PhaseCompleted { phase, spent_ms, .. } = event.fact {
            #[expect(clippy::cast_precision_loss, reason = "for people")]
            parts.push(format!("{phase} {:.1} s", spent_ms as f64 / 1_000.0));
        }
    }
    Ok(parts.join(", "))
}
