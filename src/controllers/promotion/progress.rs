//! The memory of a promotion: from its status to the core's progress, and back, without loss.

use phaseloop_core::{
    promotion::{
        PromotionPhase, PromotionProgress, PromotionReason,
        progress::{ApplyAttempt, ConfigMapAttempt, RollbackStart, ValidatingRun},
    },
    value::Uid,
};
use serde::{
    Deserialize,
    de::{IntoDeserializer, value::Error},
};

use crate::api::promotion::status::{self as wire, PromotionStatus};

/// What a status remembers. A promotion without one was just made.
pub(super) fn progress_of(status: Option<&PromotionStatus>) -> PromotionProgress {
    let new = PromotionProgress::new();
    let Some(status) = status else { return new };
    PromotionProgress {
        phase: status.phase.map_or(new.phase, core_phase),
        reason: status.reason.as_deref().and_then(reason_named).unwrap_or(new.reason),
        message: status.message.clone().unwrap_or_default(),
        attempt: status.attempt.as_ref().map(|attempt| ApplyAttempt {
            since: attempt.since,
            target_resource_version: attempt.target_resource_version.clone(),
            target_generation: attempt.target_generation,
        }),
        config_map_attempt: status.config_map_attempt.as_ref().map(|attempt| ConfigMapAttempt {
            since: attempt.since,
            resource_version: attempt.resource_version.clone(),
        }),
        taking_out_since: status.taking_out_since,
        applied_at: status.applied_at,
        promoted_template_hash: status.promoted_template_hash.clone(),
        rolled_out_at: status.rolled_out_at,
        rollback: status.rollback.as_ref().map(|rollback| RollbackStart {
            // A cause that only another version knows: the way back holds all the same.
            cause: reason_named(&rollback.cause).unwrap_or(PromotionReason::ValidationDeadlinePassed),
            since: rollback.since,
        }),
        validation: status.validation.as_ref().map(|validation| ValidatingRun {
            uid: Uid::new(&validation.phase_run_uid),
            name: validation.phase_run.clone(),
            verdict: validation.verdict,
        }),
    }
}

/// The status that remembers this, over the one before: what only people read stays, but for the deltas of another run.
pub(super) fn status_with(before: PromotionStatus, progress: &PromotionProgress) -> PromotionStatus {
    let deltas_of = |run: &ValidatingRun| {
        let same = before.validation.iter().find(|validation| validation.phase_run_uid == run.uid.as_str());
        same.map(|validation| validation.deltas.clone()).unwrap_or_default()
    };
    let validation = progress.validation.as_ref().map(|run| wire::Validation {
        phase_run: run.name.clone(),
        phase_run_uid: run.uid.to_string(),
        verdict: run.verdict,
        deltas: deltas_of(run),
    });
    PromotionStatus {
        phase: Some(wire_phase(progress.phase)),
        reason: Some(progress.reason.name().to_owned()),
        message: Some(progress.message.clone()).filter(|message| !message.is_empty()),
        attempt: progress.attempt.as_ref().map(|attempt| wire::Attempt {
            since: attempt.since,
            target_resource_version: attempt.target_resource_version.clone(),
            target_generation: attempt.target_generation,
        }),
        config_map_attempt: progress.config_map_attempt.as_ref().map(|attempt| wire::ConfigMapAttempt {
            since: attempt.since,
            resource_version: attempt.resource_version.clone(),
        }),
        taking_out_since: progress.taking_out_since,
        applied_at: progress.applied_at,
        promoted_template_hash: progress.promoted_template_hash.clone(),
        rolled_out_at: progress.rolled_out_at,
        rollback: progress
            .rollback
            .map(|rollback| wire::Rollback { cause: rollback.cause.name().to_owned(), since: rollback.since }),
        validation,
        ..before
    }
}

/// The reason of that name, if this version knows it.
fn reason_named(name: &str) -> Option<PromotionReason> {
    let name: serde::de::value::StrDeserializer<'_, Error> = name.into_deserializer();
    PromotionReason::deserialize(name).ok()
}

/// Whether a promotion in this phase has ended: it owes nothing and reads nothing.
pub const fn phase_has_ended(phase: wire::PromotionPhase) -> bool {
    core_phase(phase).is_terminal()
}

/// The core's name of a phase.
pub(super) const fn core_phase(phase: wire::PromotionPhase) -> PromotionPhase {
    match phase {
        wire::PromotionPhase::Staged => PromotionPhase::Staged,
        wire::PromotionPhase::AwaitingReview => PromotionPhase::AwaitingReview,
        wire::PromotionPhase::Applying => PromotionPhase::Applying,
        wire::PromotionPhase::Applied => PromotionPhase::Applied,
        wire::PromotionPhase::Validated => PromotionPhase::Validated,
        wire::PromotionPhase::RollingBack => PromotionPhase::RollingBack,
        wire::PromotionPhase::RolledBack => PromotionPhase::RolledBack,
        wire::PromotionPhase::Rejected => PromotionPhase::Rejected,
        wire::PromotionPhase::Superseded => PromotionPhase::Superseded,
        wire::PromotionPhase::Expired => PromotionPhase::Expired,
        wire::PromotionPhase::Conflict => PromotionPhase::Conflict,
    }
}

const fn wire_phase(phase: PromotionPhase) -> wire::PromotionPhase {
    match phase {
        PromotionPhase::Staged => wire::PromotionPhase::Staged,
        PromotionPhase::AwaitingReview => wire::PromotionPhase::AwaitingReview,
        PromotionPhase::Applying => wire::PromotionPhase::Applying,
        PromotionPhase::Applied => wire::PromotionPhase::Applied,
        PromotionPhase::Validated => wire::PromotionPhase::Validated,
        PromotionPhase::RollingBack => wire::PromotionPhase::RollingBack,
        PromotionPhase::RolledBack => wire::PromotionPhase::RolledBack,
        PromotionPhase::Rejected => wire::PromotionPhase::Rejected,
        PromotionPhase::Superseded => wire::PromotionPhase::Superseded,
        PromotionPhase::Expired => wire::PromotionPhase::Expired,
        PromotionPhase::Conflict => wire::PromotionPhase::Conflict,
    }
}

#[cfg(test)]
#[path = "progress_tests.rs"]
mod tests;
