//! From what was read to the two objects as text, with everything that a person should know before applying them.

use jiff::Timestamp;
use phaseloop_core::{
    promotion::observed::RolloutStrategy,
    schedule::Schedule,
    value::{Decimal, TargetReference},
};

use super::{
    check::check,
    choice::{Choice, choose},
    observe::{InitFacts, Neighbours},
    parameter::{ParameterReading, parameters},
    reading::EngineReading,
    render::render,
};
use crate::{
    api::reference::TargetRef,
    delivery::{manager::manager_of, rollout::rollout_facts},
};

/// What a draft is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitOptions {
    /// The namespace of the target, and of what is drafted.
    pub namespace: String,
    /// The target, with the engine's container where it is named.
    pub target_ref: TargetRef,
    /// When runs start.
    pub schedule: Schedule,
    /// Requests per second that one replica is measured under.
    pub rate: Decimal,
}

/// Two objects as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// A PhaseSchedule and an Escalation as YAML with comments. It applies as it is.
    pub yaml: String,
    /// What works otherwise than somebody might expect. It stands in the text as well.
    pub warnings: Vec<String>,
}

/// Nothing is drafted, because nothing would come of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}\n  remedy: {remedy}")]
pub struct InitRefusal {
    /// What stands against it.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// Drafts a PhaseSchedule and an Escalation. Pure: the same target gives the same text.
///
/// # Errors
/// [`InitRefusal`] where no test pod can be made of the target, nothing of it can be tuned, or the administrator's policy
/// can't be read.
pub fn draft(facts: &InitFacts, options: &InitOptions, now: Timestamp) -> Result<Draft, InitRefusal> {
    if let Some(faults) = facts.policy.faults() {
        return Err(InitRefusal {
            message: format!("the administrator's policy of {} can't be read: {faults}", options.namespace),
            remedy: "mend the ConfigMap phaseloop-policy: nothing begins while it can't be read".to_owned(),
        });
    }
    let reading = EngineReading::of(facts, options)?;
    let parameters = parameters(facts, &reading, options);
    if parameters.iter().all(|parameter| parameter.tunable.is_err()) {
        return Err(nothing_tunable(options, &parameters));
    }
    let choice = choose(facts, &reading, options, now);
    let mut warnings = warnings(facts, &reading, options);
    let written = render(options, &reading, &choice, &parameters, &warnings);
    let found = check(&written, facts, &reading, &choice)?;
    if found.is_empty() {
        return Ok(Draft { yaml: written, warnings });
    }
    warnings.extend(found);
    let yaml = render(options, &reading, &choice, &parameters, &warnings);
    Ok(Draft { yaml, warnings })
}

fn nothing_tunable(options: &InitOptions, parameters: &[ParameterReading]) -> InitRefusal {
    let target = TargetReference::from(&options.target_ref);
    let why = parameters.iter().find_map(|parameter| parameter.tunable.as_ref().err().cloned());
    InitRefusal {
        message: format!(
            "nothing of {target} can be tuned: {}",
            why.unwrap_or_else(|| "the catalogue is empty".into())
        ),
        remedy:
            "give the engine its flags as `args` of its container, or have the administrator's policy name the place \
                 of a parameter"
                .to_owned(),
    }
}

/// What somebody should know who applies the draft.
fn warnings(facts: &InitFacts, reading: &EngineReading, options: &InitOptions) -> Vec<String> {
    let mut warnings = of_neighbours(facts, options);
    let manager = manager_of(facts.target.metadata());
    if let Some(manager) = manager {
        warnings.push(format!(
            "{manager} manages the target, so its next sync would put an old value back: delivery is None, and a winner is \
             only named. Ways on: delivery Git, or Patch with allowManaged: true"
        ));
    } else {
        warnings.extend(of_rollout(facts));
    }
    if reading.replicas < 1 {
        warnings
            .push("the target asks for 0 replicas: its tests run all the same, and tell of nobody's traffic".into());
    }
    if reading.engine.image.as_deref().is_some_and(|image| !image.contains('@') && image.ends_with(":latest")) {
        warnings.push("the engine's image is `latest`: the same template may be another engine tomorrow".into());
    }
    warnings.extend(reading.version.filter(|version| !is_covered(*version)).map(|version| {
        format!(
            "vLLM {version} is not among the versions that the catalogue covers ({} to {}): its runs are judged, and \
             nothing is tuned",
            phaseloop_core::tuning::catalogue::CATALOGUE_VERSIONS.first,
            phaseloop_core::tuning::catalogue::CATALOGUE_VERSIONS.last
        )
    }));
    warnings
}

fn is_covered(version: phaseloop_core::tuning::EngineVersion) -> bool {
    phaseloop_core::tuning::catalogue::CATALOGUE_VERSIONS.contains(version)
}

fn of_neighbours(facts: &InitFacts, options: &InitOptions) -> Vec<String> {
    let same_target = |other: &TargetRef| TargetReference::from(other) == TargetReference::from(&options.target_ref);
    let (escalations, schedules) = match &facts.neighbours {
        Neighbours::NoDefinitions => {
            let missing =
                "phaseloop's definitions are not installed here: phaseloop crds | kubectl apply --server-side -f -";
            return vec![missing.to_owned()];
        }
        Neighbours::Read { escalations, schedules } => (escalations, schedules),
    };
    let drafted = &options.target_ref.name;
    let ruling = escalations.iter().filter(|escalation| same_target(&escalation.spec.target_ref));
    let running = schedules.iter().filter(|schedule| same_target(&schedule.spec.run.target_ref));
    let of_escalation = ruling.map(|escalation| match escalation.metadata.name.as_deref().unwrap_or_default() {
        name if name == drafted => format!("escalation/{name} is there already: applying this changes it"),
        name => format!("escalation/{name} rules the target already: a second one would be Stalled"),
    });
    let of_schedule = running.map(|schedule| match schedule.metadata.name.as_deref().unwrap_or_default() {
        name if name == drafted => format!("phaseschedule/{name} is there already: applying this changes it"),
        name => format!("phaseschedule/{name} tests the target already: two schedules test it twice a night"),
    });
    of_escalation.chain(of_schedule).collect()
}

fn of_rollout(facts: &InitFacts) -> Vec<String> {
    let rollout = rollout_facts(&facts.target, &[], None, true);
    let mut warnings = Vec::new();
    if rollout.paused {
        warnings.push("the target is paused: a promotion is held until its rollout goes on".to_owned());
    }
    if rollout.partitioned {
        warnings.push("the target keeps pods back by a partition: a promotion is held until it is 0".to_owned());
    }
    match rollout.strategy {
        RolloutStrategy::OnDelete => {
            warnings.push("the target replaces pods only when somebody deletes them: a promotion is held".to_owned());
        }
        RolloutStrategy::Recreate => warnings.push(
            "strategy Recreate: nobody serves during a rollout. A promotion is held unless promotion.allowDowntime consents"
                .to_owned(),
        ),
        RolloutStrategy::Rolling => {}
    }
    warnings
}

/// The name of what is drafted: the target's.
pub(super) fn name(options: &InitOptions) -> &str {
    &options.target_ref.name
}

/// Whether the target is to be patched: nobody else manages it.
pub(super) const fn is_patched(choice: &Choice) -> bool {
    choice.manager.is_none()
}
