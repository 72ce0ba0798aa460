//! From what was read to what is decided on.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use phaseloop_core::{
    analysis::{AnalysisSettings, JudgedRun},
    plan::{
        OwnKind, OwnObject,
        label::{LABEL_CANARY, LABEL_PHASE_RUN, LABEL_TARGET},
        name::target_label,
    },
    policy::bound::CANARY_GRACE_DEFAULT,
    schedule::later_by,
    value::{TargetReference, Uid, format_duration},
};

use super::{
    facts::{has_ended, judged_run, runs_of, target_of},
    observe::{ObservedPhaseRun, ObservedWorld},
};
use crate::{
    api::{PhaseRun, PhaseRunStatus, Promotion, phase_run::Domain, workload::Placement},
    controllers::{Lending, ObservedPolicy, OperatorSettings},
    validate::{SpecFault, analysis_settings},
    workload::{NodeState, TemplateFacts, TestPodReading, TestPodSettings, read_test_pod, reading::TestPodPhase},
};

/// A run with everything that decisions about it rest on.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidPhaseRun {
    /// The run as it was read.
    pub object: PhaseRun,
    /// Its own test pods.
    pub pods: Vec<TestPodReading>,
    /// The target as a lender; absent where the run borrows nothing and owes nothing.
    pub lending: Option<Lending>,
    /// What a run needs that has not ended.
    pub world: ValidWorld,
}

/// What a run needs that has not ended. Of one that has, nothing of it is looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidWorld {
    /// Whether there is a target.
    pub target_found: bool,
    /// Hash of the target's pod template.
    pub template_hash: Option<String>,
    /// What each domain's pod is made of, by the domain's name; absent where its template does not exist.
    pub templates: BTreeMap<String, TemplateFacts>,
    /// The administrator's policy.
    pub policy: ObservedPolicy,
    /// Why nobody knows what bounds the target's pods; nothing where it is known.
    pub network_unknown: Option<String>,
    /// What is wrong with the spec.
    pub faults: Vec<SpecFault>,
    /// Why no test pod with a GPU may begin now.
    pub busy: Option<String>,
    /// How the run is judged.
    pub settings: AnalysisSettings,
    /// The other runs of the target.
    pub others: Vec<Arc<PhaseRun>>,
    /// The promotions of targets of its target's name.
    pub promotions: Vec<Arc<Promotion>>,
    /// How test pods are set up.
    pub pod_settings: TestPodSettings,
}

impl ValidPhaseRun {
    /// The run as plans name it.
    pub fn identity(&self) -> OwnObject {
        OwnObject::new(OwnKind::PhaseRun, self.object.name_any(), Uid::new(self.object.uid().unwrap_or_default()))
    }

    /// Its status as it was read.
    pub fn status(&self) -> PhaseRunStatus {
        self.object.status.clone().unwrap_or_default()
    }

    /// When it was made, by the API server's clock, to the second.
    pub fn created_at(&self) -> Timestamp {
        created_at(&self.object)
    }

    /// The judged runs of the target. Whoever judges asks for them, once in the life of a run: there are weeks of them.
    pub fn history(&self) -> Vec<JudgedRun> {
        let promotions = || self.world.promotions.iter().map(Arc::as_ref);
        self.world.others.iter().filter_map(|run| judged_run(run, promotions())).collect()
    }

    /// The pod of a domain.
    pub fn pod_of(&self, domain: &str) -> Option<&TestPodReading> {
        self.pods.iter().find(|pod| pod.domain.as_deref() == Some(domain))
    }

    /// The latest instant for the run as a whole; before it began, for its beginning.
    pub fn deadline(&self) -> Timestamp {
        let since = self.object.status.as_ref().and_then(|status| status.started_at);
        later_by(since.unwrap_or_else(|| self.created_at()), self.object.spec.timeout.into())
    }
}

fn created_at(run: &PhaseRun) -> Timestamp {
    run.creation_timestamp().map_or(Timestamp::MIN, |time| time.0)
}

pub(super) fn validate(observed: ObservedPhaseRun, settings: &OperatorSettings) -> ValidPhaseRun {
    let ObservedPhaseRun { object, pods, lending, world } = observed;
    let uid = object.uid().unwrap_or_default();
    let is_own = |pod: &Pod| pod.owner_references().iter().any(|owner| owner.uid == uid);
    let own = pods.iter().filter(|pod| is_own(pod)).map(|pod| read_test_pod(pod, NodeState::Unknown)).collect();
    let others: Vec<&Pod> = pods.iter().map(Arc::as_ref).filter(|pod| !is_own(pod)).collect();
    let world = valid_world(&object, &others, world.unwrap_or_default(), settings);
    let lending = lending.map(|lending| lending.lending(&target_of(&object)));
    ValidPhaseRun { pods: own, lending, world, object }
}

fn valid_world(object: &PhaseRun, others: &[&Pod], world: ObservedWorld, settings: &OperatorSettings) -> ValidWorld {
    let ObservedWorld { target, pod_templates, claims, policy, network, runs, promotions } = world;
    let reference = target_of(object);
    let target_template = target.as_ref().map(|target| (target.template(), target.claim_templates()));
    // All pods of a run share one policy, so a custom domain reaches what the target reaches.
    let target_network = target_template.as_ref().map(|(template, _)| network.of_target(template)).unwrap_or_default();
    let facts = |domain: &Domain| -> Option<TemplateFacts> {
        let (template, claim_templates) = match &domain.pod_template_name {
            Some(name) => (pod_templates.get(name)?.template.clone().unwrap_or_default(), Vec::new()),
            None => target_template.clone()?,
        };
        let engine_container = object.spec.target_ref.container.clone();
        Some(TemplateFacts {
            template,
            engine_container,
            claim_templates,
            claims: claims.clone(),
            network: target_network.clone(),
            ..TemplateFacts::default()
        })
    };
    let domains = &object.spec.domains;
    let templates = domains.iter().filter_map(|domain| Some((domain.name.clone(), facts(domain)?))).collect();
    let uid = object.uid();
    let of_target = runs_of(&runs, &reference).filter(|run| run.uid() != uid).cloned().collect();
    ValidWorld {
        target_found: target.is_some(),
        template_hash: target.as_ref().map(super::super::target::ObservedTarget::template_hash),
        templates,
        network_unknown: network.unknown(),
        faults: spec_faults(object, &policy),
        busy: busy(object, others, &runs, &policy),
        settings: analysis_settings(&object.spec),
        others: of_target,
        promotions,
        pod_settings: settings.test_pods.clone(),
        policy,
    }
}

/// What of a spec can't be run, whatever the cluster is like.
fn spec_faults(run: &PhaseRun, policy: &ObservedPolicy) -> Vec<SpecFault> {
    let spec = &run.spec;
    let mut faults = Vec::new();
    let limit = policy.policy().and_then(|policy| policy.limits.max_run_timeout);
    if let Some(limit) = limit.filter(|limit| spec.timeout > *limit) {
        let problem = format!("{} is above the administrator's limit of {limit}", spec.timeout);
        faults.push(SpecFault::new("spec.timeout", problem, Some(format!("set at most {limit}"))));
    }
    let may_borrow = policy.policy().is_none_or(|policy| policy.limits.allow_borrowing);
    if spec.placement == Placement::BorrowReplica && !may_borrow {
        let problem = "the administrator allows no run to borrow a replica (allowBorrowing)".to_owned();
        faults.push(SpecFault::new("spec.placement", problem, Some("set SpareGPU".to_owned())));
    }
    for (index, domain) in spec.domains.iter().enumerate() {
        let Some(serving) = &domain.serving else { continue };
        let (field, timeout) = match domain.timeout {
            Some(timeout) => (format!("spec.domains[{index}].timeout"), timeout),
            None => ("spec.timeout".to_owned(), spec.timeout),
        };
        let least = least_time(serving.warmup.0.saturating_add(serving.duration.0));
        if timeout.0 < least {
            let least = format_duration(least);
            let problem =
                format!("{timeout} can't hold warmup {}, duration {} and the end", serving.warmup, serving.duration);
            let remedy = format!("set at least {least}, and the time that the engine takes to start besides");
            faults.push(SpecFault::new(field, problem, Some(remedy)));
        }
    }
    faults
}

/// The least time for a measurement: both graces follow it, the pod's and that of its outer bound.
fn least_time(measure: SignedDuration) -> SignedDuration {
    measure.saturating_add(CANARY_GRACE_DEFAULT.saturating_mul(2))
}

/// Why no test pod with a GPU may begin now: another one is on the target, an earlier run of the target goes first, or
/// the namespace holds as many as the administrator allows.
fn busy(run: &PhaseRun, others: &[&Pod], runs: &[Arc<PhaseRun>], policy: &ObservedPolicy) -> Option<String> {
    let held: Vec<(&Pod, TestPodReading)> = others
        .iter()
        .map(|pod| (*pod, read_test_pod(pod, NodeState::Unknown)))
        .filter(|(_, reading)| reading.gpus > 0 && !matches!(reading.phase, TestPodPhase::Ended { .. }))
        .collect();
    let label = target_label(&target_of(run));
    let on_target = held.iter().find(|(pod, _)| pod.labels().get(LABEL_TARGET) == Some(&label));
    if let Some((pod, reading)) = on_target {
        let owner = [("TuningCanary", LABEL_CANARY), ("PhaseRun", LABEL_PHASE_RUN)]
            .iter()
            .find_map(|(kind, key)| Some(format!(" of {kind} {}", pod.labels().get(*key)?)))
            .unwrap_or_default();
        return Some(format!("test pod {}{owner} is on the target", reading.name));
    }
    if let Some(earlier) = earlier_run(run, runs) {
        return Some(format!("PhaseRun {} of the same target has not ended", earlier.name_any()));
    }
    let limit = policy.policy().and_then(|policy| policy.limits.max_test_pods)?;
    let held = i64::try_from(held.len()).unwrap_or(i64::MAX);
    (held >= limit).then(|| format!("{held} test pods of the namespace hold GPUs, and {limit} may"))
}

/// A run of the same target that has not ended and goes first: one that has begun, else the older one.
fn earlier_run<'a>(run: &PhaseRun, runs: &'a [Arc<PhaseRun>]) -> Option<&'a PhaseRun> {
    let order = |run: &PhaseRun| {
        let started_at = run.status.as_ref().and_then(|status| status.started_at);
        (started_at.is_none(), started_at, created_at(run), run.uid())
    };
    let target: TargetReference = target_of(run);
    let takes_gpu = |run: &PhaseRun| run.spec.domains.iter().any(|domain| domain.serving.is_some());
    let waits_for = |other: &&PhaseRun| {
        other.uid() != run.uid()
            && !has_ended(other)
            && other.metadata.deletion_timestamp.is_none()
            && takes_gpu(other)
            && order(other) < order(run)
    };
    runs_of(runs, &target).map(Arc::as_ref).filter(waits_for).min_by_key(|other| order(other))
}
