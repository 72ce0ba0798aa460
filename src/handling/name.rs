//! Objects of ours as people name them: `escalation/llama-8b`.

use std::{fmt, str::FromStr};

use phaseloop_core::{plan::OwnKind, value::nearest_name};

/// Words for each kind, as `kubectl` takes them: singular, plural, short.
const WORDS: [(OwnKind, [&str; 3]); 5] = [
    (OwnKind::PhaseSchedule, ["phaseschedule", "phaseschedules", "phsched"]),
    (OwnKind::PhaseRun, ["phaserun", "phaseruns", "phrun"]),
    (OwnKind::Escalation, ["escalation", "escalations", "esc"]),
    (OwnKind::TuningCanary, ["tuningcanary", "tuningcanaries", "tcan"]),
    (OwnKind::Promotion, ["promotion", "promotions", "tprom"]),
];

/// One object of ours by kind and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectName {
    /// Its kind.
    pub kind: OwnKind,
    /// Its name.
    pub name: String,
}

impl ObjectName {
    /// An object by its parts.
    pub fn new(kind: OwnKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into() }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.name().to_ascii_lowercase(), self.name)
    }
}

impl FromStr for ObjectName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (word, name) = text.split_once('/').ok_or("write KIND/NAME, as in escalation/llama-8b")?;
        let word = word.to_ascii_lowercase();
        let word = word.split('.').next().unwrap_or_default();
        let found = WORDS.iter().find(|(_, words)| words.contains(&word));
        let Some((kind, _)) = found else {
            let nearest = nearest_name(word, WORDS.iter().map(|(_, words)| words[0]));
            let hint = nearest.map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default();
            return Err(format!("{word:?} is none of our kinds{hint}"));
        };
        let fits = |part: &str| {
            let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            !part.is_empty() && part.bytes().all(allowed) && !part.starts_with('-') && !part.ends_with('-')
        };
        if name.len() > 253 || !name.split('.').all(fits) {
            return Err(format!("{name:?} is no name of a Kubernetes object"));
        }
        Ok(Self { kind: *kind, name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_named_by_any_word_that_kubectl_takes() {
        for (text, kind) in [
            ("escalation/a", OwnKind::Escalation),
            ("esc/a", OwnKind::Escalation),
            ("PhaseRuns/a", OwnKind::PhaseRun),
            ("promotions.phaseloop.dev/a", OwnKind::Promotion),
            ("tcan/a", OwnKind::TuningCanary),
            ("phsched/a", OwnKind::PhaseSchedule),
        ] {
            assert_eq!(text.parse(), Ok(ObjectName::new(kind, "a")), "{text}");
        }
    }

    #[test]
    fn what_is_no_object_of_ours_is_refused_with_the_nearest_word() {
        assert!("escalatoin/a".parse::<ObjectName>().unwrap_err().contains("did you mean escalation?"));
        for text in ["escalation", "escalation/", "escalation/A", "escalation/a/b", "pod/a"] {
            assert!(text.parse::<ObjectName>().is_err(), "{text}");
        }
        assert_eq!(ObjectName::new(OwnKind::PhaseRun, "a").to_string(), "phaserun/a");
    }
}
