//! Durations as Go writes them: `25s`, `1h30m`, `-1.5h`, `300ms`, `0`. Nanoseconds in 64 signed bits, as there.

const UNITS: [(&str, i128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Nanoseconds of `text`. `None`: not a duration, or above 292 years.
pub fn parse(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(number);
        let unit = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        total = total.checked_add(term(number, unit)?)?;
        rest = tail;
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

fn term(number: &str, unit: &str) -> Option<i128> {
    let scale = UNITS.iter().find(|(name, _)| *name == unit)?.1;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut total = whole.checked_mul(scale)?;
    let mut part = scale;
    for digit in fraction.bytes() {
        part /= 10;
        total = total.checked_add(part * i128::from(digit - b'0'))?;
    }
    Some(total)
}

/// The same text that Go prints: `1h30m0s`, `1.5s`, `100ms`, `0s`.
pub fn format(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let n = nanos.unsigned_abs();
    match n {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{n}ns"),
        1_000..1_000_000 => format!("{sign}{}µs", decimal(n, 1_000)),
        1_000_000..1_000_000_000 => format!("{sign}{}ms", decimal(n, 1_000_000)),
        _ => {
            let (hours, minutes) = (n / 3_600_000_000_000, n / 60_000_000_000 % 60);
            let seconds = decimal(n % 60_000_000_000, 1_000_000_000);
            match (hours, minutes) {
                (0, 0) => format!("{sign}{seconds}s"),
                (0, _) => format!("{sign}{minutes}m{seconds}s"),
                _ => format!("{sign}{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

fn decimal(n: u64, scale: u64) -> String {
    let digits = scale.ilog10() as usize;
    let text = format!("{}.{:0digits$}", n / scale, n % scale);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::{format, parse};

    #[test]
    fn what_go_reads_is_read() {
        for (text, millis) in [
            ("0", 0.0),
            ("0s", 0.0),
            ("5s", 5e3),
            ("1.5h", 5.4e6),
            ("1h15m30.918s", 4_530_918.0),
            (".5s", 500.0),
            ("1.s", 1e3),
            ("+2m", 12e4),
            ("-1s", -1e3),
            ("2us", 0.002),
            ("2µs", 0.002),
        ] {
            assert_eq!(parse(text).map(|n| n as f64 / 1e6), Some(millis), "{text}");
        }
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for text in ["", "3", "-", "+", "1d", "1h 30m", "1 s", ".s", "1..5s", "9999999999h", "5S", "s", "--1s", " 1s"] {
            assert_eq!(parse(text), None, "{text}");
        }
        // The whole part of microseconds fits 128 bits, with the fraction it does not.
        assert_eq!(parse("170141183460469231731687303715884105.9us"), None);
    }

    #[test]
    fn durations_print_as_go_prints_them() {
        for text in ["0s", "1.5s", "1h0m0s", "25s", "100ms", "2m30s", "168h0m0s", "-1s", "2µs", "7ns", "1.05s"] {
            assert_eq!(parse(text).map(format).as_deref(), Some(text));
        }
    }
}
