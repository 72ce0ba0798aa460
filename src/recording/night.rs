//! One recorded night, from its files to what the core judges.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use jiff::{SignedDuration, Timestamp};
use phaseloop_core::{
    analysis::{
        bench::{BenchResult, read_bench_result},
        engine_log::{classify_engine_end, read_engine_start},
        measurement::{
            DomainMeasurement, EngineFailureClass, EngineOutcome, MeasurementSource, RequestCounts, RunMeasurement,
        },
        report::{ReportReader, ReportSettings},
    },
    tuning::configuration_of,
    value::{Environment, Uid},
};

use super::{EngineRecord, NightFiles, RecordingError};

/// The domain that `vllm bench serve` measures.
const SERVING_DOMAIN: &str = "serving";
/// Largest bench result, engine record or log that is read: a detailed result of 1,000,000 requests has about 300 MB.
const FILE_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// A report is read in pieces of this size, so a report of any size takes the same memory.
const REPORT_CHUNK_BYTES: usize = 64 * 1024;
/// Of an engine's output, what is kept of each end: it states its arguments first and its cause of death last.
const LOG_END_BYTES: usize = 256 * 1024;

const REMEDY_FORMAT: &str = "`phaseloop analyze --help` shows both formats";

/// What earlier nights of the same folder told and this one may not be able to tell: an engine that refused to start
/// reports neither its workload nor its model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Carried {
    /// The workload of the serving domain.
    pub workload_hash: Option<String>,
    /// The served model.
    pub model: Option<String>,
}

/// One night, read.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedNight {
    /// The night's name.
    pub name: String,
    /// What it ran on and with.
    pub environment: Environment,
    /// What was measured.
    pub domains: Vec<DomainMeasurement>,
    /// How long the engine took to become ready; absent where that was not recorded, or it never did.
    pub engine_start: Option<SignedDuration>,
    /// How long the run took, engine start included.
    pub duration: SignedDuration,
    /// What the readers noticed.
    pub notes: Vec<String>,
}

impl RecordedNight {
    /// The run as if it had started then.
    pub fn started_at(&self, started_at: Timestamp) -> RunMeasurement {
        RunMeasurement {
            uid: Uid::new(self.name.clone()),
            name: self.name.clone(),
            started_at,
            completed_at: started_at.saturating_add(self.duration).unwrap_or(Timestamp::MAX),
            environment: self.environment.clone(),
            domains: self.domains.clone(),
        }
    }
}

/// Reads the files of one night.
///
/// # Errors
/// [`RecordingError`] for the first file that can't be read, with the place in it.
pub fn read_night(files: &NightFiles, carried: &mut Carried) -> Result<RecordedNight, RecordingError> {
    let record = match &files.engine {
        Some(path) => EngineRecord::read(path, &read_bounded(path)?)?,
        None => EngineRecord::default(),
    };
    let log = files.log.as_deref().map(read_ends).transpose()?;
    let bench = files.bench.as_deref().map(read_bench).transpose()?;
    let report = files.report.as_deref().map(read_report).transpose()?;

    let mut night = RecordedNight {
        name: files.stem.clone(),
        environment: environment_of(&record, bench.as_ref(), log.as_deref()),
        domains: Vec::new(),
        engine_start: record.ready_after,
        duration: duration_of(&record, bench.as_ref()),
        notes: record.notes.clone(),
    };
    let knows_engine = files.engine.is_some() || log.is_some();
    if bench.is_some() || knows_engine {
        let outcome = engine_outcome(&record, log.as_deref(), bench.is_none() && report.is_none());
        night.domains.push(serving_domain(&record, bench.as_ref(), outcome));
    }
    if let Some((domains, duration)) = report {
        // A report that stands alone with an engine record is what was measured; there is no serving domain beside it.
        night.domains.retain(|domain| bench.is_some() || !domain.engine.failures.is_empty());
        night.domains.extend(domains);
        night.duration = night.duration.max(duration);
    }
    carry(&mut night, carried);
    Ok(night)
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, RecordingError> {
    let unreadable = |error: io::Error| RecordingError::unreadable(path, &error);
    let size = fs::metadata(path).map_err(unreadable)?.len();
    if size > FILE_BYTES_MAX {
        let problem = format!("has {size} bytes; at most {FILE_BYTES_MAX} are read");
        return Err(RecordingError::new(path, problem, "keep fewer requests in it, or write a PHASE report"));
    }
    fs::read(path).map_err(unreadable)
}

fn read_bench(path: &Path) -> Result<BenchResult, RecordingError> {
    read_bench_result(&read_bounded(path)?).map_err(|error| {
        let problem = format!("not a result of `vllm bench serve`: {error}");
        RecordingError::new(path, problem, REMEDY_FORMAT)
    })
}

/// The first and the last part of a log, as text.
fn read_ends(path: &Path) -> Result<String, RecordingError> {
    let bytes = read_bounded(path)?;
    if bytes.len() <= 2 * LOG_END_BYTES {
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    }
    let (head, rest) = bytes.split_at(LOG_END_BYTES);
    let (_, tail) = rest.split_at(rest.len() - LOG_END_BYTES);
    Ok(format!("{}\n{}", String::from_utf8_lossy(head), String::from_utf8_lossy(tail)))
}

fn read_report(path: &Path) -> Result<(Vec<DomainMeasurement>, SignedDuration), RecordingError> {
    let unreadable = |error: io::Error| RecordingError::unreadable(path, &error);
    let mut file = File::open(path).map_err(unreadable)?;
    let mut reader = ReportReader::new(ReportSettings::default());
    let mut chunk = vec![0; REPORT_CHUNK_BYTES];
    loop {
        let length = file.read(&mut chunk).map_err(unreadable)?;
        let Some(bytes) = chunk.get(..length).filter(|bytes| !bytes.is_empty()) else { break };
        reader.push(bytes);
    }
    let summary = reader.finish();
    if summary.rows_accepted == 0 && summary.rows_rejected() > 0 {
        let problem = format!("not a PHASE report, no row of it can be used: {}", summary.notes().join("; "));
        return Err(RecordingError::new(path, problem, REMEDY_FORMAT));
    }
    let starts = summary.domains.values().filter_map(|domain| domain.started_at);
    let ends = summary.domains.values().filter_map(|domain| domain.ended_at);
    let duration = starts.min().zip(ends.max()).map(|(start, end)| end.duration_since(start)).unwrap_or_default();
    Ok((summary.measurements(), duration.max(SignedDuration::ZERO)))
}

fn environment_of(record: &EngineRecord, bench: Option<&BenchResult>, log: Option<&str>) -> Environment {
    let said = log.map(read_engine_start).unwrap_or_default();
    let configuration = record.arguments.as_deref().map_or(said.arguments, configuration_of);
    Environment {
        engine_version: record.engine.clone().or(said.engine_version),
        model: record.model.clone().or_else(|| bench.and_then(|result| result.model.clone())),
        gpu_product: record.gpu.clone(),
        configuration,
        ..Environment::default()
    }
}

fn duration_of(record: &EngineRecord, bench: Option<&BenchResult>) -> SignedDuration {
    let measured = record.duration.or_else(|| {
        let seconds = bench?.duration_seconds;
        SignedDuration::try_from_secs_f64(seconds).ok()
    });
    record.ready_after.unwrap_or_default().saturating_add(measured.unwrap_or_default())
}

/// How the engine fared. Its output is asked for a cause where it is known to have ended, or where nothing else is known.
fn engine_outcome(record: &EngineRecord, log: Option<&str>, nothing_else: bool) -> EngineOutcome {
    let ended = record.exit_code.is_some() || record.became_ready == Some(false);
    let mut failures = Vec::new();
    if ended || log.is_some() {
        let failure = classify_engine_end(record.exit_code, None, record.became_ready, log.unwrap_or_default());
        if ended || nothing_else || failure.class != EngineFailureClass::Unclassified {
            failures.push(failure);
        }
    }
    EngineOutcome { failures, reported_oom_events: 0, became_ready: record.became_ready }
}

fn serving_domain(record: &EngineRecord, bench: Option<&BenchResult>, outcome: EngineOutcome) -> DomainMeasurement {
    let mut domain = match bench {
        Some(result) => result.measurement(SERVING_DOMAIN, 1.0),
        None => DomainMeasurement {
            name: SERVING_DOMAIN.to_owned(),
            workload_hash: String::new(),
            weight: 1.0,
            source: MeasurementSource::Serving,
            requests: RequestCounts::default(),
            metrics: BTreeMap::default(),
            latency_bounds: BTreeMap::default(),
            engine: EngineOutcome::default(),
            engine_view: None,
            cross_check: None,
            client: None,
            within_slo: None,
            notes: Vec::new(),
        },
    };
    let became_ready = outcome.became_ready.or(domain.engine.became_ready);
    domain.engine = EngineOutcome { became_ready, ..outcome };
    domain.engine_view = record.view;
    domain
}

/// Fills in what the night could not tell from the nights before it, and says so; remembers what it could.
fn carry(night: &mut RecordedNight, carried: &mut Carried) {
    match (&night.environment.model, &carried.model) {
        (Some(model), _) => carried.model = Some(model.clone()),
        (None, Some(model)) => {
            night.environment.model = Some(model.clone());
            night.environment.inferred.push("model".to_owned());
        }
        (None, None) => {}
    }
    for domain in night.domains.iter_mut().filter(|domain| domain.source == MeasurementSource::Serving) {
        match &carried.workload_hash {
            _ if !domain.workload_hash.is_empty() => carried.workload_hash = Some(domain.workload_hash.clone()),
            Some(workload_hash) => {
                domain.workload_hash.clone_from(workload_hash);
                domain.notes.push("workload taken from the night before: nothing was measured".to_owned());
            }
            None => {}
        }
    }
}
