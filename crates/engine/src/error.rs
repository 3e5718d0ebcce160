//! What every error of Kaizen answers: who must act, and a stable word for programs.

/// Who must act on an error. No string decides a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Nobody: the same thing may work later (a lock, a server that is away).
    Retry,
    /// A person: input, configuration, permissions or the state of the outside world.
    Operator,
    /// A maintainer of Kaizen: an invariant did not hold.
    Bug,
}

/// Implemented by every error type that leaves a module.
pub trait Classified: std::error::Error {
    /// Who must act.
    fn class(&self) -> Class;
    /// A stable snake_case word for `{"error": {"code": …}}`.
    fn code(&self) -> &'static str;
}
