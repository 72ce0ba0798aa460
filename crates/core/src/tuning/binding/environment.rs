//! A parameter in an environment variable of the container.

use super::{BindingError, BindingReason, ContainerView, EnvironmentVariable, PreImage, refuse};
use crate::{prelude::*, tuning::catalogue::FORBIDDEN_ENVIRONMENT};

/// The variable that decides: the last of that name, as Kubernetes has it.
fn deciding<'a>(container: &'a mut ContainerView, variable: &str) -> Option<&'a mut EnvironmentVariable> {
    container.environment.iter_mut().rfind(|entry| entry.name == variable)
}

pub(super) fn read(container: &ContainerView, variable: &str) -> Result<Option<String>, BindingError> {
    match container.environment.iter().rfind(|entry| entry.name == variable) {
        None => Ok(None),
        Some(EnvironmentVariable { value: Some(value), .. }) => Ok(Some(value.clone())),
        Some(EnvironmentVariable { value: None, .. }) => refuse(
            BindingReason::ValueFromElsewhere,
            format!("{variable} comes from a ConfigMap, a Secret or a field; bind the parameter there"),
        ),
    }
}

pub(super) fn set(container: &mut ContainerView, variable: &str, value: &str) -> Result<PreImage, BindingError> {
    if let Some(forbidden) = FORBIDDEN_ENVIRONMENT.iter().find(|forbidden| forbidden.name == variable) {
        return refuse(BindingReason::ForbiddenVariable, format!("{variable} is never set: {}", forbidden.why));
    }
    let before = read(container, variable)?;
    if let Some(entry) = deciding(container, variable) {
        entry.value = Some(value.to_owned());
    } else {
        let entry = EnvironmentVariable { name: variable.to_owned(), value: Some(value.to_owned()) };
        container.environment.push(entry);
    }
    Ok(before.map_or(PreImage::Absent, PreImage::Text))
}

pub(super) fn restore(container: &mut ContainerView, variable: &str, pre_image: &PreImage) {
    match pre_image {
        PreImage::Text(old) => {
            if let Some(entry) = deciding(container, variable) {
                entry.value = Some(old.clone());
            }
        }
        _ => {
            if let Some(position) = container.environment.iter().rposition(|entry| entry.name == variable) {
                container.environment.remove(position);
            }
        }
    }
}
