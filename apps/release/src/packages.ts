import { globSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"

export interface Manifest {
  readonly name: string
  readonly version: string
  readonly private?: boolean
  readonly exports?: Readonly<Record<string, unknown>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>
}

export interface Package {
  readonly folder: string
  readonly manifest: Manifest
}

/** The package that contains all others in its bundles. */
export const command = "opencode-worker"

/** The packages of the workspace `root` that are published, in the order of their folders. */
export const publishedPackages = (root: string): ReadonlyArray<Package> =>
  globSync("{packages,apps}/*/package.json", { cwd: root })
    .toSorted()
    .map((file): Package => {
      const path = join(root, file)
      return { folder: dirname(path), manifest: JSON.parse(readFileSync(path, "utf8")) }
    })
    .filter(({ manifest }) => manifest.private !== true)
