//! The screen as a file: text, and SVG that looks as the terminal does.

use std::fmt::Write as _;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

use super::model::Model;
use super::ui::Ui;
use super::view::view;

/// The size of a cell, in SVG units.
const CELL: (f32, f32) = (8.4, 18.0);
const FONT_SIZE: u32 = 14;

/// What a terminal shows where nothing says otherwise.
const PAPER: &str = "#121218";
const INK: &str = "#d0d0d0";

/// The screen of so many columns and rows, as it would be drawn now.
pub(super) fn screen(model: &Model, ui: &Ui, columns: u16, rows: u16) -> Buffer {
    let backend = TestBackend::new(columns.max(1), rows.max(1));
    let Ok(mut terminal) = Terminal::new(backend);
    let Ok(_) = terminal.draw(|frame| {
        view(model, ui, frame);
    });
    terminal.backend().buffer().clone()
}

/// The characters, line by line.
pub(super) fn text(screen: &Buffer) -> String {
    let line = |y| {
        let cells: String = (0..screen.area.width).map(|x| screen[(x, y)].symbol()).collect();
        cells.trim_end().to_string() + "\n"
    };
    (0..screen.area.height).map(line).collect()
}

/// Characters and colours.
pub(super) fn svg(screen: &Buffer) -> String {
    let (width, height) = (f32::from(screen.area.width) * CELL.0, f32::from(screen.area.height) * CELL.1);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"DejaVu Sans Mono, \
         Menlo, Consolas, monospace\" font-size=\"{FONT_SIZE}\">\n<rect width=\"100%\" height=\"100%\" fill=\"{PAPER}\"/>\n"
    );
    for y in 0..screen.area.height {
        let mut x = 0;
        while x < screen.area.width {
            // Neighbours that look alike are one piece.
            let look = Look::of(&screen[(x, y)]);
            let alike = (x..screen.area.width).take_while(|other| Look::of(&screen[(*other, y)]) == look);
            let length = alike.count().max(1) as u16;
            let symbols: String = (x..x + length).map(|x| screen[(x, y)].symbol()).collect();
            look.write(&mut svg, x, y, length, &symbols);
            x += length;
        }
    }
    svg + "</svg>\n"
}

/// What cells that look alike have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Look {
    ink: Color,
    paper: Color,
    modifier: Modifier,
}

impl Look {
    fn of(cell: &Cell) -> Look {
        let (ink, paper) = if cell.modifier.contains(Modifier::REVERSED) {
            let solid = |colour, instead| if colour == Color::Reset { instead } else { colour };
            (solid(cell.bg, Color::Black), solid(cell.fg, Color::Gray))
        } else {
            (cell.fg, cell.bg)
        };
        Look { ink, paper, modifier: cell.modifier }
    }

    fn write(self, svg: &mut String, x: u16, y: u16, length: u16, symbols: &str) {
        let (left, top) = (f32::from(x) * CELL.0, f32::from(y) * CELL.1);
        let width = f32::from(length) * CELL.0;
        if self.paper != Color::Reset {
            let fill = css(self.paper, PAPER);
            let _infallible = writeln!(
                svg,
                "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"{fill}\"/>",
                CELL.1
            );
        }
        if symbols.trim().is_empty() {
            return;
        }
        let weight = if self.modifier.contains(Modifier::BOLD) { " font-weight=\"bold\"" } else { "" };
        let slant = if self.modifier.contains(Modifier::ITALIC) { " font-style=\"italic\"" } else { "" };
        let faint = if self.modifier.contains(Modifier::DIM) { " opacity=\"0.6\"" } else { "" };
        let escaped = symbols.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let _infallible = writeln!(
            svg,
            "<text x=\"{left:.1}\" y=\"{:.1}\" fill=\"{}\" textLength=\"{width:.1}\" xml:space=\"preserve\"{weight}{slant}{faint}>\
             {escaped}</text>",
            top + CELL.1 * 0.75,
            css(self.ink, INK)
        );
    }
}

/// A colour as CSS has it; of the 256 indexed ones the cube and the greys are computed, the first sixteen named.
fn css(colour: Color, instead: &str) -> String {
    const FIRST: [&str; 16] = [
        "#000000", "#cd0000", "#00cd00", "#cdcd00", "#0000ee", "#cd00cd", "#00cdcd", "#e5e5e5", "#7f7f7f", "#ff0000",
        "#00ff00", "#ffff00", "#5c5cff", "#ff00ff", "#00ffff", "#ffffff",
    ];
    match colour {
        Color::Indexed(index @ 0..16) => FIRST[usize::from(index)].to_string(),
        Color::Indexed(index @ 16..232) => {
            let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
            let cube = index - 16;
            format!("#{:02x}{:02x}{:02x}", level(cube / 36), level(cube / 6 % 6), level(cube % 6))
        }
        Color::Indexed(index) => {
            let grey = 8 + 10 * (index - 232);
            format!("#{grey:02x}{grey:02x}{grey:02x}")
        }
        Color::Black => PAPER.to_string(),
        Color::Gray => INK.to_string(),
        Color::Rgb(r, g, b) => format!("#{r:02x}{g:02x}{b:02x}"),
        _ => instead.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use ratatui::style::Style;

    use super::*;

    #[test]
    fn pieces_that_look_alike_are_one_and_signs_are_escaped() {
        let mut screen = Buffer::empty(ratatui::layout::Rect::new(0, 0, 6, 2));
        screen.set_string(0, 0, "a<b", Style::new().fg(Color::Indexed(203)).add_modifier(Modifier::BOLD));
        screen.set_string(3, 0, "&", Style::new().add_modifier(Modifier::REVERSED));
        let svg = svg(&screen);
        assert_eq!(svg.matches("<text").count(), 2, "{svg}");
        assert!(
            svg.contains("fill=\"#ff5f5f\"") && svg.contains("font-weight=\"bold\"") && svg.contains(">a&lt;b</text>")
        );
        assert!(svg.contains(&format!("fill=\"{INK}\"/>")) && svg.contains(">&amp;</text>"), "{svg}");
        assert_eq!(text(&screen), "a<b&\n\n");
    }

    #[test]
    fn greys_and_cube_are_those_of_terminals() {
        assert_eq!(css(Color::Indexed(232), ""), "#080808");
        assert_eq!(css(Color::Indexed(255), ""), "#eeeeee");
        assert_eq!(css(Color::Indexed(16), ""), "#000000");
        assert_eq!(css(Color::Indexed(231), ""), "#ffffff");
        assert_eq!(css(Color::Reset, INK), INK);
    }
}
