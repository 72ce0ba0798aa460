//! Where a promoted field stands in a target, as text that can be read back, and what stands there.
//!
//! The core takes an address for opaque text and a field's value for the text that stands there. Both are made here and
//! nowhere else: by whoever makes a promotion, and by whoever carries it out.

use phaseloop_core::{
    plan::{FieldAddress, FieldValue, OwnedField},
    tuning::{
        Binding, BindingError, ConfigMapFormat, PreImage, TargetView, binding::BindingReason, read_parameter,
        restore_parameter, set_parameter,
    },
    value::{ParameterName, ParameterValue},
};

/// A place in a target that carries one parameter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FieldPlace {
    /// The container, for a flag and for a variable.
    pub container: Option<String>,
    /// The ConfigMap, for a key.
    pub config_map: Option<String>,
    /// What stands where in it.
    pub binding: Binding,
}

impl FieldPlace {
    /// The place of a binding in a target whose engine runs in `container`; `config_map` names the ConfigMap of a binding
    /// that lies in one.
    pub fn new(container: &str, config_map: Option<&str>, binding: Binding) -> Self {
        let in_container = matches!(binding, Binding::Argument { .. } | Binding::Environment { .. });
        let in_config_map = matches!(binding, Binding::ConfigMapKey { .. });
        Self {
            container: in_container.then(|| container.to_owned()),
            config_map: config_map.filter(|_| in_config_map).map(str::to_owned),
            binding,
        }
    }
}

/// The address of a place: `containers[vllm].args[--max-num-seqs]`, `containers[vllm].env[VLLM_X]`,
/// `configMaps[chat].data[config.yaml].flags[--max-num-seqs]`, `configMaps[chat].data[seqs]`, or a JSON pointer.
pub fn field_address(place: &FieldPlace) -> FieldAddress {
    let container = place.container.as_deref().unwrap_or_default();
    let config_map = place.config_map.as_deref().unwrap_or_default();
    FieldAddress::new(match &place.binding {
        Binding::Argument { flag } => format!("containers[{container}].args[--{flag}]"),
        Binding::Environment { variable } => format!("containers[{container}].env[{variable}]"),
        Binding::ConfigMapKey { key, format: ConfigMapFormat::Plain } => {
            format!("configMaps[{config_map}].data[{key}]")
        }
        Binding::ConfigMapKey { key, format: ConfigMapFormat::EngineConfig { flag } } => {
            format!("configMaps[{config_map}].data[{key}].flags[--{flag}]")
        }
        Binding::FieldPath { pointer } => pointer.clone(),
    })
}

/// The place of an address; `None` for text that is none.
pub fn field_place(address: &FieldAddress) -> Option<FieldPlace> {
    let text = address.as_str();
    if text.starts_with('/') {
        let binding = Binding::FieldPath { pointer: text.to_owned() };
        return Some(FieldPlace { container: None, config_map: None, binding });
    }
    let steps: Vec<(&str, &str)> = text.split(']').filter(|step| !step.is_empty()).map(step).collect::<Option<_>>()?;
    let flag = |spelling: &str| spelling.strip_prefix("--").map(ParameterName::new);
    let in_container = |container: &str, binding: Binding| FieldPlace {
        container: Some(container.to_owned()),
        config_map: None,
        binding,
    };
    let in_config_map = |name: &str, key: &str, format: ConfigMapFormat| FieldPlace {
        container: None,
        config_map: Some(name.to_owned()),
        binding: Binding::ConfigMapKey { key: key.to_owned(), format },
    };
    match steps.as_slice() {
        [("containers", container), ("args", spelling)] => {
            Some(in_container(container, Binding::Argument { flag: flag(spelling)? }))
        }
        [("containers", container), ("env", variable)] => {
            Some(in_container(container, Binding::Environment { variable: (*variable).to_owned() }))
        }
        [("configMaps", name), ("data", key)] => Some(in_config_map(name, key, ConfigMapFormat::Plain)),
        [("configMaps", name), ("data", key), ("flags", spelling)] => {
            Some(in_config_map(name, key, ConfigMapFormat::EngineConfig { flag: flag(spelling)? }))
        }
        _ => None,
    }
}

/// `.args[--x` as `args` and `--x`; names of containers, variables, ConfigMaps, keys and flags hold no bracket.
fn step(text: &str) -> Option<(&str, &str)> {
    let (name, key) = text.strip_prefix('.').unwrap_or(text).split_once('[')?;
    (!key.is_empty()).then_some((name, key))
}

/// What stands at a place.
///
/// # Errors
/// It can't be told safely.
pub fn read_field(view: &TargetView, place: &FieldPlace) -> Result<FieldValue, BindingError> {
    let reading = read_parameter(view, &place.binding)?;
    Ok(reading.value.map_or(FieldValue::Absent, FieldValue::Present))
}

/// The target with `to` at a place at which `from` stands now.
///
/// # Errors
/// Something else stands there, or the place can't be edited safely.
pub fn put_field(
    view: &TargetView,
    place: &FieldPlace,
    from: &FieldValue,
    to: &FieldValue,
) -> Result<TargetView, BindingError> {
    let now = read_field(view, place)?;
    if now != *from {
        let message = format!("{now} stands at {} now, not {from}", field_address(place));
        return Err(BindingError { reason: BindingReason::ChangedByOthers, message });
    }
    match (from, to) {
        (FieldValue::Absent, FieldValue::Absent) => Ok(view.clone()),
        (FieldValue::Present(text), FieldValue::Absent) => {
            restore_parameter(view, &place.binding, &ParameterValue::from(text.as_str()), &PreImage::Absent)
        }
        (_, FieldValue::Present(text)) => {
            Ok(set_parameter(view, &place.binding, &as_written(&place.binding, text))?.view)
        }
    }
}

/// A text as it is to stand there, digit by digit; in a field of an object it keeps the field's type.
fn as_written(binding: &Binding, text: &str) -> ParameterValue {
    match binding {
        Binding::FieldPath { .. } => ParameterValue::from(text),
        _ => ParameterValue::Text(text.to_owned()),
    }
}

/// The field that a promotion owns, with its pre-image. It is tried both ways first: what could not be put back byte for
/// byte is not promoted.
///
/// # Errors
/// The place can't be read or edited safely, or its pre-image is more than its text tells (a value that is a reference to
/// a variable).
pub fn owned_field(
    view: &TargetView,
    place: &FieldPlace,
    parameter: &ParameterName,
    value: &ParameterValue,
) -> Result<OwnedField, BindingError> {
    let before = read_field(view, place)?;
    let promoted = FieldValue::Present(value.to_string());
    let changed = put_field(view, place, &before, &promoted)?;
    let restored = put_field(&changed, place, &promoted, &before)?;
    if restored != *view {
        let address = field_address(place);
        let message = format!("what stands at {address} can't be put back from its text {before} alone");
        return Err(BindingError { reason: BindingReason::UnresolvedReference, message });
    }
    Ok(OwnedField { address: field_address(place), parameter: parameter.clone(), before, promoted })
}

#[cfg(test)]
mod tests {
    use phaseloop_core::tuning::{ContainerView, EnvironmentVariable};
    use serde_json::json;

    use super::*;

    fn view() -> TargetView {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect();
        TargetView {
            container: ContainerView {
                command: words("vllm serve m"),
                args: words("--gpu_memory_utilization=0.90 --max-num-seqs $(SEQS) --enable-prefix-caching"),
                environment: vec![EnvironmentVariable { name: "SEQS".to_owned(), value: Some("64".to_owned()) }],
            },
            config_map: [
                ("config.yaml".to_owned(), "block-size: 16 # as measured\n".to_owned()),
                ("tokens".to_owned(), "2048\n".to_owned()),
            ]
            .into(),
            object: json!({ "spec": { "template": { "spec": { "priority": 5 } } } }),
        }
    }

    fn argument(flag: &str) -> FieldPlace {
        FieldPlace::new("vllm", None, Binding::of_parameter(&ParameterName::new(flag)))
    }

    fn places() -> Vec<(FieldPlace, &'static str)> {
        let key = |key: &str, format| {
            FieldPlace::new("vllm", Some("chat"), Binding::ConfigMapKey { key: key.to_owned(), format })
        };
        let flag = ParameterName::new("block-size");
        vec![
            (argument("gpu-memory-utilization"), "containers[vllm].args[--gpu-memory-utilization]"),
            (argument("enable-prefix-caching"), "containers[vllm].args[--enable-prefix-caching]"),
            (argument("max-num-batched-tokens"), "containers[vllm].args[--max-num-batched-tokens]"),
            (
                FieldPlace::new("vllm", None, Binding::Environment { variable: "SEQS".to_owned() }),
                "containers[vllm].env[SEQS]",
            ),
            (key("tokens", ConfigMapFormat::Plain), "configMaps[chat].data[tokens]"),
            (
                key("config.yaml", ConfigMapFormat::EngineConfig { flag }),
                "configMaps[chat].data[config.yaml].flags[--block-size]",
            ),
            (
                FieldPlace::new(
                    "vllm",
                    None,
                    Binding::FieldPath { pointer: "/spec/template/spec/priority".to_owned() },
                ),
                "/spec/template/spec/priority",
            ),
        ]
    }

    #[test]
    fn every_place_has_an_address_that_reads_back() {
        for (place, text) in places() {
            let address = field_address(&place);
            assert_eq!(address.as_str(), text);
            assert_eq!(field_place(&address), Some(place));
        }
    }

    #[test]
    fn text_that_is_no_address_is_no_place() {
        for text in ["", "x", "containers[a]", "containers[a].args[x]", "containers[a].args[]", "args[--x]", "a]b["] {
            assert_eq!(field_place(&FieldAddress::new(text)), None, "{text}");
        }
    }

    #[test]
    fn what_is_put_can_be_put_back_byte_for_byte() {
        for (place, text) in places() {
            let value = if text.contains("prefix") { "false" } else { "32" };
            let parameter = ParameterName::new("any");
            let field = owned_field(&view(), &place, &parameter, &ParameterValue::from(value)).unwrap();
            assert_eq!(field.promoted, FieldValue::present(value), "{text}");
            let changed = put_field(&view(), &place, &field.before, &field.promoted).unwrap();
            assert_ne!(changed, view(), "{text}");
            assert_eq!(put_field(&changed, &place, &field.promoted, &field.before).unwrap(), view(), "{text}");
        }
    }

    #[test]
    fn the_text_before_is_kept_as_it_was_written() {
        let before = |place: &FieldPlace| read_field(&view(), place).unwrap();
        assert_eq!(before(&argument("gpu-memory-utilization")), FieldValue::present("0.90"));
        assert_eq!(before(&argument("max-num-batched-tokens")), FieldValue::Absent);
    }

    #[test]
    fn a_value_that_is_a_reference_is_not_owned() {
        let seqs = argument("max-num-seqs");
        let refused = owned_field(&view(), &seqs, &ParameterName::new("max-num-seqs"), &ParameterValue::from("32"));
        assert_eq!(refused.unwrap_err().reason, BindingReason::UnresolvedReference);
    }

    #[test]
    fn nothing_is_put_where_something_else_stands() {
        let place = argument("gpu-memory-utilization");
        let refused = put_field(&view(), &place, &FieldValue::present("0.9"), &FieldValue::present("0.8"));
        assert_eq!(refused.unwrap_err().reason, BindingReason::ChangedByOthers);
    }
}
