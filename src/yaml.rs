//! The one place that knows the YAML library: text to documents with positions, values to text.
//!
//! A document is read the way `kubectl` reads it: scalars get their type from how they are written, so `0.70` without
//! quotes is a number. What must be text is checked afterwards, against a schema, where the message can say so.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};
use serde_saphyr::{Location, Spanned};

/// A place in a file, both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line.
    pub line: u64,
    /// Column, in characters.
    pub column: u64,
}

impl From<Location> for Position {
    fn from(location: Location) -> Self {
        Self { line: location.line(), column: location.column() }
    }
}

/// Something wrong in a file: where, what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFault {
    /// The file, as the user named it.
    pub file: String,
    /// The place, where it is known.
    pub position: Option<Position>,
    /// Path of the field, as in `spec.rules[0].threshold`; empty for the document itself.
    pub path: String,
    /// What is wrong.
    pub problem: String,
    /// What to do about it, where there is something to say.
    pub remedy: Option<String>,
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(Position { line, column }) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}", self.problem)?;
        self.remedy.as_ref().map_or(Ok(()), |remedy| write!(f, "\n  remedy: {remedy}"))
    }
}

/// Everything that is wrong in a file, in the order of the file. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(FileFault::to_string).collect::<Vec<_>>().join("\n"))]
pub struct FileFaults(pub Vec<FileFault>);

impl From<FileFault> for FileFaults {
    fn from(fault: FileFault) -> Self {
        Self(vec![fault])
    }
}

/// One document of a file: its value, and where each part of it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The file, as the user named it.
    pub file: String,
    /// The value.
    pub value: Value,
    positions: BTreeMap<String, Position>,
}

impl Document {
    /// Where the part of that path stands, or the nearest part around it that is there.
    pub fn position(&self, path: &str) -> Option<Position> {
        let mut path = path;
        loop {
            if let Some(position) = self.positions.get(path) {
                return Some(*position);
            }
            if path.is_empty() {
                return None;
            }
            path = parent(path);
        }
    }

    /// A fault at that path.
    pub fn fault(&self, path: &str, problem: impl Into<String>, remedy: Option<String>) -> FileFault {
        FileFault {
            file: self.file.clone(),
            position: self.position(path),
            path: path.to_owned(),
            problem: problem.into(),
            remedy,
        }
    }
}

/// The path of a field of the object at `parent`.
pub fn field_path(parent: &str, field: &str) -> String {
    let plain = !field.is_empty() && field.chars().all(|letter| letter.is_alphanumeric() || "_-".contains(letter));
    match (parent.is_empty(), plain) {
        (true, true) => field.to_owned(),
        (false, true) => format!("{parent}.{field}"),
        (_, false) => format!("{parent}[{field:?}]"),
    }
}

/// The path of an element of the list at `parent`.
pub fn element_path(parent: &str, index: usize) -> String {
    format!("{parent}[{index}]")
}

/// The path around a path. Names in brackets may hold any character, so the outer one is found by position only.
fn parent(path: &str) -> &str {
    path.rfind(['.', '[']).and_then(|end| path.get(..end)).unwrap_or("")
}

/// Reads every document of a file. Empty documents are left out.
///
/// # Errors
/// The first place at which the text is no YAML, repeats a key, or goes beyond the library's bounds on depth, size and
/// expansion.
pub fn read_documents(file: &str, text: &str) -> Result<Vec<Document>, FileFaults> {
    let nodes: Vec<Node> = serde_saphyr::from_multiple(text).map_err(|error| FileFault {
        file: file.to_owned(),
        position: error.location().map(Position::from).filter(|position| position.line > 0),
        path: String::new(),
        problem: format!("not readable as YAML: {}", plain_message(&error)),
        remedy: None,
    })?;
    let documents = nodes.into_iter().filter(|node| !matches!(node.0.value, Kind::Null)).map(|node| {
        let mut positions = BTreeMap::from([(String::new(), Position::from(node.0.referenced))]);
        let value = node.into_value("", &mut positions);
        Document { file: file.to_owned(), value, positions }
    });
    Ok(documents.collect())
}

/// Writes a value as one YAML document, with a line end at its end.
///
/// # Errors
/// Where the value can't be represented, which none of our types does.
pub fn to_text<T: Serialize>(value: &T) -> Result<String, serde_saphyr::ser::Error> {
    serde_saphyr::to_string(value)
}

/// The library's message without its snippet and position: both are shown in our own form.
fn plain_message(error: &serde_saphyr::Error) -> String {
    let message = error.without_snippet().to_string();
    let message = message.lines().next().unwrap_or_default();
    message.split(" at line ").next().unwrap_or(message).to_owned()
}

/// A node with its place.
#[derive(Debug)]
struct Node(Spanned<Kind>);

/// What a node holds.
#[derive(Debug)]
enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Spanned<String>, Node)>),
}

impl Node {
    /// The value, with the position of every part entered into `positions`. A field stands where its key stands.
    fn into_value(self, path: &str, positions: &mut BTreeMap<String, Position>) -> Value {
        match self.0.value {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(value),
            Kind::Number(value) => Value::Number(value),
            Kind::Text(value) => Value::String(value),
            Kind::List(nodes) => {
                let value_of = |(index, node): (usize, Self)| {
                    let path = element_path(path, index);
                    positions.insert(path.clone(), node.0.referenced.into());
                    node.into_value(&path, positions)
                };
                Value::Array(nodes.into_iter().enumerate().map(value_of).collect())
            }
            Kind::Map(entries) => {
                let mut map = Map::new();
                for (key, node) in entries {
                    let path = field_path(path, &key.value);
                    positions.insert(path.clone(), key.referenced.into());
                    map.insert(key.value, node.into_value(&path, positions));
                }
                Value::Object(map)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Kind, E> {
        Ok(Number::from_f64(value).map_or_else(|| Kind::Text(value.to_string()), Kind::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Kind, E> {
        Ok(Kind::Text(value))
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_none<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        Kind::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Kind, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = elements.next_element()? {
            nodes.push(node);
        }
        Ok(Kind::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Kind, A::Error> {
        let mut nodes = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            nodes.push(entry);
        }
        Ok(Kind::Map(nodes))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const POLICY: &str = "kind: Escalation\nspec:\n  rules:\n    - symptom: vllm_oom\n      treshold: 2\n  search: {minimumGain: 0.02}\nmetadata:\n  annotations:\n    a.b/c: 'yes'\n";

    fn at(line: u64, column: u64) -> Position {
        Position { line, column }
    }

    #[test]
    fn every_part_of_a_document_knows_its_place() {
        let documents = read_documents("policy.yaml", POLICY).unwrap();
        let [document] = documents.as_slice() else { panic!("{documents:?}") };
        assert_eq!(document.value["spec"]["rules"][0]["treshold"], json!(2));
        assert_eq!(document.value["metadata"]["annotations"]["a.b/c"], json!("yes"));
        for (path, position) in [
            ("kind", at(1, 1)),
            ("spec", at(2, 1)),
            ("spec.rules[0]", at(4, 7)),
            ("spec.rules[0].treshold", at(5, 7)),
            ("spec.search.minimumGain", at(6, 12)),
            ("metadata.annotations[\"a.b/c\"]", at(9, 5)),
            // Absent parts stand where the nearest part around them stands.
            ("spec.rules[0].window", at(4, 7)),
            ("spec.rules[7].window", at(3, 3)),
            ("status", at(1, 1)),
        ] {
            assert_eq!(document.position(path), Some(position), "{path}");
        }
    }

    #[test]
    fn a_fault_names_file_line_column_path_and_remedy() {
        let documents = read_documents("policy.yaml", POLICY).unwrap();
        let fault = documents[0].fault("spec.rules[0].treshold", "unknown field", Some("write threshold".to_owned()));
        assert_eq!(
            fault.to_string(),
            "policy.yaml:5:7: spec.rules[0].treshold: unknown field\n  remedy: write threshold"
        );
    }

    #[test]
    fn several_documents_are_read_and_empty_ones_left_out() {
        let documents = read_documents("all.yaml", "a: 1\n---\n# nothing\n---\nb: 2\n").unwrap();
        let values: Vec<_> = documents.iter().map(|document| document.value.clone()).collect();
        assert_eq!(values, [json!({ "a": 1 }), json!({ "b": 2 })]);
        assert_eq!(documents[1].position("b"), Some(at(5, 1)));
        assert_eq!(read_documents("empty.yaml", ""), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_yaml_is_refused_with_its_place() {
        for (text, line) in [("a: [1, 2", 1), ("a: 1\nb: 2\na: 3\n", 3), ("a:\n\t- b\n", 2), ("a: *nobody\n", 1)] {
            let FileFaults(faults) = read_documents("bad.yaml", text).unwrap_err();
            assert_eq!(faults.len(), 1);
            assert_eq!(faults[0].position.map(|position| position.line), Some(line), "{}", faults[0]);
            assert!(!faults[0].problem.contains(" at line "), "{}", faults[0]);
            assert!(faults[0].to_string().starts_with("bad.yaml:"), "{}", faults[0]);
        }
    }

    #[test]
    fn an_expansion_bomb_is_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..10 {
            let before = format!("*a{}", level - 1);
            text.extend([format!("a{level}: &a{level} [{}]\n", vec![before; 10].join(", "))]);
        }
        assert!(read_documents("bomb.yaml", &text).is_err());
        assert!(read_documents("deep.yaml", &"[".repeat(100_000)).is_err());
    }

    #[test]
    fn scalars_have_the_type_that_kubectl_gives_them() {
        let documents = read_documents("x.yaml", "a: 0.70\nb: '0.70'\nc: 5\nd: true\ne: ~\nf: -3\ng: 03:00\n").unwrap();
        let expected = json!({ "a": 0.7, "b": "0.70", "c": 5, "d": true, "e": null, "f": -3, "g": "03:00" });
        assert_eq!(documents[0].value, expected);
    }

    #[test]
    fn what_is_written_reads_back() {
        let value = json!({ "no": "yes", "time": "03:00", "number": "0.70", "list": ["on", "1_000", "~", ""] });
        let text = to_text(&value).unwrap();
        assert_eq!(read_documents("x.yaml", &text).unwrap()[0].value, value);
    }
}
