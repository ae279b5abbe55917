/**
 * The command tree.
 *
 * @since 0.1.0
 */
import { Command } from "effect/cli"
import manifest from "../package.json" with { type: "json" }
import { dev } from "./commands/dev.ts"
import { approve } from "./commands/approve.ts"
import { rotate } from "./commands/rotate.ts"
import { sessions } from "./commands/sessions.ts"
import { start } from "./commands/start.ts"

const root = Command.make("opencode-worker").pipe(
  Command.withDescription("Drive an OpenCode agent from anywhere: one server, many sessions, synced through Convex"),
  Command.withSubcommands([dev, start, approve, rotate, sessions])
)

/** Runs the command that the arguments name. */
export const run = Command.run(root, { version: manifest.version })
