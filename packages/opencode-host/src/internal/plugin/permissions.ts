/**
 * The permissions of a configuration, made stricter: what it allows is asked, unless the tool is harmless; what it asks or
 * denies stays as it is. Pure. It runs inside OpenCode (see `source.ts`), so it refers to nothing outside of itself.
 *
 * OpenCode takes the last rule that fits. An agent's rules are OpenCode's own, then those of the agent if it is one of
 * OpenCode's, then the configuration's, then the agent's in the configuration. The result is written as the last of them,
 * begins with a rule for everything, and so replaces all others.
 */
/* oxlint-disable unicorn/consistent-function-scoping -- a function that refers to nothing outside of itself */
type Action = "allow" | "ask" | "deny"
type Permission = Action | Readonly<Record<string, Action | Readonly<Record<string, Action>>>>

interface Agent {
  permission?: Permission
}
export interface Permissions {
  permission?: Permission
  agent?: Record<string, Agent | undefined>
}

export function strictPermissions(config: Permissions): Required<Permissions> {
  /** Tools that change nothing, reach nothing outside of the directory, and start nothing. */
  const harmless = ["read", "list", "glob", "grep", "todowrite", "todoread", "task", "skill", "question"]
  /** OpenCode takes one action for these, whatever they are used on. */
  const flat = ["todowrite", "question", "webfetch", "websearch", "doom_loop"]
  /** Reads that a rule covers only by name: secrets by convention, and resources of MCP servers. */
  const secrets = [
    ["*.env", "ask"],
    ["*.env.*", "ask"],
    ["*.env.example", "allow"],
    ["mcp:*", "ask"]
  ] as const

  const base: Permission = {
    "*": "allow",
    doom_loop: "ask",
    question: "deny",
    plan_enter: "deny",
    plan_exit: "deny",
    read: { "*": "allow", "*.env": "ask", "*.env.*": "ask", "*.env.example": "allow" }
  }
  /** Further rules of OpenCode's own agents. */
  const native: Readonly<Record<string, Permission>> = {
    build: { question: "allow", plan_enter: "allow" },
    plan: {
      question: "allow",
      plan_exit: "allow",
      task: { general: "deny" },
      edit: { "*": "deny", ".opencode/plans/*.md": "allow" }
    },
    general: { todowrite: "deny" },
    explore: {
      "*": "deny",
      grep: "allow",
      glob: "allow",
      list: "allow",
      bash: "allow",
      webfetch: "allow",
      websearch: "allow",
      read: "allow"
    },
    compaction: { "*": "deny" },
    title: { "*": "deny" },
    summary: { "*": "deny" }
  }

  type Rule = readonly [key: string, pattern: string, action: Action]
  type Pattern = readonly [pattern: string, action: Action]

  const rulesOf = (permission: Permission | undefined): ReadonlyArray<Rule> =>
    Object.entries(typeof permission === "string" ? { "*": permission } : (permission ?? {})).flatMap(([key, value]) =>
      typeof value === "string"
        ? [[key, "*", value] as const]
        : Object.entries(value).map(([pattern, action]) => [key, pattern, action] as const)
    )

  /** As OpenCode matches: `*` is any text, `?` one character, and a trailing ` *` may be absent. */
  const matches = (text: string, pattern: string) => {
    const source = pattern
      .replace(/[.+^${}()|[\]\\]/g, "\\$&")
      .replaceAll("*", ".*")
      .replaceAll("?", ".")
    return new RegExp(`^${source.endsWith(" .*") ? `${source.slice(0, -3)}( .*)?` : source}$`, "s").test(text)
  }

  /** The last occurrence of each pattern, in order. */
  const latest = (patterns: ReadonlyArray<Pattern>) => {
    const found = new Map<string, Action>()
    for (const [pattern, action] of patterns) {
      found.delete(pattern)
      found.set(pattern, action)
    }
    return found
  }

  /** Rules that come later, such as those that deny, still decide. */
  const withSecrets = (rule: Pattern): ReadonlyArray<Pattern> => {
    const [pattern, action] = rule
    if (action !== "allow") return [rule]
    return [rule, ...secrets.filter(([secret]) => secret !== pattern && matches(secret, pattern))]
  }

  /** The rules of one agent, or without `own` those of all agents that have none. */
  const strict = (builtIn: ReadonlyArray<Permission | undefined>, own?: Permission): Permission => {
    const [before, shared, mine] = [builtIn.flatMap(rulesOf), rulesOf(config.permission), rulesOf(own)]
    const all = [...before, ...shared, ...mine]
    const named = [...new Set(all.map(([key]) => key).toReversed())].toReversed()
    const literal = [...new Set([...named.filter((key) => !/[*?]/.test(key)), ...harmless])]
    const wild = named.filter((key) => key !== "*" && /[*?]/.test(key))

    const patternsOf = (key: string) => {
      const fits = (rule: Rule) => (key === "*" ? rule[0] === "*" : matches(key, rule[0]))
      const denies = ([, , action]: Rule) => action === "deny"
      const [inherited, given] = [shared.filter(fits), mine.filter(fits)]
      const firstDenied = inherited.findIndex(denies)
      // A denial for all agents wins over an allowance in one agent.
      const kept =
        given.length === 0 || firstDenied < 0 ? [] : [...inherited.slice(firstDenied), ...given.filter(denies)]
      const patterns = [...before.filter(fits), ...inherited, ...given, ...kept].map(([, pattern, action]): Pattern => [
        pattern,
        action === "allow" && !harmless.includes(key) ? "ask" : action
      ])
      return latest(key === "read" ? patterns.flatMap(withSecrets) : patterns)
    }

    const valueOf = (key: string) => {
      const patterns = patternsOf(key)
      const actions = [...patterns.values()]
      const [first = "ask"] = actions
      if (flat.includes(key)) return (["deny", "ask"] as const).find((action) => actions.includes(action)) ?? first
      return patterns.size === 1 && patterns.has("*") ? first : Object.fromEntries(patterns)
    }
    return Object.fromEntries(["*", ...wild, ...literal].map((key) => [key, valueOf(key)]))
  }

  const names = [...new Set([...Object.keys(native), ...Object.keys(config.agent ?? {})])]
  return {
    permission: strict([base]),
    agent: Object.fromEntries(
      names.map((name) => {
        const agent = config.agent?.[name]
        return [name, { ...agent, permission: strict([base, native[name]], agent?.permission) }]
      })
    )
  }
}
