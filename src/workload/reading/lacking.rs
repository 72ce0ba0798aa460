//! What a pod without a node lacks, by the scheduler's sentence.

use std::{collections::BTreeMap, fmt};

use crate::workload::engine::is_gpu;

/// What stands between the number of nodes and what speaks against them.
const NODES_MARK: &str = " nodes are available: ";
/// What the scheduler's sentences about volumes have in common, in small letters: none was found or made, it is on another node, or
/// its claim does not exist yet.
const VOLUME_MARKS: [&str; 6] = [
    "persistentvolume",
    "persistent volume",
    "volume node affinity",
    "volume zone",
    "free storage",
    // What is bound only when the pod has a node, and could not be bound.
    "volumebinding",
];
/// What stands before the name of a resource of which a node has too little left.
const INSUFFICIENT: &str = "Insufficient ";

/// What a pod lacks that has no node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Lacking {
    /// A GPU, on every node that it may run on.
    GPU,
    /// Other resources, as `cpu, memory`: a node that it may run on has a GPU free, or it wants none.
    Resources(String),
    /// A volume: its claim is not bound, or what it is bound to is on no node that the pod may run on.
    Volume,
    /// A node that it may run on; or nobody has said what.
    Node,
}

impl Lacking {
    /// Reads what the scheduler says: `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s).` Each
    /// node counts once under the first thing that keeps the pod off it, and under each resource that it lacks. So the nodes
    /// that nothing but resources speaks against are known, and whether all of them lack a GPU.
    pub fn of(message: &str) -> Self {
        let Some((nodes, against)) = message.split_once(NODES_MARK) else { return Self::without_resources(message) };
        let nodes: u64 = nodes.rsplit('/').next().and_then(|count| count.parse().ok()).unwrap_or_default();
        let against = against.split(". ").next().unwrap_or_default();
        let mut insufficient: BTreeMap<&str, u64> = BTreeMap::new();
        let mut unfit = 0_u64;
        for (count, reason) in against.split(", ").filter_map(counted) {
            match reason.strip_prefix(INSUFFICIENT) {
                Some(resource) => *insufficient.entry(resource).or_default() += count,
                None => unfit = unfit.saturating_add(count),
            }
        }
        let (gpus, others): (Vec<_>, Vec<_>) = insufficient.into_iter().partition(|(resource, _)| is_gpu(resource));
        let without_gpu = gpus.iter().map(|(_, count)| *count).max().unwrap_or_default();
        let others: Vec<&str> = others.into_iter().map(|(resource, _)| resource).collect();
        if without_gpu > 0 && (without_gpu >= nodes.saturating_sub(unfit) || others.is_empty()) {
            return Self::GPU;
        }
        if others.is_empty() { Self::without_resources(message) } else { Self::Resources(others.join(", ")) }
    }

    /// What lacks where no node lacks a resource.
    fn without_resources(message: &str) -> Self {
        let message = message.to_lowercase();
        if VOLUME_MARKS.iter().any(|mark| message.contains(mark)) { Self::Volume } else { Self::Node }
    }
}

/// How many nodes something speaks against, and what. What a reason says in braces may itself have commas.
fn counted(part: &str) -> Option<(u64, &str)> {
    let (count, reason) = part.trim().trim_end_matches('.').split_once(' ')?;
    Some((count.parse().ok()?, reason))
}

impl fmt::Display for Lacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GPU => f.write_str("a GPU"),
            Self::Resources(resources) => f.write_str(resources),
            Self::Volume => f.write_str("a volume"),
            Self::Node => f.write_str("a node"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pod_lacks_is_what_the_nodes_lack_that_it_may_run_on() {
        let resources = |text: &str| Lacking::Resources(text.to_owned());
        let preemption = "preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod.";
        for (message, lacking) in [
            ("0/3 nodes are available: 3 Insufficient nvidia.com/gpu.", Lacking::GPU),
            ("0/1 nodes are available: 1 Insufficient cpu.", resources("cpu")),
            ("0/2 nodes are available: 1 Insufficient memory, 2 Insufficient cpu.", resources("cpu, memory")),
            // One node lacks a GPU, the other has one and no room beside it.
            ("0/2 nodes are available: 1 Insufficient cpu, 1 Insufficient nvidia.com/gpu.", resources("cpu")),
            // Both lack both: nothing could run there even if they had CPU.
            ("0/2 nodes are available: 2 Insufficient cpu, 2 Insufficient nvidia.com/gpu.", Lacking::GPU),
            (
                "0/5 nodes are available: 2 Insufficient nvidia.com/gpu, 3 node(s) had untolerated taint(s).",
                Lacking::GPU,
            ),
            (
                "0/5 nodes are available: 1 Insufficient memory, 1 Insufficient nvidia.com/gpu, \
                 3 node(s) had untolerated taint {a: b, c}.",
                resources("memory"),
            ),
            ("0/1 nodes are available: 1 Insufficient nvidia.com/mig-1g.10gb.", Lacking::GPU),
            ("0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.", Lacking::Node),
            ("0/1 nodes are available: 1 Too many pods.", Lacking::Node),
            ("0/0 nodes are available: no nodes available to schedule pods.", Lacking::Node),
            ("", Lacking::Node),
        ] {
            assert_eq!(Lacking::of(message), lacking, "{message}");
            assert_eq!(Lacking::of(&format!("{message} {preemption}")), lacking, "{message}");
        }
    }

    #[test]
    fn a_claim_that_is_not_bound_is_a_lack_of_a_volume() {
        for message in [
            "pod has unbound immediate PersistentVolumeClaims",
            "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
            "0/2 nodes are available: waiting for ephemeral volume controller to create the persistentvolumeclaim \"a-cache\".",
            "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 node(s) didn't find available persistent volumes to \
             bind.",
            "0/1 nodes are available: 1 node(s) had volume node affinity conflict.",
            "0/1 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity.",
            "0/1 nodes are available: 1 node(s) did not have enough free storage.",
            "running PreBind plugin \"VolumeBinding\": binding volumes: context deadline exceeded",
        ] {
            assert_eq!(Lacking::of(message), Lacking::Volume, "{message}");
        }
        // Where a node had the volume and no GPU, a free GPU would do.
        let beside =
            "0/2 nodes are available: 1 Insufficient nvidia.com/gpu, 1 node(s) had volume node affinity conflict.";
        assert_eq!(Lacking::of(beside), Lacking::GPU);
    }

    #[test]
    fn a_sentence_that_does_not_add_up_still_names_what_it_names() {
        // More nodes than are told of.
        assert_eq!(Lacking::of("0/9 nodes are available: 2 Insufficient nvidia.com/gpu."), Lacking::GPU);
        assert_eq!(
            Lacking::of("0/many nodes are available: 2 Insufficient cpu."),
            Lacking::Resources("cpu".to_owned())
        );
    }

    #[test]
    fn it_is_told_in_few_words() {
        let resources = Lacking::Resources("cpu, memory".to_owned());
        let told = [Lacking::GPU, resources, Lacking::Volume, Lacking::Node].map(|it| it.to_string());
        assert_eq!(told, ["a GPU", "cpu, memory", "a volume", "a node"]);
    }
}
