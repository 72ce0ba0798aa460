//! GET of one object.

use super::{
    super::{definition::BuiltIn, reply::Reply, request::ApiRequest, state::State, status_error::StatusError},
    replace::check_subresource,
    scale,
};

/// Reads an object, its status, or its scale.
pub(in super::super) fn get(state: &mut State, request: &ApiRequest) -> Result<Reply, StatusError> {
    let definition = &request.definition;
    if request.subresource == "log" && definition.is(BuiltIn::Pod) {
        return state.log_of(request);
    }
    let scaled = request.subresource == "scale" && definition.scale.is_some();
    if !scaled {
        check_subresource(definition, &request.subresource, request.name())?;
    }
    let found = state.read(request).ok_or_else(|| StatusError::not_found(definition.resource(), request.name()))?;
    if scaled {
        return Ok(Reply::new(200, super::super::reply::Content::Json(scale::scale_of(definition, &found))));
    }
    Ok(Reply::object(200, found, definition))
}
