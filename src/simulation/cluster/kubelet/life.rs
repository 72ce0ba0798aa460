//! What a kubelet asks of the programs in a pod.

use std::fmt::Debug;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

/// How a container's process ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// When.
    pub at: Timestamp,
    /// Its exit code.
    pub exit_code: i32,
    /// What it leaves in its termination message file.
    pub message: Option<String>,
    /// The reason, where it is another one than the exit code says: `OOMKilled`.
    pub reason: Option<&'static str>,
}

/// What one run of a container will do, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Life {
    /// How it ends by itself; absent while nothing ends it.
    pub ends: Option<Ending>,
    /// The next instant at which its program wants to be asked again.
    pub milestone: Option<Timestamp>,
}

impl Life {
    /// A run that ends so.
    pub const fn ending(ending: Ending) -> Self {
        Self { ends: Some(ending), milestone: None }
    }
}

/// What is known anew of the lives of containers, by their names.
pub type Changes = Vec<(String, Life)>;

/// The programs of one pod: they decide what its containers do. All of it is known beforehand, and can only be cut short.
pub trait PodProgram: Debug + Send + CloneProgram {
    /// A container starts, for the `run`-th time from 0.
    fn started(&mut self, container: &str, run: u32, at: Timestamp) -> Changes;

    /// A milestone of a container is reached.
    fn reached(&mut self, container: &str, at: Timestamp) -> Changes;

    /// A container has ended, for whatever reason.
    fn ended(&mut self, container: &str, at: Timestamp, exit_code: i32) -> Changes;

    /// A container is asked to end (SIGTERM). Nothing where it ignores that.
    fn signalled(&mut self, container: &str, at: Timestamp) -> Option<Ending>;

    /// Whether a container answers its readiness probe.
    fn is_ready(&self, container: &str) -> bool;

    /// What a container has printed by an instant: its present run, or the one before.
    fn output(&self, container: &str, previous: bool, until: Timestamp) -> String;
}

/// Copies the programs of a pod as they are in the middle of their lives.
pub trait CloneProgram {
    /// The copy.
    fn clone_boxed(&self) -> Box<dyn PodProgram>;
}

impl<T: PodProgram + Clone + 'static> CloneProgram for T {
    fn clone_boxed(&self) -> Box<dyn PodProgram> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn PodProgram> {
    fn clone(&self) -> Self {
        (**self).clone_boxed()
    }
}

/// Where programs come from.
pub trait ProgramSource: Debug + Send {
    /// The programs of a pod that starts on a node.
    fn program_of(&self, pod: &Pod, node: &str, at: Timestamp) -> Box<dyn PodProgram>;
}
