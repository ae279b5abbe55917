import { readFile } from "node:fs/promises"
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { exitCodes, WorkerMachine, type WorkerEvent, type WorkerState } from "../src/index.ts"
import { Machine } from "../src/machine/index.ts"

type StateTag = WorkerState["_tag"]

/** One example of each state. */
const states: { readonly [T in StateTag]: Machine.Of<WorkerState, T> } = {
  Idle: { _tag: "Idle" },
  Registering: { _tag: "Registering", attempt: 1 },
  AwaitingApproval: { _tag: "AwaitingApproval", attempt: 1 },
  Connecting: { _tag: "Connecting", attempt: 1, back: "Paused" },
  Ready: { _tag: "Ready", attempt: 1 },
  Paused: { _tag: "Paused", attempt: 1 },
  Draining: { _tag: "Draining" },
  Stopping: { _tag: "Stopping", reason: "Requested", detail: "asked to stop" },
  Stopped: { _tag: "Stopped", reason: "Requested", exitCode: 0, detail: "asked to stop" },
  Recovering: { _tag: "Recovering", attempt: 2, back: "Paused", detail: "no network" },
  Fenced: { _tag: "Fenced", detail: "epoch 4 is not current" },
  Failed: { _tag: "Failed", reason: "Configuration", detail: "no such model" }
}

const temporary = { _tag: "Fail", reason: "Temporary", detail: "no network" } as const
const after = (from: WorkerState, ...events: ReadonlyArray<WorkerEvent>) =>
  events.reduce<WorkerState>(
    (state, event) => Result.getOrThrow(Machine.transition(WorkerMachine, state, event)).state,
    from
  )
const accepting = (event: WorkerEvent["_tag"]) =>
  Object.values(states).filter(({ _tag }) => Machine.allowed(WorkerMachine, _tag).includes(event))

describe("WorkerMachine", () => {
  it("is drawn in the README", async () => {
    const readme = await readFile(new URL("../README.md", import.meta.url), "utf8")
    assert.include(readme, "```mermaid\n" + Machine.toMermaid(WorkerMachine) + "\n```")
  })

  it("reaches every state, and only Stopped is final", () => {
    const rules = Machine.rules(WorkerMachine)
    const reached = new Set<string>([WorkerMachine.initial._tag])
    for (const from of reached) {
      for (const rule of rules) if (rule.from === from && rule.to !== undefined) reached.add(rule.to)
    }
    assert.sameMembers([...reached], Object.keys(states))
    assert.deepStrictEqual(
      Object.values(states).filter(({ _tag }) => Machine.isFinal(WorkerMachine, _tag)),
      [states.Stopped]
    )
  })

  it("goes from Idle to Ready, by approval or without", () => {
    const start = { _tag: "Start" } as const
    const connected = { _tag: "Connected" } as const
    const known = after(states.Idle, start, { _tag: "Registered", approved: true }, connected)
    assert.deepStrictEqual(known, { _tag: "Ready", attempt: 0 })
    const asked = after(states.Idle, start, { _tag: "Registered", approved: false })
    assert.deepStrictEqual(asked, { _tag: "AwaitingApproval", attempt: 0 })
    assert.deepStrictEqual(after(asked, { _tag: "Approved" }, connected), { _tag: "Ready", attempt: 0 })
  })

  it("accepts Stop and Drain in every state", () => {
    assert.sameDeepMembers(accepting("Stop"), Object.values(states))
    assert.sameDeepMembers(accepting("Drain"), Object.values(states))
  })

  it("a second Stop interrupts draining, a second Drain does not", () => {
    const draining = after(states.Ready, { _tag: "Drain" }, { _tag: "Drain" })
    assert.deepStrictEqual(draining, states.Draining)
    const stopped = after(draining, { _tag: "Stop" }, { _tag: "Closed" })
    assert.deepInclude(stopped, { _tag: "Stopped", reason: "Interrupted", exitCode: 130 })
    const inOrder = after(draining, { _tag: "Drained" }, { _tag: "Stop" }, { _tag: "Closed" })
    assert.deepInclude(inOrder, { _tag: "Stopped", reason: "Requested", exitCode: 0 })
  })

  it("a lost lease fences every state that may write, and Fenced accepts no other way out than Closed", () => {
    const lost = { _tag: "LeaseLost", detail: "epoch 4 is not current" } as const
    const mayWrite = [
      states.Connecting,
      states.Ready,
      states.Paused,
      states.Draining,
      states.Stopping,
      states.Recovering
    ]
    for (const state of mayWrite) assert.deepStrictEqual(after(state, lost), states.Fenced)
    assert.sameDeepMembers(accepting("LeaseLost"), [...mayWrite, states.Fenced, states.Failed])
    assert.deepInclude(after(states.Fenced, { _tag: "Stop" }, temporary, { _tag: "Closed" }), {
      _tag: "Stopped",
      reason: "Fenced",
      exitCode: 79,
      detail: "epoch 4 is not current"
    })
  })

  it("a revoked approval stops the worker with its detail", () => {
    const revoked = { _tag: "Revoked", detail: "revoked by its owner" } as const
    const live = ["Registering", "AwaitingApproval", "Connecting", "Ready", "Paused", "Draining", "Recovering"] as const
    for (const tag of live) {
      assert.deepStrictEqual(after(states[tag], revoked, { _tag: "Closed" }), {
        _tag: "Stopped",
        reason: "NotAuthorised",
        exitCode: 77,
        detail: "revoked by its owner"
      })
    }
  })

  it("recovery returns to its origin, for a paused worker to Paused", () => {
    const retry = { _tag: "Retry" } as const
    assert.deepStrictEqual(after(states.Registering, temporary, retry), { _tag: "Registering", attempt: 2 })
    assert.deepStrictEqual(after(states.AwaitingApproval, temporary, retry), { _tag: "AwaitingApproval", attempt: 2 })
    // A second failure before the retry is the same attempt.
    const failing = after(states.Registering, temporary)
    assert.deepStrictEqual(after(states.Registering, temporary, temporary), failing)
    const twice = after(states.Paused, temporary, retry, temporary, retry)
    assert.deepStrictEqual(twice, { _tag: "Connecting", attempt: 3, back: "Paused" })
    assert.deepStrictEqual(after(twice, { _tag: "Connected" }), { _tag: "Paused", attempt: 3 })
    assert.deepStrictEqual(after(states.Paused, { _tag: "Healthy" }), { _tag: "Paused", attempt: 0 })
  })

  it("only temporary failures are retried", () => {
    const codes = { Configuration: 78, NotAuthorised: 77 } as const
    for (const reason of ["Configuration", "NotAuthorised"] as const) {
      const failed = after(states.Connecting, { _tag: "Fail", reason, detail: "no" })
      assert.deepStrictEqual(failed, { _tag: "Failed", reason, detail: "no" })
      assert.deepInclude(after(failed, { _tag: "Closed" }), { _tag: "Stopped", exitCode: codes[reason] })
    }
    const gaveUp = after(states.Recovering, { _tag: "GiveUp" }, { _tag: "Closed" })
    assert.deepInclude(gaveUp, { _tag: "Stopped", reason: "Temporary", exitCode: 75, detail: "no network" })
  })

  it("documents its exit codes in the README", async () => {
    const readme = await readFile(new URL("../README.md", import.meta.url), "utf8")
    for (const [reason, code] of Object.entries(exitCodes)) {
      assert.match(readme, new RegExp(`\\| ${code} +\\| \`${reason}\` +\\|`))
    }
  })
})
