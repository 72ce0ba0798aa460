//! Where a parameter is set in a target, and how it is read, set and set back there, byte for byte.
//!
//! **What lives here**: one file per place (argument list, shell command, environment variable, ConfigMap key, field),
//! all on plain data, and the rules by which a place is refused because it can't be edited safely.
//!
//! **What must not**: objects of Kubernetes and requests to it; whether a value may be tried (`bounds`).

mod argument;
mod config_file;
mod config_map;
mod environment;
mod field_path;
mod shell;
mod shell_words;

use crate::{
    prelude::*,
    reasons,
    tuning::catalogue::find_forbidden,
    value::{ParameterName, ParameterValue},
};

/// Where a parameter is set.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Binding {
    /// A flag among the container's arguments: the default.
    Argument {
        /// The flag, without dashes.
        flag: ParameterName,
    },
    /// An environment variable of the container.
    Environment {
        /// Its name.
        variable: String,
    },
    /// A key of a ConfigMap.
    ConfigMapKey {
        /// The key.
        key: String,
        /// What the key holds.
        format: ConfigMapFormat,
    },
    /// A field of an object, by JSON Pointer (RFC 6901).
    FieldPath {
        /// The pointer, as `/spec/engine/maxNumSeqs`.
        pointer: String,
    },
}

impl Binding {
    /// The flag of the parameter's own name.
    pub fn of_parameter(name: &ParameterName) -> Self {
        Self::Argument { flag: name.clone() }
    }
}

/// What a ConfigMap key holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ConfigMapFormat {
    /// The value and nothing else.
    Plain,
    /// The file that `vllm serve --config` reads: one `flag: value` per line.
    EngineConfig {
        /// The flag, without dashes.
        flag: ParameterName,
    },
}

/// A container as far as parameters can stand in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ContainerView {
    /// Its `command`; empty where the image decides.
    pub command: Vec<String>,
    /// Its `args`; empty where the image decides.
    pub args: Vec<String>,
    /// Its environment, in order.
    pub environment: Vec<EnvironmentVariable>,
}

/// One variable of a container.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EnvironmentVariable {
    /// Its name.
    pub name: String,
    /// Its value; absent where it comes from a ConfigMap, a Secret or a field.
    pub value: Option<String>,
}

/// Everything in which a binding can lie.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TargetView {
    /// The engine's container.
    pub container: ContainerView,
    /// Data of the ConfigMap that the binding names; empty where it names none.
    pub config_map: BTreeMap<String, String>,
    /// The object that a field path points into; null where the binding has none.
    pub object: serde_json::Value,
}

/// Where a parameter was found, or was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum Place {
    /// An element of the container's `command`.
    Command,
    /// An element of the container's `args`.
    Args,
    /// Inside a command line that a shell reads.
    ShellCommand,
    /// An environment variable.
    EnvironmentVariable,
    /// A ConfigMap key.
    ConfigMapKey,
    /// A field of an object.
    Field,
}

/// What stands at a binding now.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reading {
    /// The value as text; absent where nothing is set.
    pub value: Option<String>,
    /// Where it stands, or would be put.
    pub place: Place,
}

/// What stood at a binding before a change, exactly, so that it can be set back.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PreImage {
    /// Nothing was set: setting back takes away.
    Absent,
    /// These elements of an argument list.
    Elements(Vec<String>),
    /// This text.
    Text(String),
    /// This JSON value.
    Json(serde_json::Value),
}

/// A changed target, and what it takes to change it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindingChange {
    /// The target after the change.
    pub view: TargetView,
    /// What stood there before.
    pub pre_image: PreImage,
    /// Where.
    pub place: Place,
}

reasons! {
    /// Why a binding is not read or edited.
    pub enum BindingReason {
        /// Neither command nor args are given: adding one would replace what the image brings. Give the arguments in the template.
        ImageDecides,
        /// The flag is abbreviated, which the engine's parser takes but which can't be told safely. Write it in full.
        AbbreviatedFlag,
        /// The flag stands last and has no value.
        ValueMissing,
        /// The value is a reference that the container's environment does not resolve.
        UnresolvedReference,
        /// The container starts a script of its own, which may not pass arguments on. Bind the parameter elsewhere.
        EntryPointIsScript,
        /// The shell command uses a construct that is not edited: a substitution, a here-document, a subshell or an open quote.
        UnsupportedShell,
        /// The shell command has no `vllm serve`, or more than one.
        EngineCommandUnclear,
        /// What the shell makes of a variable or a pattern is not known, and it may hold the flag.
        ShellExpansion,
        /// The value would need quoting.
        ValueNeedsQuoting,
        /// The flag is one that no binding may set, whatever parameter is bound to it.
        ForbiddenFlag,
        /// The variable is one that no binding may set.
        ForbiddenVariable,
        /// The variable's value comes from a ConfigMap, a Secret or a field. Bind the parameter there.
        ValueFromElsewhere,
        /// The ConfigMap has no such key.
        KeyMissing,
        /// Values that belong together lie in more than one ConfigMap, and one promotion patches one. Bind them in one.
        SeveralConfigMaps,
        /// The file is more than one flag and value per line.
        NotOneFlagPerLine,
        /// The flag is set more than once in the file.
        RepeatedFlag,
        /// An argument sets the same flag, and arguments win over the file.
        ShadowedByArgument,
        /// The engine's configuration file can't switch a flag off. Bind it as an argument.
        SwitchInConfigFile,
        /// The pointer is no JSON Pointer, or the object around the field does not exist.
        NoSuchField,
        /// The field holds an object or a list.
        NotAScalar,
        /// What stands there now is not what was set: someone else changed it, and it is left alone.
        ChangedByOthers,
    }
}

/// A binding that is not read or edited, and why.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct BindingError {
    /// Which rule.
    pub reason: BindingReason,
    /// What exactly, in one line.
    pub message: String,
}

pub(super) fn refuse<T>(reason: BindingReason, message: impl Into<String>) -> Result<T, BindingError> {
    Err(BindingError { reason, message: message.into() })
}

/// Reads what stands at a binding.
///
/// # Errors
/// It can't be told safely.
pub fn read_parameter(view: &TargetView, binding: &Binding) -> Result<Reading, BindingError> {
    match binding {
        Binding::Argument { flag } => {
            let (value, place) = argument::read(&view.container, flag)?;
            Ok(Reading { value, place })
        }
        Binding::Environment { variable } => {
            let value = environment::read(&view.container, variable)?;
            Ok(Reading { value, place: Place::EnvironmentVariable })
        }
        Binding::ConfigMapKey { key, format } => {
            let value = config_map::read(view, key, format)?;
            Ok(Reading { value, place: Place::ConfigMapKey })
        }
        Binding::FieldPath { pointer } => {
            Ok(Reading { value: field_path::read(&view.object, pointer)?, place: Place::Field })
        }
    }
}

/// The words with which a container starts its engine: command and arguments, or the one command of a shell's command
/// line. References to variables of the container are replaced where their value is known, as Kubernetes does.
///
/// # Errors
/// A shell starts it by a command line that can't be read, or that starts no engine or several.
pub fn engine_arguments(container: &ContainerView) -> Result<Vec<String>, BindingError> {
    argument::engine_words(container)
}

/// Sets a value at a binding.
///
/// # Errors
/// The place can't be edited safely.
pub fn set_parameter(
    view: &TargetView,
    binding: &Binding,
    value: &ParameterValue,
) -> Result<BindingChange, BindingError> {
    let flag_named = match binding {
        Binding::Argument { flag } | Binding::ConfigMapKey { format: ConfigMapFormat::EngineConfig { flag }, .. } => {
            Some(flag)
        }
        Binding::Environment { .. } | Binding::ConfigMapKey { .. } | Binding::FieldPath { .. } => None,
    };
    if let Some(forbidden) = flag_named.and_then(find_forbidden) {
        let message = format!("{} is never set: {}", forbidden.name, forbidden.why);
        return refuse(BindingReason::ForbiddenFlag, message);
    }
    let mut changed = view.clone();
    let (pre_image, place) = match binding {
        Binding::Argument { flag } => argument::set(&mut changed.container, flag, &value.to_string())?,
        Binding::Environment { variable } => {
            (environment::set(&mut changed.container, variable, &value.to_string())?, Place::EnvironmentVariable)
        }
        Binding::ConfigMapKey { key, format } => {
            (config_map::set(&mut changed, key, format, &value.to_string())?, Place::ConfigMapKey)
        }
        Binding::FieldPath { pointer } => (field_path::set(&mut changed.object, pointer, value)?, Place::Field),
    };
    Ok(BindingChange { view: changed, pre_image, place })
}

/// Sets back what stood at a binding before `value` was set, exactly: what was absent becomes absent.
///
/// # Errors
/// Something else than `value` stands there now, or the place can't be edited safely any more.
pub fn restore_parameter(
    view: &TargetView,
    binding: &Binding,
    value: &ParameterValue,
    pre_image: &PreImage,
) -> Result<TargetView, BindingError> {
    let now = read_parameter(view, binding)?.value;
    if now.as_deref().map(ParameterValue::from).as_ref() != Some(value) {
        let now = now.unwrap_or_else(|| "nothing".to_owned());
        return refuse(BindingReason::ChangedByOthers, format!("{now} stands there now, not the {value} that was set"));
    }
    let mut restored = view.clone();
    match binding {
        Binding::Argument { flag } => argument::restore(&mut restored.container, flag, pre_image)?,
        Binding::Environment { variable } => environment::restore(&mut restored.container, variable, pre_image),
        Binding::ConfigMapKey { key, format } => config_map::restore(&mut restored, key, format, pre_image)?,
        Binding::FieldPath { pointer } => field_path::restore(&mut restored.object, pointer, pre_image)?,
    }
    Ok(restored)
}

#[cfg(test)]
mod tests;
