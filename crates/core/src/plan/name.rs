//! Names of what phaseloop makes: pure functions of what the object stands for, so that a repeated or a rival create
//! collides instead of making a second one, and a person can read what it is.
//!
//! Every name is a DNS-1123 label. Where the readable text would be too long, or had to be altered to be valid, a digest
//! of the full identity is appended, so that two identities never share a name by being cut.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use crate::{
    prelude::*,
    value::{
        TargetReference, Uid,
        digest::{SHORT_DIGEST_LENGTH, short_digest},
    },
};

/// Longest DNS-1123 label, which pod host names and label values must be.
pub const LABEL_LENGTH_MAX: usize = 63;
/// Longest name of an object of ours that has children: a child adds a dash and a digest to it, and is still a label.
pub const PARENT_NAME_LENGTH_MAX: usize = LABEL_LENGTH_MAX - 1 - SHORT_DIGEST_LENGTH;
/// What a branch name begins with: reviewers, forges and branch rules know ours by it.
pub const BRANCH_PREFIX: &str = "phaseloop/";
/// What the branch of a revert ends with.
pub const BRANCH_REVERT_SUFFIX: &str = "-revert";

/// The run that a schedule starts for one instant: `llama-8b-20260304-0300` (UTC, so that the hour which a clock change
/// repeats makes two names).
pub fn phase_run_name(schedule: &str, scheduled_at: Timestamp) -> String {
    let identity = ["PhaseRun", schedule, &scheduled_at.to_string()];
    label(&format!("{schedule}-{}", stamp(scheduled_at)), &identity, PARENT_NAME_LENGTH_MAX)
}

/// Attempt `attempt` of a target's night: `llama-8b-<digest>-20260304-0`. The night is the local date of its window's
/// start and nothing else, so that an edited window or zone makes no second name. The digest stands for kind and full name
/// of the target and the night, not for the target's uid: a target made again does not get a second budget.
pub fn canary_name(target: &TargetReference, night: Date, attempt: u32) -> String {
    let digest = short_digest(&["TuningCanary", &target.api_version, &target.kind, &target.name, &night.to_string()]);
    let tail = format!("{digest}-{:04}{:02}{:02}-{attempt}", night.year(), night.month(), night.day());
    with_tail(&target.name, &tail, PARENT_NAME_LENGTH_MAX)
}

/// The cycle that a run begins: everything that follows from the run carries this id. The uid is part of it: a run made
/// again under its name begins another cycle.
pub fn cycle_name(run: &str, run_uid: &Uid) -> String {
    with_tail(run, &short_digest(&["Cycle", run, run_uid.as_str()]), LABEL_LENGTH_MAX)
}

/// The one promotion that a cycle can make for a target. The winner is not part of it: two controllers that disagree on
/// the winner collide.
pub fn promotion_name(target: &TargetReference, cycle: &str) -> String {
    let digest = short_digest(&["Promotion", &target.api_version, &target.kind, &target.name, cycle]);
    with_tail(&target.name, &digest, PARENT_NAME_LENGTH_MAX)
}

/// The test pod of a run's domain, or of a canary (`part` is then `canary`). The owner's uid is part of the identity: an
/// owner made again under its name never takes the earlier one's pod for its own.
pub fn test_pod_name(owner_name: &str, owner_uid: &Uid, part: &str) -> String {
    let digest = short_digest(&["Pod", owner_name, owner_uid.as_str(), part]);
    with_tail(&format!("{owner_name}-{part}"), &digest, LABEL_LENGTH_MAX)
}

/// An event about an object: made of what is told, so that telling the same thing twice collides with itself.
pub fn event_name(object_name: &str, object_uid: &Uid, told: &[&str]) -> String {
    let identity: Vec<&str> =
        ["Event", object_name, object_uid.as_str()].into_iter().chain(told.iter().copied()).collect();
    with_tail(object_name, &short_digest(&identity), LABEL_LENGTH_MAX)
}

/// The branch of a promotion's pull request: `phaseloop/<namespace>/<promotion>-<digest>`. The uid is part of it, because
/// several clusters may deliver to one repository.
pub fn branch_name(namespace: &str, promotion_name: &str, promotion_uid: &Uid) -> String {
    let digest = short_digest(&["Branch", namespace, promotion_name, promotion_uid.as_str()]);
    let namespace = label(namespace, &["Namespace", namespace], LABEL_LENGTH_MAX);
    format!("{BRANCH_PREFIX}{namespace}/{}", with_tail(promotion_name, &digest, LABEL_LENGTH_MAX))
}

/// The branch of the pull request that puts the pre-image back.
pub fn revert_branch_name(namespace: &str, promotion_name: &str, promotion_uid: &Uid) -> String {
    format!("{}{BRANCH_REVERT_SUFFIX}", branch_name(namespace, promotion_name, promotion_uid))
}

/// The value of the label by which everything of a target is found: kind and full name, as a label.
pub fn target_label(target: &TargetReference) -> String {
    let digest = short_digest(&["Target", &target.api_version, &target.kind, &target.name]);
    with_tail(&target.name, &digest, LABEL_LENGTH_MAX)
}

/// An instant to the minute, in UTC; with seconds where it has any.
fn stamp(instant: Timestamp) -> String {
    let utc = TimeZone::UTC.to_datetime(instant);
    let minute = format!("{:04}{:02}{:02}-{:02}{:02}", utc.year(), utc.month(), utc.day(), utc.hour(), utc.minute());
    if utc.second() == 0 && utc.subsec_nanosecond() == 0 {
        return minute;
    }
    format!("{minute}-{:02}-{}", utc.second(), utc.subsec_nanosecond())
}

/// `readable` as it is where it is a label that fits, else its head with a digest of the identity.
fn label(readable: &str, identity: &[&str], length_max: usize) -> String {
    if readable.len() <= length_max && is_label(readable) {
        return readable.to_owned();
    }
    with_tail(readable, &short_digest(identity), length_max)
}

/// As much of `readable` as fits before a dash and `tail`, made valid; the tail alone where nothing is left of it.
fn with_tail(readable: &str, tail: &str, length_max: usize) -> String {
    let room = length_max.saturating_sub(tail.len() + 1);
    let head: String = readable.chars().map(label_character).take(room).collect();
    let head = head.trim_matches('-');
    if head.is_empty() { tail.to_owned() } else { format!("{head}-{tail}") }
}

/// The character that stands in a label for this one.
fn label_character(character: char) -> char {
    if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '-' }
}

/// Whether the text is a DNS-1123 label, its length aside: letters a to z, digits and dashes, no dash at either end.
fn is_label(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|character| label_character(character) == character)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
#[path = "name_tests.rs"]
mod tests;
