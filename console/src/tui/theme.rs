//! Every style of the console. Nothing else names a colour.

use ratatui::style::{Color, Modifier, Style};

/// Which signs a screen is drawn with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Glyphs {
    /// Those that say it best.
    Unicode,
    /// Those of ASCII alone.
    Ascii,
}

impl Glyphs {
    /// What `--ascii` asks for.
    pub(crate) fn from_flag(is_ascii: bool) -> Glyphs {
        if is_ascii { Glyphs::Ascii } else { Glyphs::Unicode }
    }
}

/// What things look like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Theme {
    /// Values.
    pub text: Style,
    /// Labels, units, what matters less.
    pub dim: Style,
    /// Rules, borders, empty cells.
    pub faint: Style,
    /// The names of panes.
    pub title: Style,
    /// The name of the one that is open, among others.
    pub open: Style,
    /// The program's name and what one's eye should find.
    pub accent: Style,
    /// The leader.
    pub leader: Style,
    /// As it should be.
    pub good: Style,
    /// Unusual.
    pub warn: Style,
    /// Broken, lost or guilty.
    pub bad: Style,
    /// Injected on purpose.
    pub attack: Style,
    /// Set by a key and not confirmed yet.
    pub pending: Style,
    /// Not known.
    pub unknown: Style,
    /// Laid over the selected row.
    pub selected: Style,
    /// A key in the hint line.
    pub key: Style,
    /// A slot's phases: empty, pre-prepared, prepared, committed, executed.
    pub phases: [Style; 5],
    /// A slot that was decided on the fast path.
    pub fast: Style,
    /// The bars of histograms and sparklines.
    pub bars: Style,
    /// The bars of the client's histogram.
    pub client: Style,
    /// The frame of what lies over the screen.
    pub overlay: Style,
    /// What the user is told, and that something did not work.
    pub toast: Style,
    pub toast_error: Style,
    /// The character at which a command goes wrong.
    pub mistake: Style,
    /// The character under the text cursor.
    pub cursor: Style,
}

impl Theme {
    /// For dark backgrounds, in the 256 colours that every terminal, multiplexer and remote shell has.
    pub(super) const DARK: Theme = Theme {
        text: fg(252),
        dim: fg(245),
        faint: fg(239),
        title: fg(110).add_modifier(Modifier::BOLD),
        open: fg(110).add_modifier(Modifier::BOLD.union(Modifier::UNDERLINED)),
        accent: fg(80).add_modifier(Modifier::BOLD),
        leader: fg(221).add_modifier(Modifier::BOLD),
        good: fg(114),
        warn: fg(221),
        bad: fg(203).add_modifier(Modifier::BOLD),
        attack: fg(213),
        pending: fg(213).add_modifier(Modifier::ITALIC),
        unknown: fg(241),
        selected: Style::new().bg(Color::Indexed(237)),
        key: fg(80),
        phases: [fg(239), fg(68), fg(75), fg(79), fg(23)],
        fast: fg(65),
        bars: fg(73),
        client: fg(179),
        overlay: fg(110),
        toast: fg(80).bg(Color::Indexed(237)).add_modifier(Modifier::BOLD),
        toast_error: fg(203).bg(Color::Indexed(237)).add_modifier(Modifier::BOLD),
        mistake: fg(203).add_modifier(Modifier::REVERSED),
        cursor: Style::new().add_modifier(Modifier::REVERSED),
    };

    /// Without colours: what matters is told by weight and glyphs.
    pub(super) const MONO: Theme = {
        let plain = Style::new();
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let dim = Style::new().add_modifier(Modifier::DIM);
        Theme {
            text: plain,
            dim,
            faint: dim,
            title: bold,
            open: bold.add_modifier(Modifier::REVERSED),
            accent: bold,
            leader: bold,
            good: plain,
            warn: bold,
            bad: bold.add_modifier(Modifier::UNDERLINED),
            attack: bold,
            pending: dim.add_modifier(Modifier::ITALIC),
            unknown: dim,
            selected: Style::new().add_modifier(Modifier::REVERSED),
            key: bold,
            phases: [dim, plain, plain, plain, dim],
            fast: dim,
            bars: plain,
            client: plain,
            overlay: bold,
            toast: Style::new().add_modifier(Modifier::REVERSED),
            toast_error: bold.add_modifier(Modifier::REVERSED.union(Modifier::UNDERLINED)),
            mistake: Style::new().add_modifier(Modifier::REVERSED),
            cursor: Style::new().add_modifier(Modifier::REVERSED),
        }
    };

    /// The theme that the environment asks for: `NO_COLOR`, if set and not empty, means no colour.
    pub(super) fn from_env() -> Theme {
        let is_mono = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if is_mono { Theme::MONO } else { Theme::DARK }
    }
}

const fn fg(index: u8) -> Style {
    Style::new().fg(Color::Indexed(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mono_has_no_colour() {
        let printed = format!("{:?}", Theme::MONO);
        assert!(!printed.contains(".fg(") && !printed.contains(".bg(") && !printed.contains("Indexed"), "{printed}");
    }
}
