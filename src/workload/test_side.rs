//! What the test side of a run may take: its probes, and the containers of custom domains, without those that hold a GPU.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Container, PodSpec, ResourceRequirements},
    apimachinery::pkg::api::resource::Quantity,
};

use super::{
    contract::{COLLECTOR_CPU, COLLECTOR_MEMORY, CONTAINER_COLLECTOR},
    engine::gpus_of,
    refusal::{Refusal, RefusalReason, refuse},
    request::TestPodSettings,
    serving_replica::is_native_sidecar,
};
use crate::api::{phase_run::TestResources, quantity::thousandths};

/// What one test pod may take without its engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TestSide {
    /// CPUs, in thousandths.
    cpu: i128,
    /// Bytes, in thousandths.
    memory: i128,
}

/// A resource that a run bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bounded {
    Cpu,
    Memory,
}

impl Bounded {
    const ALL: [Self; 2] = [Self::Cpu, Self::Memory];

    const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
        }
    }

    /// An amount in thousandths as a quantity: a whole number of bytes, or of thousandths of a CPU.
    fn quantity(self, thousandths: i128) -> String {
        const MEBIBYTE: i128 = 1 << 20;
        match (self, thousandths / 1_000) {
            (Self::Cpu, whole) if thousandths % 1_000 == 0 => whole.to_string(),
            (Self::Cpu, _) => format!("{thousandths}m"),
            (Self::Memory, bytes) if bytes % MEBIBYTE == 0 && bytes > 0 => format!("{}Mi", bytes / MEBIBYTE),
            (Self::Memory, bytes) => bytes.to_string(),
        }
    }
}

impl TestSide {
    /// The part of one pod where so many may run at the same time.
    pub fn of_one_pod(resources: &TestResources, parallelism: i64) -> Self {
        let part = |text: &str| thousandths(&Quantity(text.to_owned())) / i128::from(parallelism.max(1));
        Self { cpu: part(&resources.cpu), memory: part(&resources.memory) }
    }

    const fn of(self, resource: Bounded) -> i128 {
        match resource {
            Bounded::Cpu => self.cpu,
            Bounded::Memory => self.memory,
        }
    }

    fn refuse<T>(self, resource: Bounded, what: &str, asked: i128) -> Result<T, Refusal> {
        let name = resource.name();
        let message = format!(
            "{what} would take {} of {name}, and spec.resources.{name} leaves {} to each pod of the run; raise it, or lower \
             what they ask for",
            resource.quantity(asked),
            resource.quantity(self.of(resource))
        );
        refuse(RefusalReason::TestSideTooLarge, message)
    }
}

/// Checks that a probe has room.
///
/// # Errors
/// It takes more than the run allows.
pub(super) fn check_probe(settings: &TestPodSettings, side: TestSide) -> Result<(), Refusal> {
    for (resource, asked) in [(Bounded::Cpu, &settings.probe_cpu), (Bounded::Memory, &settings.probe_memory)] {
        let asked = thousandths(&Quantity(asked.clone()));
        if asked > side.of(resource) {
            return side.refuse(resource, "the probe", asked);
        }
    }
    Ok(())
}

/// The containers of a custom domain within what the run allows: those that say a limit keep it, the others get an equal part
/// of what is left as theirs, and reserve none of it.
///
/// # Errors
/// They ask for more.
pub(super) fn bound_containers(mut spec: PodSpec, side: TestSide) -> Result<PodSpec, Refusal> {
    let (sidecars, before): (Vec<&mut Container>, Vec<&mut Container>) =
        spec.init_containers.iter_mut().flatten().partition(|container| is_native_sidecar(container));
    // Those before the test run one after the other, and beside no other but sidecars that began earlier.
    for container in before {
        bound_together(vec![container], side, [0, 0], "a container before the test")?;
    }
    let collector = [COLLECTOR_CPU, COLLECTOR_MEMORY].map(|amount| thousandths(&Quantity(amount.to_owned())));
    let together = sidecars.into_iter().chain(&mut spec.containers).collect();
    bound_together(together, side, collector, &format!("the containers of the PodTemplate and {CONTAINER_COLLECTOR}"))?;
    Ok(spec)
}

fn bound_together(
    containers: Vec<&mut Container>,
    side: TestSide,
    taken: [i128; 2],
    what: &str,
) -> Result<(), Refusal> {
    let mut bounded = Vec::new();
    for container in containers {
        if gpus_of(container)? == 0 {
            bounded.push(container);
        }
    }
    for (resource, taken) in Bounded::ALL.into_iter().zip(taken) {
        let limited: i128 = bounded.iter().filter_map(|container| limit(container, resource)).sum();
        let is_open = |container: &Container| limit(container, resource).is_none();
        let open = || bounded.iter().filter(|container| is_open(container));
        let requested: i128 = open().map(|container| request(container, resource).unwrap_or(0)).sum();
        let count = i128::try_from(open().count()).unwrap_or(i128::MAX);
        let asked = taken + limited + requested;
        let left = side.of(resource) - asked;
        let part = if count == 0 { left } else { left / count };
        if left < 0 || (count > 0 && part == 0) {
            return side.refuse(resource, what, asked);
        }
        for container in bounded.iter_mut().filter(|container| is_open(container)) {
            give_limit(container, resource, part);
        }
    }
    Ok(())
}

fn amount(amounts: Option<&BTreeMap<String, Quantity>>, resource: Bounded) -> Option<i128> {
    amounts.and_then(|amounts| amounts.get(resource.name())).map(thousandths)
}

fn limit(container: &Container, resource: Bounded) -> Option<i128> {
    amount(container.resources.as_ref()?.limits.as_ref(), resource)
}

fn request(container: &Container, resource: Bounded) -> Option<i128> {
    amount(container.resources.as_ref()?.requests.as_ref(), resource)
}

/// A limit above what is requested. Without a request of its own Kubernetes would reserve all of it.
fn give_limit(container: &mut Container, resource: Bounded, above_request: i128) {
    let requested = request(container, resource).unwrap_or(0);
    let resources = container.resources.get_or_insert_with(ResourceRequirements::default);
    let name = resource.name().to_owned();
    resources.requests.get_or_insert_default().entry(name.clone()).or_insert_with(|| Quantity("0".to_owned()));
    let limit = Quantity(resource.quantity(requested + above_request));
    resources.limits.get_or_insert_default().insert(name, limit);
}

#[cfg(test)]
#[path = "test_side_tests.rs"]
mod tests;
