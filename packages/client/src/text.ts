/**
 * Makes foreign text safe to show: text from the model, tools, files, questions, titles, providers and the command line.
 * Pure and without dependencies: terminals and pages use it.
 *
 * - Control characters, line and paragraph separators, bidirectional controls and other invisible characters become
 *   visible symbols: `␛` for C0 and DEL, `<U+202E>` for the others. `\n` and `\t` stay; `\r\n` is one line break.
 * - Invisible characters stay where a script or an emoji needs them: a zero-width joiner between two emoji, a (non-)joiner
 *   between letters of scripts that join, a variation selector after its base, the tags of a flag.
 * - Invariant: no result contains an invisible character, or a character that moves the cursor, except `\n` and `\t`.
 *   Cleaning is idempotent.
 */

/** Flags such as that of Scotland, `\r\n`, and each character that could be invisible or control the terminal. */
const suspicious =
  /\u{1F3F4}[\u{E0030}-\u{E0039}\u{E0061}-\u{E007A}]{3,6}\u{E007F}|\r\n|[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\uFFF9-\uFFFB]/gu

const emojiBefore = /\p{Extended_Pictographic}(?:\uFE0F|\p{Emoji_Modifier})?$/u
/** A letter: the selectors are Mongolian, too, and a row of them would hide data. */
const mongolianBefore = /(?=\p{L})\p{Script=Mongolian}$/u
const emojiAfter = /^\p{Extended_Pictographic}/u
/** Visible letters and marks of scripts in which a joiner or non-joiner changes the spelling of a word. */
const joining =
  "[[[\\p{L}\\p{M}]--\\p{Default_Ignorable_Code_Point}]&&[\\p{scx=Arab}\\p{scx=Syrc}\\p{scx=Mong}\\p{scx=Deva}\\p{scx=Beng}\\p{scx=Guru}\\p{scx=Gujr}\\p{scx=Orya}\\p{scx=Taml}\\p{scx=Telu}\\p{scx=Knda}\\p{scx=Mlym}\\p{scx=Sinh}\\p{scx=Khmr}\\p{scx=Mymr}\\p{scx=Tibt}]]"
/** Compiled at the first use, because few texts need them and compiling takes some milliseconds. */
let joins: { readonly before: RegExp; readonly after: RegExp } | undefined
const isJoining = (before: string, after: string): boolean => {
  joins ??= {
    // A Mongolian letter may have a variation selector.
    before: new RegExp(`(?:${joining}|(?=\\p{L})\\p{Script=Mongolian}[\\u180B-\\u180D\\u180F])$`, "v"),
    after: new RegExp(`^${joining}`, "v")
  }
  return joins.before.test(before) && joins.after.test(after)
}

/** The longest context of the rules, an emoji and its modifier, in UTF-16 code units. */
const contextLength = 4

const symbol = (character: string): string => {
  const code = character.codePointAt(0) ?? 0
  if (code < 0x20) return String.fromCodePoint(0x2400 + code)
  return code === 0x7f ? "␡" : `<U+${code.toString(16).toUpperCase().padStart(4, "0")}>`
}

const isWanted = (character: string, before: string, after: string): boolean => {
  const code = character.codePointAt(0) ?? 0
  if (code === 0x200d && emojiBefore.test(before) && emojiAfter.test(after)) return true
  if (code === 0x200c || code === 0x200d) return isJoining(before, after)
  if (code === 0xfe0e || code === 0xfe0f) return /\p{Emoji}$/u.test(before)
  if (code >= 0xe0100 && code <= 0xe01ef) return /\p{Script=Han}$/u.test(before)
  return ((code >= 0x180b && code <= 0x180d) || code === 0x180f) && mongolianBefore.test(before)
}

/** The text in its safe form. `before`: the text before it that is already shown, if it arrives in pieces. */
export const cleanText = (text: string, before = ""): string => {
  const context = before.slice(-contextLength)
  const whole = context + text
  return text.replaceAll(suspicious, (found, offset: number) => {
    if (found === "\n" || found === "\t") return found
    if (found === "\r\n") return "\n"
    if (found.startsWith("\u{1F3F4}")) return found
    const at = context.length + offset
    const end = at + found.length
    const wanted = isWanted(found, whole.slice(Math.max(0, at - contextLength), at), whole.slice(end, end + 2))
    return wanted ? found : symbol(found)
  })
}

/** The same on one line, for titles, names and paths, which must not start a new line. */
export const cleanLine = (text: string): string => cleanText(text).replaceAll("\n", "␊").replaceAll("\t", "␉")

/** A high surrogate, a joiner, a carriage return, or the start of a flag. The next character decides how it is shown. */
const undecided =
  /(?:[\u200C\u200D]?[\uD800-\uDBFF]|[\u200C\u200D]|\r|[\u200C\u200D]?\u{1F3F4}[\u{E0030}-\u{E0039}\u{E0061}-\u{E007A}]*[\uD800-\uDBFF]?)$/u

/** Splits text that arrives in pieces: the part that can be cleaned now, and the part that must wait for the next piece. */
export const splitDecided = (text: string): readonly [decided: string, undecided: string] => {
  const found = undecided.exec(text)
  return found === null ? [text, ""] : [text.slice(0, found.index), text.slice(found.index)]
}
