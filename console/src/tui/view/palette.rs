//! The command line, over the last two lines of the screen.

use super::super::model::Model;
use super::super::palette::{Line, WORDS, attack_usage};
use super::super::presets::Preset;
use super::super::text::cut;
use super::super::ui::Ui;
use super::canvas::Canvas;

pub(super) fn draw(model: &Model, ui: &Ui, line: &Line, mut canvas: Canvas) {
    let theme = &ui.theme;
    let y = canvas.height().saturating_sub(2);
    let width = canvas.width();
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
            let completions = line.completions(model.committee);
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
            for completion in completions {
                if x + completion.chars().count() >= width {
                    break;
                }
                x = part.put(x, 1, &completion, theme.text) + 2;
            }
        }
    }
}
