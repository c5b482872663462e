//! When two JSON values are the same: numbers by value, objects without regard to order (RFC 6902 §4.6).

use serde_json::Value;

/// Whether `a` and `b` are the same value.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => decimal(a.as_str()) == decimal(b.as_str()),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}

/// Appends bytes that are equal exactly for values that are the same.
pub(crate) fn canonical(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(b'n'),
        Value::Bool(yes) => out.push(if *yes { b't' } else { b'f' }),
        Value::Number(number) => {
            let (negative, digits, exponent) = decimal(number.as_str());
            out.push(if negative { b'-' } else { b'+' });
            sized(digits.as_bytes(), out);
            sized(exponent.as_bytes(), out);
        }
        Value::String(text) => {
            out.push(b'"');
            sized(text.as_bytes(), out);
        }
        Value::Array(items) => {
            out.push(b'[');
            out.extend((items.len() as u64).to_be_bytes());
            items.iter().for_each(|item| canonical(item, out));
        }
        Value::Object(members) => {
            out.push(b'{');
            out.extend((members.len() as u64).to_be_bytes());
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| *name);
            for (name, value) in sorted {
                sized(name.as_bytes(), out);
                canonical(value, out);
            }
        }
    }
}

fn sized(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend((bytes.len() as u64).to_be_bytes());
    out.extend(bytes);
}

/// Sign, digits without outer zeros, and the power of ten of the last digit. An exponent beyond 15 digits
/// is kept as it is spelled: such numbers are the same only if they are spelled alike.
fn decimal(spelling: &str) -> (bool, String, String) {
    let (negative, rest) = match spelling.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, spelling),
    };
    let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    if digits.is_empty() {
        return (false, String::new(), String::new());
    }
    let significant = digits.trim_end_matches('0');
    let (Ok(exponent), true) = (exponent.parse::<i64>(), exponent.len() <= 16) else {
        return (negative, all.clone(), exponent.to_owned());
    };
    let shift = i64::try_from(digits.len() - significant.len()).unwrap_or(i64::MAX);
    let behind = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
    (
        negative,
        significant.to_owned(),
        exponent.saturating_add(shift).saturating_sub(behind).to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn numbers_by_value_and_objects_without_order() {
        let table = [
            ("1", "1.0", true),
            ("100", "1e2", true),
            ("-0.0", "0", true),
            ("1.50", "15E-1", true),
            ("9007199254740993", "9007199254740992", false),
            ("1", "-1", false),
            ("10", "1", false),
            ("0.1", "0.01", false),
            ("1e99999999999999999999", "1e99999999999999999999", true),
            (r#"{"a":1,"b":[2]}"#, r#"{"b":[2.0],"a":1}"#, true),
            (r#"{"a":1}"#, r#"{"a":1,"b":null}"#, false),
            ("[1,2]", "[2,1]", false),
            ("\"1\"", "1", false),
        ];
        for (a, b, expected) in table {
            let (a, b) = (read(a), read(b));
            assert_eq!(same(&a, &b), expected, "{a} {b}");
            let (mut x, mut y) = (Vec::new(), Vec::new());
            canonical(&a, &mut x);
            canonical(&b, &mut y);
            assert_eq!(x == y, expected, "canonical {a} {b}");
        }
    }
}
