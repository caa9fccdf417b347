//! The known name that a mistyped one was probably meant to be.

/// The candidate with the fewest edits, if they are few for its length.
pub(super) fn nearest<'a>(written: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = (written.chars().count() / 4).clamp(1, 4);
    candidates.map(|name| (edits(written, name, most), name)).filter(|(n, _)| *n <= most).min().map(|(_, name)| name)
}

/// Insertions, removals, replacements and swaps of neighbours; above `most` any larger number.
fn edits(a: &str, b: &str, most: usize) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > most {
        return most + 1;
    }
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j - 1] + change).min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_finds_its_name_and_nonsense_finds_none() {
        let names = ["client.insecure", "client.channel_limit", "client.connection_limit"];
        assert_eq!(nearest("client.insecrue", names.into_iter()), Some("client.insecure"));
        assert_eq!(nearest("client.chanel_limits", names.into_iter()), Some("client.channel_limit"));
        assert_eq!(nearest("zzz", names.into_iter()), None);
    }
}
