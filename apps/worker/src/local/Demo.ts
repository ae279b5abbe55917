/**
 * The parts of the offline demo: a scripted model, a sample project, and an OpenCode home separate from the user's.
 */
import { demoScript, OpenCodeHome, ScriptedProvider } from "@opencode-worker/testkit"
import { Effect } from "effect"
import { configError } from "../AppError.ts"

const files = {
  "README.md": "# Tea timer\n\nA sample project of opencode-worker's offline demo. Change it as you like.\n",
  "src/timer.js":
    'const minutes = { green: 2, black: 4, herbal: 6 }\n\nexport const steep = (tea) => minutes[tea] ?? 3\n\nconsole.log(`green tea: ${steep("green")} minutes`)\n',
  "package.json":
    '{ "name": "tea-timer", "private": true, "type": "module", "scripts": { "start": "node src/timer.js" } }\n'
}

/** Starts the model and prepares the home. The project is created once and not changed afterwards. */
export const demoHome = Effect.fnUntraced(
  function* (root: string) {
    const provider = yield* ScriptedProvider.make(demoScript)
    return yield* OpenCodeHome.at(root, { files, config: provider.config })
  },
  Effect.mapError((error) => configError(`The offline demo cannot be prepared: ${error.message}`))
)
