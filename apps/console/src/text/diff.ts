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

/** The lines from the first change on: without those that only name the files. */
export const changedLines = (lines: ReadonlyArray<DiffLine>): ReadonlyArray<DiffLine> => {
  const first = lines.findIndex(({ text }) => text.startsWith("@@"))
  return first === -1 ? lines : lines.slice(first)
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
