//! What follows from a lease that was read: pure.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::api::ObjectMeta;

use super::{LeasePlace, LeaseTerms};

/// What a replica knows of the lease from what it saw and did. It starts knowing nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LeaseView {
    /// The version that was seen last, and since when by this replica's own clock.
    seen: Option<(String, Duration)>,
    /// What this process wrote when it last asked to be the holder: a lease is its own only if it bears this, so that
    /// neither a second process of the same name nor the one before a restart is taken for this one.
    claim: Option<Claim>,
}

/// The mark of one taking over.
#[derive(Debug, Clone, PartialEq)]
struct Claim {
    transitions: i32,
    acquired_at: MicroTime,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum LeaseStep {
    /// There is none: make this one.
    Create(Box<Lease>),
    /// Nobody's, expired, or our own: write this over it, under the resourceVersion that it carries.
    Replace(Box<Lease>),
    /// It is somebody else's.
    Wait {
        /// Whose.
        holder: String,
        /// When it may be taken, by this replica's own clock, if it stays as it is.
        until: Duration,
    },
}

/// What follows. `now` is of the replica's own monotonic clock, `stamp` the machine's time, which is written for people
/// to read: nobody decides by it.
pub fn decide(
    view: &mut LeaseView,
    lease: Option<&Lease>,
    now: Duration,
    stamp: Timestamp,
    (place, terms): (&LeasePlace, &LeaseTerms),
) -> LeaseStep {
    let Some(lease) = lease else {
        view.seen = None;
        return LeaseStep::Create(Box::new(claimed(view, None, stamp, (place, terms))));
    };
    let version = lease.metadata.resource_version.clone().unwrap_or_default();
    let since = match &view.seen {
        Some((seen, since)) if *seen == version => *since,
        _ => now,
    };
    view.seen = Some((version, since));
    if is_own(view, lease, place) {
        return LeaseStep::Replace(Box::new(renewed(lease, stamp, terms)));
    }
    let spec = lease.spec.clone().unwrap_or_default();
    let until = since.saturating_add(duration_of(&spec, terms));
    match spec.holder_identity.filter(|holder| !holder.is_empty()) {
        Some(holder) if now < until => LeaseStep::Wait { holder, until },
        _ => LeaseStep::Replace(Box::new(claimed(view, Some(lease), stamp, (place, terms)))),
    }
}

/// The lease as it is given back, under the resourceVersion that was read; `None` where it is not this process's.
pub fn released(view: &LeaseView, lease: &Lease, stamp: Timestamp, place: &LeasePlace) -> Option<Lease> {
    if !is_own(view, lease, place) {
        return None;
    }
    let mut lease = lease.clone();
    let spec = lease.spec.get_or_insert_default();
    // Empty instead of absent, and a second instead of none: what client-go writes, and what the API server admits.
    spec.holder_identity = Some(String::new());
    spec.lease_duration_seconds = Some(1);
    spec.renew_time = Some(MicroTime(stamp));
    Some(lease)
}

/// Whether the lease is this process's own.
pub fn is_own(view: &LeaseView, lease: &Lease, place: &LeasePlace) -> bool {
    let Some(spec) = &lease.spec else { return false };
    view.claim.as_ref().is_some_and(|claim| {
        spec.holder_identity.as_deref() == Some(&place.identity)
            && spec.lease_transitions == Some(claim.transitions)
            && spec.acquire_time.as_ref() == Some(&claim.acquired_at)
    })
}

/// The holder's own word on how long the lease is its own, if it gave one.
fn duration_of(spec: &LeaseSpec, terms: &LeaseTerms) -> Duration {
    let stated = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    stated.map_or(terms.duration, Duration::from_secs)
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

fn renewed(lease: &Lease, stamp: Timestamp, terms: &LeaseTerms) -> Lease {
    let mut lease = lease.clone();
    let spec = lease.spec.get_or_insert_default();
    spec.renew_time = Some(MicroTime(stamp));
    spec.lease_duration_seconds = Some(seconds(terms.duration));
    lease
}

/// The lease with this replica as its holder; that it asked for it is remembered.
fn claimed(
    view: &mut LeaseView,
    lease: Option<&Lease>,
    stamp: Timestamp,
    (place, terms): (&LeasePlace, &LeaseTerms),
) -> Lease {
    let before = lease.and_then(|lease| lease.spec.as_ref()?.lease_transitions);
    let transitions = lease.map_or(0, |_| before.unwrap_or(0).saturating_add(1));
    // As the API server keeps it: microseconds. What is compared later must be what was written.
    let acquired_at = MicroTime(Timestamp::from_microsecond(stamp.as_microsecond()).unwrap_or(stamp));
    view.claim = Some(Claim { transitions, acquired_at: acquired_at.clone() });
    let metadata = lease.map_or_else(
        || ObjectMeta {
            name: Some(place.name.clone()),
            namespace: Some(place.namespace.clone()),
            ..ObjectMeta::default()
        },
        |lease| lease.metadata.clone(),
    );
    let spec = LeaseSpec {
        holder_identity: Some(place.identity.clone()),
        lease_duration_seconds: Some(seconds(terms.duration)),
        acquire_time: Some(acquired_at),
        renew_time: Some(MicroTime(stamp)),
        lease_transitions: Some(transitions),
        ..LeaseSpec::default()
    };
    Lease { metadata, spec: Some(spec) }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
