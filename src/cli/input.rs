//! Files that a user names.

use std::{fs, path::Path};

/// The text of a file.
///
/// # Errors
/// Why it can't be read, with what to do.
pub(super) fn read_text(path: &Path) -> anyhow::Result<String> {
    let told = |why: &dyn std::fmt::Display, remedy: &str| {
        anyhow::anyhow!("{}: can't be read: {why}\n  remedy: {remedy}", path.display())
    };
    let bytes = fs::read(path).map_err(|error| told(&error, "check that it exists and that you may read it"))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        told(&format!("not UTF-8 text from byte {valid} on"), "write it as UTF-8 text, as YAML and JSON are")
    })
}
