//! Bad input: decisions that do not count, names that could mean several runs, and two of
//! something at once.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;
use common::{HELPFUL, Project, Ran, WORKFLOW, ran};
use insta::assert_snapshot;
use std::process::{Child, Stdio};

/// A project with r1 waiting for approval.
fn waiting() -> Project {
    let project = Project::new();
    ask(&project);
    project
}

fn ask(project: &Project) {
    let file = project.change("helpful.toml", HELPFUL);
    project.kaizen(&["start", WORKFLOW, "--apply", "--change", &file]).exits(3);
}

const APPROVE: &[&str] = &["approve", "r1", "--reason", "clear"];

#[test]
fn approving_twice() {
    let project = waiting();
    project.kaizen(APPROVE).exits(0);
    let read = project.refuses(APPROVE, 2, "already_approved");
    assert!(read.contains("r1 was already approved by "), "{read}");
    let reject = ["reject", "r1", "--reason", "on second thoughts"];
    project.refuses(&reject, 2, "already_approved");
    let shown = project.kaizen(&["show", "r1", "--json"]).exits(0).json();
    assert_eq!(shown["approvals"].as_array().unwrap().len(), 1);
    project.verifies();
}

#[test]
fn approving_a_finished_run() {
    let project = waiting();
    project.kaizen(&["reject", "r1", "--reason", "not now"]).exits(0);
    assert_snapshot!(project.refuses(APPROVE, 2, "already_finished"), @r#"
    error: r1 has ended as rejected; approve changes nothing any more
    next:  kaizen show r1
    "#);
    assert_snapshot!(project.refuses(&["resume", "r1"], 2, "already_finished"), @r#"
    error: r1 has ended as rejected; there is nothing to resume
    next:  kaizen show r1
    "#);
    assert_snapshot!(project.refuses(&["cancel", "r1"], 2, "already_finished"), @r#"
    error: r1 has ended as rejected; cancel changes nothing any more
    next:  kaizen show r1
    "#);
    assert_eq!(project.runs(), ["r1 finished rejected"]);
}

#[test]
fn approving_a_dry_run() {
    let project = Project::new();
    let file = project.change("helpful.toml", HELPFUL);
    project.kaizen(&["start", WORKFLOW, "--change", &file]).exits(0);
    assert_snapshot!(project.refuses(APPROVE, 2, "already_finished"), @r#"
    error: r1 has ended as dry_run; approve changes nothing any more
    next:  kaizen show r1
    "#);
}

#[test]
fn approving_without_a_reason() {
    let project = waiting();
    assert_snapshot!(project.refuses(&["approve", "r1"], 2, "no_reason"), @r#"
    error: a reason is needed, so that the trail can say why
    next:  kaizen approve r1 --reason 'why'
    "#);
    assert_snapshot!(project.refuses(&["reject", "r1", "--reason", "  "], 2, "no_reason"), @r#"
    error: a reason is needed, so that the trail can say why
    next:  kaizen reject r1 --reason 'why'
    "#);
    assert_eq!(project.runs(), ["r1 waiting_approval -"]);
}

#[test]
fn approving_with_a_digest_that_is_no_longer_true() {
    let project = waiting();
    let with = |digest| ["approve", "r1", "--reason", "clear", "--digest", digest];
    let read = project.refuses(&with("0123456789abcdef"), 6, "digest_changed");
    assert!(read.contains("what r1 asks about now"), "{read}");
    assert_snapshot!(project.refuses(&with("xyz"), 2, "no_digest"), @r#"
    error: "xyz" is no digest: give at least its first 8 hex digits
    next:  kaizen show r1
    "#);
    project.kaizen(&["cancel", "r1", "--reason", "again"]).exits(0);
}

#[test]
fn approving_as_somebody_not_on_the_list() {
    let project = Project::new();
    project.edit_workflow("approvers = []", "approvers = [\"ada\", \"grace\"]");
    ask(&project);
    let read = project.refuses(APPROVE, 6, "not_an_approver");
    assert!(read.contains("not one of the approvers of r1: ada, grace"), "{read}");
    let as_eve = ["approve", "r1", "--reason", "clear", "--as", "eve"];
    assert_snapshot!(project.refuses(&as_eve, 6, "not_an_approver"), @r#"
    error: eve is not one of the approvers of r1: ada, grace
    next:  kaizen pending   (one of those whom the workflow names must decide)
    "#);
    // A name on the list that nobody has verified does not count either.
    let as_ada = ["approve", "r1", "--reason", "clear", "--as", "ada"];
    assert_snapshot!(project.refuses(&as_ada, 6, "unverified"), @r#"
    error: a name given with --as is not verified, and r1 asks for named approvers
    next:  kaizen pending   (one of those whom the workflow names must decide)
    "#);
    assert_eq!(project.runs(), ["r1 waiting_approval -"]);
}

#[test]
fn approving_ones_own_run_where_duties_are_separated() {
    let project = Project::new();
    project.edit_workflow("separation_of_duties = false", "separation_of_duties = true");
    ask(&project);
    let read = project.refuses(APPROVE, 6, "separation_of_duties");
    assert!(read.contains("may not approve it"), "{read}");
    let file = project.change("helpful.toml", HELPFUL);
    let before = ["start", WORKFLOW, "--apply", "--change", &file, "--approve", "--reason", "mine"];
    assert_snapshot!(project.refuses(&before, 6, "pre_approval"), @r#"
    error: --approve does not count here: the workflow asks for separated duties
    next:  the same without --approve, then: kaizen approve RUN --reason 'why'
    "#);
}

#[test]
fn a_name_that_means_no_run() {
    let project = waiting();
    assert_snapshot!(project.refuses(&["show", "r9"], 2, "no_such_run"), @r#"
    error: there is no run r9
    next:  kaizen runs
    "#);
    assert_snapshot!(project.refuses(&["approve", "nonsense", "--reason", "x"], 2, "no_such_run"), @r#"
    error: there is no run nonsense
    next:  kaizen runs
    "#);
    project.refuses(&["show", ""], 2, "no_such_run");
}

#[test]
fn an_ambiguous_name() {
    let project = waiting();
    ask(&project);
    let id = |run| {
        let shown = project.kaizen(&["show", run, "--json"]).exits(0).json();
        shown["run_id"].as_str().unwrap().to_owned()
    };
    let (one, other) = (id("r1"), id("r2"));
    // Their first digits are the time, and these two began within the same minute or so.
    let prefix: String =
        one.chars().zip(other.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a).collect();
    assert!(prefix.len() >= 4, "{one} and {other}");
    let read = project.refuses(&["approve", &prefix, "--reason", "x"], 2, "ambiguous_run");
    assert!(read.contains("is ambiguous: it could be r1, r2"), "{read}");
    project.refuses(&["cancel", &prefix], 2, "ambiguous_run");
    // One digit more and each is its own again.
    let more: String = one.chars().take(prefix.len() + 1).collect();
    let shown = project.kaizen(&["show", &more, "--json"]).exits(0).json();
    assert_eq!(shown["number"], 1);
}

fn spawn(project: &Project, args: &[&str]) -> Child {
    project.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn end(child: Child) -> Ran {
    ran(&child.wait_with_output().unwrap())
}

/// How often the effect was done, by the trail.
fn done(project: &Project, run: &str, effect: &str) -> usize {
    let trail = project.kaizen(&["audit", run, "--json"]).exits(0).json();
    let events = trail.as_array().unwrap().iter();
    events.filter(|e| e["kind"] == "effect_done" && e["body"]["effect"] == effect).count()
}

#[test]
fn two_resumes_at_once() {
    let project = waiting();
    project.kaizen(APPROVE).exits(0);
    // Neither can end before the other has begun: the script waits for this lock.
    let holder = project.db();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let one = spawn(&project, &["resume", "r1"]);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while done(&project, "r1", "worktree") == 0 {
        assert!(std::time::Instant::now() < deadline, "the first one never deployed");
    }
    let read = project.complains(&["resume", "r1"], 1, "driven");
    assert!(read.contains(&format!("r1 is being driven by process {}", one.id())), "{read}");
    holder.execute_batch("ROLLBACK").unwrap();
    let one = end(one);
    assert!(matches!(one.code, 0 | 4), "kept, or rolled back on a noisy machine: {one:?}");
    for effect in ["commit", "worktree", "up"] {
        assert_eq!(done(&project, "r1", effect), 1, "{effect}");
    }
    project.verifies();
}

#[test]
fn many_resumes_in_the_same_instant() {
    let project = waiting();
    project.kaizen(APPROVE).exits(0);
    let children: Vec<_> = (0..3).map(|_| spawn(&project, &["resume", "r1", "--json"])).collect();
    let ended: Vec<Ran> = children.into_iter().map(end).collect();
    let drove = ended.iter().filter(|ran| matches!(ran.code, 0 | 4)).count();
    let refused = |ran: &Ran| {
        let code = ran.json()["error"]["code"].clone();
        // A process that came when all was over finds a finished run.
        code == "driven" || code == "already_finished"
    };
    assert_eq!(drove, 1, "{ended:?}");
    assert_eq!(ended.iter().filter(|ran| refused(ran)).count(), 2, "{ended:?}");
    assert_eq!(done(&project, "r1", "commit"), 1);
    assert_eq!(done(&project, "r1", "up"), 1);
    project.verifies();
}

#[test]
fn two_runs_on_one_target() {
    let project = waiting();
    let second =
        HELPFUL.replace("item_owner", "item_owner_again").replace("by owner", "by owner again");
    let file = project.change("second.toml", &second);
    project.kaizen(&["start", WORKFLOW, "--apply", "--change", &file]).exits(3);
    project.kaizen(APPROVE).exits(0);
    project.kaizen(&["approve", "r2", "--reason", "clear too"]).exits(0);
    let (one, two) = (spawn(&project, &["resume", "r1"]), spawn(&project, &["resume", "r2"]));
    let (one, two) = (end(one), end(two));
    // Whoever came second finds another base than was approved, and asks anew.
    let mut codes = [one.code, two.code];
    codes.sort_unstable();
    assert!(matches!(codes, [0, 3] | [3, 4]), "{one:?}\n{two:?}");
    let (first, later) = if one.code == 3 { ("r2", "r1") } else { ("r1", "r2") };
    assert_eq!(done(&project, first, "commit"), 1);
    assert_eq!(done(&project, later, "commit"), 0, "nothing of it before it is approved anew");
    let again = project.kaizen(&["approve", later, "--reason", "still", "--resume"]);
    assert!(matches!(again.code, 0 | 4), "{again:?}");
    assert!(project.runs().iter().all(|run| run.contains("finished")), "{:?}", project.runs());
    // Index and down of one do not undo the other: what is there is what was kept.
    let kept = project.runs().iter().filter(|run| run.ends_with("kept")).count();
    assert_eq!(project.indexes().len(), kept);
    assert_eq!(project.standing().changed, "");
    project.verifies();
}
