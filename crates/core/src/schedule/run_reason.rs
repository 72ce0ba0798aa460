//! Where a run stands, and why it ended without a measurement.

use crate::reasons;

reasons! {
    /// Where a run stands, and why one of its domains has no measurement.
    pub enum RunReason {
        /// Another test pod, or an earlier run, is on the target; the run waits for it to end.
        TargetBusy,
        /// The test pod waits for the scheduler, or for a node that has room for it; the message says what is lacking.
        AwaitingNode,
        /// The test pod waits for a GPU.
        AwaitingGPU,
        /// The test pod has a node; images are pulled and its init containers run.
        PodPreparing,
        /// The engine of the test pod starts.
        EngineStarting,
        /// A domain is tested.
        Testing,
        /// A domain has ended and its result is stored; the next one begins.
        DomainEnded,
        /// Every domain has ended, and the figures are judged.
        Judging,
        /// The run was judged.
        Judged,
        /// Somebody aborted the run; nothing is concluded from it.
        Aborted,
        /// The spec can't be run; the message names the field and what to do.
        InvalidSpec,
        /// The target does not exist.
        TargetNotFound,
        /// The PodTemplate of a domain does not exist.
        PodTemplateNotFound,
        /// No test pod can be made of the pod template; the message names the rule.
        TemplateRefused,
        /// No GPU became free within gpuWaitTimeout.
        NoSpareGPU,
        /// No node took the test pod within gpuWaitTimeout, and it was not a GPU that lacked but CPU, memory, a volume or a node that it may run on; the message says what.
        Unschedulable,
        /// The namespace's quota has no room for the test pod.
        QuotaExceeded,
        /// A rule of the cluster does not admit the test pod.
        PodRefused,
        /// An image of the test pod can't be pulled.
        ImagePullFailed,
        /// A container of the test pod can't be created: a Secret or ConfigMap is missing, or the runtime refuses it.
        ContainerNotCreated,
        /// Another pod has the name of the test pod.
        PodNameTaken,
        /// What the target's pods may reach can't be read, and test pods are to reach the same; the run waits.
        NetworkUnknown,
        /// The NetworkPolicy of the test pods is not admitted, or the operator may not make it; without it no pod is made.
        NetworkPolicyRefused,
        /// Another NetworkPolicy has the name of that of the test pods, or it says something else; no pod is made.
        NetworkPolicyTaken,
        /// The test pod went before its result was read, or its node is lost.
        PodLost,
        /// The time of the domain or of the run was over before the test had ended.
        TimedOut,
        /// No replica can be borrowed from the target; the message says what speaks against it.
        BorrowRefused,
        /// A replica of the target is about to be borrowed.
        BorrowingReplica,
        /// A replica of the target was borrowed, and the run begins once its GPU is free.
        ReplicaBorrowed,
        /// The replica that was borrowed is given back.
        ReplicaGivenBack,
        /// Somebody else changed the target's replicas while one was borrowed; nothing is overwritten.
        GiveBackConflict,
        /// The containers of every test pod are reported terminated, and what was borrowed is given back.
        Released,
        /// A test pod has not ended yet, or something borrowed is not given back yet.
        Releasing,
    }
}
