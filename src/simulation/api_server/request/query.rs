//! Query parameters.

use std::borrow::Cow;

/// The query parameters of a request, in their order.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the part of a URL after the question mark.
    pub(in super::super) fn read(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(name, true).into_owned(), decode(value, true).into_owned())
                })
                .collect(),
        )
    }

    /// Parameters of a request that came by no URL.
    pub(in super::super) fn of(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    /// All parameters, in their order.
    pub(in super::super) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// A parameter; empty where it is not given.
    pub(in super::super) fn text(&self, name: &str) -> &str {
        self.given(name).unwrap_or_default()
    }

    /// A parameter, if it is given and not empty.
    pub(in super::super) fn given(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Whether a parameter is there, empty or not.
    pub(in super::super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(own, _)| own == name)
    }

    /// A parameter that is true or false, read as Kubernetes reads it: anything but `false` and `0` is true.
    pub(in super::super) fn flag(&self, name: &str) -> Option<bool> {
        let (_, value) = self.0.iter().find(|(own, _)| own == name)?;
        Some(!["false", "0"].contains(&value.to_lowercase().as_str()))
    }

    /// A parameter that is a whole number.
    ///
    /// # Errors
    /// The message with which the API server refuses what is none.
    pub(in super::super) fn integer(&self, name: &str) -> Result<Option<i64>, String> {
        let Some(text) = self.given(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| format!("strconv.ParseInt: parsing {text:?}: invalid syntax"))
    }
}

/// Decodes percent signs, and plus signs where they stand for spaces. A broken sign stays as it is.
pub(super) fn decode(text: &str, plus_is_space: bool) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    if !bytes.iter().any(|byte| *byte == b'%' || (*byte == b'+' && plus_is_space)) {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while let Some(&byte) = bytes.get(index) {
        let escaped = (byte == b'%').then(|| text.get(index + 1..index + 3)).flatten();
        let escaped = escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        index += if escaped.is_some() { 3 } else { 1 };
        decoded.push(escaped.unwrap_or(if byte == b'+' && plus_is_space { b' ' } else { byte }));
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_empty_ones_are_not_given() {
        let query = Query::read("&labelSelector=app+in+%28a%2Cb%29&watch=true&name=&limit=x");
        assert_eq!(query.text("labelSelector"), "app in (a,b)");
        assert_eq!((query.flag("watch"), query.flag("force")), (Some(true), None));
        assert_eq!((query.given("name"), query.has("name")), (None, true));
        assert_eq!(query.integer("limit").unwrap_err(), "strconv.ParseInt: parsing \"x\": invalid syntax");
        assert_eq!(decode("100%", false), "100%");
    }
}
