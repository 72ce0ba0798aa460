//! What a scenario says of images, cards and nodes, and how a pod gets its programs from that.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Container, Pod};

use super::{
    custom_test::CustomTestRun, engine_run::EngineRunner, plain::Plain, probe_run::ProbeRunner, production::Production,
    serving_test::ServingTestRun, timeline::TimeLine,
};
use crate::{
    simulation::{
        cluster::kubelet::{PodProgram, ProgramSource},
        engine::{Card, ClientCondition, EngineRelease, GpuState, ModelShape, derive_seed},
    },
    workload::{
        configuration,
        told::{collect_request, containers_of, engine_of, guard_request, probe_request, unguarded},
    },
};

/// An image that holds an engine.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineImage {
    /// Its release.
    pub release: EngineRelease,
}

/// What a custom test finds of one domain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TestFigures {
    /// Tests.
    pub tests: u64,
    /// Of a hundred tests, how many pass.
    pub pass_percent: f64,
    /// Mean latency, milliseconds.
    pub latency_ms: f64,
    /// Mean throughput.
    pub throughput: f64,
    /// By how much single tests differ, as a share.
    pub spread: f64,
}

/// An image that holds a custom test.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomTest {
    /// How long it runs.
    pub duration: SignedDuration,
    /// What it finds from an instant on; the last that has begun holds.
    pub figures: Vec<(Timestamp, TestFigures)>,
}

/// Something about a node's cards or its load clients, for a time.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeCondition {
    /// The node; absent: every one.
    pub node: Option<String>,
    /// From here on.
    pub from: Timestamp,
    /// Before this.
    pub until: Timestamp,
    /// What the engine finds on its card.
    pub gpu: Option<GpuState>,
    /// How the client fares.
    pub client: Option<ClientCondition>,
}

/// Everything that programs follow from.
#[derive(Debug, Clone, PartialEq)]
pub struct Catalog {
    /// What all chance is drawn from.
    pub seed: u64,
    /// Images with engines, as containers name them.
    pub engines: BTreeMap<String, EngineImage>,
    /// Models by name; the first one where an engine names none of them.
    pub models: Vec<ModelShape>,
    /// Cards by node.
    pub cards: BTreeMap<String, Card>,
    /// Images with custom tests, as containers name them.
    pub tests: BTreeMap<String, CustomTest>,
    /// What holds for a time.
    pub conditions: Vec<NodeCondition>,
}

/// Where the programs of all pods come from. Clones share one catalog.
#[derive(Debug, Clone)]
pub struct Programs {
    catalog: Arc<Mutex<Catalog>>,
    /// Whether a pod's chance follows from what it is alone, and not from when it starts.
    chance_by_uid: bool,
}

impl Programs {
    /// Programs by a catalog.
    pub fn new(catalog: Catalog) -> Self {
        Self { catalog: Arc::new(Mutex::new(catalog)), chance_by_uid: false }
    }

    /// Programs by a catalog that fare the same whenever they start: histories in which a pod starts at another second
    /// can be compared.
    pub fn comparable(catalog: Catalog) -> Self {
        Self { chance_by_uid: true, ..Self::new(catalog) }
    }

    /// Programs by a catalog of their own that says the same.
    #[must_use]
    pub fn fork(&self) -> Self {
        let catalog = self.catalog.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { catalog: Arc::new(Mutex::new(catalog)), chance_by_uid: self.chance_by_uid }
    }

    /// Changes the catalog: it holds for containers that start from then on.
    pub fn change(&self, change: impl FnOnce(&mut Catalog)) {
        change(&mut self.catalog.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl ProgramSource for Programs {
    fn program_of(&self, pod: &Pod, node: &str, at: Timestamp) -> Box<dyn PodProgram> {
        let catalog = self.catalog.lock().unwrap_or_else(PoisonError::into_inner);
        let place = Place { catalog: &catalog, pod, node, at, chance_by_uid: self.chance_by_uid };
        place
            .serving_test()
            .or_else(|| place.custom_test())
            .or_else(|| place.production())
            .unwrap_or_else(|| Box::new(Plain { pod: pod.clone() }))
    }
}

/// A pod that starts somewhere.
struct Place<'a> {
    catalog: &'a Catalog,
    pod: &'a Pod,
    node: &'a str,
    at: Timestamp,
    chance_by_uid: bool,
}

impl Place<'_> {
    const fn line(&self) -> TimeLine {
        TimeLine { beginning: self.at }
    }

    fn seed(&self) -> u64 {
        let name = |field: &Option<String>| field.clone().unwrap_or_default();
        let meta = &self.pod.metadata;
        if self.chance_by_uid {
            return derive_seed(self.catalog.seed, &["pod", &name(&meta.uid)]);
        }
        derive_seed(self.catalog.seed, &["pod", &name(&meta.namespace), &name(&meta.name), &self.at.to_string()])
    }

    fn serving_test(&self) -> Option<Box<dyn PodProgram>> {
        let request = probe_request(self.pod)?;
        let engine = engine_of(self.pod)?;
        let runner = self.runner(engine)?;
        let client = self.condition(|condition| condition.client).unwrap_or_default();
        let probe = ProbeRunner::new(request, client, self.line(), self.seed());
        Some(Box::new(ServingTestRun::new(self.pod.clone(), engine.name.clone(), runner, probe)))
    }

    fn custom_test(&self) -> Option<Box<dyn PodProgram>> {
        let request = collect_request(self.pod)?;
        let main = self.pod.spec.as_ref()?.containers.first()?;
        let test = self.catalog.tests.get(main.image.as_deref()?);
        let run = CustomTestRun::new(self.pod.clone(), request, test.cloned(), self.seed());
        Some(Box::new(run))
    }

    fn production(&self) -> Option<Box<dyn PodProgram>> {
        let engines: BTreeMap<String, EngineRunner> = containers_of(self.pod)
            .filter_map(|container| Some((container.name.clone(), self.runner(container)?)))
            .collect();
        (!engines.is_empty()).then(|| Box::new(Production::new(self.pod.clone(), engines)) as Box<dyn PodProgram>)
    }

    /// The engine in a container, if its image holds one.
    fn runner(&self, container: &Container) -> Option<EngineRunner> {
        let image = self.catalog.engines.get(container.image.as_deref()?)?;
        let configuration = configuration(&unguarded(container), None);
        let named = configuration.get("model");
        let models = &self.catalog.models;
        let model = models.iter().find(|model| Some(&model.name) == named).or_else(|| models.first())?;
        Some(EngineRunner::new(
            self.catalog.cards.get(self.node)?,
            model,
            &image.release,
            &configuration,
            self.condition(|condition| condition.gpu).unwrap_or_default(),
            guard_request(container),
            self.line(),
            self.seed(),
        ))
    }

    fn condition<T>(&self, of: impl Fn(&NodeCondition) -> Option<T>) -> Option<T> {
        let holding = self.catalog.conditions.iter().filter(|condition| {
            (condition.from..condition.until).contains(&self.at)
                && condition.node.as_ref().is_none_or(|node| node == self.node)
        });
        holding.filter_map(of).next_back()
    }
}
