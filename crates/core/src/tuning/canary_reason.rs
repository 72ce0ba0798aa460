//! Where a canary stands, and why it ended without a measurement.

use crate::reasons;

reasons! {
    /// Where a canary stands, and why it ended without a measurement.
    pub enum CanaryReason {
        /// Its budgets are reserved; its pod is being asked for.
        Reserved,
        /// Another test pod is on the target, or the namespace holds as many as may be; it waits.
        TargetBusy,
        /// The administrator's policy can't be read; it waits.
        PolicyInvalid,
        /// Its pod waits for the scheduler, or for a node that has room for it; the message says what is lacking.
        AwaitingNode,
        /// Its pod waits for a GPU.
        AwaitingGPU,
        /// Its pod has a node; images are pulled and init containers run.
        PodPreparing,
        /// The engine of its pod starts.
        EngineStarting,
        /// The probe waits for the engine, warms it up, and measures.
        Measuring,
        /// It was judged; its containers are being ended.
        Releasing,
        /// It was judged, and every container is reported terminated.
        Released,
        /// Its containers were not reported terminated within restoreSLA: look at the node, then run `phaseloop retry`.
        RestoreFailed,
        /// Nobody saw its containers end, but the time by which they end by themselves has passed.
        GivenUp,
        /// Somebody aborted or deleted it.
        Aborted,
        /// The Escalation was suspended, which ends what runs.
        Suspended,
        /// The Escalation is gone or being deleted, which ends what runs.
        EscalationGone,
        /// The maintenance window closed before it had come to its end.
        WindowClosed,
        /// The instant by which it had to end came before its measurement was whole.
        PastNotAfter,
        /// No GPU became free in time.
        NoSpareGPU,
        /// No node took its pod in time, and it was not a GPU that lacked but CPU, memory, a volume or a node that it may run on; the message says what.
        Unschedulable,
        /// The engine was not started in time.
        StartTimedOut,
        /// Its pod went before its result was read, or its node is lost: all that was reserved counts as used.
        PodLost,
        /// The target, or its pod template, is not the one that the canary was planned on.
        TargetChanged,
        /// No test pod can be made of the target's pod template with its values; the message names the rule.
        TemplateRefused,
        /// The namespace's quota has no room for its pod.
        QuotaExceeded,
        /// A rule of the cluster does not admit its pod.
        PodRefused,
        /// Another pod has the name of its pod.
        PodNameTaken,
        /// What the target's pods may reach can't be read, and its pod is to reach the same; it waits.
        NetworkUnknown,
        /// The NetworkPolicy of its pod is not admitted, or the operator may not make it; without it no pod is made.
        NetworkPolicyRefused,
        /// Another NetworkPolicy has the name of that of its pod, or it says something else; no pod is made.
        NetworkPolicyTaken,
        /// It was not made by its Escalation under the name that follows from target, night and attempt, so nothing is reserved.
        NotReserved,
    }
}
