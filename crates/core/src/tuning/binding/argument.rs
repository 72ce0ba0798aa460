//! A flag among a container's arguments. Kubernetes starts `command` followed by `args`, so both are one list here; the
//! last of repeated flags wins, as with the engine's own parser.

use super::{BindingError, BindingReason, ContainerView, Place, PreImage, refuse, shell};
use crate::{
    prelude::*,
    tuning::{
        catalogue::{ACTUATORS, FORBIDDEN},
        flag::{FlagOccurrence, flags_of, is_switch_name},
    },
    value::ParameterName,
};

/// Shells whose `-c` takes a command line.
const SHELLS: [&str; 5] = ["sh", "bash", "dash", "ash", "zsh"];
/// Shortest beginning of a flag that counts as its abbreviation.
const ABBREVIATION_LENGTH_MIN: usize = 3;

/// How the container is started.
enum Start {
    /// The engine itself, or a program that passes arguments on.
    Program,
    /// A shell that reads the command line at this position of the list.
    ShellCommand(usize),
    /// A script that may do anything with its arguments.
    Script(String),
}

fn start_of(all: &[String], command: &[String]) -> Start {
    let Some(program) = all.first() else {
        return Start::Program;
    };
    let base = program.rsplit('/').next().unwrap_or(program);
    if SHELLS.contains(&base) {
        return command_line_position(all).map_or_else(|| Start::Script(program.clone()), Start::ShellCommand);
    }
    if !command.is_empty() && base.rsplit_once('.').is_some_and(|(_, ending)| ending == "sh") {
        Start::Script(program.clone())
    } else {
        Start::Program
    }
}

/// Where the command line of a shell's `-c` stands: after the options, of which `-o` takes a word of its own.
fn command_line_position(all: &[String]) -> Option<usize> {
    let mut position = 1;
    while let Some(letters) = all.get(position)?.strip_prefix('-') {
        position += if letters.ends_with('o') { 2 } else { 1 };
        if letters.contains('c') && !letters.starts_with('-') {
            return all.get(position).map(|_| position);
        }
    }
    None
}

fn all_of(container: &ContainerView) -> Vec<String> {
    container.command.iter().chain(&container.args).cloned().collect()
}

/// The element of the combined list, wherever it lies.
fn element_mut(container: &mut ContainerView, position: usize) -> Option<&mut String> {
    let in_command = container.command.len();
    match position.checked_sub(in_command) {
        Some(in_args) => container.args.get_mut(in_args),
        None => container.command.get_mut(position),
    }
}

const fn place_of(container: &ContainerView, position: usize) -> Place {
    if position < container.command.len() { Place::Command } else { Place::Args }
}

/// The flag that decides: the last of that name.
fn deciding(words: &[String], flag: &ParameterName) -> Result<Option<FlagOccurrence>, BindingError> {
    let flags = flags_of(words);
    check_abbreviations(&flags, flag)?;
    Ok(flags.into_iter().rfind(|occurrence| occurrence.name == *flag))
}

/// Refuses a list in which the flag may stand abbreviated, as the engine's parser allows.
pub(super) fn check_abbreviations(flags: &[FlagOccurrence], flag: &ParameterName) -> Result<(), BindingError> {
    let abbreviates = |name: &str| {
        let is_flag_itself = ACTUATORS.iter().any(|actuator| actuator.name == name)
            || FORBIDDEN.iter().any(|forbidden| forbidden.name == name);
        name.len() >= ABBREVIATION_LENGTH_MIN
            && name != flag.as_str()
            && flag.as_str().starts_with(name)
            && !is_flag_itself
    };
    match flags.iter().find(|occurrence| abbreviates(occurrence.name.as_str())) {
        Some(short) => refuse(
            BindingReason::AbbreviatedFlag,
            format!("--{} may stand for --{flag}; write the flag in full", short.name),
        ),
        None => Ok(()),
    }
}

/// The text of an occurrence's value.
pub(super) fn value_of(occurrence: &FlagOccurrence, flag: &ParameterName) -> Result<String, BindingError> {
    match &occurrence.value {
        Some(value) => Ok(value.clone()),
        None if occurrence.negated || is_switch_name(flag.as_str()) => Ok((!occurrence.negated).to_string()),
        None => refuse(BindingReason::ValueMissing, format!("--{flag} has no value")),
    }
}

/// How a flag with a value is written where it did not stand.
pub(super) fn written(flag: &ParameterName, value: &str) -> String {
    match value {
        "true" if is_switch_name(flag.as_str()) => format!("--{flag}"),
        "false" if is_switch_name(flag.as_str()) => format!("--no-{flag}"),
        _ => format!("--{flag}={value}"),
    }
}

pub(super) fn read(container: &ContainerView, flag: &ParameterName) -> Result<(Option<String>, Place), BindingError> {
    let all = all_of(container);
    if let Start::ShellCommand(position) = start_of(&all, &container.command) {
        let script = all.get(position).map(String::as_str).unwrap_or_default();
        return Ok((shell::read(script, flag)?, Place::ShellCommand));
    }
    match deciding(&all, flag)? {
        Some(occurrence) => {
            let value = resolved(container, &value_of(&occurrence, flag)?)?;
            Ok((Some(value), place_of(container, occurrence.start)))
        }
        None => Ok((None, Place::Args)),
    }
}

/// The words with which the engine is started.
pub(super) fn engine_words(container: &ContainerView) -> Result<Vec<String>, BindingError> {
    let all = all_of(container);
    let words = match start_of(&all, &container.command) {
        Start::ShellCommand(position) => shell::words(all.get(position).map(String::as_str).unwrap_or_default())?,
        Start::Program | Start::Script(_) => all,
    };
    Ok(words.iter().map(|word| substituted(container, word)).collect())
}

/// A text with every `$(NAME)` replaced whose value is known; `$$(NAME)` is Kubernetes' way to write it unreplaced.
fn substituted(container: &ContainerView, text: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("$(") {
        result.push_str(before);
        let reference = after.split_once(')').filter(|_| !before.ends_with('$'));
        let value = reference.and_then(|(name, _)| {
            container.environment.iter().rfind(|variable| variable.name == name)?.value.as_deref()
        });
        rest = if let (Some(value), Some((_, behind))) = (value, reference) {
            result.push_str(value);
            behind
        } else {
            result.push_str("$(");
            after
        };
    }
    result.push_str(rest);
    result
}

/// What Kubernetes makes of `$(NAME)`; other text stays as it is.
fn resolved(container: &ContainerView, text: &str) -> Result<String, BindingError> {
    if !text.contains("$(") {
        return Ok(text.to_owned());
    }
    let name = text.strip_prefix("$(").and_then(|rest| rest.strip_suffix(')')).filter(|name| !name.contains("$("));
    let variable = name.and_then(|name| container.environment.iter().rfind(|variable| variable.name == name));
    match variable.and_then(|variable| variable.value.clone()) {
        Some(value) => Ok(value),
        None => refuse(BindingReason::UnresolvedReference, format!("{text} is not set to a value in the container")),
    }
}

pub(super) fn set(
    container: &mut ContainerView,
    flag: &ParameterName,
    value: &str,
) -> Result<(PreImage, Place), BindingError> {
    let all = all_of(container);
    let start = start_of(&all, &container.command);
    if let Start::ShellCommand(position) = start {
        let script = all.get(position).map(String::as_str).unwrap_or_default();
        let (changed, pre_image) = shell::set(script, flag, value)?;
        replace_element(container, position, changed);
        return Ok((pre_image, Place::ShellCommand));
    }
    let Some(occurrence) = deciding(&all, flag)? else {
        return append(container, &all, &start, flag, value);
    };
    value_of(&occurrence, flag)?;
    let old: Vec<String> = all.iter().skip(occurrence.start).take(occurrence.length).cloned().collect();
    for (offset, element) in rewritten(&old, &occurrence, flag, value).into_iter().enumerate() {
        replace_element(container, occurrence.start + offset, element);
    }
    Ok((PreImage::Elements(old), place_of(container, occurrence.start)))
}

fn append(
    container: &mut ContainerView,
    all: &[String],
    start: &Start,
    flag: &ParameterName,
    value: &str,
) -> Result<(PreImage, Place), BindingError> {
    if let Start::Script(script) = start {
        return refuse(
            BindingReason::EntryPointIsScript,
            format!("{script} may not pass --{flag} on to the engine; bind the parameter elsewhere"),
        );
    }
    if all.is_empty() {
        return refuse(
            BindingReason::ImageDecides,
            format!("neither command nor args are given, so --{flag} would replace the image's own arguments"),
        );
    }
    container.args.push(written(flag, value));
    Ok((PreImage::Absent, Place::Args))
}

/// The elements of an occurrence with another value, in the same spelling and number.
pub(super) fn rewritten(old: &[String], occurrence: &FlagOccurrence, flag: &ParameterName, value: &str) -> Vec<String> {
    if is_switch_name(flag.as_str()) {
        return vec![written(flag, value)];
    }
    let first = old.first().map(String::as_str).unwrap_or_default();
    let spelling = first.split_once('=').map_or(first, |(spelling, _)| spelling);
    if occurrence.joined { vec![format!("{spelling}={value}")] } else { vec![spelling.to_owned(), value.to_owned()] }
}

fn replace_element(container: &mut ContainerView, position: usize, element: String) {
    if let Some(place) = element_mut(container, position) {
        *place = element;
    }
}

pub(super) fn restore(
    container: &mut ContainerView,
    flag: &ParameterName,
    pre_image: &PreImage,
) -> Result<(), BindingError> {
    let all = all_of(container);
    if let Start::ShellCommand(position) = start_of(&all, &container.command) {
        let script = all.get(position).map(String::as_str).unwrap_or_default();
        let restored = shell::restore(script, flag, pre_image)?;
        replace_element(container, position, restored);
        return Ok(());
    }
    let Some(occurrence) = deciding(&all, flag)? else {
        return Ok(());
    };
    let old: &[String] = match pre_image {
        PreImage::Elements(old) => old,
        _ => &[],
    };
    replace_elements(container, occurrence.start, occurrence.length, old)
}

/// Puts elements in the place of others. Where a flag stands in `command` and its value in `args`, their number must
/// stay.
fn replace_elements(
    container: &mut ContainerView,
    start: usize,
    length: usize,
    elements: &[String],
) -> Result<(), BindingError> {
    if elements.len() == length {
        for (offset, element) in elements.iter().enumerate() {
            replace_element(container, start + offset, element.clone());
        }
        return Ok(());
    }
    let in_command = container.command.len();
    let (list, start) = match start.checked_sub(in_command) {
        Some(in_args) => (&mut container.args, in_args),
        None => (&mut container.command, start),
    };
    if start + length > list.len() {
        let message = "the flag stands in command and its value in args, which was otherwise when it was set";
        return refuse(BindingReason::ChangedByOthers, message);
    }
    list.splice(start..start + length, elements.iter().cloned());
    Ok(())
}
