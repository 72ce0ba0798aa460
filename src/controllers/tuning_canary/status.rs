//! The status of a TuningCanary.

use jiff::SignedDuration;
use phaseloop_core::{audit::EvidenceReference, tuning::CanaryReason, value::Uid};

use super::ValidTuningCanary;
use crate::{
    api::{
        TuningCanaryStatus,
        condition::{Condition, ConditionStatus, ConditionType},
        phase_run::measured::{cut, fitness_text},
        tuning_canary::{
            CanaryRole, TuningCanarySpec,
            status::{CanaryPhase, CanarySummary},
        },
    },
    controllers::{Report, condition},
    workload::reading::TestPodPhase,
};

crate::kind_status!(TuningCanaryStatus, lives_on: false, state: |status| status.phase.map(|phase| format!("{phase:?}")));

fn report(
    valid: &ValidTuningCanary,
    mut status: TuningCanaryStatus,
    reason: &str,
    message: &str,
) -> Report<TuningCanaryStatus> {
    status.summary = Some(summary(&valid.object.spec, &status));
    let pod = status.pod_name.clone().zip(status.pod_uid.clone());
    let evidence = pod.map(|(name, uid)| EvidenceReference { kind: "Pod".to_owned(), name, uid: Some(Uid::new(uid)) });
    Report {
        cycle: Some(valid.object.spec.cycle.clone()),
        evidence: evidence.into_iter().collect(),
        ..Report::new(status, reason, message)
    }
}

/// Nothing new is said.
pub(super) fn unchanged(valid: &ValidTuningCanary, status: TuningCanaryStatus) -> Report<TuningCanaryStatus> {
    report(valid, status, CanaryReason::Released.name(), CanaryReason::Released.meaning())
}

/// The canary was not judged yet.
pub(super) fn going_on(
    valid: &ValidTuningCanary,
    mut status: TuningCanaryStatus,
    reason: CanaryReason,
    message: &str,
) -> Report<TuningCanaryStatus> {
    status.phase = Some(match valid.pod.as_ref().map(|pod| &pod.phase) {
        None => CanaryPhase::Pending,
        Some(TestPodPhase::Running { .. }) => CanaryPhase::Measuring,
        Some(TestPodPhase::Ended { .. }) => CanaryPhase::Scoring,
        Some(_) => CanaryPhase::Starting,
    });
    let name = reason.name();
    status.conditions = vec![
        condition(ConditionType::Ready, ConditionStatus::False, name, message),
        condition(ConditionType::Reconciling, ConditionStatus::True, name, message),
    ];
    report(valid, status, name, message)
}

/// The canary was judged, by `verdict` (its decisive reason and sentence); `restored` says whether what it took is given
/// back.
pub(super) fn judged(
    valid: &ValidTuningCanary,
    mut status: TuningCanaryStatus,
    verdict: (&str, &str),
    restored: &(CanaryReason, String),
) -> Report<TuningCanaryStatus> {
    let is_done = status.released_at.is_some();
    status.phase = Some(if is_done { CanaryPhase::Done } else { CanaryPhase::Scoring });
    let told = status.verdict.map(|verdict| format!("{verdict:?}")).unwrap_or_default();
    let (reason, message) = (if verdict.0.is_empty() { told.as_str() } else { verdict.0 }, verdict.1);
    let message = format!("{told}: {message}");
    let (release, why) = restored;
    let given_back = if is_done { ConditionStatus::True } else { ConditionStatus::False };
    let mut conditions = vec![condition(ConditionType::Restored, given_back, release.name(), why)];
    if is_done {
        conditions.push(condition(ConditionType::Ready, ConditionStatus::True, reason, &message));
    } else {
        conditions.push(condition(ConditionType::Ready, ConditionStatus::False, release.name(), why));
        let failed = *release == CanaryReason::RestoreFailed;
        let (type_, reason) = if failed {
            (ConditionType::Stalled, CanaryReason::RestoreFailed)
        } else {
            (ConditionType::Reconciling, *release)
        };
        conditions.push(condition(type_, ConditionStatus::True, reason.name(), why));
    }
    status.conditions = conditions;
    let reason = reason.to_owned();
    report(valid, status, &reason, &message)
}

/// The canary is done: its conditions stand.
pub(super) fn done(valid: &ValidTuningCanary, mut status: TuningCanaryStatus) -> Report<TuningCanaryStatus> {
    let ours = |condition: &&Condition| !matches!(condition.type_, ConditionType::Foreign(_));
    status.conditions = status.conditions.iter().filter(ours).cloned().collect();
    unchanged(valid, status)
}

fn summary(spec: &TuningCanarySpec, status: &TuningCanaryStatus) -> CanarySummary {
    let values: Vec<String> = spec.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let parameters = if spec.role == CanaryRole::Incumbent { "as it stands".to_owned() } else { values.join(",") };
    let seconds = |duration: SignedDuration| format!("{}s", duration.as_secs());
    let length_max = crate::api::schema::VALUE_LENGTH_MAX as usize;
    CanarySummary {
        parameters: Some(cut(&parameters, length_max)),
        fitness: status.fitness.map(fitness_text),
        used: status
            .used
            .as_ref()
            .map(|used| format!("{}/{}", seconds(used.measure.into()), seconds(used.hold.into()))),
    }
}
