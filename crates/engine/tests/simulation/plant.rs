//! Faults planted in the simulated protocol, to prove that the invariants would notice.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// A driver's transition does not look at its lease's epoch.
    SkipsTheEpochCheck,
    /// An announced effect is done without being looked for.
    SkipsTheProbe,
    /// Whoever asks is told before the commit.
    AcknowledgesBeforeTheCommit,
    /// A power loss takes what had been synced.
    DiskLies,
    /// A transition that could not be written stays in memory.
    KeepsWhatWasNotWritten,
    /// Recovery does not look at the journal's own chains.
    TrustsTheSeal,
    /// The first effect is announced without reading what it binds to.
    SkipsTheBinding,
    /// The target is taken whoever holds it.
    TakesAnyTarget,
    /// The inbox is answered and what it asks is not done.
    DropsTheInbox,
    /// A transition's time is the clock's, though the journal is ahead of it.
    BelievesTheClock,
    /// A request ends when the driver's clock says so, which need not be when the journal's does.
    ExpiresByTheDriversClock,
    /// A driver that takes over cannot keep the one before it from its effect: the place of an
    /// effect refuses older epochs only once something was done there.
    ForgetsTheProbe,
}
