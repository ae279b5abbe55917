import type { Manifest } from "./packages.ts"

export interface Tree {
  /** Output of `git status --porcelain`. */
  readonly changes: string
  /** Names of the changesets that are not applied yet. */
  readonly changesets: ReadonlyArray<string>
  readonly packages: ReadonlyArray<Manifest>
}

/** The reasons not to publish this tree. */
export const refusals = ({ changes, changesets, packages }: Tree): ReadonlyArray<string> => {
  const unversioned = packages.filter(({ version }) => version.startsWith("0.0.")).map(({ name }) => name)
  return [
    ...(changes.trim() === "" ? [] : [`The tree has changes that are not committed:\n${changes.trimEnd()}`]),
    ...(changesets.length === 0 ? [] : [`These changesets are not applied: ${changesets.join(", ")}`]),
    ...(unversioned.length === 0 ? [] : [`These packages have no version of a release: ${unversioned.join(", ")}`])
  ]
}
