//! The kubelets of all nodes: what becomes of a pod once it has a node.
//!
//! **What lives here**: the life of a pod and of each of its containers as transitions at instants that are known
//! beforehand, what their containers read from ConfigMaps, the statuses that a kubelet reports, images and their pulls, and the log of what really ran.
//!
//! **What must not**: what a container does (`simulation::program`), and who wants the pod.

mod container;
mod environment;
mod images;
mod life;
mod machine;
mod machines;
mod record;
mod status;
mod stop;

pub use environment::told_by_config_maps;
pub use images::{ImageFault, ImageStore};
pub use life::{Changes, CloneProgram, Ending, Life, PodProgram, ProgramSource};
pub use machine::{PodMachine, RunningPod};
pub use machines::Kubelets;
pub use record::{ContainerEvent, ContainerFate, ContainerLog, ContainerRecord};
pub use stop::StopCause;

#[cfg(test)]
mod tests;
