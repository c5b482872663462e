//! Numbers by their exact value.

use serde_json::Number;

/// Whether two numbers have the same mathematical value, however they are spelled.
///
/// No trip through binary64: `9007199254740993` and `9007199254740992` differ, `1.0`, `1` and `10e-1` do not,
/// and neither do `0` and `-0`. Two exponents that are both beyond what fits 64 bits are compared as text.
#[must_use]
pub fn same_number(a: &Number, b: &Number) -> bool {
    let (a, b) = (a.as_str(), b.as_str());
    a == b || matches!((Decimal::read(a), Decimal::read(b)), (Some(a), Some(b)) if a == b)
}

/// One text for all spellings of a value.
pub(super) fn canonical(number: &Number) -> String {
    match Decimal::read(number.as_str()) {
        Some(Decimal {
            negative,
            digits,
            exponent,
        }) => {
            let sign = if negative { "-" } else { "" };
            format!("{sign}{}e{exponent}", String::from_utf8_lossy(&digits))
        }
        None => number.to_string(),
    }
}

/// `±digits × 10^exponent`, where digits neither begin nor end with a zero. Equal values have equal forms.
#[derive(PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

impl Decimal {
    fn read(text: &str) -> Option<Decimal> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (text, None),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits: Vec<u8> = whole
            .bytes()
            .chain(fraction.bytes())
            .skip_while(|digit| *digit == b'0')
            .collect();
        if digits.is_empty() {
            return Some(Decimal {
                negative: false,
                digits,
                exponent: 0,
            });
        }
        let length = digits.len();
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        let exponent: i64 = match exponent {
            Some(text) => text.strip_prefix('+').unwrap_or(text).parse().ok()?,
            None => 0,
        };
        let exponent = exponent
            .checked_sub(i64::try_from(fraction.len()).ok()?)?
            .checked_add(i64::try_from(length - digits.len()).ok()?)?;
        Some(Decimal {
            negative,
            digits,
            exponent,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        let number = |text: &str| Number::from_string_unchecked(text.to_owned());
        same_number(&number(a), &number(b))
    }

    #[test]
    fn equal_by_value_not_by_spelling() {
        for (a, b) in [
            ("1", "1.0"),
            ("1", "10e-1"),
            ("1E2", "100"),
            ("1e+2", "1e2"),
            ("0", "-0"),
            ("0e9", "0.000"),
            ("-1.50", "-15e-1"),
            ("1e99999999999999999999", "1e99999999999999999999"),
        ] {
            assert!(same(a, b), "{a} {b}");
        }
    }

    #[test]
    fn no_two_numbers_collapse() {
        for (a, b) in [
            ("9007199254740993", "9007199254740992"),
            ("0.1", "0.1000000000000000055511151231257827"),
            ("1", "-1"),
            ("1", "10"),
            ("1e400", "1e401"),
            ("1e99999999999999999999", "1e99999999999999999998"),
        ] {
            assert!(!same(a, b), "{a} {b}");
        }
    }
}
