//! The command line, over the last two lines of the screen, and above it what the word may become.

use super::super::model::Model;
use super::super::palette::{Completion, Line, WORDS, attack_usage};
use super::super::presets::Preset;
use super::super::text::cut;
use super::super::theme::Theme;
use super::super::ui::Ui;
use super::canvas::Canvas;

pub(super) fn draw(model: &Model, ui: &Ui, line: &Line, mut canvas: Canvas) {
    let theme = &ui.theme;
    let y = canvas.height().saturating_sub(2);
    let width = canvas.width();
    let completions = line.completions(model.committee);
    let is_listed = line.mistake.is_none() && completions.iter().any(|completion| !completion.help.is_empty());
    if is_listed {
        list(&completions, theme, canvas.part(0, 0, width, y));
    }
    let mut part = canvas.part(0, y, width, 2);
    part.clear();
    // A line longer than the screen shows its end.
    let length = line.text.chars().count();
    let hidden = (length + 3).saturating_sub(width);
    let visible: String = line.text.chars().skip(hidden).collect();
    let x = part.put(0, 0, ":", theme.key);
    let after = part.put(x, 0, &visible, theme.text);
    part.put(after, 0, " ", theme.cursor);
    match &line.mistake {
        Some(mistake) => {
            let caret = mistake.column.saturating_sub(hidden).min(width.saturating_sub(1));
            let message = cut(&mistake.message, width.saturating_sub(3));
            let fits_after = caret + 2 + message.chars().count() < width;
            part.put(caret, 1, "^", theme.bad);
            let wrong = visible.chars().nth(caret.saturating_sub(1)).unwrap_or(' ');
            part.put_char(caret, 0, wrong, theme.mistake);
            if fits_after {
                part.put(caret + 2, 1, &message, theme.bad);
            } else if message.chars().count() + 1 < caret {
                part.put_right(caret - 1, 1, &message, theme.bad);
            } else {
                part.put(1, 1, &message, theme.bad);
            }
        }
        None => {
            let word = line.text.split_whitespace().next();
            let words = line.text.split([' ', '(', ',', ';']);
            let attack = words.rev().find_map(attack_usage).filter(|_| word == Some("attack"));
            let command = WORDS.iter().find(|known| Some(known.name) == word);
            let command = command.map(|command| (command.usage.to_string(), command.help));
            let preset = line.text.trim().strip_prefix("preset ").and_then(|name| Preset::named(name.trim()));
            let preset = preset.map(|preset| (preset.text(model), preset.help));
            let attack = attack.map(|usage| (usage.form.to_string(), usage.description));
            let mut x = 1;
            if let Some((usage, help)) = preset.or(attack).or(command) {
                x = part.put(x, 1, &usage, theme.key) + 2;
                x = part.put(x, 1, help, theme.dim) + 3;
            }
            for completion in completions.iter().filter(|_| !is_listed) {
                if x + completion.text.chars().count() >= width {
                    break;
                }
                x = part.put(x, 1, &completion.text, theme.text) + 2;
            }
        }
    }
}

/// What the word may become and what each is, as many as have room in the lower half of the screen.
fn list(completions: &[Completion], theme: &Theme, mut canvas: Canvas) {
    let (width, height) = (canvas.width(), canvas.height());
    let rows = completions.len().min((height / 2).saturating_sub(1));
    let mut part = canvas.part(0, height.saturating_sub(rows + 1), width, rows + 1);
    part.clear();
    let more = match completions.len() - rows {
        0 => String::new(),
        more => format!("{more} more, type to narrow them down; "),
    };
    part.rule(0, &format!("{more}Tab completes"), theme.dim, theme.faint);
    let longest = completions.iter().map(|completion| completion.text.chars().count()).max().unwrap_or(0);
    for (y, completion) in completions.iter().take(rows).enumerate() {
        part.put(1, y + 1, &completion.text, theme.key);
        part.put(longest + 3, y + 1, &cut(completion.help, width.saturating_sub(longest + 4)), theme.dim);
    }
}
