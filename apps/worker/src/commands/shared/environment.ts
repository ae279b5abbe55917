import { Effect } from "effect"

/** All that the user's shell has, so that OpenCode finds the keys and programs that it finds there. */
export const shellEnvironment = Effect.sync(() => {
  const environment: Record<string, string> = {}
  for (const [name, value] of Object.entries(process.env)) if (value !== undefined) environment[name] = value
  return environment
})
