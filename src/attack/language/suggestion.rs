//! What somebody may have meant who wrote a word that the language does not have.

/// Says that a word is unknown, which one may have been meant, and which there are.
pub(super) fn unknown(what: &str, word: &str, known: &[&str]) -> String {
    let suggestion = match closest(word, known) {
        Some(close) => format!("; did you mean `{close}`?"),
        None => String::new(),
    };
    format!("unknown {what} `{word}`{suggestion} (there are {})", known.join(", "))
}

/// The word that somebody who wrote `name` may have meant: one that begins so, or is a few letters away.
fn closest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let is_begun = |word: &&&str| name.len() >= 2 && word.starts_with(name);
    let nearest = || {
        let far = known.iter().map(|word| (distance(name, word), word));
        far.min_by_key(|(letters, _)| *letters).filter(|(letters, word)| *letters <= word.len().div_ceil(3).max(2))
    };
    known.iter().find(is_begun).or_else(|| nearest().map(|(_, word)| word)).copied()
}

/// How many letters must be added, removed or replaced to make one word of the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}
