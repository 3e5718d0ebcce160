//! What a project declares: the workflow definition and the policy that bounds it.
//!
//! Everything here is a pure function of text: reading files, finding `kaizen.toml` and comparing
//! paths with the protected ones belong to the shell and the steps. Every rule that can be told
//! from the text alone is checked here, once, with line and column; what needs the outside world
//! (does the database exist?) is not.

mod definition;
mod document;
pub mod duration;
mod error;
mod policy;
mod rules;
mod schema;
mod suggest;
mod template;
pub mod window;

pub use definition::{
    Analyze, Api, Approval, AutoApprove, Budget, Confine, Confinement, Definition, Deploy, Design,
    Designer, Evaluate, Generate, Model, OnExpiry, Sqlserver, Stage, Strategy, Target,
};
pub use error::{Error, Place, Position};
pub use policy::{
    Data, Floor, Journal, Literals, PROTECTED_PATHS, Policy, Protected, Provenance, Require,
};
pub use suggest::nearest;
pub use template::variable;

#[cfg(test)]
mod tests;
