//! Where the tuning of a target stands.

use crate::reasons;

reasons! {
    /// Where the tuning of a target stands, and why a tuning run ended as it did.
    pub enum TuningReason {
        /// No flag is armed; symptoms are counted.
        Counting,
        /// A flag is armed, and at least one gate is closed; the gates say which and until when.
        AwaitingGates,
        /// A PhaseRun tests the target; tuning waits for its end.
        PhaseRunActive,
        /// A canary measures the incumbent or a candidate.
        Measuring,
        /// The next canary is being made.
        MakingCanary,
        /// The run that armed the flag has had its tuning run; a newer symptom begins another one.
        AlreadyTuned,
        /// A tuning run has ended; status.lastTuning says how and why.
        RunEnded,
        /// The tuning run ended with a promotion, which the next PHASE has to confirm.
        Promoted,
        /// The tuning run found a winner; delivery None delivers nothing.
        WinnerNamed,
        /// The target, or its pod template, changed during the tuning run: what was measured is of another one.
        TargetChanged,
        /// The night's window closed before the tuning run had come to its end; nothing is promoted from it.
        WindowClosed,
        /// The runs that armed the flag are gone, so nobody can tell what the tuning run is for.
        EvidenceGone,
        /// The incumbent's canary was deleted: it held what the tuning run is for, and what its candidates are compared with.
        IncumbentGone,
        /// The winner's value can't be set in the target so that it could be put back byte for byte; the message names the place.
        WinnerNotSettable,
        /// No PhaseSchedule has this target, so nobody can tell how often runs come: make one.
        NoSchedule,
        /// The target's PhaseSchedule can't be read; its own conditions name the fault.
        ScheduleInvalid,
        /// The spec can't work; the message names the field and what to do.
        InvalidSpec,
        /// The target does not exist.
        TargetNotFound,
        /// No test pod can be made of the target's pod template; the message names the rule.
        TemplateRefused,
        /// Neither canary.workload nor the domain that raised the symptom gives a load: set one.
        NoWorkload,
        /// Neither canary.slo nor the domain that raised the symptom says when a request is good: set limits.
        NoLimits,
        /// No replica can be borrowed from the target; the message says what speaks against it.
        BorrowRefused,
        /// A replica of the target is borrowed for the tuning run; its first canary follows.
        BorrowingReplica,
        /// The replica that a tuning run had borrowed is given back.
        ReplicaGivenBack,
        /// Somebody else set the target's replicas while one was borrowed; nothing is overwritten.
        GiveBackConflict,
        /// The cluster refused the canary or the promotion; the message has its answer.
        ObjectRefused,
        /// The Escalation is being deleted and begins nothing more.
        Deleting,
    }
}
