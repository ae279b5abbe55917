#!/usr/bin/env node
/** `npx @opencode-worker/convex-backend add [folder]`: the functions and tables inside of an app's Convex folder. */
import { join } from "node:path"
import { add } from "./add.ts"
import { functionModules } from "./modules.ts"

const usage = `usage: npx @opencode-worker/convex-backend add [folder]

Adds the functions and tables of opencode-worker to the Convex folder of your app (default: convex). Run it again after an
update of the package. It changes no file of yours: it prints the lines that yours need.`

const [command, folder = "convex", ...rest] = process.argv.slice(2)
if (command !== "add" || rest.length > 0 || folder.startsWith("-")) {
  const help = command === "--help" || folder === "--help"
  console[help ? "log" : "error"](usage)
  process.exit(help ? 0 : 64)
}

const { missing, removed, taken, written } = add(folder, await functionModules(join(import.meta.dirname, "../convex")))
if (taken.length > 0) {
  console.error(`These modules of your app have names that the functions need: ${taken.join(", ")} (in ${folder}).
Rename them, or deploy the functions as a deployment of their own. Nothing was written.`)
  process.exit(1)
}
console.log(`Wrote ${written.length} files to ${folder}.`)
if (removed.length > 0) console.log(`Removed ${removed.join(", ")}, which the functions no longer have.`)
for (const { file, lines } of missing) console.log(`\nAdd to ${join(folder, file)}:\n\n${lines}`)
