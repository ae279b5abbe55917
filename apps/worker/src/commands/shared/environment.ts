import { Effect } from "effect"

/** The environment of the user's shell, so that OpenCode finds the same keys and programs. */
export const shellEnvironment = Effect.sync(() => {
  const environment: Record<string, string> = {}
  for (const [name, value] of Object.entries(process.env)) if (value !== undefined) environment[name] = value
  return environment
})
