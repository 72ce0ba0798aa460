//! Recorded nights: files that somebody kept of real runs, read into what the core judges.
//!
//! **What lives here**: which files belong to one night, the readers of our recording format, and the error that names
//! file, place and remedy.
//!
//! **What must not**: judging, and anything that writes. Labels that tell what was done to a night are never read.

mod directory;
mod engine_record;
mod error;
mod night;

pub use directory::{NightFiles, Recordings, find_nights, group_files, night_of};
pub use engine_record::EngineRecord;
pub use error::RecordingError;
pub use night::{Carried, RecordedNight, read_night};
