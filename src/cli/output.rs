//! Answers on standard output.

use std::io::Write;

use serde::Serialize;

use super::text::coloured;
use crate::{args::OutputFormat, yaml};

/// Prints an answer in the format that was asked for.
///
/// # Errors
/// When standard output can't be written.
pub(super) fn print<T: Serialize>(
    answer: &T,
    text: impl FnOnce(&T) -> String,
    format: OutputFormat,
) -> anyhow::Result<()> {
    let printed = match format {
        OutputFormat::Text => return print_text(&coloured(&text(answer))),
        OutputFormat::Json => serde_json::to_string_pretty(answer)? + "\n",
        OutputFormat::Yaml => yaml::to_text(answer)?,
    };
    print_text(&printed)
}

/// Prints text. Colours in it reach a terminal only.
///
/// # Errors
/// When standard output can't be written.
pub(super) fn print_text(text: &str) -> anyhow::Result<()> {
    let mut output = anstream::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()?;
    Ok(())
}
