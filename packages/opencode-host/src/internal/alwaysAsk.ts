/**
 * An OpenCode plugin that makes permissions stricter than any configuration says: what was allowed is asked, what was
 * denied stays denied, in every agent. A plugin sees the configuration when all its files are merged, a project's own
 * among them, which would win over anything that is handed to the server.
 *
 * `export const AlwaysAsk`, in plain JavaScript, for the permissions named.
 */
export const alwaysAsk = (permissions: ReadonlyArray<string>): string => `
const guarded = ${JSON.stringify(permissions)}

const named = (key, permission) =>
  new RegExp("^" + key.replace(/[.+^\${}()|[\\]\\\\]/g, "\\\\$&").replaceAll("*", ".*").replaceAll("?", ".") + "$").test(permission)

const entries = (permission) => typeof permission === "string" ? [["*", permission]] : Object.entries(permission ?? {})

const denied = (rules, permission) =>
  entries(rules)
    .filter(([key]) => named(key, permission))
    .flatMap(([, value]) => entries(value))
    .filter(([, action]) => action === "deny")

const stricter = (own, inherited) => {
  const rules = Object.fromEntries(entries(own))
  const asked = guarded.map((permission) => {
    const patterns = [["*", "ask"], ...denied(inherited, permission), ...denied(own, permission)]
    // Some permissions have no patterns: OpenCode takes no more than one action for them.
    const { "*": always, ...others } = Object.fromEntries(patterns)
    return [permission, Object.keys(others).length === 0 ? always : { "*": always, ...others }]
  })
  // Of two rules that fit, OpenCode takes the later one.
  for (const permission of guarded) delete rules[permission]
  return { ...rules, ...Object.fromEntries(asked) }
}

export const AlwaysAsk = async () => ({
  config: async (config) => {
    const everywhere = config.permission
    config.permission = stricter(everywhere, undefined)
    for (const agent of [...Object.values(config.agent ?? {}), ...Object.values(config.mode ?? {})]) {
      if (agent?.permission !== undefined) agent.permission = stricter(agent.permission, everywhere)
    }
  }
})
`
