//! From a scenario to a world with everything that happens in it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use phaseloop_core::schedule::later_by;
use serde_json::{Value, json};

use super::{
    Calendar, CalendarError, Moment, ScenarioEvent, ScenarioFault, ScenarioFile, ScenarioSpec, fault::GpuFault,
    machine::ScenarioTest,
};
use crate::{
    api::reference::TargetKind,
    simulation::{
        cluster::{
            NodeShape,
            kubelet::{ImageFault, ImageStore},
        },
        engine::{ClientCondition, GpuState, Micros, Stall},
        operator::RequestFault,
        program::{Catalog, CustomTest, EngineImage, NodeCondition, TestFigures},
        world::{Action, DecisionTerms, OperatorTerms, WorldSettings},
    },
};

/// A scenario that is ready to run.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Its world.
    pub settings: WorldSettings,
    /// What happens in it, and when.
    pub actions: Vec<(Timestamp, Action)>,
    /// Its nights.
    pub calendar: Calendar,
}

/// Prepares a scenario.
///
/// # Errors
/// A date, a zone or a time of day that is none: [`read_scenario`](super::read_scenario) finds these too.
pub fn prepare(file: &ScenarioFile) -> Result<Prepared, CalendarError> {
    let spec = &file.scenario.spec;
    let calendar = Calendar::of(&spec.start_date, &spec.time_zone.0, spec.nights, spec.nights_before)?;
    let mut images = ImageStore::default();
    for image in &spec.engine.images {
        images.set_pull_time(&image.image, image.pull_time.0);
    }
    let count = |number: i64| usize::try_from(number).unwrap_or(0);
    let settings = WorldSettings {
        start: calendar.beginning(),
        namespace: spec.namespace.clone(),
        nodes: spec.nodes.iter().map(node_shape).collect(),
        images,
        catalog: catalog(spec, &calendar)?,
        operator: OperatorTerms {
            replicas: count(spec.operator.replicas),
            notice_delay_max: spec.operator.notice_delay.0,
            notices_lost_percent: spec.operator.notices_lost_percent.unsigned_abs(),
            draws_lots: spec.operator.random_order,
            ..OperatorTerms::default()
        },
        decisions: spec
            .decisions
            .iter()
            .map(|one| DecisionTerms { decision: one.decision, by: one.by.clone(), after: one.after.0 })
            .collect(),
        comparable: false,
    };
    let mut actions = Vec::new();
    for event in &spec.events {
        let at = calendar.instant(&event.at)?;
        actions.extend(action_of(event, &spec.namespace).map(|action| (at, action)));
    }
    for fault in &spec.faults {
        let at = calendar.instant(&fault.at)?;
        actions.extend(action_of_fault(fault, at).map(|action| (at, action)));
    }
    Ok(Prepared { settings, actions, calendar })
}

fn node_shape(node: &super::ScenarioNode) -> NodeShape {
    NodeShape {
        name: node.name.clone(),
        gpus: u32::try_from(node.gpus).unwrap_or(0),
        gpu_product: node.card.card().product,
        cpu: node.cpu.clone(),
        memory: node.memory.clone(),
        labels: BTreeMap::new(),
    }
}

fn catalog(spec: &ScenarioSpec, calendar: &Calendar) -> Result<Catalog, CalendarError> {
    let engines =
        spec.engine.images.iter().map(|image| (image.image.clone(), EngineImage { release: image.release() }));
    let mut tests = BTreeMap::new();
    for test in &spec.tests {
        tests.insert(test.image.clone(), custom_test(test, calendar)?);
    }
    Ok(Catalog {
        seed: spec.seed.unsigned_abs(),
        engines: engines.collect(),
        models: spec.engine.models.iter().map(|model| model.shape()).collect(),
        cards: spec.nodes.iter().map(|node| (node.name.clone(), node.card.card())).collect(),
        tests,
        conditions: Vec::new(),
    })
}

fn custom_test(test: &ScenarioTest, calendar: &Calendar) -> Result<CustomTest, CalendarError> {
    let mut figures = Vec::new();
    for finding in &test.finds {
        let instant = |moment: &Moment| calendar.instant(moment);
        let from = finding.from.as_ref().map_or(Ok(Timestamp::MIN), instant)?;
        figures.push((
            from,
            TestFigures {
                tests: finding.tests.unsigned_abs(),
                pass_percent: finding.pass_percent,
                latency_ms: finding.latency_ms,
                throughput: finding.throughput,
                spread: finding.spread_percent / 100.0,
            },
        ));
    }
    figures.sort_by_key(|(from, _)| *from);
    Ok(CustomTest { duration: test.duration.0, figures })
}

fn kind_name(kind: TargetKind) -> String {
    match kind {
        TargetKind::Deployment => "Deployment".to_owned(),
        TargetKind::StatefulSet => "StatefulSet".to_owned(),
    }
}

fn action_of(event: &ScenarioEvent, namespace: &str) -> Option<Action> {
    let (user, namespace) = (event.by.clone(), namespace.to_owned());
    if let Some(edit) = &event.edit {
        return Some(Action::Edit {
            user,
            kind: kind_name(edit.kind),
            namespace,
            name: edit.name.clone(),
            image: edit.image.clone(),
            flags: edit.flags.iter().map(|change| (change.flag.clone(), change.value.clone())).collect(),
        });
    }
    if let Some(scale) = &event.scale {
        return Some(Action::Merge {
            user,
            kind: ("apps/v1".to_owned(), kind_name(scale.kind)),
            namespace,
            name: scale.name.clone(),
            fields: Box::new(json!({ "spec": { "replicas": scale.replicas } })),
        });
    }
    if let Some(object) = &event.apply {
        let mut object = object.clone();
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.entry("namespace").or_insert_with(|| namespace.into());
        }
        return Some(Action::Apply { user, object: Box::new(object) });
    }
    if let Some(delete) = &event.delete {
        let kind = (delete.api_version.clone(), delete.kind.clone());
        return Some(Action::Delete { user, kind, namespace, name: delete.name.clone() });
    }
    if let Some(decide) = &event.decide {
        let in_name_of = decide.in_name_of.clone().unwrap_or_else(|| user.clone());
        return Some(Action::DecideAll { user, namespace, decision: decide.decision, in_name_of });
    }
    event.abort_tests.then_some(Action::AbortTests { user })
}

fn action_of_fault(fault: &ScenarioFault, at: Timestamp) -> Option<Action> {
    let (lasting, until) = (fault.lasting.0, later_by(at, fault.lasting.0));
    let replica = |index: i64| usize::try_from(index).unwrap_or(usize::MAX);
    if let Some(index) = fault.kill_operator {
        return Some(Action::KillOperator { replica: replica(index), lasting });
    }
    if let Some(index) = fault.pause_operator {
        return Some(Action::PauseOperator { replica: replica(index), lasting });
    }
    if let Some(requests) = &fault.requests {
        return Some(Action::TroubleRequests(Box::new(RequestFault {
            from: at,
            until,
            user: None,
            verb: None,
            resource: requests.resource.clone(),
            trouble: requests.trouble.into(),
            percent: requests.percent.unsigned_abs(),
        })));
    }
    if let Some(node) = &fault.lose_node {
        return Some(Action::LoseNode { node: node.clone(), lasting });
    }
    if let Some(message) = &fault.evict_test_pods {
        return Some(Action::EvictTestPods { message: message.clone() });
    }
    if let Some(image) = &fault.lose_image {
        return Some(Action::LoseImage(ImageFault { image: image.clone(), from: at, until }));
    }
    if let Some(gpu) = &fault.gpu {
        return Some(condition(at, until, gpu.node.clone(), Some(gpu_state(gpu)), None));
    }
    let starved = fault.starve_client.as_ref()?;
    let stall = Stall { every: Micros::from(SignedDuration::from_secs(1)), lasting: Micros::from(starved.loses.0) };
    let client = ClientCondition { stall: Some(stall), ..ClientCondition::default() };
    Some(condition(at, until, None, None, Some(client)))
}

fn gpu_state(fault: &GpuFault) -> GpuState {
    GpuState { used_by_others_bytes: fault.used_mib.unsigned_abs() << 20, slowdown: fault.slowdown }
}

fn condition(
    from: Timestamp,
    until: Timestamp,
    node: Option<String>,
    gpu: Option<GpuState>,
    client: Option<ClientCondition>,
) -> Action {
    Action::SetCondition(Box::new(NodeCondition { node, from, until, gpu, client }))
}
