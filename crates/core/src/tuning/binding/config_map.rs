//! A parameter in a ConfigMap key: the key's whole text, or one line of the file that `vllm serve --config` reads.

use super::{BindingError, BindingReason, ConfigMapFormat, PreImage, TargetView, argument, config_file, refuse};
use crate::{
    prelude::*,
    tuning::flag::{flags_of, is_switch_name},
    value::ParameterName,
};

pub(super) fn read(view: &TargetView, key: &str, format: &ConfigMapFormat) -> Result<Option<String>, BindingError> {
    match format {
        ConfigMapFormat::Plain => Ok(view.config_map.get(key).map(|text| text.trim().to_owned())),
        ConfigMapFormat::EngineConfig { flag } => {
            let text = file(view, key)?;
            Ok(config_file::find(text, flag)?.map(|scalar| scalar.value().to_owned()))
        }
    }
}

pub(super) fn set(
    view: &mut TargetView,
    key: &str,
    format: &ConfigMapFormat,
    value: &str,
) -> Result<PreImage, BindingError> {
    let (text, pre_image) = match format {
        ConfigMapFormat::Plain => {
            let before = view.config_map.get(key).cloned();
            // What surrounds the value (a line's end) stays.
            let text = match &before {
                Some(old) if !old.trim().is_empty() => old.replacen(old.trim(), value, 1),
                _ => value.to_owned(),
            };
            (text, before.map_or(PreImage::Absent, PreImage::Text))
        }
        ConfigMapFormat::EngineConfig { flag } => {
            check_arguments(view, flag)?;
            config_file::set(file(view, key)?, flag, value)?
        }
    };
    view.config_map.insert(key.to_owned(), text);
    Ok(pre_image)
}

pub(super) fn restore(
    view: &mut TargetView,
    key: &str,
    format: &ConfigMapFormat,
    pre_image: &PreImage,
) -> Result<(), BindingError> {
    let restored = match (format, pre_image) {
        (ConfigMapFormat::Plain, PreImage::Text(old)) => Some(old.clone()),
        (ConfigMapFormat::Plain, _) => None,
        (ConfigMapFormat::EngineConfig { flag }, _) => Some(config_file::restore(file(view, key)?, flag, pre_image)?),
    };
    match restored {
        Some(text) => view.config_map.insert(key.to_owned(), text),
        None => view.config_map.remove(key),
    };
    Ok(())
}

fn file<'a>(view: &'a TargetView, key: &str) -> Result<&'a str, BindingError> {
    match view.config_map.get(key) {
        Some(text) => Ok(text),
        None => refuse(BindingReason::KeyMissing, format!("the ConfigMap has no key {key}")),
    }
}

/// Arguments win over the file, so a flag that stands among them can't be set in the file; and the file can only switch
/// on.
fn check_arguments(view: &TargetView, flag: &ParameterName) -> Result<(), BindingError> {
    if is_switch_name(flag.as_str()) {
        return refuse(BindingReason::SwitchInConfigFile, format!("{flag} can't be switched off in the file"));
    }
    let container = &view.container;
    let all: Vec<String> = container.command.iter().chain(&container.args).cloned().collect();
    let flags = flags_of(&all);
    argument::check_abbreviations(&flags, flag)?;
    let in_shell = matches!(argument::read(container, flag), Ok((Some(_), _)));
    if in_shell || flags.iter().any(|occurrence| occurrence.name == *flag) {
        return refuse(BindingReason::ShadowedByArgument, format!("--{flag} stands among the arguments, which win"));
    }
    Ok(())
}
