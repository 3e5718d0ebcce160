//! What the CLI adds to errors: the next command to type, and the exit code.

use kaizen_engine::error::{Class, Classified};
use serde_json::json;

/// Exit codes of DESIGN section 9.
pub mod exit {
    pub const DONE: u8 = 0;
    pub const FAILED: u8 = 1;
    pub const USAGE: u8 = 2;
    pub const WAITS: u8 = 3;
    pub const ROLLED_BACK: u8 = 4;
    pub const DIFFERENCE: u8 = 5;
    pub const REFUSED: u8 = 6;
}

/// An error as the CLI ends with it.
#[derive(Debug)]
pub struct Failure {
    pub code: String,
    pub message: String,
    /// The next command to type.
    pub next: Option<String>,
    pub exit: u8,
}

impl Failure {
    /// Wrong input or configuration.
    pub fn usage(code: &str, message: impl Into<String>) -> Failure {
        let next = Some("kaizen --help".to_owned());
        Failure { code: code.to_owned(), message: message.into(), next, exit: exit::USAGE }
    }

    /// With the next command to type.
    pub fn next(self, next: impl Into<String>) -> Failure {
        Failure { next: Some(next.into()), ..self }
    }

    /// Puts a name in for a placeholder of the next command.
    pub fn fill(self, placeholder: &str, name: &str) -> Failure {
        Failure { next: self.next.map(|next| next.replace(placeholder, name)), ..self }
    }

    pub fn json(&self) -> serde_json::Value {
        json!({ "error": { "code": self.code, "message": self.message, "next": self.next } })
    }
}

impl<E: Classified> From<E> for Failure {
    fn from(error: E) -> Failure {
        let code = error.code().to_owned();
        let (next, exit) = advice(&code, error.class());
        Failure { message: chain(&error), next: Some(next.to_owned()), exit, code }
    }
}

/// An error with its causes, each once: transparent layers repeat what they wrap.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// The next command and the exit code for an error's word.
fn advice(code: &str, class: Class) -> (&'static str, u8) {
    let next = match code {
        "no_project" | "no_journal" => "kaizen init --sqlite FILE --workload 'workload/*.sql'",
        "no_such_run" | "ambiguous_run" => "kaizen runs",
        "no_reason" => "the same again with --reason 'why'",
        "bad_rating" => "kaizen approve RUN --rating 4 --reason 'why'",
        "digest_changed" => "kaizen show RUN --diff",
        "already_approved" | "already_finished" | "wrong_state" | "stale" | "rolling_back"
        | "nothing_to_resolve" | "expired" => "kaizen show RUN",
        "compacted" => "kaizen show RUN   (its commit can still be reverted, with git revert)",
        "not_an_approver" | "separation_of_duties" | "unverified" => {
            "kaizen pending   (one of those whom the workflow names must decide)"
        }
        "no_such_model" => "kaizen models list",
        "no_such_version" | "version_in_force" => "kaizen models show NAME",
        "refused_too_often" => "wait for an hour; what there is: kaizen models show NAME",
        "nothing_learnt" => "kaizen models train",
        "no_function" => "kaizen models export NAME --to FILE.onnx",
        "no_model_of_features" => "kaizen models show Weights",
        "model_unsound" => "kaizen models train NAME",
        "driven" | "busy" => "wait for it, or look with: kaizen runs",
        "git_not_a_repository" => "git init && git add -A && git commit -m 'Begin'",
        "git_detached_head" => "git switch BRANCH   (git branch lists them)",
        "git_missing_branch" => "git branch   (then mend `branch` under [deploy] in WORKFLOW)",
        "git_no_such_remote" => {
            "git remote add NAME URL   (or mend `remote` under [deploy] in WORKFLOW)"
        }
        "git_unborn_branch" => "git add -A && git commit -m 'Begin'",
        "tracked_changes" => "git commit -a   # or: git stash",
        "read_only" | "disk_full" | "io" => "df -h . && ls -ld .kaizen",
        "sqlserver_no_trail" => "kaizen sql plan   # then: kaizen sql apply",
        "sqlserver_older_trail" => "kaizen sql apply",
        "sqlserver_newer_trail" => "take a newer kaizen   (kaizen --version says which this is)",
        "sqlserver_divergent_trail" => "kaizen sql status",
        "sqlserver_away" | "sqlserver_unreachable" => "kaizen doctor",
        "feature_permanent" => "the same with --accept-permanent, once that is understood",
        "feature_unknown" | "feature_parameter" => "kaizen sql plan --help",
        "feature_unsupported" => "kaizen sql plan --feature NAME   # says what is missing",
        "provenance_cut" => {
            "kaizen audit verify   # what is gone; once that is understood: kaizen provenance sync \
             --resend"
        }
        "provenance_replaced" => {
            "kaizen provenance status   # once that is understood: kaizen provenance sync --resend"
        }
        "provenance_forged" | "provenance_ahead" => "kaizen audit verify",
        "provenance_poison" => "kaizen provenance status",
        "database_missing" | "database_is_directory" | "database_not_sqlite" => {
            "mend `database` under [target] in WORKFLOW, then: kaizen doctor"
        }
        "database_locked" => "see who holds it, with: fuser -v DATABASE   (then the same again)",
        "snapshot_failed" => "df -h .   (a run copies the database several times)",
        "workload_no_files" | "workload_bad_glob" => {
            "mend `workload` under [target] in WORKFLOW, then: kaizen doctor"
        }
        code if code.starts_with("workload_") => "mend the named file, then: kaizen doctor",
        code if code.starts_with("workflow_") => "mend the named line, then: kaizen doctor",
        _ => "kaizen doctor",
    };
    (next, exit_of(code, class))
}

fn exit_of(code: &str, class: Class) -> u8 {
    let policy =
        ["not_an_approver", "separation_of_duties", "unverified", "later_runs", "digest_changed"];
    match class {
        _ if code.starts_with("refused") || policy.contains(&code) => exit::REFUSED,
        Class::Bug | Class::Retry => exit::FAILED,
        Class::Operator => match code {
            "damaged_journal" => exit::DIFFERENCE,
            "read_only" | "disk_full" | "io" | "stopped" | "fenced" | "migration" => exit::FAILED,
            "expired" => exit::FAILED,
            _ => exit::USAGE,
        },
    }
}
