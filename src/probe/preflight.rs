//! `phaseloop preflight`: the first container of a test pod. It refuses to go on when it is too late, and copies the program
//! for the guard in the engine's container.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::{
    message::leave_message,
    request::{PreflightRequest, is_too_late, too_late_message},
};
use crate::{exit::Exit, workload::contract::PROGRAM_NAME};

/// Everybody may run it: the engine's container runs as whichever user its template says.
const PROGRAM_MODE: u32 = 0o755;

/// Runs the preflight at an instant; `program` is what it copies.
///
/// # Errors
/// The program can't be copied.
pub fn preflight(
    request: &PreflightRequest,
    now: Timestamp,
    program: &Path,
    message_path: &Path,
) -> anyhow::Result<Exit> {
    if is_too_late(now, request.not_after, request.grace.0) {
        let message = too_late_message(request.not_after);
        eprintln!("{message}");
        leave_message(message_path, &message);
        return Ok(Exit::TooLate);
    }
    let Some(folder) = &request.copy_to else { return Ok(Exit::Success) };
    match copy_program(program, Path::new(folder)) {
        Ok(copied) => {
            eprintln!("copied the program to {}", copied.display());
            Ok(Exit::Success)
        }
        Err(error) => {
            let message = format!(
                "the program can't be copied to {folder}: {error}\n  remedy: let the volume have room, and be writable for \
                 the user of phaseloop's containers"
            );
            leave_message(message_path, &message);
            Err(anyhow::Error::msg(message))
        }
    }
}

/// Copies the program into a folder, as a whole or not at all: whoever finds it there finds all of it.
fn copy_program(program: &Path, folder: &Path) -> io::Result<PathBuf> {
    let (target, partial) = (folder.join(PROGRAM_NAME), folder.join(format!(".{PROGRAM_NAME}.partial")));
    let copied = fs::copy(program, &partial)
        .and_then(|_| fs::set_permissions(&partial, fs::Permissions::from_mode(PROGRAM_MODE)))
        .and_then(|()| fs::rename(&partial, &target));
    match copied {
        Ok(()) => Ok(target),
        Err(error) => {
            match fs::remove_file(&partial) {
                Err(left) if left.kind() != ErrorKind::NotFound => eprintln!("{} is left: {left}", partial.display()),
                _ => {}
            }
            Err(error)
        }
    }
}
