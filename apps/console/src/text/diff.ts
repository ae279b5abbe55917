/** Lines of a unified diff. Pure. */
export type DiffKind = "a" | "d" | "h" | ""

export interface DiffLine {
  readonly kind: DiffKind
  readonly text: string
}

const kindOf = (line: string): DiffKind => {
  if (/^(?:diff |index |--- |\+\+\+ |@@|Index: |={20})/.test(line)) return "h"
  if (line.startsWith("+")) return "a"
  return line.startsWith("-") ? "d" : ""
}

export const diffLines = (patch: string): ReadonlyArray<DiffLine> =>
  patch
    .replace(/\n$/, "")
    .split("\n")
    .map((text) => ({ kind: kindOf(text), text }))

/** The lines without those before the first change that only repeat the name of the file. All others stay. */
export const withoutName = (lines: ReadonlyArray<DiffLine>, file: string): ReadonlyArray<DiffLine> => {
  const first = lines.findIndex(({ text }) => text.startsWith("@@"))
  const names = new Set([file, `a/${file}`, `b/${file}`, "/dev/null"].flatMap((name) => [`--- ${name}`, `+++ ${name}`]))
  const isName = ({ text }: DiffLine) =>
    text === `Index: ${file}` ||
    text === `diff --git a/${file} b/${file}` ||
    /^={20,}$/.test(text) ||
    /^index [0-9a-f]+\.\.[0-9a-f]+(?: \d+)?$/.test(text) ||
    names.has(text.replace(/\t.*$/, ""))
  return lines.filter((line, index) => index >= first || !isName(line))
}

export interface FileDiff {
  readonly file: string
  readonly patch: string
}

/** The diff of each file in a patch of several. */
export const fileDiffs = (patch: string): ReadonlyArray<FileDiff> => {
  const starts = [...patch.matchAll(/^(?:diff --git .*|Index: .*)$/gm)].map(({ index }) => index)
  const cuts = starts.length > 0 ? starts : [...patch.matchAll(/^--- .*\n\+\+\+ /gm)].map(({ index }) => index)
  return cuts.map((from, at) => {
    const text = patch.slice(from, cuts[at + 1])
    const named = /^\+\+\+ (?:b\/)?([^\t\n]+)/m.exec(text)?.[1]
    const removed = /^--- (?:a\/)?([^\t\n]+)/m.exec(text)?.[1]
    const given = /^(?:Index: (.+)|diff --git a\/.* b\/(.+))$/m.exec(text)
    const file = named === undefined || named === "/dev/null" ? removed : named
    return { file: file ?? given?.[1] ?? given?.[2] ?? "", patch: text }
  })
}

/** Lines in groups of a fixed size. The browser draws only the groups in view. */
export const grouped = <A>(lines: ReadonlyArray<A>, size: number): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(lines.length / size) }, (_, index) => lines.slice(index * size, (index + 1) * size))

/** The diff of each file, if the patch has nothing else. Null: show it as it is. */
export const wholeFileDiffs = (patch: string): ReadonlyArray<FileDiff> | null => {
  const diffs = fileDiffs(patch)
  const isWhole = diffs.every(({ file }) => file !== "") && diffs.map((each) => each.patch).join("") === patch
  return isWhole && diffs.length > 0 ? diffs : null
}
