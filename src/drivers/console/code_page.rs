//! Code page 437: the character set in the font of every PC text screen.

/// Shown for a character that the screen does not have.
const UNKNOWN: u8 = b'?';

/// Characters 0x80 to 0xff in order; 0x00 to 0x7f are taken as ASCII.
pub(super) const UPPER_HALF: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// The code of a character, or [`UNKNOWN`]. Control characters have no code of their own.
pub(super) fn encode(character: char) -> u8 {
    if matches!(character, ' '..='~') {
        return character as u8;
    }
    let position = UPPER_HALF.chars().position(|upper| upper == character);
    position.and_then(|position| u8::try_from(0x80 + position).ok()).unwrap_or(UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upper_half_is_complete_and_well_known_codes_fit() {
        assert_eq!(UPPER_HALF.chars().count(), 128);
        assert_eq!(['é', '█', 'ß', '²', '\u{a0}', 'A', '~'].map(encode), [0x82, 0xdb, 0xe1, 0xfd, 0xff, 0x41, 0x7e]);
        assert_eq!(['\u{1b}', '\u{7f}', '漢'].map(encode), [UNKNOWN; 3]);
    }
}
