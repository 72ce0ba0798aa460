//! Which files of a folder make one night.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use super::RecordingError;

/// The files of one night; at least one is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NightFiles {
    /// The night's name: the file names without their endings.
    pub stem: String,
    /// Result of `vllm bench serve`.
    pub bench: Option<PathBuf>,
    /// What the engine said of itself.
    pub engine: Option<PathBuf>,
    /// The engine's output.
    pub log: Option<PathBuf>,
    /// PHASE report.
    pub report: Option<PathBuf>,
}

impl NightFiles {
    /// The file to name when something is said of the whole night.
    pub fn first(&self) -> &Path {
        [&self.bench, &self.report, &self.engine, &self.log].into_iter().flatten().next().map_or(Path::new("."), |p| p)
    }
}

/// What a folder holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recordings {
    /// Nights in the order of their names.
    pub nights: Vec<NightFiles>,
    /// Files that are no recording, left alone.
    pub ignored: Vec<PathBuf>,
}

/// The part that a file plays in a night.
#[derive(Clone, Copy)]
enum Role {
    Bench,
    Engine,
    Log,
    Report,
}

/// File endings, longest first, so that `.bench.json` is not taken for `.json`.
const ENDINGS: [(&str, Role); 6] = [
    (".engine.json", Role::Engine),
    (".bench.json", Role::Bench),
    (".report.jsonl", Role::Report),
    (".jsonl", Role::Report),
    (".log", Role::Log),
    (".json", Role::Bench),
];

/// The longest list of nights that is read at once: three years of nights, what one person may want to replay.
const NIGHTS_MAX: usize = 1_100;

const REMEDY_EMPTY: &str = "name a folder with NIGHT.bench.json, NIGHT.engine.json, NIGHT.log or NIGHT.jsonl files; `phaseloop replay --help` \
     tells what each holds";

const REMEDY_FILE: &str = "name results of `vllm bench serve` NIGHT.bench.json and PHASE reports NIGHT.jsonl; `phaseloop analyze --help` shows \
     both formats";

/// Finds the nights of a folder, not of the folders in it.
///
/// A `.json` file of another kind (labels, a table of contents) is no recording: it is listed as ignored.
///
/// # Errors
/// [`RecordingError`] when the folder can't be read, or holds no recording.
pub fn find_nights(folder: &Path) -> Result<Recordings, RecordingError> {
    let unreadable = |error: std::io::Error| RecordingError::unreadable(folder, &error);
    if fs::metadata(folder).map_err(unreadable)?.is_file() {
        return Err(RecordingError::new(
            folder,
            "is a file, not a folder",
            "name the folder that holds the recordings",
        ));
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    let found = group_files(files)?;
    if found.nights.is_empty() {
        let problem = match found.ignored.as_slice() {
            [] => "the folder is empty".to_owned(),
            [only] => format!("no recording in it; {} is none", only.display()),
            many => format!("no recording in it; {} files of other kinds", many.len()),
        };
        return Err(RecordingError::new(folder, problem, REMEDY_EMPTY));
    }
    Ok(found)
}

/// Groups files into nights by their stems.
///
/// # Errors
/// [`RecordingError`] when two files play the same part in one night, or there are too many nights.
pub fn group_files(files: impl IntoIterator<Item = PathBuf>) -> Result<Recordings, RecordingError> {
    let mut nights: BTreeMap<String, NightFiles> = BTreeMap::new();
    let mut recordings = Recordings::default();
    for path in files {
        let Some((stem, role)) = role_of(&path) else {
            recordings.ignored.push(path);
            continue;
        };
        let night = nights.entry(stem.clone()).or_insert_with(|| NightFiles { stem, ..NightFiles::default() });
        let place = match role {
            Role::Bench => &mut night.bench,
            Role::Engine => &mut night.engine,
            Role::Log => &mut night.log,
            Role::Report => &mut night.report,
        };
        if let Some(earlier) = place.replace(path.clone()) {
            let problem = format!("plays the same part in night {:?} as {}", night.stem, earlier.display());
            return Err(RecordingError::new(&path, problem, "keep one of the two"));
        }
    }
    if nights.len() > NIGHTS_MAX {
        let path = nights.values().next().map_or(Path::new("."), NightFiles::first).to_owned();
        let problem = format!("one of {} nights; at most {NIGHTS_MAX} are replayed at once", nights.len());
        return Err(RecordingError::new(&path, problem, "split the folder"));
    }
    recordings.nights = nights.into_values().collect();
    recordings.ignored.sort();
    Ok(recordings)
}

/// The night that a file belongs to: the file itself, and those of the same stem that lie beside it.
///
/// # Errors
/// [`RecordingError`] when the file is not there, or its name does not say what it is.
pub fn night_of(file: &Path) -> Result<NightFiles, RecordingError> {
    let kind = fs::metadata(file).map_err(|error| RecordingError::unreadable(file, &error))?;
    if kind.is_dir() {
        return Err(RecordingError::new(
            file,
            "is a folder",
            "name files, or use `phaseloop replay --runs` for a folder",
        ));
    }
    let Some((stem, _)) = role_of(file) else {
        return Err(RecordingError::new(file, "is no recording that can be read", REMEDY_FILE));
    };
    // A plain `.json` beside a `.bench.json` is somebody's copy; the file that was named is the one that counts.
    let beside = ENDINGS
        .into_iter()
        .map(|(ending, _)| file.with_file_name(format!("{stem}{ending}")))
        .filter(|path| path != file && !path.to_string_lossy().ends_with(&format!("{stem}.json")) && path.is_file());
    let grouped = group_files([file.to_owned()].into_iter().chain(beside))?;
    grouped.nights.into_iter().next().ok_or_else(|| RecordingError::new(file, "is no recording", REMEDY_FILE))
}

fn role_of(path: &Path) -> Option<(String, Role)> {
    let name = path.file_name()?.to_str()?;
    let (ending, role) = ENDINGS.into_iter().find(|(ending, _)| name.ends_with(ending))?;
    let stem = name.strip_suffix(ending)?;
    let plain_json = ending == ".json";
    if stem.is_empty() || (plain_json && !is_bench_result(path)) {
        return None;
    }
    Some((stem.to_owned(), role))
}

/// Whether a file that is named only `.json` looks like a bench result: by the field that every such result has. What
/// can't be read counts as one, so that the reader says why.
fn is_bench_result(path: &Path) -> bool {
    let Ok(bytes) = fs::read(path) else { return true };
    match serde_json::from_slice::<serde_json::Value>(&bytes) {
        Ok(value) => value.get("completed").is_some(),
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(names: &[&str]) -> Result<Recordings, RecordingError> {
        group_files(names.iter().map(PathBuf::from))
    }

    #[test]
    fn files_of_one_stem_are_one_night_and_nights_come_in_the_order_of_names() {
        let found =
            group(&["n2.bench.json", "n1.engine.json", "n1.log", "n1.bench.json", "notes.txt", "n3.report.jsonl"])
                .unwrap();
        let stems: Vec<_> = found.nights.iter().map(|night| night.stem.as_str()).collect();
        assert_eq!(stems, ["n1", "n2", "n3"]);
        assert_eq!(found.nights[0].log, Some(PathBuf::from("n1.log")));
        assert_eq!(found.nights[0].first(), Path::new("n1.bench.json"));
        assert_eq!(found.nights[1].engine, None);
        assert_eq!(found.nights[2].report, Some(PathBuf::from("n3.report.jsonl")));
        assert_eq!(found.ignored, [PathBuf::from("notes.txt")]);
    }

    #[test]
    fn two_reports_of_one_night_are_refused() {
        let error = group(&["n1.jsonl", "n1.report.jsonl"]).unwrap_err().to_string();
        assert!(error.contains("same part") && error.contains("remedy"), "{error}");
    }

    #[test]
    fn a_file_without_a_stem_is_no_recording() {
        assert_eq!(group(&[".bench.json"]).unwrap().nights, []);
    }

    #[test]
    fn more_nights_than_a_person_replays_are_refused() {
        let names = (0..=NIGHTS_MAX).map(|night| PathBuf::from(format!("{night:05}.log")));
        assert!(group_files(names).unwrap_err().to_string().contains("1101 nights"));
    }
}
