//! Gathering the answer from the API server.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use kube::ResourceExt;
use phaseloop_core::value::{Metric, ParameterSet, format_duration};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    Answer,
    night::{CanaryLine, DomainLine, FlagLine, GateLine, NightLine, SymptomLine, TuningLine},
    promotion::promotion_line,
};
use crate::{
    api::{
        Escalation, PhaseRun, Promotion, TuningCanary,
        escalation::{
            flag::{CountedRun, FlagState, FlagStatus},
            tuning::TuningOutcome,
        },
    },
    simulation::{
        cluster::kubelet::told_by_config_maps,
        scenario::{Calendar, ScenarioFile},
        world::World,
    },
    workload::{configuration, engine_container},
};

/// One version of an Escalation.
struct EscalationAt {
    at: Timestamp,
    escalation: Escalation,
}

/// What the API server holds of a story.
struct Objects<'a> {
    calendar: &'a Calendar,
    runs: Vec<PhaseRun>,
    canaries: Vec<TuningCanary>,
    promotions: Vec<Promotion>,
}

/// Gathers the answer.
pub fn gather(world: &World, file: &ScenarioFile, calendar: &Calendar) -> Answer {
    let mut objects = Objects {
        calendar,
        runs: all(world, "phaseruns.phaseloop.dev"),
        canaries: all(world, "tuningcanaries.phaseloop.dev"),
        promotions: all(world, "promotions.phaseloop.dev"),
    };
    objects.runs.sort_by_key(|run| run.status.as_ref().and_then(|status| status.started_at));
    objects.canaries.sort_by_key(|canary| (canary.spec.night.clone(), canary.spec.attempt));
    let (nights, denied) = nights(world, &objects);
    let spec = &file.scenario.spec;
    Answer {
        scenario: file.name().to_owned(),
        description: spec.description.clone(),
        seed: spec.seed,
        time_zone: spec.time_zone.0.clone(),
        targets: objects.targets(),
        nights,
        canaries: objects.canaries.iter().map(|canary| objects.canary(canary)).collect(),
        promotions: objects.promotions.iter().map(|one| promotion_line(world, calendar, one)).collect(),
        engine_flags: engine_flags(world),
        denied,
        refused_decisions: world.refused_decisions().len(),
        events: world.events(),
        writes: world.server.write_count(),
        invariants: world.oracles.figures().clone(),
        unmet: Vec::new(),
        wall_seconds: 0.0,
    }
}

/// The nights in the order of their runs, and how many candidates are denied in the end. The versions of Escalations are read
/// for one target at a time: of many they would take more room than all else.
fn nights(world: &World, objects: &Objects<'_>) -> (Vec<NightLine>, usize) {
    let mut runs: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, run) in objects.runs.iter().enumerate() {
        runs.entry(&run.spec.target_ref.name).or_default().push(index);
    }
    let escalations: Vec<Escalation> = all(world, "escalations.phaseloop.dev");
    let mut of_target: BTreeMap<&str, Vec<&Escalation>> = runs.keys().map(|target| (*target, Vec::new())).collect();
    for escalation in &escalations {
        of_target.entry(&escalation.spec.target_ref.name).or_default().push(escalation);
    }
    let (mut nights, mut denied) = (BTreeMap::new(), 0);
    for (target, escalations) in of_target {
        let versions: Vec<EscalationAt> = escalations.into_iter().flat_map(|one| versions_of(world, one)).collect();
        let indices = runs.get(target).into_iter().flatten();
        nights.extend(indices.filter_map(|index| Some((*index, objects.night(*index, &versions)?))));
        let last = versions.last().and_then(|last| last.escalation.status.as_ref());
        denied += last.map_or(0, |status| status.denied.len());
    }
    (nights.into_values().collect(), denied)
}

/// Every version of an Escalation, oldest first.
fn versions_of(world: &World, escalation: &Escalation) -> Vec<EscalationAt> {
    let namespace = escalation.namespace().unwrap_or_default();
    let versions = world.server.versions_of("escalations.phaseloop.dev", &namespace, &escalation.name_any());
    let read = versions.iter().filter_map(|change| {
        Some(EscalationAt { at: world.instants.of(change.revision)?, escalation: change.object.typed().ok()? })
    });
    read.collect()
}

/// The objects of a resource that are of its form, in the order of their names.
fn all<T: DeserializeOwned>(world: &World, resource: &str) -> Vec<T> {
    let objects = world.server.objects().into_iter();
    objects.filter(|(of, _)| &**of == resource).filter_map(|(_, object)| object.typed().ok()).collect()
}

/// The engine's flags in the templates of all Deployments and StatefulSets that run one, with what they read from ConfigMaps
/// now.
fn engine_flags(world: &World) -> BTreeMap<String, BTreeMap<String, String>> {
    let config_maps = &world.controllers().view().config_maps;
    let mut flags = BTreeMap::new();
    for (resource, object) in world.server.objects() {
        if !matches!(&*resource, "deployments.apps" | "statefulsets.apps") {
            continue;
        }
        let template = object.value.pointer("/spec/template").cloned().unwrap_or(Value::Null);
        let Ok(template) = serde_json::from_value::<PodTemplateSpec>(template) else { continue };
        if let Ok(engine) = engine_container(&template, None, None) {
            let told = told_by_config_maps(engine, object.namespace(), config_maps);
            flags.insert(object.name().to_owned(), configuration(told.as_ref().unwrap_or(engine), None));
        }
    }
    flags
}

/// A set of parameters as `a=1 b=2`.
pub(super) fn written(parameters: &ParameterSet) -> String {
    let texts: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    texts.join(" ")
}

impl Objects<'_> {
    fn targets(&self) -> Vec<String> {
        let mut targets: Vec<String> = self
            .runs
            .iter()
            .map(|run| {
                let target = &run.spec.target_ref;
                format!("{:?} {}/{}", target.kind, run.namespace().unwrap_or_default(), target.name)
            })
            .collect();
        targets.sort();
        targets.dedup();
        targets
    }

    fn night(&self, index: usize, versions: &[EscalationAt]) -> Option<NightLine> {
        let run = self.runs.get(index)?;
        let status = run.status.clone().unwrap_or_default();
        let target = &run.spec.target_ref.name;
        let mut later = self.runs.iter().skip(index + 1).filter(|other| other.spec.target_ref.name == *target);
        let next = later.find_map(|other| other.status.as_ref()?.started_at).unwrap_or(Timestamp::MAX);
        let completed = status.completed_at;
        let followed: Vec<&Escalation> = versions
            .iter()
            .filter(|version| completed.is_some_and(|completed| version.at >= completed) && version.at < next)
            .map(|version| &version.escalation)
            .collect();
        let followed = since_counted(&followed, run);
        let at = status.started_at.or(run.metadata.creation_timestamp.as_ref().map(|time| time.0))?;
        let night = self.calendar.night_of(at);
        Some(NightLine {
            night,
            run: run.name_any(),
            target: target.clone(),
            started_at: status.started_at,
            completed_at: completed,
            verdict: status.verdict,
            why: status.summary.as_ref().and_then(|summary| summary.why.clone()).unwrap_or_default(),
            borrowed: status.borrowed.clone(),
            changed: status
                .changed_since_baseline
                .iter()
                .map(|change| {
                    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "(absent)".to_owned());
                    format!("{} {} -> {}", change.field, text(&change.from), text(&change.to))
                })
                .collect(),
            fitness: status.fitness,
            domains: status
                .domains
                .iter()
                .map(|domain| DomainLine { name: domain.name.clone(), verdict: domain.verdict })
                .collect(),
            symptoms: status
                .symptoms
                .iter()
                .map(|symptom| SymptomLine {
                    kind: symptom.kind,
                    domain: symptom.domain.clone(),
                    metric: symptom.metric,
                    severity: symptom.severity.name().to_owned(),
                    current: symptom.current,
                    baseline: symptom.baseline,
                    diagnosis: format!("{:?}", symptom.diagnosis),
                    evidence: symptom.evidence.clone(),
                })
                .collect(),
            flags: flags_of(followed),
            gates: gates_of(followed),
            tuning: self.tuning(night, completed, followed),
            denied: denied_since(versions, completed, followed),
        })
    }

    /// What the tuning run of a night came to, as the Escalation last told it before the next run.
    fn tuning(&self, night: i64, judged_at: Option<Timestamp>, followed: &[&Escalation]) -> Option<TuningLine> {
        let date = self.calendar.date(night).to_string();
        let escalation = followed.last()?;
        // A night may have several runs, and what was tuned before this one was judged followed from another.
        let follows = |outcome: &&TuningOutcome| outcome.night == date && judged_at <= Some(outcome.ended_at);
        let outcome = escalation.status.as_ref()?.last_tuning.as_ref().filter(follows)?;
        let canaries = self.canaries.iter().filter(|canary| canary.spec.night == date);
        let (mut measured, mut held) = (SignedDuration::ZERO, SignedDuration::ZERO);
        for used in canaries.filter_map(|canary| canary.status.as_ref()?.used.as_ref()) {
            measured += used.measure.0;
            held += used.hold.0;
        }
        let safety = &escalation.spec.safety;
        Some(TuningLine {
            reason: outcome.reason.clone(),
            message: outcome.message.clone(),
            winner: outcome.winner.as_ref().map(written),
            untried: outcome
                .untried
                .iter()
                .map(|one| format!("{} {}", written(&one.parameters), one.message))
                .collect(),
            spent: format!(
                "{} of {} measuring · {} of {} holding a GPU",
                format_duration(measured),
                format_duration(safety.measure_budget.0),
                format_duration(held),
                format_duration(safety.gpu_hold_budget.0)
            ),
        })
    }

    /// The run of a canary's target that was judged last before it was made. Creation times are cut to seconds.
    fn run_before(&self, canary: &TuningCanary) -> String {
        let made = canary.metadata.creation_timestamp.as_ref().map(|time| time.0.as_second());
        let judged = self.runs.iter().filter(|run| run.spec.target_ref.name == canary.spec.target_ref.name);
        let judged = judged.filter_map(|run| Some((run.status.as_ref()?.completed_at?, run)));
        let before = judged.filter(|(at, _)| made.is_some_and(|made| at.as_second() <= made));
        before.max_by_key(|(at, _)| *at).map(|(_, run)| run.name_any()).unwrap_or_default()
    }

    fn canary(&self, canary: &TuningCanary) -> CanaryLine {
        let status = canary.status.clone().unwrap_or_default();
        let night = canary.spec.night.parse().ok();
        let days = night.and_then(|date: jiff::civil::Date| date.since(self.calendar.first).ok());
        let e2e = status.metrics.iter().find(|metric| metric.metric == Metric::EndToEndLatency);
        let used = status.used.as_ref();
        CanaryLine {
            name: canary.name_any(),
            night: days.map_or(0, |days| i64::from(days.get_days()) + 1),
            run: self.run_before(canary),
            role: format!("{:?}", canary.spec.role),
            parameters: written(&canary.spec.parameters),
            verdict: status.verdict.map(|verdict| format!("{verdict:?}")),
            fitness: status.fitness,
            e2e_ms_p95: e2e.map(|metric| metric.p95),
            reason: status.reasons.first().cloned().unwrap_or_default(),
            message: status.messages.first().cloned().unwrap_or_default(),
            measured: used.map(|used| used.measure.to_string()).unwrap_or_default(),
            held: used.map(|used| used.hold.to_string()).unwrap_or_default(),
        }
    }
}

/// The versions from the first one on that counts a run. An Escalation that was written in the same moment, after a restart for
/// one, may not have read the verdict. Of a run that none counts, all.
fn since_counted<'a>(followed: &'a [&'a Escalation], run: &PhaseRun) -> &'a [&'a Escalation] {
    let is_run = |counted: &CountedRun| run.metadata.uid.as_deref() == Some(&counted.uid);
    let counts = |flag: &FlagStatus| flag.counted.iter().chain(&flag.evidence).any(is_run);
    let first =
        followed.iter().position(|one| one.status.as_ref().is_some_and(|status| status.flags.iter().any(counts)));
    followed.get(first.unwrap_or(0)..).unwrap_or_default()
}

/// What the versions that followed a verdict deny, and the one before it did not.
fn denied_since(versions: &[EscalationAt], judged_at: Option<Timestamp>, followed: &[&Escalation]) -> Vec<String> {
    let of = |escalation: &Escalation| escalation.status.as_ref().map(|status| status.denied.clone());
    let before = versions.iter().rfind(|version| judged_at.is_none_or(|judged_at| version.at < judged_at));
    let before = before.and_then(|version| of(&version.escalation)).unwrap_or_default();
    let now = followed.last().and_then(|escalation| of(escalation)).unwrap_or_default();
    let new = now.iter().filter(|entry| before.iter().all(|known| known.fingerprint != entry.fingerprint));
    new.map(|entry| format!("{}: {}", written(&entry.parameters), entry.reason)).collect()
}

/// The flags of the first version that followed a verdict, with every state that each had until the next run.
fn flags_of(followed: &[&Escalation]) -> Vec<FlagLine> {
    let flags = |escalation: &Escalation| -> Vec<FlagStatus> {
        escalation.status.as_ref().map(|status| status.flags.clone()).unwrap_or_default()
    };
    let Some(first) = followed.first() else { return Vec::new() };
    let line = |flag: FlagStatus| {
        let mut states: Vec<String> = Vec::new();
        let mut expired = None;
        for later in followed.iter().flat_map(|escalation| flags(escalation)).filter(|one| one.symptom == flag.symptom)
        {
            let state = format!("{:?}", later.state);
            if states.last() == Some(&state) {
                continue;
            }
            if later.state == FlagState::Expired && !states.is_empty() {
                expired = Some(later.message);
            }
            states.push(state);
        }
        FlagLine {
            symptom: flag.symptom,
            state: format!("{:?}", flag.state),
            states,
            count: flag.count,
            domains: flag.domains.into_iter().map(|domain| (domain.name, domain.count)).collect(),
            threshold: flag.threshold,
            window: flag.window.to_string(),
            expires_at: flag.expires_at,
            expired,
        }
    };
    let told = flags(first).into_iter().map(line);
    told.filter(|flag| flag.count > 0 || flag.states.iter().any(|state| state != "Idle")).collect()
}

fn gates_of(followed: &[&Escalation]) -> Vec<GateLine> {
    let status = followed.first().and_then(|version| version.status.as_ref());
    let gates = status.map(|status| status.gates.as_slice()).unwrap_or_default();
    let line = |gate: &crate::api::escalation::status::GateStatus| GateLine {
        name: format!("{:?}", gate.name),
        open: gate.open,
        message: gate.message.clone(),
    };
    gates.iter().map(line).collect()
}

#[cfg(test)]
#[path = "gather_tests.rs"]
mod tests;
