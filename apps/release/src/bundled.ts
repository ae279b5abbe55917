import { command, type Manifest } from "./packages.ts"

const versions = (manifests: ReadonlyArray<Manifest>) => new Map(manifests.map(({ name, version }) => [name, version]))

/**
 * The changeset that releases the command after `changeset version` has changed libraries that the command bundles, and not
 * the command itself. They are its devDependencies, which changesets does not follow. `undefined` if nothing is missing.
 */
export const commandChangeset = (
  before: ReadonlyArray<Manifest>,
  after: ReadonlyArray<Manifest>
): string | undefined => {
  const [old, current] = [versions(before), versions(after)]
  if (old.get(command) !== current.get(command)) return undefined
  const bundled = Object.keys(after.find(({ name }) => name === command)?.devDependencies ?? {})
  const changed = bundled.filter((name) => old.get(name) !== current.get(name)).toSorted()
  if (changed.length === 0) return undefined
  const list = changed.map((name) => `${name} ${current.get(name)}`).join(", ")
  return `---\n"${command}": patch\n---\n\nContains ${list}; their changelogs describe the changes.\n`
}
