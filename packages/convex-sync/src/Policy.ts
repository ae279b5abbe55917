/**
 * Which permissions a person is asked for. Pure.
 *
 * A policy is a list of rules in OpenCode's own form: a tool (`bash`, `edit`, `webfetch`, …), a pattern of what it is used
 * on, and what to do; `*` stands for any characters, `?` for one. The last rule that fits decides. What no rule fits is
 * asked, because OpenCode itself would not have gone on without an answer.
 *
 * Invariants, property-tested
 * - A later rule for everything decides alone.
 * - A request for several patterns is allowed only if each is, and denied if one is.
 *
 * OpenCode asks only what its configuration tells it to ask. So `configuration` belongs into the server's configuration,
 * where sub-agents get theirs from, too; `decide` is what becomes of what was asked.
 *
 * @since 0.1.0
 */

/**
 * @category models
 * @since 0.1.0
 */
export type Action = "ask" | "allow" | "deny"

/**
 * @category models
 * @since 0.1.0
 */
export interface Rule {
  readonly permission: string
  readonly pattern: string
  readonly action: Action
}

/**
 * `inherit`: OpenCode's own configuration decides what is asked, and all of that goes to a person.
 *
 * @category models
 * @since 0.1.0
 */
export type Policy = "inherit" | ReadonlyArray<Rule>

/** Tools that change or reveal something outside the conversation. */
const guarded = ["bash", "edit", "webfetch", "websearch", "external_directory"]

/**
 * For a worker that other machines can reach: shell, edits, the web, and files outside the directory need a person.
 *
 * @category constants
 * @since 0.1.0
 */
export const careful: ReadonlyArray<Rule> = guarded.map((permission) => ({ permission, pattern: "*", action: "ask" }))

/** Matches by hand: a regular expression of many stars can take exponential time, and patterns come from outside. */
const matches = (pattern: string, text: string): boolean => {
  let [at, from, star, starFrom] = [0, 0, -1, 0]
  while (from < text.length) {
    if (pattern[at] === "*") {
      star = at++
      starFrom = from
    } else if (at < pattern.length && (pattern[at] === "?" || pattern[at] === text[from])) {
      at++
      from++
    } else if (star >= 0) {
      at = star + 1
      from = ++starFrom
    } else return false
  }
  while (pattern[at] === "*") at++
  return at === pattern.length
}

const actionFor = (rules: ReadonlyArray<Rule>, permission: string, subject: string): Action =>
  rules.findLast((rule) => matches(rule.permission, permission) && matches(rule.pattern, subject))?.action ?? "ask"

/**
 * What becomes of a request of OpenCode's: the strictest that its patterns get. One without patterns is asked unless a
 * rule is for everything.
 *
 * @category operations
 * @since 0.1.0
 */
export const decide = (
  policy: Policy,
  request: { readonly permission: string; readonly patterns: ReadonlyArray<string> }
): Action => {
  if (policy === "inherit") return "ask"
  const subjects = request.patterns.length === 0 ? [""] : request.patterns
  const actions = subjects.map((subject) => actionFor(policy, request.permission, subject))
  return actions.find((action) => action === "deny") ?? actions.find((action) => action === "ask") ?? "allow"
}

/** What OpenCode takes one action for, whatever it is used on. */
const patternless: ReadonlySet<string> = new Set(["webfetch", "websearch", "question", "todowrite", "doom_loop"])

/**
 * The `permission` part of OpenCode's configuration that makes it ask, allow and deny by the policy; undefined leaves the
 * configuration as it is. Where OpenCode knows no patterns and the policy has some, it asks, and `decide` does the rest.
 *
 * @category operations
 * @since 0.1.0
 */
export const configuration = (
  policy: Policy
): Readonly<Record<string, Action | Readonly<Record<string, Action>>>> | undefined => {
  if (policy === "inherit") return undefined
  const tools: Record<string, Record<string, Action>> = {}
  for (const { permission, pattern, action } of policy) {
    // A repeated pattern moves to the end: OpenCode, too, goes by the last one that fits.
    const { [pattern]: _, ...others } = tools[permission] ?? {}
    tools[permission] = { ...others, [pattern]: action }
  }
  return Object.fromEntries(
    Object.entries(tools).map(([tool, rules]) => {
      const { "*": always, ...others } = rules
      if (Object.keys(others).length === 0 && always !== undefined) return [tool, always]
      return [tool, patternless.has(tool) ? "ask" : rules]
    })
  )
}
