/** The built web console. */
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import type { AssetOptions } from "@opencode-worker/convex-embedded"

/** Next to the folder of the bundle. The sources have no built page. */
const folder = fileURLToPath(new URL("../console", import.meta.url))

/** Undefined without a built page. */
export const consolePage: AssetOptions | undefined = existsSync(folder)
  ? { files: folder, fallback: "/index.html", immutable: "/assets/" }
  : undefined
