//! Objects of our kinds read from a document, as strictly as the API server reads them.

use kube::core::{CustomResourceExt, Resource};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::crds::schema_of;
use crate::{
    structural::admit,
    yaml::{Document, FileFault, FileFaults},
};

/// The object of kind `K` that a document holds, with its defaults.
///
/// What the API server would refuse for its schema is refused here: unknown fields, wrong types, bounds, missing fields.
/// CEL rules are the API server's alone.
///
/// # Errors
/// Every fault with its place, in the order of the file.
pub fn read_object<K>(document: &Document) -> Result<K, FileFaults>
where
    K: Resource<DynamicType = ()> + CustomResourceExt + DeserializeOwned,
{
    let (api_version, kind) = (K::api_version(&()), K::kind(&()));
    for (field, wanted) in [("apiVersion", &*api_version), ("kind", &*kind)] {
        let given = document.value.get(field).and_then(Value::as_str).unwrap_or_default();
        if given != wanted {
            return Err(document.fault(field, format!("{given:?} is not {wanted:?}"), None).into());
        }
    }
    let schema = schema_of(&kind).unwrap_or(&Value::Null);
    let admitted = admit_document(document, document.value.clone(), schema)?;
    serde_path_to_error::deserialize(admitted).map_err(|error| {
        let path = error.path().to_string();
        document.fault(&path, error.into_inner().to_string(), None).into()
    })
}

/// The value with its defaults, if it fits the schema; else its faults with their places, in the order of the file.
///
/// # Errors
/// Every fault.
pub fn admit_document(document: &Document, value: Value, schema: &Value) -> Result<Value, FileFaults> {
    admit(value, schema).map_err(|faults| {
        let place = |fault: crate::structural::SchemaFault| document.fault(&fault.path, fault.problem, fault.remedy);
        let mut faults: Vec<FileFault> = faults.into_iter().map(place).collect();
        faults.sort_by_key(|fault| fault.position);
        FileFaults(faults)
    })
}

/// The kind that a document says it holds; empty where it does not say.
pub fn kind_of(document: &Document) -> &str {
    document.value.get("kind").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::{Escalation, PhaseSchedule},
        yaml::read_documents,
    };

    const SMALL: &str = "apiVersion: phaseloop.dev/v1alpha1\nkind: Escalation\nmetadata:\n  name: llama-8b\nspec:\n  targetRef:\n    kind: Deployment\n    name: llama-8b\n";

    fn read(text: &str) -> Result<Escalation, String> {
        let documents = read_documents("policy.yaml", text).map_err(|faults| faults.to_string())?;
        read_object(&documents[0]).map_err(|faults| faults.to_string())
    }

    #[test]
    fn an_escalation_with_a_target_alone_is_whole() {
        let escalation = read(SMALL).unwrap();
        assert_eq!(escalation.spec.search.max_candidates, 6);
        assert_eq!(escalation.spec.safety.windows.len(), 1);
        assert_eq!(escalation.spec.target_ref.name, "llama-8b");
    }

    #[test]
    fn each_fault_is_told_with_file_line_column_and_remedy_in_the_order_of_the_file() {
        let text = format!(
            "{SMALL}  search: {{strategy: Lits, minimumGain: \"0.02\"}}\n  rules:\n    - symptom: vllm_oom\n      treshold: 2\n"
        );
        assert_eq!(
            read(&text).unwrap_err(),
            "policy.yaml:9:12: spec.search.strategy: \"Lits\" is none of List, Grid, Bisection\n  remedy: did you mean List?\n\
             policy.yaml:9:28: spec.search.minimumGain: a number is wanted, and the text \"0.02\" is given\n  remedy: remove the quotes: 0.02\n\
             policy.yaml:12:7: spec.rules[0].treshold: unknown field\n  remedy: did you mean threshold?"
        );
    }

    #[test]
    fn another_kind_is_refused_by_name() {
        let documents = read_documents("policy.yaml", SMALL).unwrap();
        assert_eq!(kind_of(&documents[0]), "Escalation");
        let faults = read_object::<PhaseSchedule>(&documents[0]).unwrap_err();
        assert_eq!(faults.to_string(), "policy.yaml:2:1: kind: \"Escalation\" is not \"PhaseSchedule\"");
    }

    #[test]
    fn a_search_that_is_not_there_yet_is_refused_with_those_that_are() {
        let error = read(&format!("{SMALL}  search:\n    strategy: Bayesian\n")).unwrap_err();
        assert!(error.contains("\"Bayesian\" is none of List, Grid, Bisection"), "{error}");
    }
}
