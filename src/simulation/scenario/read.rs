//! Reading a scenario file: every fault with its place.

use std::collections::BTreeSet;

use super::{
    calendar::Calendar,
    event::Moment,
    manifest::Manifest,
    spec::{Scenario, ScenarioSpec, scenario_schema},
};
use crate::{
    api::read::{admit_document, kind_of},
    yaml::{Document, FileFault, FileFaults, element_path, field_path, read_documents},
};

/// Largest scenario file.
pub const SCENARIO_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// A scenario file that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct ScenarioFile {
    /// The file, as the user named it.
    pub file: String,
    /// The scenario.
    pub scenario: Scenario,
    /// What is applied at its beginning, in the order of the file.
    pub manifests: Vec<Manifest>,
}

impl ScenarioFile {
    /// Its name.
    pub fn name(&self) -> &str {
        self.scenario.metadata.name.as_deref().unwrap_or_default()
    }
}

/// Reads a scenario file.
///
/// # Errors
/// Every fault, with file, line, column, field, and the nearest name of what is misspelt.
pub fn read_scenario(file: &str, text: &str) -> Result<ScenarioFile, FileFaults> {
    let documents = read_documents(file, text)?;
    let (first, rest) = match documents.split_first() {
        Some((first, rest)) if kind_of(first) == "Scenario" => (first, rest),
        Some((first, _)) => {
            let problem = format!(
                "{:?} is not \"Scenario\": the first document of a scenario file is the scenario",
                kind_of(first)
            );
            return Err(first.fault("kind", problem, None).into());
        }
        None => {
            let problem = "holds no document".to_owned();
            return Err(FileFault {
                file: file.to_owned(),
                position: None,
                path: String::new(),
                problem,
                remedy: None,
            }
            .into());
        }
    };
    let scenario = scenario_of(first)?;
    let mut faults = check(first, &scenario.spec);
    let mut manifests = Vec::new();
    for document in rest {
        match Manifest::read(document, text, &scenario.spec.namespace) {
            Ok(manifest) => manifests.push(manifest),
            Err(FileFaults(more)) => faults.extend(more),
        }
    }
    if faults.is_empty() {
        return Ok(ScenarioFile { file: file.to_owned(), scenario, manifests });
    }
    faults.sort_by_key(|fault| fault.position);
    Err(FileFaults(faults))
}

fn scenario_of(document: &Document) -> Result<Scenario, FileFaults> {
    const API_VERSION: &str = "simulation.phaseloop.dev/v1alpha1";
    let given = document.value.get("apiVersion").and_then(serde_json::Value::as_str).unwrap_or_default();
    if given != API_VERSION {
        return Err(document.fault("apiVersion", format!("{given:?} is not {API_VERSION:?}"), None).into());
    }
    let admitted = admit_document(document, document.value.clone(), scenario_schema())?;
    serde_path_to_error::deserialize(admitted).map_err(|error| {
        let path = error.path().to_string();
        document.fault(&path, error.into_inner().to_string(), None).into()
    })
}

/// Faults that no schema finds.
fn check(document: &Document, spec: &ScenarioSpec) -> Vec<FileFault> {
    let mut check = Check { document, spec, calendar: None, faults: Vec::new() };
    match Calendar::of(&spec.start_date, &spec.time_zone.0, spec.nights, spec.nights_before) {
        Ok(calendar) => check.calendar = Some(calendar),
        Err(error @ super::CalendarError::Zone(_)) => check.fault("spec.timeZone", error.to_string(), None),
        Err(error) => check.fault("spec.startDate", error.to_string(), None),
    }
    check.events();
    check.faults_of_story();
    check.findings();
    check.expectations();
    check.faults
}

struct Check<'a> {
    document: &'a Document,
    spec: &'a ScenarioSpec,
    calendar: Option<Calendar>,
    faults: Vec<FileFault>,
}

impl Check<'_> {
    fn fault(&mut self, path: &str, problem: impl Into<String>, remedy: Option<&str>) {
        self.faults.push(self.document.fault(path, problem, remedy.map(str::to_owned)));
    }

    /// A moment lies between the scenario's beginning and its end.
    fn moment(&mut self, moment: &Moment, path: &str) {
        let Some(calendar) = &self.calendar else { return };
        match calendar.instant(moment) {
            Err(error) => self.fault(&field_path(path, "time"), error.to_string(), None),
            Ok(at) if at < calendar.beginning() || at > calendar.end() => {
                let first = 1 - self.spec.nights_before;
                let problem = format!(
                    "night {} lies outside the scenario, which has nights {first} to {}",
                    moment.night, self.spec.nights
                );
                self.fault(&field_path(path, "night"), problem, None);
            }
            Ok(_) => {}
        }
    }

    fn events(&mut self) {
        for (index, event) in self.spec.events.iter().enumerate() {
            let path = element_path("spec.events", index);
            self.moment(&event.at, &field_path(&path, "at"));
            if event.things() != 1 {
                let problem = format!("{} things are done, and it must be exactly one", event.things());
                self.fault(
                    &path,
                    problem,
                    Some("give one of edit, scale, apply, delete, decide and abortTests; several are several events"),
                );
            }
        }
    }

    fn faults_of_story(&mut self) {
        let nodes: BTreeSet<&str> = self.spec.nodes.iter().map(|node| node.name.as_str()).collect();
        for (index, fault) in self.spec.faults.iter().enumerate() {
            let path = element_path("spec.faults", index);
            self.moment(&fault.at, &field_path(&path, "at"));
            if fault.things() != 1 {
                let problem = format!("{} things go wrong, and it must be exactly one", fault.things());
                self.fault(
                    &path,
                    problem,
                    Some("give one of killOperator, pauseOperator, requests, loseNode, evictTestPods, loseImage, gpu and starveClient"),
                );
            }
            for (field, replica) in [("killOperator", fault.kill_operator), ("pauseOperator", fault.pause_operator)] {
                if let Some(replica) = replica.filter(|replica| *replica >= self.spec.operator.replicas) {
                    let most = self.spec.operator.replicas - 1;
                    self.fault(
                        &field_path(&path, field),
                        format!("there is no replica {replica}, the last one is {most}"),
                        None,
                    );
                }
            }
            let named = [
                ("loseNode", fault.lose_node.as_deref()),
                ("gpu.node", fault.gpu.as_ref().and_then(|gpu| gpu.node.as_deref())),
            ];
            for (field, node) in named {
                if let Some(node) = node.filter(|node| !nodes.contains(node)) {
                    let nearest = phaseloop_core::value::nearest_name(node, nodes.iter().copied());
                    let remedy = nearest.map(|nearest| format!("did you mean {nearest}?"));
                    let place = format!("{path}.{field}");
                    self.fault(&place, format!("there is no node {node:?}"), remedy.as_deref());
                }
            }
        }
    }

    fn findings(&mut self) {
        for (index, test) in self.spec.tests.iter().enumerate() {
            for (place, finding) in test.finds.iter().enumerate() {
                let path = element_path(&field_path(&element_path("spec.tests", index), "finds"), place);
                if let Some(from) = &finding.from {
                    self.moment(from, &field_path(&path, "from"));
                }
            }
        }
    }

    fn expectations(&mut self) {
        let known = (1 - self.spec.nights_before)..=self.spec.nights;
        for (index, expected) in self.spec.expect.nights.iter().enumerate() {
            if !known.contains(&expected.night) {
                let path = field_path(&element_path("spec.expect.nights", index), "night");
                let problem =
                    format!("there is no night {}, only {} to {}", expected.night, known.start(), known.end());
                self.fault(&path, problem, None);
            }
        }
    }
}
