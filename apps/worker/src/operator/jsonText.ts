/** JSON for standard output, which may be a terminal: one line, without control characters and bidirectional controls. */
import { type ScreenText, screen } from "../terminal/output/ScreenText.ts"

// JSON escapes the other control characters itself.
const unsafe = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

const escape = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`

export const jsonText = (value: unknown): ScreenText => screen`${JSON.stringify(value).replace(unsafe, escape)}`
