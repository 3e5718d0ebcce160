//! Pushing to real local remotes: one that takes it, one that refuses, one that is not there.

use super::*;
use crate::adapters::Probe;
use kaizen_engine::error::{Class, Classified as _};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// A fixture whose `origin` is a bare repository, and one commit that is not there yet.
fn with_remote() -> (Fixture, TempDir, String) {
    let fixture = Fixture::new();
    let remote = tempfile::tempdir().unwrap();
    git(remote.path(), &["init", "--quiet", "--bare", "--initial-branch=main"]);
    fixture.git(&["remote", "add", "origin", remote.path().to_str().unwrap()]);
    fixture.git(&["push", "--quiet", "origin", "main"]);
    let (_, commit) = fixture.deploy(&files(&[("migrations/002.sql", Some("x\n"))]));
    (fixture, remote, commit)
}

fn probe(fixture: &Fixture, commit: &str) -> Probe {
    fixture.repo.probe_push("origin", "main", commit, LIMIT).unwrap()
}

#[test]
fn a_push_is_done_once_and_seen_by_the_probe() {
    let (fixture, remote, commit) = with_remote();
    assert_eq!(probe(&fixture, &commit), Probe::NotDone);
    fixture.repo.push("origin", "main", &commit, LIMIT).unwrap();
    assert_eq!(git(remote.path(), &["rev-parse", "main"]), commit);
    assert_eq!(probe(&fixture, &commit), Probe::Done);
    fixture.repo.push("origin", "main", &commit, LIMIT).unwrap();
}

#[test]
fn only_the_commit_is_pushed_to_a_branch_that_may_be_new() {
    let (fixture, remote, commit) = with_remote();
    fixture.git(&["tag", "-a", "-m", "t", "v1", &commit]);
    fixture.git(&["config", "push.followTags", "true"]);
    assert_eq!(fixture.repo.probe_push("origin", "new", &commit, LIMIT).unwrap(), Probe::NotDone);
    fixture.repo.push("origin", "new", &commit, LIMIT).unwrap();
    let refs = git(remote.path(), &["for-each-ref", "--format=%(refname)"]);
    assert_eq!(refs, "refs/heads/main\nrefs/heads/new");
}

#[test]
fn a_remote_that_went_elsewhere_rejects_and_is_not_forced() {
    let (fixture, remote, commit) = with_remote();
    let other = tempfile::tempdir().unwrap();
    git(other.path(), &["clone", "--quiet", remote.path().to_str().unwrap(), "."]);
    git(other.path(), &["config", "user.name", "Eve"]);
    git(other.path(), &["config", "user.email", "eve@example.org"]);
    git(other.path(), &["commit", "--quiet", "--allow-empty", "--message=Theirs"]);
    git(other.path(), &["push", "--quiet", "origin", "main"]);
    let theirs = git(remote.path(), &["rev-parse", "main"]);

    let error = fixture.repo.push("origin", "main", &commit, LIMIT).unwrap_err();
    assert!(matches!(&error, Error::PushRejected { .. }), "{error}");
    assert_eq!(error.class(), Class::Operator);
    assert_eq!(git(remote.path(), &["rev-parse", "main"]), theirs);
    let tracking = fixture.git(&["rev-parse", "refs/remotes/origin/main"]);
    assert_eq!(probe(&fixture, &commit), Probe::NotDone);
    assert_eq!(fixture.git(&["rev-parse", "refs/remotes/origin/main"]), tracking);
    assert!(!fixture.dir.path().join(".git/FETCH_HEAD").exists());
}

#[test]
fn a_push_that_others_built_on_is_done() {
    let (fixture, remote, commit) = with_remote();
    fixture.repo.push("origin", "main", &commit, LIMIT).unwrap();
    let other = tempfile::tempdir().unwrap();
    git(other.path(), &["clone", "--quiet", remote.path().to_str().unwrap(), "."]);
    git(other.path(), &["config", "user.name", "Eve"]);
    git(other.path(), &["config", "user.email", "eve@example.org"]);
    git(other.path(), &["commit", "--quiet", "--allow-empty", "--message=Later"]);
    git(other.path(), &["push", "--quiet", "origin", "main"]);
    assert_eq!(probe(&fixture, &commit), Probe::Done, "needs the remote's newer commits to tell");
}

#[test]
fn a_hook_of_the_remote_is_quoted() {
    let (fixture, remote, commit) = with_remote();
    let hook = "#!/bin/sh\necho 'change freeze until Monday' >&2\nexit 1\n";
    script(&remote.path().join("hooks/pre-receive"), hook);
    let error = fixture.repo.push("origin", "main", &commit, LIMIT).unwrap_err();
    assert!(
        matches!(&error, Error::PushRejected { reason, .. } if reason.contains("change freeze until Monday")),
        "{error}"
    );
    assert_eq!(probe(&fixture, &commit), Probe::NotDone);
}

#[test]
fn a_pre_push_hook_here_rejects_too() {
    let (fixture, _remote, commit) = with_remote();
    let hook = "#!/bin/sh\necho 'tests first' >&2\nexit 1\n";
    script(&fixture.dir.path().join(".git/hooks/pre-push"), hook);
    let error = fixture.repo.push("origin", "main", &commit, LIMIT).unwrap_err();
    assert!(
        matches!(&error, Error::PushRejected { reason, .. } if reason.contains("tests first")),
        "{error}"
    );
}

#[test]
fn a_remote_that_is_away_is_unreachable_and_may_come_back() {
    let (fixture, remote, commit) = with_remote();
    drop(remote);
    let error = fixture.repo.push("origin", "main", &commit, LIMIT).unwrap_err();
    assert!(matches!(&error, Error::RemoteUnreachable { .. }), "{error}");
    assert_eq!((error.class(), error.code()), (Class::Retry, "git_remote_unreachable"));
    assert!(matches!(probe(&fixture, &commit), Probe::Unreachable(reason) if !reason.is_empty()));
}

#[test]
fn a_remote_that_does_not_answer_is_given_up() {
    let (fixture, _remote, commit) = with_remote();
    let helper = fixture.dir.path().join(".git/slow");
    script(&helper, "#!/bin/sh\nexec sleep 600\n");
    let url = format!("ext::{}", helper.display());
    fixture.git(&["config", "protocol.ext.allow", "always"]);
    fixture.git(&["remote", "add", "slow", &url]);
    let soon = Duration::from_millis(500);
    let error = fixture.repo.push("slow", "main", &commit, soon).unwrap_err();
    assert!(
        matches!(&error, Error::RemoteUnreachable { stderr, .. } if stderr.contains("no answer"))
    );
    let probed = fixture.repo.probe_push("slow", "main", &commit, soon).unwrap();
    assert!(matches!(probed, Probe::Unreachable(_)));
}

#[test]
fn the_probe_looks_where_pushes_go() {
    let (fixture, remote, commit) = with_remote();
    let writable = tempfile::tempdir().unwrap();
    git(writable.path(), &["clone", "--quiet", "--bare", remote.path().to_str().unwrap(), "."]);
    let url = writable.path().to_str().unwrap();
    fixture.git(&["remote", "set-url", "--push", "origin", url]);
    fixture.repo.push("origin", "main", &commit, LIMIT).unwrap();
    assert_ne!(git(remote.path(), &["rev-parse", "main"]), commit);
    assert_eq!(git(writable.path(), &["rev-parse", "main"]), commit);
    assert_eq!(probe(&fixture, &commit), Probe::Done);
    let first = remote.path().to_str().unwrap();
    fixture.git(&["remote", "set-url", "--push", "--add", "origin", first]);
    assert_eq!(probe(&fixture, &commit), Probe::NotDone, "one of two places does not have it");
}

#[test]
fn a_name_that_is_no_remote_is_a_mistake_not_an_outage() {
    let (fixture, _remote, commit) = with_remote();
    for name in ["upstream", "--upload-pack=touch /tmp/x", "-x"] {
        let error = fixture.repo.push(name, "main", &commit, LIMIT).unwrap_err();
        assert!(matches!(&error, Error::NoSuchRemote { .. }), "{name}: {error}");
    }
}

#[test]
fn no_message_shows_a_password() {
    let (fixture, _remote, commit) = with_remote();
    let url = "nosuchscheme://me:hunter2@localhost/x.git";
    let error = fixture.repo.push(url, "main", &commit, LIMIT).unwrap_err();
    assert!(matches!(&error, Error::RemoteUnreachable { .. }), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    match fixture.repo.probe_push(url, "main", &commit, LIMIT).unwrap() {
        Probe::Unreachable(reason) => assert!(!reason.contains("hunter2"), "{reason}"),
        other => panic!("{other:?}"),
    }
}
