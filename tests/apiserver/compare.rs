//! Where two answers differ.

use std::fmt;

use serde_json::Value;

use crate::{answer::Answer, recording::RecordedScript};

/// One place at which a server does not answer as the real one did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    /// The script's name.
    pub(crate) script: String,
    /// Number of the step, from 1, and its request.
    pub(crate) step: String,
    /// JSON pointer into the answer; `status` for the HTTP status.
    pub(crate) place: String,
    /// What the real server answered there; empty where it had nothing.
    pub(crate) recorded: String,
    /// What came now.
    pub(crate) answered: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { script, step, place, recorded, answered } = self;
        write!(f, "{script}\n  {step}\n    {place}\n      recorded {recorded}\n      answered {answered}")
    }
}

/// Every difference between what was recorded of a script and what was answered now.
pub(crate) fn compare(recorded: &RecordedScript, answered: &[Answer], stopped: Option<&str>) -> Vec<Difference> {
    let mut found = Vec::new();
    for (index, answer) in recorded.answers.iter().enumerate() {
        let mut add = |place: &str, recorded_value: String, answered_value: String| {
            found.push(Difference {
                script: recorded.name.clone(),
                step: format!("{} {}", index + 1, answer.request),
                place: place.to_owned(),
                recorded: recorded_value,
                answered: answered_value,
            });
        };
        let Some(now) = answered.get(index) else {
            add("", "an answer".to_owned(), format!("none: {}", stopped.unwrap_or("the script ended")));
            break;
        };
        if now.status != answer.status {
            add("status", answer.status.to_string(), now.status.to_string());
        }
        let mut places = Vec::new();
        differences("", &whole(answer), &whole(now), &mut places);
        for (place, before, after) in places {
            add(&place, before, after);
        }
    }
    found
}

/// Body, text and events in one value.
fn whole(answer: &Answer) -> Value {
    let text = answer.text.clone().map(Value::String);
    text.unwrap_or_else(|| answer.document())
}

/// Pointer, recorded and answered text of each place that differs.
fn differences(place: &str, recorded: &Value, answered: &Value, found: &mut Vec<(String, String, String)>) {
    match (recorded, answered) {
        (Value::Object(before), Value::Object(after)) => {
            let added = after.keys().filter(|name| !before.contains_key(*name));
            for name in before.keys().chain(added) {
                let place = format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"));
                field(&place, before.get(name), after.get(name), found);
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            for index in 0..before.len().max(after.len()) {
                field(&format!("{place}/{index}"), before.get(index), after.get(index), found);
            }
        }
        _ if recorded == answered => {}
        _ => found.push((place.to_owned(), recorded.to_string(), answered.to_string())),
    }
}

fn field(place: &str, recorded: Option<&Value>, answered: Option<&Value>, found: &mut Vec<(String, String, String)>) {
    if let (Some(before), Some(after)) = (recorded, answered) {
        differences(place, before, after, found);
    } else {
        let text = |value: Option<&Value>| value.map(Value::to_string).unwrap_or_default();
        found.push((place.to_owned(), text(recorded), text(answered)));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: Value) -> Answer {
        Answer { request: "GET /a".to_owned(), status, body: Some(body), text: None, events: None }
    }

    fn recorded(answers: Vec<Answer>) -> RecordedScript {
        RecordedScript { name: "a script".to_owned(), digest: String::new(), answers }
    }

    #[test]
    fn equal_answers_have_no_difference() {
        let answers = vec![answer(200, json!({ "a": [1, { "b": null }] }))];
        assert_eq!(compare(&recorded(answers.clone()), &answers, None), []);
    }

    #[test]
    fn each_kind_of_difference_is_named_with_its_place() {
        let before = json!({ "same": 1, "gone": 2, "other": { "x/y": "a" }, "list": [1, 2] });
        let after = json!({ "same": 1, "new": 3, "other": { "x/y": "b" }, "list": [1] });
        let found = compare(&recorded(vec![answer(201, before)]), &[answer(200, after)], None);
        let places: Vec<(&str, &str, &str)> = found
            .iter()
            .map(|found| (found.place.as_str(), found.recorded.as_str(), found.answered.as_str()))
            .collect();
        let wanted = [
            ("status", "201", "200"),
            ("/gone", "2", ""),
            ("/list/1", "2", ""),
            ("/other/x~1y", "\"a\"", "\"b\""),
            ("/new", "", "3"),
        ];
        assert_eq!(places, wanted);
        assert_eq!(found[0].step, "1 GET /a");
    }

    #[test]
    fn a_script_that_stopped_is_a_difference() {
        let answers = vec![answer(200, json!(1)), answer(200, json!(2)), answer(200, json!(3))];
        let found = compare(&recorded(answers.clone()), &answers[..1], Some("step 2: no answer"));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].step, "2 GET /a");
        assert_eq!(found[0].answered, "none: step 2: no answer");
    }

    #[test]
    fn a_text_and_events_are_compared_too() {
        let text = |text: &str| Answer { body: None, text: Some(text.to_owned()), ..answer(404, Value::Null) };
        assert_eq!(compare(&recorded(vec![text("a")]), &[text("b")], None).len(), 1);
        let events = |kind: &str| Answer::of_events(String::new(), 200, vec![json!({ "type": kind })]);
        assert_eq!(compare(&recorded(vec![events("ADDED")]), &[events("MODIFIED")], None).len(), 1);
        assert_eq!(compare(&recorded(vec![events("ADDED")]), &[events("ADDED")], None), []);
    }
}
