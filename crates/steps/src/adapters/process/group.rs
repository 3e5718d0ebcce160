//! Process groups: how a child gets its own, how its end is noticed without reaping it, and how
//! the whole group is ended. Where the system has no groups, the child alone is ended.

use super::Exit;
use std::{
    io,
    process::{Child, Command, ExitStatus},
    time::Duration,
};

/// Puts the child into a process group of its own.
pub(super) fn own_group(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(not(unix))]
    let _ = command;
}

/// Whether the child ends within `limit`. It is left to be reaped: as long as it is not, its id,
/// and with it the group's, belongs to nobody else.
#[cfg(unix)]
pub(super) fn ends_within(child: &mut Child, limit: Duration) -> bool {
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
    let (tell, notice) = std::sync::mpsc::channel();
    let pid = Pid::from_child(child);
    std::thread::spawn(move || {
        let until_exit = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), until_exit) {}
        // Nobody listens any more when the time was up: nothing to tell then.
        let _ = tell.send(());
    });
    notice.recv_timeout(limit).is_ok()
}

/// Whether the child ends within `limit`. Polls: here the standard library has nothing better.
#[cfg(not(unix))]
pub(super) fn ends_within(child: &mut Child, limit: Duration) -> bool {
    let deadline = std::time::Instant::now() + limit;
    while matches!(child.try_wait(), Ok(None)) {
        if std::time::Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}

/// Ends the child and everything in its group. Only before it has been reaped.
pub(super) fn end(child: &mut Child) {
    #[cfg(unix)]
    {
        use rustix::process::{Pid, Signal, kill_process_group};
        // ESRCH: all of them have ended already, which is what is wanted.
        let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    }
    #[cfg(not(unix))]
    let _ = child.kill();
}

/// Ends a process group left behind by a process that died, before its work is taken over.
/// A group that is gone counts as ended.
///
/// # Errors
/// Where the system refuses: the group belongs to somebody else.
#[cfg(unix)]
pub fn end_group(group: u32) -> io::Result<()> {
    use rustix::process::{Pid, Signal, kill_process_group};
    let pid =
        i32::try_from(group).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
    match kill_process_group(pid, Signal::KILL) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// This system has no process groups: nothing to end.
///
/// # Errors
/// Never.
#[cfg(not(unix))]
pub fn end_group(_group: u32) -> io::Result<()> {
    Ok(())
}

/// How it ended, of its own accord.
pub(super) fn exit(status: ExitStatus) -> Exit {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return Exit::Signal(signal);
    }
    Exit::Code(status.code().unwrap_or(-1))
}
