// Counts words that this repository avoids in comments, markdown and strings, per 1,000 words of comments and markdown.
// Prints each place of a category that is over its ceiling (all places with --all) and fails then, except with --report.
// Arguments: files and folders to check instead of the whole repository.
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { parseArgs } from "node:util"

/** Category -> [ceiling per 1,000 words, pattern]. */
const categories = {
  "indefinite pronouns (name the role)": [0.3, /\b(?:no|some|any|every)body\b|\bwhoever\b/gi],
  "tell, told (send, report, sync)": [0.3, /\b(?:tell|tells|told|telling)\b/gi],
  "sentences that begin with What": [0.3, /\bWhat\b(?![^.!?]*\?)/g],
  "gives (returns)": [0.3, /\bgives\b/gi],
  "adverbs (see scripts/english.mjs)": [0.3, /\b(?:anew|beside|for\s+ever|any\s+more)\b/gi]
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { all: { type: "boolean" }, report: { type: "boolean" } }
})
const listing = ["ls-files", "--cached", "--others", "--exclude-standard", "--", ...positionals]
const files = execFileSync("git", listing, { encoding: "utf8" })
  .split("\n")
  .filter((file) => /\.(?:tsx?|mjs|js|md)$/.test(file) && !/_generated|scripts\/english\.mjs/.test(file))

const blank = (text) => text.replaceAll(/[^\n]/g, " ")

/** The text of a file with everything but prose blanked out, so that offsets stay those of the file. */
const prose = (file, text) => {
  if (file.endsWith(".md")) return { written: text.replaceAll(/```[\s\S]*?```|`[^`\n]*`/g, blank), quoted: "" }
  let [written, quoted, end] = ["", "", 0]
  for (const { 0: token, index } of text.matchAll(
    /\/\*[\s\S]*?\*\/|\/\/.*|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\[\s\S])*`/g
  )) {
    const before = blank(text.slice(end, index))
    const comment = token.startsWith("/")
    written += before + (comment ? token.replaceAll(/^[ ]*\*|\/\//gm, blank) : blank(token))
    quoted += before + (comment ? blank(token) : token)
    end = index + token.length
  }
  return { written, quoted }
}

let words = 0
const hits = Object.fromEntries(Object.keys(categories).map((category) => [category, []]))
for (const file of files) {
  const text = readFileSync(file, "utf8")
  const { written, quoted } = prose(file, text)
  words += written.match(/[\w'-]+/g)?.length ?? 0
  for (const [category, [, pattern]] of Object.entries(categories))
    for (const { index } of [...written.matchAll(pattern), ...quoted.matchAll(pattern)]) {
      const line = text.slice(0, index).split("\n").length
      hits[category].push(`${file}:${line}: ${text.split("\n")[line - 1].trim()}`)
    }
}

let failed = false
for (const [category, places] of Object.entries(hits)) {
  const rate = (1000 * places.length) / Math.max(words, 1)
  const over = rate > categories[category][0]
  failed ||= over
  if (values.all || (over && !values.report)) for (const place of places) console.error(place)
  console.log(`${over ? "over " : "under"} ${rate.toFixed(2)} per 1,000 words (${places.length}): ${category}`)
}
process.exitCode = failed && !values.report ? 1 : 0
