/** Functions folders that a test writes itself. */
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { FUNCTIONS, temporaryFolder } from "./deployment.ts"

/** A `convex/` folder of these files, in a project that has the packages of this one. */
export const project = (files: Record<string, string>): string => {
  const folder = temporaryFolder()
  symlinkSync(join(import.meta.dirname, "../node_modules"), join(folder, "node_modules"))
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(folder, "convex", path, ".."), { recursive: true })
    writeFileSync(join(folder, "convex", path), text)
  }
  cpSync(join(FUNCTIONS, "_generated"), join(folder, "convex/_generated"), { recursive: true })
  return join(folder, "convex")
}
