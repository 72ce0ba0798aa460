//! Recorded answers as committed files.

use std::fs;

use serde::{Deserialize, Serialize};

use crate::{answer::Answer, print::print, script::folder};

/// The command that writes recordings anew.
pub(crate) const COMMAND: &str = "UPDATE=1 tests/run api";

/// What was answered to the scripts of one file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Recording {
    /// The server that answered.
    pub(crate) server: String,
    /// How this file was written.
    pub(crate) written_by: String,
    pub(crate) scripts: Vec<RecordedScript>,
}

/// What was answered to one script.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordedScript {
    pub(crate) name: String,
    /// Digest of the script that was answered.
    pub(crate) digest: String,
    /// Normalised, one per step.
    pub(crate) answers: Vec<Answer>,
}

impl Recording {
    /// The committed recording of a file of scripts.
    pub(crate) fn read(name: &str) -> Result<Self, String> {
        let path = folder(&format!("recorded/{name}.json"));
        let text = fs::read_to_string(path).map_err(|error| format!("recorded/{name}.json: {error}; {COMMAND}"))?;
        serde_json::from_str(&text).map_err(|error| format!("recorded/{name}.json: {error}; {COMMAND}"))
    }

    /// Writes the committed file anew.
    pub(crate) fn write(&self, name: &str) -> Result<(), String> {
        let value = serde_json::to_value(self).map_err(|error| error.to_string())?;
        let path = folder(&format!("recorded/{name}.json"));
        fs::write(path, print(&value)).map_err(|error| format!("recorded/{name}.json: {error}"))
    }
}
