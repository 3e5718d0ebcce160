//! The workflow definition: its types, its safe defaults, and how it is read.
//!
//! A run is pinned to the digest of the text, comments included: what was approved is what was
//! read. Which values fit is said in `schema` (one key) and `rules` (several keys).

use super::document::Document;
use super::{duration, error::Error, rules, rules::DEFINITION, window::Window};
use crate::digest::Digest;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One workflow: a TOML file under `workflows/`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// `[a-z0-9-]+`, at most 64 characters.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub description: String,
    pub target: Target,
    #[serde(default)]
    pub analyze: Analyze,
    #[serde(default)]
    pub design: Design,
    #[serde(default)]
    pub generate: Generate,
    #[serde(default)]
    pub deploy: Deploy,
    #[serde(default)]
    pub evaluate: Evaluate,
    #[serde(default, skip_serializing_if = "is_default")]
    pub sqlserver: Sqlserver,
    #[serde(default, skip_serializing_if = "is_default")]
    pub confine: Confine,
    #[serde(default, skip_serializing_if = "is_default")]
    pub model: Model,
    #[serde(default)]
    pub approval: Approval,
    #[serde(default)]
    pub auto_approve: AutoApprove,
    #[serde(default)]
    pub budget: Budget,
}

/// What is being improved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Target {
    /// A SQLite database file and the queries it serves.
    Sqlite {
        /// Path of the file, relative to the project's root.
        database: String,
        /// Glob patterns of the files with the queries, relative to the project's root.
        workload: Vec<String>,
    },
    /// A SQL Server database, whose queries Query Store knows.
    Sqlserver {
        /// What the environment calls its connection: `KAIZEN_TARGET_<NAME>`.
        name: String,
        /// The database's name on the server.
        database: String,
    },
    /// Any repository: commands say how it does.
    Command {
        /// Prints metrics as JSON; where it prints none, the time that it takes is the metric.
        benchmark: Vec<String>,
        /// Exit code 0 passes.
        test: Vec<String>,
        /// Run first in each worktree and not measured; empty: nothing is built.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        build: Vec<String>,
        /// What it prints is what designers are told; empty: nothing more than the metrics.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        analyze: Vec<String>,
        /// Variables of the environment that the commands may see.
        #[serde(default)]
        env: Vec<String>,
        /// After this time a command is ended.
        #[serde(default = "command_timeout", with = "duration")]
        timeout: Duration,
    },
}

fn command_timeout() -> Duration {
    Duration::from_secs(300)
}

/// What commands that run a change's code may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Confine {
    pub mode: Confinement,
    /// Whether they may use the network.
    pub network: bool,
    /// Folders that they may write to besides their own scratch folders.
    pub write: Vec<String>,
    /// Most data that one process may hold, in MiB; 0: no limit.
    pub memory_mb: u32,
    /// Largest file that they may write, in MiB; 0: no limit.
    pub file_mb: u32,
}

/// Whether commands run where they cannot be confined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confinement {
    /// Nothing is confined.
    Off,
    /// As far as the system can; what it cannot is said.
    Prefer,
    /// Wholly, or they do not run.
    Require,
}

/// How the target is looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Analyze {
    /// After this time a query is interrupted and recorded as timed out.
    #[serde(with = "duration")]
    pub query_timeout: Duration,
    /// How often each query is timed; the median counts. 1 to 50.
    pub repetitions: u32,
    /// Percent by which a query must be slower than in the baseline to count as a regression.
    pub regression_pct: f64,
}

/// Who proposes a change, and how far it may go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Design {
    pub designer: Designer,
    pub strategy: Strategy,
    /// Change sets in one run, 1 to 3.
    pub max_changes: u32,
    /// Time that the designer may spend.
    #[serde(with = "duration")]
    pub budget: Duration,
    /// How often a designer is asked again after its answer was refused.
    pub retries: u32,
    /// The external agent: a program and its arguments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub agent: Vec<String>,
    /// Variables of the environment that the agent may see.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub agent_env: Vec<String>,
}

/// Who proposes changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Designer {
    /// Candidates derived from the queries by rules.
    Rules,
    /// A program that is told what was found and answers with a change.
    Agent,
    /// A model behind an HTTP endpoint.
    Model,
}

/// The endpoint of the designer `model`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Model {
    /// Base URL; empty: `KAIZEN_MODEL_URL` says it. The key is in `KAIZEN_MODEL_KEY` alone.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// The model's name; empty: `KAIZEN_MODEL` says it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    pub api: Api,
    pub temperature: f64,
    /// Most tokens of one answer.
    pub max_tokens: u32,
    /// Time for one answer.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// What a million tokens cost, in and out, in any currency.
    pub input_price: f64,
    pub output_price: f64,
}

/// The shape of an endpoint's requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    /// `/chat/completions`, which most servers of models speak.
    Openai,
    /// `/messages`.
    Anthropic,
}

/// How the rule-based designer chooses among its candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Tries each candidate on a copy and proposes what measured best.
    Measured,
    /// Proposes the most plausible candidate unmeasured: quick, and often wrong.
    Greedy,
}

/// Which files a change may touch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Generate {
    /// Allow-list of glob patterns. Protected paths stay protected whatever it says.
    pub paths: Vec<String>,
    /// Directory that up and down scripts are written to.
    pub migrations: String,
    /// Largest change, all files together, in KiB.
    pub max_change_kb: u32,
    /// Largest file that a change may leave behind, in KiB.
    pub max_file_kb: u32,
}

/// How a change reaches the outside world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Deploy {
    /// The branch that is moved; `None`: the one checked out when the run starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    pub push: bool,
    pub remote: String,
    #[serde(with = "duration")]
    pub push_timeout: Duration,
    /// Blocks every deployment, and every rollback that is no emergency.
    pub freeze: bool,
    /// When a deployment may begin, and a rollback that is no emergency; empty: at any time.
    pub windows: Vec<Window>,
}

/// How a live SQL Server database is treated: what a script may take, and how long it is watched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sqlserver {
    /// How long a statement waits for a lock before it gives up.
    #[serde(with = "duration")]
    pub lock_timeout: Duration,
    /// For how long a script that met a lock is tried again.
    #[serde(with = "duration")]
    pub retry_for: Duration,
    /// Largest table that is blocked while an index is built on it, in MiB.
    pub max_offline_mb: u32,
    /// Largest index that may be built at all, in MiB, by an estimate before.
    pub max_index_mb: u32,
    /// How full the transaction log may be beforehand, in percent.
    pub max_log_pct: f64,
    /// What must stay free of tempdb and of each volume of the database, in MiB.
    pub min_free_mb: u32,
    /// Longest queue of a replica, to be sent or redone, in MiB.
    pub max_replica_queue_mb: u32,
    /// How long the change is watched after its deployment, before it is judged.
    #[serde(with = "duration")]
    pub observe: Duration,
    /// How often the guard looks in that time.
    #[serde(with = "duration")]
    pub guard_every: Duration,
    /// Most that the share of failed or given-up executions may rise, in percentage points.
    pub max_errors_pct: f64,
    /// Most requests that may be blocked for longer than half a minute at once.
    pub max_blocked: u32,
    /// Least executions of the changed tables' queries in the window; below nothing is told.
    pub min_executions: u32,
}

/// When a change is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Evaluate {
    /// Least improvement of the kind's objective, in percent.
    pub min_improvement_pct: f64,
    /// Most that any one query may get slower, in percent.
    pub max_regression_pct: f64,
    /// Most that writing may get slower, in percent.
    pub max_write_cost_pct: f64,
    /// Least probability of success, 0 to 1.
    pub min_success_probability: f64,
    /// Argument vectors, run in a scratch worktree; exit code 0 passes.
    pub tests: Vec<Vec<String>>,
    #[serde(with = "duration")]
    pub tests_timeout: Duration,
    /// Names of checks that may be not measurable.
    pub may_be_absent: Vec<String>,
}

/// Who must agree before anything is deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Approval {
    /// How many people must approve, 1 to 20.
    pub quorum: u32,
    /// Who may; empty: anybody who can write to the journal.
    pub approvers: Vec<String>,
    /// Whoever started the run may not approve it.
    pub separation_of_duties: bool,
    #[serde(with = "duration")]
    pub expires_after: Duration,
    pub on_expiry: OnExpiry,
}

/// What happens to a change that nobody decided on in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnExpiry {
    /// The run ends as expired.
    Reject,
    /// The run waits until somebody decides.
    Park,
}

/// Which changes need no human.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AutoApprove {
    /// Kinds of change; empty: none.
    pub kinds: Vec<String>,
    /// Least probability of success, 0 to 1.
    pub min_probability: f64,
    pub stage: Stage,
}

/// How far the loop is trusted. Ordered: each stage permits what the one before does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Nothing is ever deployed.
    DryRun,
    /// A human decides on each change.
    Supervised,
    /// One change of the listed kinds may go without a human.
    Limited,
    /// As limited, with up to 3 changes in a run.
    Autonomous,
}

/// What a run, and the workflow, may spend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// Kaizen's own computing in one run; waiting for people does not count.
    #[serde(with = "duration")]
    pub compute: Duration,
    /// Runs started in an hour.
    pub cycles_per_hour: u32,
    /// Failures in a row that park the workflow.
    pub max_failures: u32,
    /// Tokens that a model may read and write in one run, all answers together.
    pub model_tokens: u64,
    /// What they may cost, by the prices of `[model]`; 0: no limit.
    pub model_cost: f64,
}

impl Definition {
    /// Reads a definition and checks every rule that can be told from its text.
    ///
    /// # Errors
    /// The first thing wrong, with its position and, for a misspelt word, the nearest right one.
    pub fn parse(text: &str) -> Result<Definition, Error> {
        let document = Document::parse(text, &DEFINITION)?;
        rules::check_target(&document)?;
        let definition = document.typed()?;
        rules::check(&definition, &document)?;
        Ok(definition)
    }

    /// The digest that runs are pinned to: of the bytes as they stand in the file.
    pub fn digest(text: &str) -> Digest {
        Digest::of(&[text.as_bytes()])
    }
}

impl AutoApprove {
    /// Whether a change of this kind may go without a human when the preflight passed with this
    /// probability of success. What always needs a human is not asked here.
    pub fn permits(&self, kind: &str, probability: f64) -> bool {
        self.stage >= Stage::Limited
            && self.kinds.iter().any(|listed| listed == kind)
            && probability >= self.min_probability
    }
}

/// What nobody has set is not written: another kind of target may not say it.
fn is_default<T: Default + PartialEq>(section: &T) -> bool {
    *section == T::default()
}

impl Default for Analyze {
    fn default() -> Analyze {
        Analyze { query_timeout: Duration::from_secs(30), repetitions: 3, regression_pct: 25.0 }
    }
}

impl Default for Design {
    fn default() -> Design {
        Design {
            designer: Designer::Rules,
            strategy: Strategy::Measured,
            max_changes: 1,
            budget: Duration::from_secs(90),
            retries: 2,
            agent: Vec::new(),
            agent_env: Vec::new(),
        }
    }
}

impl Default for Model {
    fn default() -> Model {
        Model {
            url: String::new(),
            name: String::new(),
            api: Api::Openai,
            temperature: 0.1,
            max_tokens: 4_096,
            timeout: Duration::from_secs(60),
            input_price: 0.0,
            output_price: 0.0,
        }
    }
}

impl Default for Generate {
    fn default() -> Generate {
        Generate {
            paths: vec!["migrations/**".to_owned()],
            migrations: "migrations".to_owned(),
            max_change_kb: 256,
            max_file_kb: 1_024,
        }
    }
}

impl Default for Deploy {
    fn default() -> Deploy {
        Deploy {
            branch: None,
            push: false,
            remote: "origin".to_owned(),
            push_timeout: Duration::from_secs(60),
            freeze: false,
            windows: Vec::new(),
        }
    }
}

impl Default for Sqlserver {
    fn default() -> Sqlserver {
        Sqlserver {
            lock_timeout: Duration::from_secs(10),
            retry_for: Duration::from_secs(3_600),
            max_offline_mb: 64,
            max_index_mb: 20_480,
            max_log_pct: 70.0,
            min_free_mb: 2_048,
            max_replica_queue_mb: 512,
            observe: Duration::from_secs(86_400),
            guard_every: Duration::from_secs(900),
            max_errors_pct: 2.0,
            max_blocked: 10,
            min_executions: 200,
        }
    }
}

impl Default for Confine {
    fn default() -> Confine {
        Confine {
            mode: Confinement::Prefer,
            network: false,
            write: Vec::new(),
            memory_mb: 8_192,
            file_mb: 2_048,
        }
    }
}

impl Default for Evaluate {
    fn default() -> Evaluate {
        Evaluate {
            min_improvement_pct: 10.0,
            max_regression_pct: 10.0,
            max_write_cost_pct: 200.0,
            min_success_probability: 0.75,
            tests: Vec::new(),
            tests_timeout: Duration::from_secs(300),
            may_be_absent: vec!["tests".to_owned()],
        }
    }
}

impl Default for Approval {
    fn default() -> Approval {
        Approval {
            quorum: 1,
            approvers: Vec::new(),
            separation_of_duties: false,
            expires_after: Duration::from_secs(7 * 86_400),
            on_expiry: OnExpiry::Reject,
        }
    }
}

impl Default for AutoApprove {
    fn default() -> AutoApprove {
        AutoApprove { kinds: Vec::new(), min_probability: 0.9, stage: Stage::Supervised }
    }
}

impl Default for Budget {
    fn default() -> Budget {
        Budget {
            compute: Duration::from_secs(300),
            cycles_per_hour: 10,
            max_failures: 5,
            model_tokens: 200_000,
            model_cost: 0.0,
        }
    }
}
