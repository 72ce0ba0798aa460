//! The form in which an answer is wanted.

use super::super::status_error::StatusError;

/// The form in which an answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Representation {
    /// Objects.
    Full,
    /// Objects without all but their metadata.
    Metadata,
}

const ACCEPTED: [&str; 2] = ["application/json", "application/yaml"];

impl Representation {
    /// Reads an `Accept` header: the first form that the server has.
    ///
    /// # Errors
    /// 406 where it has none of them.
    pub(in super::super) fn read(accept: &str) -> Result<Self, StatusError> {
        if accept.trim().is_empty() {
            return Ok(Self::Full);
        }
        for form in accept.split(',').map(str::trim) {
            let mut parts = form.split(';').map(str::trim);
            if !["application/json", "application/*", "*/*"].contains(&parts.next().unwrap_or_default()) {
                continue;
            }
            match parts.find_map(|part| part.strip_prefix("as=")) {
                None => return Ok(Self::Full),
                Some("PartialObjectMetadata" | "PartialObjectMetadataList") => return Ok(Self::Metadata),
                Some(_) => {}
            }
        }
        Err(StatusError::not_acceptable(&ACCEPTED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_form_that_there_is_is_taken() {
        let partial = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
        assert_eq!(Representation::read("").unwrap(), Representation::Full);
        assert_eq!(Representation::read(partial).unwrap(), Representation::Metadata);
        assert_eq!(Representation::read(table).unwrap(), Representation::Full);
        assert_eq!(Representation::read("application/cbor").unwrap_err().code, 406);
    }
}
