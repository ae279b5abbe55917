/** Keeps secrets out of what people read: errors and logs. */
import * as Redacted from "effect/Redacted"

const secretName = /KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL|AUTH/i

/** A line of the server's output without our password and without the values of variables that are named like secrets. */
export const redact = (
  line: string,
  password: Redacted.Redacted,
  environment: Readonly<Record<string, string>>
): string => {
  const secrets = Object.entries(environment)
    .filter(([name, value]) => secretName.test(name) && value.length >= 4)
    .map(([, value]) => value)
  return [Redacted.value(password), ...secrets].reduce((text, secret) => text.replaceAll(secret, "<redacted>"), line)
}

/** OpenCode quotes a configuration that it cannot read between these, and then each wrong line once more. */
const quoteStart = "--- JSONC Input ---"
const quoteEnd = "--- End ---"
const quote = new RegExp(String.raw`\s*${quoteStart}[^]*?(?:${quoteEnd}|$)`, "g")
/** The kind of an error and its position, without text of the configuration. */
const place = /[A-Z][A-Za-z]+ at line \d+, column \d+/g
/** The value that OpenCode has found where it wants another one. */
const found = /(Expected [^,\n]*), got .*/g

/** Output of OpenCode without the configuration that it quotes, which may contain keys. */
export const withoutQuotes = (text: string): string =>
  text
    .replace(
      quote,
      (quoted) => ` ${(quoted.slice(quoted.lastIndexOf("--- Errors ---")).match(place) ?? []).join("; ")}`
    )
    .replace(found, "$1")

/** As `withoutQuotes`, for text that comes line by line: undefined for a line that is left out. */
export const quoteFilter = () => {
  let quoting = false
  return (line: string): string | undefined => {
    if (quoting) {
      quoting = !line.includes(quoteEnd)
      return /^[A-Z][A-Za-z]+ at line \d+, column \d+$/.exec(line)?.[0]
    }
    quoting = line.lastIndexOf(quoteStart) > line.lastIndexOf(quoteEnd)
    const text = withoutQuotes(line)
    return quoting && text.trim() === "" ? undefined : text
  }
}
