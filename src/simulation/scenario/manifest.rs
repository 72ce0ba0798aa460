//! Manifests of a scenario: the objects that are applied at its beginning.

use serde_json::Value;

use crate::{
    administrator::read_policy_document,
    api::{
        Escalation, PhaseRun, PhaseSchedule,
        read::{kind_of, read_object},
    },
    simulation::api_server::StatusError,
    yaml::{Document, FileFault, FileFaults},
};

/// One object, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The object, with its namespace.
    pub object: Value,
    document: Document,
}

/// Kinds that belong to the whole cluster.
const OF_THE_CLUSTER: [&str; 5] =
    ["Namespace", "Node", "PriorityClass", "CustomResourceDefinition", "ValidatingAdmissionPolicy"];

impl Manifest {
    /// Reads the object of a document. Objects of ours are held against their schemas, with every fault in its place.
    ///
    /// # Errors
    /// Every fault.
    pub(super) fn read(document: &Document, text: &str, namespace: &str) -> Result<Self, FileFaults> {
        for field in ["/apiVersion", "/kind", "/metadata/name"] {
            if !document.value.pointer(field).is_some_and(Value::is_string) {
                let path = field.trim_start_matches('/').replace('/', ".");
                let problem = "a manifest has apiVersion, kind and metadata.name";
                return Err(document.fault(&path, problem, None).into());
            }
        }
        if let Some(policy) = read_policy_document(document, text) {
            policy?;
        }
        match kind_of(document) {
            "PhaseSchedule" => drop(read_object::<PhaseSchedule>(document)?),
            "Escalation" => drop(read_object::<Escalation>(document)?),
            "PhaseRun" => drop(read_object::<PhaseRun>(document)?),
            "TuningCanary" | "Promotion" => {
                let problem = "is made by the operator alone";
                return Err(document.fault("kind", format!("a {} {problem}", kind_of(document)), None).into());
            }
            _ => {}
        }
        let mut object = document.value.clone();
        let of_cluster = OF_THE_CLUSTER.contains(&kind_of(document));
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut).filter(|_| !of_cluster) {
            metadata.entry("namespace").or_insert_with(|| namespace.into());
        }
        Ok(Self { object, document: document.clone() })
    }

    /// What the API server refused it for, in its place.
    pub fn refused(&self, error: &StatusError) -> FileFault {
        let cause = error.details.as_ref().and_then(|details| details.pointer("/causes/0/field")?.as_str());
        self.document.fault(cause.unwrap_or_default(), error.message.clone(), None)
    }
}
