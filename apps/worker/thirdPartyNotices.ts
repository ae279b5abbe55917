/**
 * An esbuild plugin that writes the licences of the packages whose code is in the bundles: their terms require it. Several
 * builds may share it; the file then lists the packages of all of them.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import type { Options } from "tsup"

type Plugin = NonNullable<Options["esbuildPlugins"]>[number]

interface Manifest {
  readonly name: string
  readonly version: string
  readonly license?: string
}

const mitTerms = (name: string) =>
  readFileSync(join(import.meta.dirname, "../../LICENSE"), "utf8")
    .trim()
    .replace(/^Copyright .*$/m, `Copyright (c) the authors of ${name}`)

/** The folder of the package that a bundled file belongs to: `…/node_modules/name` or `…/node_modules/@scope/name`. */
const packageFolder = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/

const notice = (folder: string): string => {
  const manifest: Manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))
  const { license, name, version } = manifest
  const files = readdirSync(folder).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file))
  if (license === undefined || (files.length === 0 && license !== "MIT")) {
    throw new Error(`${name} ${version} is bundled and has no licence text: bundle another version or leave it out`)
  }
  // Some packages declare MIT and ship no file. The terms are then those of our own licence, by other authors.
  if (files.length === 0) return `${name} ${version} (MIT)\n\n${mitTerms(name)}`
  const texts = files.toSorted().map((file) => readFileSync(join(folder, file), "utf8").trim())
  return [`${name} ${version} (${license})`, ...texts].join("\n\n")
}

/** Writes the notices to `path` at the end of each build. A package without a licence text fails the build. */
export const thirdPartyNotices = (path: string): Plugin => {
  const folders = new Set<string>()
  return {
    name: "third-party-notices",
    setup: (build) => {
      build.initialOptions.metafile = true
      build.onEnd(({ metafile }) => {
        for (const { inputs } of Object.values(metafile?.outputs ?? {})) {
          for (const [file, { bytesInOutput }] of Object.entries(inputs)) {
            const folder = packageFolder.exec(resolve(file))?.[0]
            if (folder !== undefined && bytesInOutput > 0) folders.add(folder)
          }
        }
        const notices = [...new Set([...folders].map(notice))].toSorted()
        mkdirSync(dirname(path), { recursive: true })
        writeFileSync(path, `${notices.join(`\n\n${"-".repeat(80)}\n\n`)}\n`)
      })
    }
  }
}
