//! Each keyword from both sides of its bound.

use serde_json::json;

use super::*;

fn causes(value: &Value, schema: &Value) -> Vec<(String, FaultCause)> {
    let mut faults = Vec::new();
    check(value, None, SchemaNode::of(schema).unwrap(), Place::Root, &mut faults);
    faults.into_iter().map(|fault| (fault.path, fault.cause)).collect()
}

#[test]
fn each_keyword_admits_its_bound_and_refuses_what_is_beyond() {
    use FaultCause::{
        FieldValueDuplicate as Duplicate, FieldValueInvalid as Invalid, FieldValueNotSupported as NotSupported,
        FieldValueRequired as Required, FieldValueTooLong as TooLong, FieldValueTooMany as TooMany,
        FieldValueTypeInvalid as TypeInvalid,
    };
    let set = json!({ "x-kubernetes-list-type": "set" });
    let map = json!({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a"] });
    let nested = json!({ "properties": { "a": { "items": { "type": "integer" } } } });
    for (schema, good, bad, path, cause) in [
        (json!({ "type": "integer" }), json!(3), json!(3.5), "", TypeInvalid),
        (json!({ "type": "integer" }), json!(3.0), json!("3"), "", TypeInvalid),
        (json!({ "type": "number" }), json!(3.5), json!(true), "", TypeInvalid),
        (json!({ "type": "boolean" }), json!(true), json!("true"), "", TypeInvalid),
        (json!({ "type": "string" }), json!("3"), json!(3), "", TypeInvalid),
        (json!({ "type": "array" }), json!([]), json!({}), "", TypeInvalid),
        (json!({ "type": "object" }), json!({}), json!([]), "", TypeInvalid),
        (json!({ "enum": ["a", "b"] }), json!("b"), json!("c"), "", NotSupported),
        (json!({ "maxLength": 2 }), json!("éé"), json!("ééé"), "", TooLong),
        (json!({ "minLength": 2.0 }), json!("éé"), json!("é"), "", Invalid),
        (json!({ "pattern": "^[0-9]+s$" }), json!("9s"), json!("9s "), "", Invalid),
        (json!({ "format": "date-time" }), json!("2026-03-04T03:00:00Z"), json!("2026-03-04"), "", Invalid),
        (json!({ "maximum": 10.0 }), json!(10), json!(11), "", Invalid),
        (json!({ "minimum": 1.0 }), json!(1), json!(0), "", Invalid),
        (json!({ "maxItems": 1 }), json!([1]), json!([1, 2]), "", TooMany),
        (json!({ "minItems": 1 }), json!([1]), json!([]), "", Invalid),
        (json!({ "maxProperties": 1 }), json!({ "a": 1 }), json!({ "a": 1, "b": 1 }), "", TooMany),
        (json!({ "minProperties": 1 }), json!({ "a": 1 }), json!({}), "", Invalid),
        (json!({ "required": ["a"] }), json!({ "a": 1 }), json!({ "b": 1 }), "a", Required),
        (set, json!([1, 2]), json!([1, 2, 1]), "[2]", Duplicate),
        (map, json!([{ "a": 1 }, { "a": 2 }]), json!([{ "a": 1 }, { "a": 1, "b": 2 }]), "[1]", Duplicate),
        (nested, json!({ "a": [1] }), json!({ "a": [1, "x"] }), "a[1]", TypeInvalid),
        (
            json!({ "additionalProperties": { "type": "string" } }),
            json!({ "a": "1" }),
            json!({ "a": 1 }),
            "a",
            TypeInvalid,
        ),
    ] {
        assert_eq!(causes(&good, &schema), [], "{good} against {schema}");
        assert_eq!(causes(&bad, &schema), [(path.to_owned(), cause)], "{bad} against {schema}");
    }
}

#[test]
fn a_number_where_text_is_wanted_says_how_to_write_it() {
    let mut faults = Vec::new();
    check(
        &json!(0.02),
        None,
        SchemaNode::of(&json!({ "type": "string" })).unwrap(),
        Place::Field(&Place::Root, "gain"),
        &mut faults,
    );
    assert_eq!(faults[0].problem, "a text is wanted, and 0.02 is given");
    assert_eq!(faults[0].remedy.as_deref(), Some("put it in quotes: \"0.02\""));
}

#[test]
fn a_misspelt_name_of_a_list_gets_the_nearest_one() {
    let mut faults = Vec::new();
    check(
        &json!("Lits"),
        None,
        SchemaNode::of(&json!({ "enum": ["List", "Grid"] })).unwrap(),
        Place::Field(&Place::Root, "strategy"),
        &mut faults,
    );
    assert_eq!(faults[0].problem, "\"Lits\" is none of List, Grid");
    assert_eq!(faults[0].remedy.as_deref(), Some("did you mean List?"));
}

#[test]
fn what_is_as_it_was_is_not_looked_at_and_everything_else_is() {
    let schema = json!({ "properties": { "a": { "type": "string" }, "b": { "items": { "type": "string" } } } });
    let before = json!({ "a": 1, "b": ["x", 2] });
    for (after, wrong) in [
        (json!({ "a": 1, "b": ["x", 2] }), &[][..]),
        (json!({ "a": 1, "b": ["y", 2] }), &[]),
        (json!({ "a": 2, "b": ["x", 2] }), &["a"]),
        (json!({ "a": 1, "b": [2, "x"] }), &["b[0]"]),
        (json!({ "a": 1, "b": ["x", 2, 2] }), &["b[2]"]),
    ] {
        let faults = validate_change(&after, &before, &schema);
        let paths: Vec<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
        assert_eq!(paths, wrong, "{after}");
    }
}
