/** Empty projects outside of the workspace, with an empty home. */
import { mkdirSync, writeFileSync } from "node:fs"
import { delimiter, join } from "node:path"
import { run } from "./process.ts"

export interface Project {
  readonly folder: string
  readonly env: NodeJS.ProcessEnv
  readonly write: (file: string, content: string) => void
  readonly run: (program: string, ...args: ReadonlyArray<string>) => Promise<string>
}

export interface Place {
  /** Folder of all projects. */
  readonly folder: string
  readonly npmrc: string
  readonly registry: string
}

/** `path`: folders that come first in PATH. */
export const makeProject = (place: Place, name: string, path: ReadonlyArray<string> = []): Project => {
  const folder = join(place.folder, name)
  const home = join(place.folder, "home", name)
  for (const made of [folder, home]) mkdirSync(made, { recursive: true })
  const env = {
    PATH: [...path, process.env["PATH"] ?? ""].join(delimiter),
    HOME: home,
    TMPDIR: process.env["TMPDIR"],
    CI: "1",
    NO_COLOR: "1",
    NODE_NO_WARNINGS: "1",
    npm_config_userconfig: place.npmrc,
    npm_config_registry: place.registry,
    // For Deno.
    NPM_CONFIG_REGISTRY: place.registry,
    npm_config_cache: join(place.folder, "npm-cache"),
    npm_config_update_notifier: "false",
    npm_config_audit: "false",
    npm_config_fund: "false"
  }
  const project: Project = {
    folder,
    env,
    write: (file, content) => {
      mkdirSync(join(folder, file, ".."), { recursive: true })
      writeFileSync(join(folder, file), content)
    },
    run: (program, ...args) => run(program, args, { cwd: folder, env })
  }
  project.write("package.json", JSON.stringify({ name, private: true, type: "module" }))
  return project
}
