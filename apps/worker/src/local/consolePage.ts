/** The built web console. */
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import type { AssetOptions } from "@opencode-worker/convex-embedded"

/** The same from this file and from a bundle: `src/local` and `dist/bin` are two folders below the package. */
const folder = fileURLToPath(new URL("../../dist/console", import.meta.url))

/** Undefined before the first build. */
export const consolePage: AssetOptions | undefined = existsSync(folder)
  ? { files: folder, fallback: "/index.html", immutable: "/assets/", trustedTypes: ["opencode-worker"] }
  : undefined
