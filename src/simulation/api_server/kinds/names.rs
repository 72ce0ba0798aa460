//! Names, labels and the rest of an object's metadata.

use serde_json::{Value, json};

use super::super::{
    definition::{BuiltIn, ResourceDefinition},
    field_error::FieldError,
    object::{at, elements, integer, meta, text, texts},
};

const LABEL_LENGTH_MAX: usize = 63;
const SUBDOMAIN_LENGTH_MAX: usize = 253;
/// Bytes of all annotations together.
const ANNOTATIONS_BYTES_MAX: usize = 256 * 1024;

const SUBDOMAIN_FAULT: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_FAULT: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LABEL_1035_FAULT: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const QUALIFIED_FAULT: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const VALUE_FAULT: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

fn ends_well(text: &str, good: fn(char) -> bool) -> bool {
    text.starts_with(good) && text.ends_with(good)
}

fn is_lower(letter: char) -> bool {
    letter.is_ascii_lowercase() || letter.is_ascii_digit()
}

/// Whether the text is a DNS label (RFC 1123).
fn is_dns_label(text: &str) -> bool {
    text.len() <= LABEL_LENGTH_MAX && has_label_form(text)
}

fn has_label_form(text: &str) -> bool {
    ends_well(text, is_lower) && text.chars().all(|letter| is_lower(letter) || letter == '-')
}

/// Whether the text is a DNS subdomain (RFC 1123).
fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= SUBDOMAIN_LENGTH_MAX && text.split('.').all(has_label_form)
}

fn too_long(length_max: usize) -> String {
    format!("must be no more than {length_max} bytes")
}

/// What is wrong with a name of an object of the kind.
fn name_faults(definition: &ResourceDefinition, name: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let label = definition.is(BuiltIn::Namespace) || definition.is(BuiltIn::Service);
    let length_max = if label { LABEL_LENGTH_MAX } else { SUBDOMAIN_LENGTH_MAX };
    if name.len() > length_max {
        faults.push(too_long(length_max));
    }
    if definition.is(BuiltIn::Service) {
        if !(has_label_form(name) && name.starts_with(|letter: char| letter.is_ascii_lowercase())) {
            faults.push(LABEL_1035_FAULT.to_owned());
        }
    } else if label && !has_label_form(name) {
        faults.push(LABEL_FAULT.to_owned());
    } else if !label && !name.split('.').all(has_label_form) {
        faults.push(SUBDOMAIN_FAULT.to_owned());
    }
    faults
}

/// What is wrong with a key of labels, annotations or finalizers.
pub(in super::super) fn qualified_faults(key: &str) -> Vec<String> {
    let parts: Vec<&str> = key.split('/').collect();
    let mut faults = Vec::new();
    let name = match parts.as_slice() {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                faults.push("prefix part must be non-empty".to_owned());
            } else if !is_dns_subdomain(prefix) {
                faults.push(format!("prefix part {SUBDOMAIN_FAULT}"));
            }
            name
        }
        _ => {
            return vec![
                format!("a qualified {}", QUALIFIED_FAULT.replacen("name part must", "name must", 1))
                    + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
            ];
        }
    };
    if name.is_empty() {
        faults.push("name part must be non-empty".to_owned());
    } else if name.len() > LABEL_LENGTH_MAX {
        faults.push(format!("name part {}", too_long(LABEL_LENGTH_MAX)));
    }
    if !has_qualified_form(name) {
        faults.push(QUALIFIED_FAULT.to_owned());
    }
    faults
}

/// What is wrong with a value of a label.
pub(in super::super) fn label_value_faults(value: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if value.len() > LABEL_LENGTH_MAX {
        faults.push(too_long(LABEL_LENGTH_MAX));
    }
    if !value.is_empty() && !has_qualified_form(value) {
        faults.push(VALUE_FAULT.to_owned());
    }
    faults
}

fn has_qualified_form(name: &str) -> bool {
    ends_well(name, |letter| letter.is_ascii_alphanumeric())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
}

fn label_errors(object: &Value, path: &[&str], field: &str, errors: &mut Vec<FieldError>) {
    for (key, value) in at(object, path).and_then(Value::as_object).into_iter().flatten() {
        errors.extend(qualified_faults(key).iter().map(|fault| FieldError::invalid(field, &json!(key), fault)));
        let faults = label_value_faults(value.as_str().unwrap_or_default());
        errors.extend(faults.iter().map(|fault| FieldError::invalid(field, value, fault)));
    }
}

/// What is wrong with labels of a pod template.
pub(super) fn template_label_errors(object: &Value, errors: &mut Vec<FieldError>) {
    let path = ["spec", "template", "metadata", "labels"];
    label_errors(object, &path, "spec.template.metadata.labels", errors);
}

/// What is wrong with a selector of labels at `path`.
pub(super) fn selector_errors(selector: Option<&Value>, path: &str, errors: &mut Vec<FieldError>) {
    let Some(selector) = selector else { return };
    label_errors(selector, &["matchLabels"], &format!("{path}.matchLabels"), errors);
    for (index, requirement) in elements(selector, &["matchExpressions"]).iter().enumerate() {
        let place = |field: &str| format!("{path}.matchExpressions[{index}].{field}");
        let values = texts(requirement, &["values"]);
        match text(requirement, &["operator"]).unwrap_or_default() {
            "In" | "NotIn" => {
                if values.is_empty() {
                    let problem = "must be specified when `operator` is 'In' or 'NotIn'";
                    errors.push(FieldError::required(&place("values"), problem));
                }
            }
            "Exists" | "DoesNotExist" => {
                if !values.is_empty() {
                    let problem = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                    errors.push(FieldError::forbidden(&place("values"), problem));
                }
            }
            other => {
                let problem = "not a valid selector operator";
                errors.push(FieldError::invalid(&place("operator"), &json!(other), problem));
            }
        }
        let key = text(requirement, &["key"]).unwrap_or_default();
        let faults = qualified_faults(key);
        errors.extend(faults.iter().map(|fault| FieldError::invalid(&place("key"), &json!(key), fault)));
        for (index, value) in values.iter().enumerate() {
            let faults = label_value_faults(value);
            let place = format!("{}[{index}]", place("values"));
            errors.extend(faults.iter().map(|fault| FieldError::invalid(&place, &json!(value), fault)));
        }
    }
}

/// What is wrong with an object's metadata, whatever happens to it.
pub(in super::super) fn metadata_errors(definition: &ResourceDefinition, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let (name, prefix, namespace) = (meta(object, "name"), meta(object, "generateName"), meta(object, "namespace"));
    if !prefix.is_empty() {
        let shown = prefix.trim_end_matches('-');
        let faults = name_faults(definition, if shown.is_empty() { prefix } else { shown });
        errors.extend(faults.iter().map(|fault| FieldError::invalid("metadata.generateName", &json!(prefix), fault)));
    }
    if name.is_empty() {
        errors.push(FieldError::required("metadata.name", "name or generateName is required"));
    } else {
        let faults = name_faults(definition, name);
        errors.extend(faults.iter().map(|fault| FieldError::invalid("metadata.name", &json!(name), fault)));
    }
    if definition.namespaced && !is_dns_label(namespace) {
        errors.push(FieldError::invalid("metadata.namespace", &json!(namespace), LABEL_FAULT));
    }
    if !definition.namespaced && !namespace.is_empty() {
        errors.push(FieldError::forbidden("metadata.namespace", "not allowed on this type"));
    }
    common_errors(object, &mut errors);
    for finalizer in texts(object, &["metadata", "finalizers"]) {
        let faults = qualified_faults(finalizer);
        errors.extend(faults.iter().map(|fault| FieldError::invalid("metadata.finalizers", &json!(finalizer), fault)));
    }
    if definition.built_in().is_some() {
        finalizer_errors(object, &mut errors);
    }
    errors
}

/// A finalizer of a built-in kind is one of Kubernetes' own or has a prefix.
fn finalizer_errors(object: &Value, errors: &mut Vec<FieldError>) {
    for (index, finalizer) in texts(object, &["metadata", "finalizers"]).into_iter().enumerate() {
        if !finalizer.contains('/') && !["kubernetes", "orphan", "foregroundDeletion"].contains(&finalizer) {
            let problem = "name is neither a standard finalizer name nor is it fully qualified";
            errors.push(FieldError::invalid(&format!("metadata.finalizers[{index}]"), &json!(finalizer), problem));
        }
    }
}

/// Labels, annotations and owners.
fn common_errors(object: &Value, errors: &mut Vec<FieldError>) {
    label_errors(object, &["metadata", "labels"], "metadata.labels", errors);
    let annotations = at(object, &["metadata", "annotations"]).and_then(Value::as_object);
    let mut bytes = 0;
    for (key, value) in annotations.into_iter().flatten() {
        bytes += key.len() + value.as_str().map_or(0, str::len);
        let faults = qualified_faults(&key.to_lowercase());
        errors.extend(faults.iter().map(|fault| FieldError::invalid("metadata.annotations", &json!(key), fault)));
    }
    if bytes > ANNOTATIONS_BYTES_MAX {
        errors.push(FieldError::too_long("metadata.annotations", ANNOTATIONS_BYTES_MAX as u64));
    }
    owner_errors(object, errors);
}

fn owner_errors(object: &Value, errors: &mut Vec<FieldError>) {
    let mut controller: Option<String> = None;
    let references = elements(object, &["metadata", "ownerReferences"]);
    for reference in references {
        for (field, problem) in [
            ("apiVersion", "version must not be empty"),
            ("kind", "must not be empty"),
            ("name", "must not be empty"),
            ("uid", "must not be empty"),
        ] {
            if text(reference, &[field]).is_none_or(str::is_empty) {
                errors.push(FieldError::invalid(&format!("metadata.ownerReferences.{field}"), &json!(""), problem));
            }
        }
        if reference.get("controller") != Some(&Value::Bool(true)) {
            continue;
        }
        let own = format!(
            "{}/{}",
            text(reference, &["kind"]).unwrap_or_default(),
            text(reference, &["name"]).unwrap_or_default()
        );
        match &controller {
            None => controller = Some(own),
            Some(first) => {
                let problem = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {own}"
                );
                errors.push(FieldError::invalid("metadata.ownerReferences", &json!(references), &problem));
            }
        }
    }
}

/// What is wrong with a change of an object's metadata.
pub(in super::super) fn metadata_update_errors(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if at(old, &["metadata", "deletionTimestamp"]).is_some() {
        let before = texts(old, &["metadata", "finalizers"]);
        let mut extra: Vec<&str> =
            texts(new, &["metadata", "finalizers"]).into_iter().filter(|own| !before.contains(own)).collect();
        extra.sort_unstable();
        if !extra.is_empty() {
            let names: Vec<String> = extra.iter().map(|name| format!("{name:?}")).collect();
            let problem = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                names.join(", ")
            );
            errors.push(FieldError::forbidden("metadata.finalizers", &problem));
        }
    }
    if integer(new, &["metadata", "generation"]) < integer(old, &["metadata", "generation"]) {
        let value = at(new, &["metadata", "generation"]).cloned().unwrap_or_else(|| json!(0));
        errors.push(FieldError::invalid("metadata.generation", &value, "must not be decremented"));
    }
    for field in ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        let (own, before) = (at(new, &["metadata", field]), at(old, &["metadata", field]));
        if own != before {
            let value = own.cloned().unwrap_or_default();
            errors.push(FieldError::invalid(&format!("metadata.{field}"), &value, "field is immutable"));
        }
    }
    common_errors(new, &mut errors);
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_dns() {
        for (name, subdomain, label) in [
            ("web", true, true),
            ("web.example", true, false),
            ("Web", false, false),
            ("-web", false, false),
            ("web-", false, false),
            ("a..b", false, false),
            ("", false, false),
        ] {
            assert_eq!((is_dns_subdomain(name), is_dns_label(name)), (subdomain, label), "{name}");
        }
        assert!(is_dns_label(&"a".repeat(63)) && !is_dns_label(&"a".repeat(64)));
        assert!(is_dns_subdomain(&"a".repeat(253)) && !is_dns_subdomain(&"a".repeat(254)));
    }

    #[test]
    fn a_key_has_at_most_one_prefix_which_is_a_domain() {
        for (key, good) in [
            ("a", true),
            ("example.com/a_B.c", true),
            ("/a", false),
            ("a/", false),
            ("a/b/c", false),
            ("A.com/a", false),
        ] {
            assert_eq!(qualified_faults(key).is_empty(), good, "{key}");
        }
    }
}
