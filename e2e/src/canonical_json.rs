//! Canonical JSON (Matrix specification, appendices): what signatures of JSON objects are over.

use serde_json::{Map, Value};

use crate::{Error, json};

/// The largest integer that canonical JSON has: 2^53 − 1.
const INTEGER_MAX: i64 = (1 << 53) - 1;

/// The canonical form of an object without its `signatures` and `unsigned`.
///
/// # Errors
/// [`Error::Encoding`]: no object, or a number in it that canonical JSON has not.
pub fn signed_form(object: &Value) -> Result<String, Error> {
    let object = object.as_object().ok_or(Error::Encoding)?;
    let mut out = String::new();
    write_object(&mut out, object, &["signatures", "unsigned"])?;
    Ok(out)
}

fn write(out: &mut String, value: &Value) -> Result<(), Error> {
    match value {
        Value::Object(object) => write_object(out, object, &[]),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(out, item)?;
            }
            out.push(']');
            Ok(())
        }
        Value::Number(number) => {
            let range = -INTEGER_MAX..=INTEGER_MAX;
            let number = number.as_i64().filter(|n| range.contains(n)).ok_or(Error::Encoding)?;
            out.push_str(&number.to_string());
            Ok(())
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {
            // Its strings are in their shortest form, as canonical JSON wants them.
            out.push_str(&json::write(value)?);
            Ok(())
        }
    }
}

fn write_object(
    out: &mut String,
    object: &Map<String, Value>,
    without: &[&str],
) -> Result<(), Error> {
    out.push('{');
    let mut is_first = true;
    // By code points, which UTF-8 orders as its bytes.
    for key in sorted(object.keys().map(String::as_str)) {
        let Some(value) = object.get(key).filter(|_| !without.contains(&key)) else { continue };
        if !is_first {
            out.push(',');
        }
        is_first = false;
        out.push_str(&json::write(&key)?);
        out.push(':');
        write(out, value)?;
    }
    out.push('}');
    Ok(())
}

/// Texts in the order of their bytes. In one place, for each kind of sort is 3 KB of the browser's module.
pub(crate) fn sorted<'t>(texts: impl Iterator<Item = &'t str>) -> Vec<&'t str> {
    let mut texts: Vec<&str> = texts.collect();
    texts.sort_unstable();
    texts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The examples of the specification.
    #[test]
    fn the_examples_of_the_specification_hold() {
        for (input, canonical) in [
            (r#"{ "one": 1, "two": "Two" }"#, r#"{"one":1,"two":"Two"}"#),
            (r#"{ "b": "2", "a": "1" }"#, r#"{"a":"1","b":"2"}"#),
            (r#"{ "本": 2, "日": 1 }"#, r#"{"日":1,"本":2}"#),
            (r#"{ "a": "\u65E5" }"#, r#"{"a":"日"}"#),
            (r#"{ "a": null }"#, r#"{"a":null}"#),
        ] {
            let value = serde_json::from_str(input).unwrap();
            assert_eq!(signed_form(&value).unwrap(), canonical);
        }
    }

    #[test]
    fn signatures_and_unsigned_are_left_out_at_the_top_only() {
        let value = json!({ "signatures": {}, "unsigned": {}, "a": { "unsigned": [true, -1] } });
        assert_eq!(signed_form(&value).unwrap(), r#"{"a":{"unsigned":[true,-1]}}"#);
    }

    #[test]
    fn fractions_and_large_numbers_have_no_form() {
        for number in [json!(1.5), json!(9007199254740992_i64), json!(i64::MIN), json!(u64::MAX)] {
            assert_eq!(signed_form(&json!({ "a": number })), Err(Error::Encoding));
        }
        assert_eq!(signed_form(&json!([1])), Err(Error::Encoding));
        let smallest = json!({ "a": -9007199254740991_i64 });
        assert_eq!(signed_form(&smallest).unwrap(), r#"{"a":-9007199254740991}"#);
    }
}
