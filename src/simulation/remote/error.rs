//! What keeps a scenario from running on a real API server, and what to do about it.

use std::fmt;

/// Why a scenario does not run on a real API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteError {
    /// The kubeconfig can't be used.
    Kubeconfig {
        /// The file.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Nobody answers.
    Unreachable {
        /// The address.
        server: String,
        /// What the client says.
        problem: String,
    },
    /// A request was not answered.
    Request {
        /// The request.
        what: String,
        /// What the client says.
        problem: String,
    },
    /// A request was refused.
    Refused {
        /// What it was to do.
        what: String,
        /// What the API server says.
        problem: String,
    },
    /// The API server or what is on it does not fit.
    Unfit {
        /// What does not fit.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// This machine has no thread or no socket left.
    Machine(String),
}

impl RemoteError {
    /// What to do about it.
    pub fn remedy(&self) -> &str {
        match self {
            Self::Kubeconfig { .. } => "name the kubeconfig of a test API server, as in: --kubeconfig FILE",
            Self::Unreachable { .. } => {
                "start the API server, or correct the address in the kubeconfig; \
                 tests/cluster/with-control-plane starts one for a command"
            }
            Self::Request { .. } => "look at the API server's log, then run again with --replace",
            Self::Refused { .. } => {
                "use a kubeconfig that may do everything on a test API server, as cluster-admin may; \
                 an earlier run's leavings go with --replace"
            }
            Self::Unfit { remedy, .. } => remedy,
            Self::Machine(_) => "look at the limits of this machine",
        }
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kubeconfig { file, problem } => write!(formatter, "{file} can't be used: {problem}")?,
            Self::Unreachable { server, problem } => write!(formatter, "{server} can't be reached: {problem}")?,
            Self::Request { what, problem } => write!(formatter, "{what} was not answered: {problem}")?,
            Self::Refused { what, problem } => write!(formatter, "the API server refuses to {what}: {problem}")?,
            Self::Unfit { problem, .. } => formatter.write_str(problem)?,
            Self::Machine(problem) => write!(formatter, "no connection can be made on this machine: {problem}")?,
        }
        write!(formatter, "\n  remedy: {}", self.remedy())
    }
}

impl std::error::Error for RemoteError {}
