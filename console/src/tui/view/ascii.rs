//! The screen in ASCII alone: what the panes have drawn, sign by sign, for terminals and fonts that have no others.
//!
//! Panes draw as ever and know nothing of it. What differs within one of them differs here, too, so that nothing is told
//! by shape that is lost.

use ratatui::buffer::Buffer;

/// What stands for a sign that the table does not have.
const OTHER: char = '?';

/// Puts a sign of ASCII in the place of every other.
pub(super) fn translate(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if !cell.symbol().is_ascii() {
            let ascii = cell.symbol().chars().next().map_or(OTHER, ascii);
            cell.set_char(ascii);
        }
    }
}

fn ascii(c: char) -> char {
    match c {
        ' '..='~' => c,
        // Heights, the denser the higher; none of them is the sign for nothing.
        '▁' => '_',
        '▂' => ':',
        '▃' => '-',
        '▄' => '=',
        '▅' => '+',
        '▆' => '*',
        '▇' => '%',
        '█' => '#',
        // Shades.
        '░' => '.',
        '▒' => '+',
        '▓' => '&',
        // Votes, links, the fault budget.
        '●' => '@',
        '■' => '#',
        '◆' => 'o',
        '◐' => 'o',
        '○' => '-',
        '◌' => ':',
        '·' | '□' => '.',
        '≠' => '!',
        '✓' => '+',
        '✕' | '✗' | '×' => 'x',
        '★' => '*',
        // Whither.
        '→' | '▶' | '▸' => '>',
        '←' | '◀' | '◂' => '<',
        '↑' | '▲' | '▴' => '^',
        '↓' | '▼' | '▾' => 'v',
        '‖' => '|',
        // Lines.
        '─' | '┄' | '−' | '–' => '-',
        '╌' => ',',
        '━' => '=',
        '═' => '%',
        '│' | '┃' | '╎' | '┆' | '╷' | '▎' => '|',
        '≈' => ';',
        '┌'..='╋' | '╭'..='╰' => '+',
        '╱' => '/',
        '╲' => '\\',
        '╳' => 'X',
        '…' => '~',
        'µ' => 'u',
        '\u{2800}'..='\u{28ff}' => braille(c as u32),
        _ => OTHER,
    }
}

/// The line that the dots of a braille sign come nearest to.
fn braille(sign: u32) -> char {
    // The bits from the top row down, of the left column and of the right.
    let dots = |bits: [u32; 4]| (0..4).filter(move |row| sign >> bits[*row] & 1 == 1).map(|row| row as i32);
    let (left, right) = (|| dots([0, 1, 2, 6]), || dots([3, 4, 5, 7]));
    let (ls, rs) = (left().count() as i32, right().count() as i32);
    // How much lower the right column's dots are than the left's, on average; times what keeps it whole.
    let fall = right().sum::<i32>() * ls - left().sum::<i32>() * rs;
    match (ls, rs) {
        (0, 0) => ' ',
        (1, 0) | (0, 1) => '.',
        (_, 0) | (0, _) => '|',
        _ if fall > 0 => '\\',
        _ if fall < 0 => '/',
        (1, 1) => '-',
        _ => '+',
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::text::BARS;
    use super::*;

    /// No two of them may come out alike.
    fn all_differ(signs: impl IntoIterator<Item = char>) {
        let drawn: Vec<char> = signs.into_iter().map(ascii).collect();
        for (i, c) in drawn.iter().enumerate() {
            assert!(*c != OTHER && !drawn[..i].contains(c), "{drawn:?}");
        }
    }

    #[test]
    fn what_differs_within_a_pane_differs_here() {
        all_differ(super::super::phases::GLYPHS.into_iter().chain(['▓', '≠', 'x', ' ']));
        all_differ(['●', '◐', '·', '≠', 'x', '▇', '┃']);
        all_differ(BARS.into_iter().chain(['·']));
        all_differ([' ', '░', '▒', '▓', '█']);
        all_differ(['●', '◐', '◌', '✕']);
        all_differ(['●', '◐', '○', '‖', '▶']);
        all_differ(['·', '▶', '✓', '✗', '!']);
        all_differ(['·', '╌', '─', '━', '═', '●', '◆', '■', '▾', '▴', '╳', '◌', 'x', '≠', '…', '≈']);
        all_differ(['■', '□', '┃']);
        all_differ(['▸', '★', '●']);
    }

    #[test]
    fn braille_is_drawn_by_its_shape() {
        for (sign, expected) in [
            ('⠀', ' '),
            ('⠄', '.'),
            ('⢀', '.'),
            ('⡇', '|'),
            ('⢸', '|'),
            ('⠒', '-'),
            ('⣀', '-'),
            ('⠑', '\\'),
            ('⢣', '\\'),
            ('⡠', '/'),
            ('⠊', '/'),
            ('⣿', '+'),
            ('⠛', '+'),
        ] {
            assert_eq!(ascii(sign), expected, "{sign}");
        }
    }
}
