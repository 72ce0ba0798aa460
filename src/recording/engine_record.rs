//! `NIGHT.engine.json`: what was known of the engine that night, and what it said of itself.

use std::{collections::BTreeMap, path::Path};

use jiff::{SignedDuration, Timestamp};
use phaseloop_core::analysis::measurement::EngineView;
use serde_json::Value;

use super::RecordingError;

const REMEDY: &str = "write the field as `phaseloop replay --help` shows, or leave it out";

/// Fields of the file; another name is noted, with the nearest of these.
const FIELDS: [&str; 14] = [
    "night",
    "engine",
    "model",
    "args",
    "ready_seconds",
    "exit_code",
    "start",
    "end",
    "preemptions",
    "server_time_to_first_token_mean_ms",
    "server_e2e_request_latency_mean_ms",
    "server_inter_token_latency_mean_ms",
    "server_request_queue_time_mean_ms",
    "gpu",
];

/// One engine record. A field that is not there is `None`, never a default.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EngineRecord {
    /// Engine and version.
    pub engine: Option<String>,
    /// Served model.
    pub model: Option<String>,
    /// GPU product, where one was used.
    pub gpu: Option<String>,
    /// The engine's arguments; absent where they were not kept.
    pub arguments: Option<Vec<String>>,
    /// Whether the engine became ready: `ready_seconds` is a number, or is null. Absent where the field is.
    pub became_ready: Option<bool>,
    /// Start to ready.
    pub ready_after: Option<SignedDuration>,
    /// Exit code; absent where the engine still ran, or nobody looked.
    pub exit_code: Option<i32>,
    /// How long the run took.
    pub duration: Option<SignedDuration>,
    /// The engine's own figures; absent where there is none of them.
    pub view: Option<EngineView>,
    /// What the reader noticed.
    pub notes: Vec<String>,
}

impl EngineRecord {
    /// Reads a record.
    ///
    /// # Errors
    /// [`RecordingError`] with the line, or with the field, its value and what was expected.
    pub fn read(path: &Path, bytes: &[u8]) -> Result<Self, RecordingError> {
        let fail = |problem: String| RecordingError::new(path, problem, REMEDY);
        let fields: BTreeMap<String, Value> =
            serde_json::from_slice(bytes).map_err(|error| fail(format!("not an engine record: {error}")))?;
        if !fields.keys().any(|name| FIELDS.contains(&name.as_str())) {
            return Err(fail("not an engine record: none of its fields is there".to_owned()));
        }
        let reader = FieldReader { fields: &fields };
        Self::from_fields(&reader).map_err(fail)
    }

    fn from_fields(reader: &FieldReader<'_>) -> Result<Self, String> {
        let ready_seconds = reader.non_negative("ready_seconds")?;
        let exit_code = reader.number("exit_code")?.map(exit_code).transpose()?;
        let view = EngineView {
            time_to_first_token_ms_mean: reader.non_negative("server_time_to_first_token_mean_ms")?,
            inter_token_latency_ms_mean: reader.non_negative("server_inter_token_latency_mean_ms")?,
            end_to_end_latency_ms_mean: reader.non_negative("server_e2e_request_latency_mean_ms")?,
            queue_time_ms_mean: reader.non_negative("server_request_queue_time_mean_ms")?,
            preemptions: reader.non_negative("preemptions")?,
            kv_cache_usage_max: None,
        };
        Ok(Self {
            engine: reader.text("engine")?,
            model: reader.text("model")?,
            gpu: reader.text("gpu")?,
            arguments: reader.texts("args")?,
            became_ready: reader.fields.get("ready_seconds").map(|value| !value.is_null()),
            ready_after: ready_seconds.map(SignedDuration::try_from_secs_f64).transpose().map_err(|e| e.to_string())?,
            exit_code,
            duration: reader.duration()?,
            view: (view != EngineView::default()).then_some(view),
            notes: reader.unknown_fields(),
        })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "checked to be a whole number of a byte's size first")]
fn exit_code(number: f64) -> Result<i32, String> {
    if number.fract() == 0.0 && (-255.0..=255.0).contains(&number) {
        Ok(number as i32)
    } else {
        Err(format!("field `exit_code` = {number}, but exit codes are whole numbers from 0 to 255"))
    }
}

struct FieldReader<'a> {
    fields: &'a BTreeMap<String, Value>,
}

impl FieldReader<'_> {
    fn present(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    fn number(&self, name: &str) -> Result<Option<f64>, String> {
        let Some(value) = self.present(name) else { return Ok(None) };
        value.as_f64().map(Some).ok_or_else(|| format!("field `{name}` = {value}, expected a number"))
    }

    fn non_negative(&self, name: &str) -> Result<Option<f64>, String> {
        match self.number(name)? {
            Some(number) if number < 0.0 => Err(format!("field `{name}` = {number}, expected a number not below 0")),
            number => Ok(number),
        }
    }

    fn text(&self, name: &str) -> Result<Option<String>, String> {
        let Some(value) = self.present(name) else { return Ok(None) };
        value
            .as_str()
            .map(|text| Some(text.to_owned()))
            .ok_or_else(|| format!("field `{name}` = {value}, expected text"))
    }

    fn texts(&self, name: &str) -> Result<Option<Vec<String>>, String> {
        let Some(value) = self.present(name) else { return Ok(None) };
        let texts = value.as_array().and_then(|items| {
            items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>()
        });
        texts.map(Some).ok_or_else(|| format!("field `{name}` = {value}, expected a list of texts"))
    }

    fn duration(&self) -> Result<Option<SignedDuration>, String> {
        let instant = |name: &str| -> Result<Option<Timestamp>, String> {
            let Some(text) = self.text(name)? else { return Ok(None) };
            text.parse().map(Some).map_err(|error| format!("field `{name}` = {text:?}: {error}"))
        };
        match (instant("start")?, instant("end")?) {
            (Some(start), Some(end)) if end < start => {
                Err(format!("field `end` = {end} lies before `start` = {start}"))
            }
            (Some(start), Some(end)) => Ok(Some(end.duration_since(start))),
            _ => Ok(None),
        }
    }

    fn unknown_fields(&self) -> Vec<String> {
        let unknown = self.fields.keys().filter(|name| !FIELDS.contains(&name.as_str()));
        unknown
            .map(|name| match phaseloop_core::value::nearest::nearest_name(name, FIELDS) {
                Some(near) => format!("unknown field `{name}` left alone; did you mean `{near}`?"),
                None => format!("unknown field `{name}` left alone"),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<EngineRecord, RecordingError> {
        EngineRecord::read(Path::new("n.engine.json"), text.as_bytes())
    }

    #[test]
    fn a_null_ready_time_says_that_the_engine_never_became_ready() {
        let refused = read(r#"{"ready_seconds": null, "exit_code": 1, "args": ["--a", "1"]}"#).unwrap();
        assert_eq!((refused.became_ready, refused.exit_code, refused.ready_after), (Some(false), Some(1), None));
        assert_eq!(refused.view, None);
        let silent = read(r#"{"engine": "vllm 0.32.0"}"#).unwrap();
        assert_eq!((silent.became_ready, silent.exit_code, silent.arguments), (None, None, None));
    }

    #[test]
    fn the_engines_own_figures_are_read_and_missing_ones_stay_missing() {
        let record = read(
            r#"{"ready_seconds": 24.5, "preemptions": 0.0, "server_request_queue_time_mean_ms": 0.01,
                "start": "2026-11-23T01:00:00Z", "end": "2026-11-23T01:00:18.5Z"}"#,
        )
        .unwrap();
        assert_eq!(record.became_ready, Some(true));
        assert_eq!(record.ready_after, Some(SignedDuration::from_millis(24_500)));
        assert_eq!(record.duration, Some(SignedDuration::from_millis(18_500)));
        let view = record.view.unwrap();
        assert_eq!((view.preemptions, view.queue_time_ms_mean), (Some(0.0), Some(0.01)));
        assert_eq!(view.time_to_first_token_ms_mean, None);
    }

    #[test]
    fn a_wrong_field_is_named_with_its_value_and_what_was_expected() {
        for (text, expected) in [
            (r#"{"ready_seconds": "soon"}"#, "`ready_seconds` = \"soon\", expected a number"),
            (r#"{"ready_seconds": -1}"#, "not below 0"),
            (r#"{"exit_code": 1.5}"#, "whole numbers"),
            (r#"{"exit_code": 256}"#, "whole numbers"),
            (r#"{"args": [1]}"#, "expected a list of texts"),
            (r#"{"start": "x", "end": "y"}"#, "field `start` = \"x\""),
            (r#"{"start": "2026-11-23T01:00:01Z", "end": "2026-11-23T01:00:00Z"}"#, "before `start`"),
            (r#"{"foo": 1}"#, "none of its fields"),
            ("[1]", "not an engine record"),
            (r#"{"night": 1,"#, "line 1"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("n.engine.json") && error.contains("remedy"), "{error}");
        }
    }

    #[test]
    fn a_misspelt_field_is_noted_with_the_nearest_name() {
        let record = read(r#"{"exit_code": 0, "preemption": 3}"#).unwrap();
        assert_eq!(record.notes, ["unknown field `preemption` left alone; did you mean `preemptions`?"]);
    }
}
