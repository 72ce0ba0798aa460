//! `phaseloop replay`.

use std::io::{self, IsTerminal as _, Write as _};

use super::{output::print, policy_file::PolicyFile, text::replay_text};
use crate::{
    args::ReplayArguments,
    exit::Exit,
    recording::{Carried, RecordedNight, RecordingError, Recordings, find_nights, read_night},
    replay::{Replay, ReplaySettings, replay},
};

pub(super) fn run(arguments: &ReplayArguments) -> anyhow::Result<Exit> {
    let settings = match &arguments.policy {
        Some(path) => PolicyFile::read(path)?.replay_settings()?,
        None => ReplaySettings::defaults()?,
    };
    let found = find_nights(&arguments.runs)?;
    let nights = read_all(&found)?;
    let answer = Replay { ignored_files: found.ignored, ..replay(&nights, &settings) };
    print(&answer, |answer| replay_text(answer, &settings, arguments.verbose), arguments.output)?;
    Ok(Exit::Success)
}

/// Reads every night, with a line of progress where a person watches and it takes long enough to be seen.
pub(super) fn read_all(found: &Recordings) -> Result<Vec<RecordedNight>, RecordingError> {
    let watched = io::stderr().is_terminal();
    let mut carried = Carried::default();
    let mut nights = Vec::with_capacity(found.nights.len());
    for (number, files) in found.nights.iter().enumerate() {
        if watched {
            let _ = write!(io::stderr(), "\rreading night {} of {}", number + 1, found.nights.len());
        }
        let night = read_night(files, &mut carried);
        if watched && (night.is_err() || number + 1 == found.nights.len()) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
        nights.push(night?);
    }
    Ok(nights)
}
