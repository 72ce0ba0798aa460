//! A flag inside the command line of `sh -c`: edited as text, so that everything around it stays as it was.

use super::{
    BindingError, BindingReason, PreImage, argument, refuse,
    shell_words::{Token, Word, tokens_of},
};
use crate::{
    prelude::*,
    tuning::flag::{FlagOccurrence, flags_of, is_switch_name},
    value::ParameterName,
};

/// The words of the one command that starts the engine, without files of redirections.
struct EngineCommand {
    words: Vec<Word>,
    /// How many words stand before the first redirection: where an argument can be added.
    words_before_redirection: usize,
}

/// Beginning of the module that older images start with `python -m`.
const ENGINE_MODULE: &str = "vllm.entrypoints";

fn starts_engine(words: &[Word]) -> bool {
    let program = |word: &Word| word.text.rsplit('/').next() == Some("vllm");
    let served = words.windows(2).any(|pair| matches!(pair, [one, two] if program(one) && two.text == "serve"));
    served || words.iter().any(|word| word.text.starts_with(ENGINE_MODULE))
}

fn engine_command(script: &str) -> Result<EngineCommand, BindingError> {
    let tokens = tokens_of(script)?;
    let mut engines: Vec<EngineCommand> = tokens
        .split(|token| *token == Token::Separator)
        .map(command_of)
        .filter(|command| starts_engine(&command.words))
        .collect();
    match (engines.pop(), engines.is_empty()) {
        (Some(engine), true) => Ok(engine),
        (None, _) => refuse(BindingReason::EngineCommandUnclear, "the shell command has no `vllm serve`"),
        (Some(_), false) => {
            refuse(BindingReason::EngineCommandUnclear, "the shell command starts more than one engine")
        }
    }
}

fn command_of(tokens: &[Token]) -> EngineCommand {
    let (mut words, mut before, mut is_file) = (Vec::new(), None, false);
    for token in tokens {
        match token {
            Token::Word(_) if is_file => is_file = false,
            Token::Word(word) => words.push(word.clone()),
            Token::Redirection => {
                before = before.or(Some(words.len()));
                is_file = true;
            }
            Token::Separator => {}
        }
    }
    EngineCommand { words_before_redirection: before.unwrap_or(words.len()), words }
}

/// The deciding occurrence of the flag among the words.
fn deciding(command: &EngineCommand, flag: &ParameterName) -> Result<Option<FlagOccurrence>, BindingError> {
    let texts: Vec<String> = command.words.iter().map(|word| word.text.clone()).collect();
    let flags = flags_of(&texts);
    argument::check_abbreviations(&flags, flag)?;
    let is_value = |position: usize| {
        flags.iter().any(|seen| position > seen.start && position < seen.start + seen.length && seen.name != *flag)
    };
    let is_joined_to_another =
        |position: usize| flags.iter().any(|seen| seen.start == position && seen.joined && seen.name != *flag);
    let is_model = |position: usize| {
        position.checked_sub(1).and_then(|before| texts.get(before)).is_some_and(|word| word == "serve")
    };
    let harmless = |position: usize| is_value(position) || is_joined_to_another(position) || is_model(position);
    for (position, word) in command.words.iter().enumerate() {
        if word.expands && !harmless(position) {
            let text = &word.text;
            return refuse(
                BindingReason::ShellExpansion,
                format!("{text} is replaced by the shell and may hold --{flag}"),
            );
        }
    }
    Ok(flags.into_iter().rfind(|occurrence| occurrence.name == *flag))
}

/// First and last byte of an occurrence.
fn span(command: &EngineCommand, occurrence: &FlagOccurrence) -> Option<(usize, usize)> {
    let first = command.words.get(occurrence.start)?;
    let last = command.words.get(occurrence.start + occurrence.length - 1)?;
    Some((first.start, last.end))
}

fn splice(script: &str, (start, end): (usize, usize), text: &str) -> String {
    let (before, after) = (script.get(..start).unwrap_or_default(), script.get(end..).unwrap_or_default());
    format!("{before}{text}{after}")
}

/// The words of the command that starts the engine.
pub(super) fn words(script: &str) -> Result<Vec<String>, BindingError> {
    Ok(engine_command(script)?.words.into_iter().map(|word| word.text).collect())
}

pub(super) fn read(script: &str, flag: &ParameterName) -> Result<Option<String>, BindingError> {
    let command = engine_command(script)?;
    deciding(&command, flag)?.map(|occurrence| argument::value_of(&occurrence, flag)).transpose()
}

pub(super) fn set(script: &str, flag: &ParameterName, value: &str) -> Result<(String, PreImage), BindingError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._,:/+-".contains(&byte);
    if value.is_empty() || !value.bytes().all(plain) {
        return refuse(
            BindingReason::ValueNeedsQuoting,
            format!("{value:?} would have to be quoted in a shell command"),
        );
    }
    let command = engine_command(script)?;
    let Some(occurrence) = deciding(&command, flag)? else {
        let end =
            command.words.get(..command.words_before_redirection).and_then(<[Word]>::last).map_or(0, |word| word.end);
        return Ok((splice(script, (end, end), &format!(" {}", argument::written(flag, value))), PreImage::Absent));
    };
    argument::value_of(&occurrence, flag)?;
    let Some((start, end)) = span(&command, &occurrence) else {
        return refuse(BindingReason::EngineCommandUnclear, format!("--{flag} was not found again"));
    };
    let old = script.get(start..end).unwrap_or_default();
    let first = command.words.get(occurrence.start).map(|word| word.text.clone()).unwrap_or_default();
    let new = if occurrence.joined || is_switch_name(flag.as_str()) {
        argument::rewritten(&[first], &occurrence, flag, value).concat()
    } else {
        // Only the value changes; what stands between flag and value stays.
        let value_start = command.words.get(occurrence.start + 1).map_or(end, |word| word.start);
        format!("{}{value}", script.get(start..value_start).unwrap_or_default())
    };
    Ok((splice(script, (start, end), &new), PreImage::Text(old.to_owned())))
}

pub(super) fn restore(script: &str, flag: &ParameterName, pre_image: &PreImage) -> Result<String, BindingError> {
    let command = engine_command(script)?;
    let found = deciding(&command, flag)?.and_then(|occurrence| span(&command, &occurrence));
    let Some((start, end)) = found else {
        return Ok(script.to_owned());
    };
    if let PreImage::Text(old) = pre_image {
        return Ok(splice(script, (start, end), old));
    }
    // It was added with one space before it.
    let before = script.get(..start).unwrap_or_default();
    let start = before.strip_suffix(' ').unwrap_or(before).len();
    Ok(splice(script, (start, end), ""))
}
