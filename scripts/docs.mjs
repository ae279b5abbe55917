// Checks the documentation: links to files and headings of this repository, paths, the syntax of TypeScript blocks, and the scripts
// that documents and workflows run with pnpm. It does not use the network, and does not run the blocks.
import { execFileSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { stripTypeScriptTypes } from "node:module"
import { dirname, join } from "node:path"

const listed = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { encoding: "utf8" })
const documents = listed
  .split("\n")
  .filter((file) => file.endsWith(".md") && !/^\.changeset|CHANGELOG/.test(file) && existsSync(file))
const workflows = listed.split("\n").filter((file) => file.startsWith(".github/workflows/"))
const { scripts } = JSON.parse(readFileSync("package.json", "utf8"))
const builtin = new Set(["install", "exec", "run", "add", "pack", "publish"])
const ownPage = "https://github.com/opencode-worker/opencode-worker/"
const problems = []

const blank = (text) => text.replaceAll(/[^\n]/g, " ")

/** The anchors of a document's headings, as GitHub creates them. */
const anchorsOf = (text) => {
  const seen = new Map()
  return new Set(
    [...text.replaceAll(/^```[^]*?^```/gm, blank).matchAll(/^#+ +(.*)$/gm)].map(([, heading]) => {
      const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").replaceAll(/[`*]/g, "")
      const slug = plain
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
        .trim()
        .replaceAll(" ", "-")
      const count = seen.get(slug) ?? 0
      seen.set(slug, count + 1)
      return count === 0 ? slug : `${slug}-${count}`
    })
  )
}

const checkLink = (file, link) => {
  const own = link.startsWith(ownPage) ? /^(?:blob|tree)\/main\/(.*)$/.exec(link.slice(ownPage.length))?.[1] : undefined
  if (/^\w+:/.test(link) && own === undefined) return undefined
  const [path, anchor] = (own ?? link).split("#")
  const target = path === "" ? file : own === undefined ? join(dirname(file), path) : path
  if (/^(?:packages\/[\w-]+|apps\/worker)\/README\.md$/.test(file) && link.startsWith(".."))
    return `links to ${link}, which is not in the package: use an absolute address`
  if (!existsSync(target)) return `links to ${link}, which does not exist`
  if (anchor === undefined || !target.endsWith(".md") || anchorsOf(readFileSync(target, "utf8")).has(anchor))
    return undefined
  return `links to ${link}, and ${target} has no such heading`
}

const checkScript = (text) => {
  const [, name] = /^(?:npx --yes )?pnpm(?:@[\d.]+)? (?:run )?([a-z][\w:-]*)/.exec(text.trim()) ?? []
  return name === undefined || builtin.has(name) || name in scripts
    ? undefined
    : `runs \`pnpm ${name}\`, which is not a script`
}

const checkTypeScript = (code) => {
  try {
    stripTypeScriptTypes(code)
  } catch (error) {
    return `has TypeScript that does not parse: ${error.message.split("\n")[0]}`
  }
}

const report = (file, text, index, problem) => {
  if (problem !== undefined) problems.push(`${file}:${text.slice(0, index).split("\n").length} ${problem}`)
}

for (const file of documents) {
  const text = readFileSync(file, "utf8")
  for (const { 1: language, 2: code, index } of text.matchAll(/^```(\w*)\n([^]*?)^```$/gm)) {
    if (language === "ts") report(file, text, index, checkTypeScript(code))
    // Scripts of a package are run in its folder.
    if (language === "sh" && !/^(?:apps|packages)\//.test(file))
      for (const line of code.split("\n")) report(file, text, index, checkScript(line))
  }
  const prose = text.replaceAll(/^```[^]*?^```$/gm, blank).replaceAll(/`[^`\n]*`/g, blank)
  // Decisions describe the repository of their day.
  if (!file.startsWith("docs/decisions/"))
    for (const { 1: path, index } of text.matchAll(/`((?:apps|docs|packages|scripts)\/[\w./-]+)`/g))
      if (!existsSync(path) && !path.includes("NNN")) report(file, text, index, `names ${path}, which does not exist`)
  for (const { 1: link, index } of prose.matchAll(/\]\(([^()\s]+)\)/g)) report(file, text, index, checkLink(file, link))
}
for (const file of workflows) {
  const text = readFileSync(file, "utf8")
  for (const { 1: command, index } of text.matchAll(/: (npx --yes pnpm@[^\n$]+)/g))
    report(file, text, index, checkScript(command))
}

for (const problem of problems) console.error(problem)
process.exitCode = problems.length > 0 ? 1 : 0
