//! One version of an object, kept once and shared by the store, the history and every answer.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value};

use super::{
    object::{meta, remove},
    ownership::Owners,
};

/// One version of an object as it is stored.
#[derive(Debug)]
pub struct ObjectVersion {
    /// The object without `metadata.managedFields`, which answers have and nothing in the simulation reads.
    pub value: Value,
    /// Its resourceVersion.
    pub revision: u64,
    pub(super) owners: Arc<Owners>,
    texts: Mutex<Texts>,
}

/// The object as text, once somebody has asked for it.
#[derive(Debug, Default)]
struct Texts {
    json: Option<Bytes>,
    item: Option<Bytes>,
}

impl ObjectVersion {
    pub(super) fn new(value: Value, revision: u64, owners: Arc<Owners>) -> Self {
        Self { value, revision, owners, texts: Mutex::default() }
    }

    /// An object as another server told it, in the bytes in which it came.
    pub(super) fn told(mut value: Value, bytes: Bytes) -> Self {
        remove(&mut value, &["metadata", "managedFields"]);
        let told = Self::new(value, 0, Arc::default());
        told.with_texts(|texts| texts.json = Some(bytes));
        told
    }

    /// The object as the bytes of an answer. They are made once.
    pub fn json(&self) -> Bytes {
        self.with_texts(|texts| texts.json.get_or_insert_with(|| self.write(true)).clone())
    }

    /// The object as an element of a list of a built-in kind: without `apiVersion` and `kind`.
    pub(super) fn item_json(&self) -> Bytes {
        self.with_texts(|texts| texts.item.get_or_insert_with(|| self.write(false)).clone())
    }

    /// Something newer has taken its place: its text, which is as much again, is hardly asked for any more.
    pub(super) fn forget_texts(&self) {
        self.with_texts(|texts| *texts = Texts::default());
    }

    fn with_texts<R>(&self, act: impl FnOnce(&mut Texts) -> R) -> R {
        act(&mut self.texts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The whole object, `managedFields` included.
    pub(super) fn whole(&self) -> Value {
        let mut whole = self.value.clone();
        self.owners.write_into(&mut whole);
        whole
    }

    fn write(&self, with_type: bool) -> Bytes {
        serde_json::to_vec(&Written { version: self, with_type }).unwrap_or_default().into()
    }

    /// The name of the object.
    pub fn name(&self) -> &str {
        meta(&self.value, "name")
    }

    /// The namespace of the object; empty for one of the whole cluster.
    pub fn namespace(&self) -> &str {
        meta(&self.value, "namespace")
    }

    /// The uid of the object.
    pub fn uid(&self) -> &str {
        meta(&self.value, "uid")
    }
}

struct Written<'a> {
    version: &'a ObjectVersion,
    with_type: bool,
}

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.version.value.as_object().into_iter().flatten() {
            match (name.as_str(), value) {
                ("apiVersion" | "kind", _) if !self.with_type => {}
                ("metadata", Value::Object(fields)) => {
                    map.serialize_entry(name, &Metadata { fields, owners: &self.version.owners })?;
                }
                _ => map.serialize_entry(name, value)?,
            }
        }
        map.end()
    }
}

struct Metadata<'a> {
    fields: &'a Map<String, Value>,
    owners: &'a Owners,
}

impl Serialize for Metadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.fields {
            map.serialize_entry(name, value)?;
        }
        if !self.owners.0.is_empty() {
            map.serialize_entry("managedFields", self.owners)?;
        }
        map.end()
    }
}
