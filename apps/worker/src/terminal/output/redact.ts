/** Removes secrets from log text: known ones, values of variables that are named like secrets, and texts of their shape. */

const hidden = "<redacted>"

const secretName = /KEY|TOKEN|SECRET|PASSW|CREDENTIAL|AUTH(?!OR|_SOCK)|HEADERS/i
/** A shorter value could be a part of an ordinary word. */
const shortest = 8

const known = new Set<string>()

/** Keeps a secret of this process out of all later log lines. */
export const addSecret = (secret: string): void => {
  if (secret.length >= shortest) known.add(secret)
}

/** Values of variables that are named like secrets. */
export const secretsOf = (environment: Readonly<Record<string, string | undefined>>): ReadonlyArray<string> =>
  Object.entries(environment).flatMap(([name, value = ""]) =>
    secretName.test(name) && value.length >= shortest ? [value] : []
  )

const shapes: ReadonlyArray<readonly [pattern: RegExp, replacement: string]> = [
  [/\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}/g, hidden],
  [/\b(Bearer|Basic|Convex) [\w.~+/=:|-]{8,}/gi, `$1 ${hidden}`],
  [/\b([a-z][a-z\d+.-]*:\/\/)[^\s/@:]*:[^\s/@]+@/gi, `$1${hidden}@`],
  [/\b(?:sk|ghp|gho|ghs|github_pat|glpat|xox[abp])[-_][\w-]{8,}/g, hidden],
  [/\bAKIA[A-Z\d]{12,}/g, hidden],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[^]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, hidden],
  [/\b((?:api[_-]?key|access[_-]?token|token|secret|password)["']?\s*[=:]\s*["']?)[^\s"',}<]{6,}/gi, `$1${hidden}`]
]

/** The text without secrets. Longer secrets are replaced first, because one may contain another. */
export const redact = (text: string, secrets: Iterable<string>): string => {
  const plain = [...secrets]
    .toSorted((one, other) => other.length - one.length)
    .reduce((rest, secret) => rest.replaceAll(secret, hidden), text)
  return shapes.reduce((rest, [pattern, replacement]) => rest.replaceAll(pattern, replacement), plain)
}

let environment: ReadonlyArray<string> | undefined

/** The text without the secrets of this process. */
export const withoutSecrets = (text: string): string => {
  environment ??= secretsOf(process.env)
  return redact(text, [...known, ...environment])
}
