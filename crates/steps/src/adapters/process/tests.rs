//! Real children: limits that hold, and what is let through.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use rustix::process::{Pid, test_kill_process};

const LONG: Duration = Duration::from_secs(20);

fn sh(script: &str, timeout: Duration) -> Command {
    Command::new(["sh", "-c", script], std::env::temp_dir(), timeout)
}

fn first_pid(output: &Output) -> Pid {
    let line = output.stdout_text().lines().next().expect("a pid on the first line").to_owned();
    Pid::from_raw(line.trim().parse().unwrap()).unwrap()
}

/// Waits for a killed process to go: it is somebody else's child, so it can only be asked after.
fn is_gone(pid: Pid) -> bool {
    let deadline = Instant::now() + LONG;
    while Instant::now() < deadline {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
        let zombie = stat.is_ok_and(|stat| stat.contains(") Z "));
        if zombie || test_kill_process(pid).is_err() {
            return true;
        }
        thread::yield_now();
    }
    false
}

#[test]
fn output_and_exit_code_are_reported() {
    let output = sh("echo out; echo err >&2; exit 7", LONG).run().unwrap();
    assert_eq!(output.status, Exit::Code(7));
    assert_eq!(output.stdout, b"out\n");
    assert_eq!(output.stderr, b"err\n");
    assert!(!output.truncated && !output.success());
}

#[test]
fn a_signal_is_not_an_exit_code() {
    assert_eq!(sh("kill -9 $$", LONG).run().unwrap().status, Exit::Signal(9));
}

#[test]
fn the_time_limit_ends_grandchildren_too() {
    let script = "sleep 600 & echo $!; wait";
    let output = sh(script, Duration::from_millis(400)).run().unwrap();
    assert_eq!(output.status, Exit::TimedOut);
    assert!(output.elapsed < LONG);
    assert!(is_gone(first_pid(&output)), "the grandchild outlived the time limit");
}

#[test]
fn what_a_finished_command_leaves_behind_is_ended() {
    let output = sh("sleep 600 >/dev/null 2>&1 & echo $!", LONG).run().unwrap();
    assert_eq!(output.status, Exit::Code(0));
    assert!(is_gone(first_pid(&output)), "the background process was left running");
}

#[test]
fn a_group_left_behind_can_be_ended_by_its_number() {
    let running = sh("sleep 600", LONG).spawn().unwrap();
    end_group(running.group()).unwrap();
    assert_eq!(running.wait().unwrap().status, Exit::Signal(9));
}

#[test]
fn dropping_a_running_command_ends_it() {
    let running = sh("exec sleep 600", LONG).spawn().unwrap();
    let pid = Pid::from_raw(i32::try_from(running.group()).unwrap()).unwrap();
    drop(running);
    assert!(is_gone(pid));
}

#[test]
fn output_over_the_cap_is_drained_and_marked() {
    let mut command = sh("head -c 3000000 /dev/zero; echo done >&2", LONG);
    command.output_cap = 1000;
    let output = command.run().unwrap();
    assert_eq!((output.status, output.stdout.len()), (Exit::Code(0), 1000));
    assert!(output.truncated);
    assert_eq!(output.stderr, b"done\n", "the child was not blocked by the full pipe");
}

#[test]
fn input_arrives_and_ends() {
    let mut command = sh("cat", LONG);
    command.stdin = Some(b"hello".to_vec());
    assert_eq!(command.run().unwrap().stdout, b"hello");
    assert_eq!(sh("cat", LONG).run().unwrap().stdout, b"", "no input is end of file at once");
}

#[test]
fn a_child_that_ignores_its_input_is_no_error() {
    let mut command = sh("exit 0", LONG);
    command.stdin = Some(vec![b'x'; 1 << 20]);
    assert!(command.run().unwrap().success());
}

#[test]
fn the_environment_is_an_allow_list() {
    // Cargo sets these for every test.
    let seen = sh("echo \"$CARGO_PKG_NAME/$CARGO_MANIFEST_DIR\"", LONG).run().unwrap();
    assert_eq!(seen.stdout, b"/\n");
    let mut command = sh("echo \"$CARGO_PKG_NAME/$CARGO_MANIFEST_DIR/$OWN\"", LONG);
    command.env_allow = vec!["CARGO_*".to_owned()];
    command.env_deny = vec!["CARGO_MANIFEST_DIR".to_owned()];
    command.env.insert("OWN".to_owned(), "set".to_owned());
    assert_eq!(command.run().unwrap().stdout, b"kaizen-steps//set\n");
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = Command::new(["no-such-program-here"], dir.path(), LONG).run().unwrap_err();
    assert!(matches!(&error, Error::NotFound { program } if program == "no-such-program-here"));
    assert_eq!((error.class(), error.code()), (Class::Operator, "command_not_found"));

    let plain = dir.path().join("plain");
    std::fs::write(&plain, "#!/bin/sh\n").unwrap();
    let error = Command::new([plain.to_str().unwrap()], dir.path(), LONG).run().unwrap_err();
    assert!(matches!(error, Error::NotExecutable { .. }), "{error}");

    let error = Command::new(["sh"], dir.path().join("gone"), LONG).run().unwrap_err();
    assert!(matches!(error, Error::NoSuchDirectory { .. }), "{error}");
    let nothing: [&str; 0] = [];
    assert!(matches!(Command::new(nothing, dir.path(), LONG).run(), Err(Error::Empty)));
}

#[test]
fn urls_lose_their_userinfo() {
    let text = "fatal: 'https://me:s3cret@host:8443/x.git' and ssh://git@h/y, plain a@b.c";
    assert_eq!(redact(text), "fatal: 'https://host:8443/x.git' and ssh://h/y, plain a@b.c");
    assert_eq!(redact("https://me:p@ss@host/x"), "https://host/x");
    assert_eq!(redact("https://token@host"), "https://host");
    assert_eq!(redact("https://host/a@b?c=d@e"), "https://host/a@b?c=d@e");
}

/// A confined shell that may write to `folder` alone.
#[cfg(target_os = "linux")]
fn confined(script: &str, folder: &std::path::Path) -> Command {
    let confine = Confine { write: vec![folder.to_owned()], require: true, ..Confine::default() };
    Command { confine: Some(confine), cwd: folder.to_owned(), ..sh(script, LONG) }
}

#[cfg(target_os = "linux")]
#[test]
fn a_confined_child_writes_to_its_folders_alone() {
    let (own, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let kept = other.path().join("kept");
    std::fs::write(&kept, "as it was").unwrap();
    let at = kept.display();
    for attempt in [
        format!("echo x > {at}"),
        format!("echo x >> {at}"),
        format!("rm {at}"),
        format!("mv {at} ."),
        format!("truncate -s 0 {at}"),
        format!("touch {at}.new"),
        format!("mkdir {at}.d"),
        format!("ln -s /etc {at}.l"),
        format!("ln {at} here"),
        // What it starts is kept to the same.
        format!("sh -c 'sh -c \"echo x > {at}\"'"),
        format!("cd / && (setsid sh -c 'echo x > {at}')"),
        format!("ln -s {} out; echo x > out/kept", other.path().display()),
    ] {
        let output = confined(&attempt, own.path()).run().unwrap();
        assert!(!output.success(), "{attempt}");
        assert!(output.held.unwrap().all(), "{attempt}");
        assert_eq!(std::fs::read_to_string(&kept).unwrap(), "as it was", "{attempt}");
        assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), 1, "{attempt}");
    }
    let work = format!("mkdir a && echo b > a/b && mv a/b c && cat {at} c > /dev/null && cat c");
    let output = confined(&work, own.path()).run().unwrap();
    assert_eq!(output.stdout_text(), "b\n", "{}", output.stderr_text());
}

#[cfg(target_os = "linux")]
#[test]
fn a_confined_child_has_no_network_unless_it_may() {
    let own = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let connect = format!(
        "python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", {port})); print(\"in\")'"
    );
    let mut command = confined(&connect, own.path());
    let refused = command.clone().run().unwrap();
    assert!(!refused.success() && refused.stderr_text().contains("PermissionError"));
    let datagram = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b'x', ('127.0.0.1', 9))";
    let multipath = format!(
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262); s.connect(('127.0.0.1', {port}))"
    );
    for code in [datagram, &multipath] {
        let argv = ["python3", "-c", code].map(str::to_owned).to_vec();
        let refused = Command { argv, ..command.clone() }.run().unwrap();
        assert!(!refused.success() && refused.stderr_text().contains("unreachable"), "{refused:?}");
    }
    command.confine.as_mut().unwrap().network = true;
    let output = command.run().unwrap();
    assert_eq!(output.stdout_text(), "in\n", "{}", output.stderr_text());
}

#[cfg(target_os = "linux")]
#[test]
fn a_confined_child_holds_so_much_and_no_more() {
    let own = tempfile::tempdir().unwrap();
    let limited = |script: &str| {
        let mut command = confined(script, own.path());
        let confine = command.confine.as_mut().unwrap();
        (confine.memory_bytes, confine.file_bytes) = (256 << 20, 1 << 20);
        command.run().unwrap()
    };
    assert!(!limited("python3 -c 'bytearray(400 << 20)'").success());
    assert!(limited("python3 -c 'bytearray(100 << 20)'").success());
    assert!(!limited("head -c 3000000 /dev/zero > large").success());
    assert!(std::fs::metadata(own.path().join("large")).unwrap().len() <= 1 << 20);
    // Limits do not hide that a program is not there.
    let absent = Command { argv: vec!["no-such-program".into()], ..confined("", own.path()) };
    assert!(matches!(absent.run(), Err(Error::NotFound { .. })));
}

#[cfg(target_os = "linux")]
#[test]
fn the_time_limit_ends_confined_children_too() {
    let own = tempfile::tempdir().unwrap();
    let command = confined("echo $$; sleep 100 & wait", own.path());
    let output = Command { timeout: Duration::from_millis(300), ..command }.run().unwrap();
    assert_eq!(output.status, Exit::TimedOut);
    assert!(is_gone(first_pid(&output)));
}

#[cfg(target_os = "linux")]
#[test]
fn what_leaves_its_group_is_ended_all_the_same() {
    let own = tempfile::tempdir().unwrap();
    let script = "setsid sh -c 'sleep 100 & echo $! ; exec sleep 100' & echo $! ; sleep 0.3";
    let output = confined(script, own.path()).run().unwrap();
    let text = output.stdout_text();
    let pids: Vec<Pid> =
        text.lines().map(|line| Pid::from_raw(line.trim().parse().unwrap()).unwrap()).collect();
    assert!(pids.len() == 2 && pids.into_iter().all(is_gone), "{text}");
}

#[test]
fn what_is_not_held_is_said() {
    assert_eq!(Held { writes: true, network: true, limits: true }.words(), "confined");
    let open = Held { writes: true, network: false, limits: false };
    assert_eq!(open.words(), "NOT confined: the network, memory and file size");
}
