//! How an ended domain enters the status.

use jiff::Timestamp;
use phaseloop_core::value::Environment;

use super::domain::{DomainOutcome, MeasuredOutcome, Unmeasured};
use crate::api::phase_run::{
    measured::{NOTE_LENGTH_MAX, cut},
    status::{DomainStatus, PhaseRunStatus, RunEnvironment},
};

/// Stores the outcome of a domain.
pub(super) fn record_outcome(status: &mut PhaseRunStatus, name: &str, outcome: &DomainOutcome, now: Timestamp) {
    if let DomainOutcome::Measured(measured) = outcome {
        let environment = status.environment.get_or_insert_default();
        complete(environment, &measured.environment);
    }
    for row in status.domains.iter_mut().filter(|row| row.name == name) {
        let begun = row.clone();
        *row = match outcome {
            DomainOutcome::Measured(measured) => measured_row(measured),
            DomainOutcome::Unmeasured(unmeasured) => unmeasured_row(name, unmeasured),
        };
        let DomainStatus { begun_at, pod_name, pod_uid, .. } = begun;
        *row = DomainStatus { begun_at, pod_name, pod_uid, ended_at: Some(now), ..std::mem::take(row) };
    }
}

fn measured_row(measured: &MeasuredOutcome) -> DomainStatus {
    let engine_ready_after = measured.engine_ready_after.map(|duration| {
        // To the millisecond, as durations are written.
        let milliseconds = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        jiff::SignedDuration::from_millis(milliseconds).into()
    });
    DomainStatus { engine_ready_after, ..DomainStatus::of_measurement(&measured.measurement) }
}

fn unmeasured_row(name: &str, unmeasured: &Unmeasured) -> DomainStatus {
    DomainStatus {
        verdict: Some(unmeasured.verdict),
        reasons: vec![unmeasured.reason.name().to_owned()],
        messages: vec![cut(&unmeasured.message, NOTE_LENGTH_MAX * 4)],
        valid: Some(false),
        ..DomainStatus::named(name)
    }
}

/// Fills in what another domain's pod showed of the environment; what is known stays.
fn complete(environment: &mut RunEnvironment, seen: &Environment) {
    let seen = RunEnvironment::from(seen);
    let take = |field: &mut Option<String>, from: Option<String>| {
        if field.is_none() {
            *field = from;
        }
    };
    take(&mut environment.image, seen.image);
    take(&mut environment.image_digest, seen.image_digest);
    take(&mut environment.engine_version, seen.engine_version);
    take(&mut environment.model, seen.model);
    take(&mut environment.gpu_product, seen.gpu_product);
    take(&mut environment.gpu_sharing, seen.gpu_sharing);
    take(&mut environment.driver_version, seen.driver_version);
    environment.gpu_count = environment.gpu_count.or(seen.gpu_count);
    if environment.configuration.is_empty() {
        environment.configuration = seen.configuration;
    }
}
