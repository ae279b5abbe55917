import { createActor, Machine } from "@opencode-worker/worker-fsm/machine/async"

type State = { readonly _tag: "Off" } | { readonly _tag: "On"; readonly level: number }
type Event = { readonly _tag: "Press" } | { readonly _tag: "Dim" }

const lamp = Machine.make({
  name: "lamp",
  state: Machine.type<State>(),
  event: Machine.type<Event>(),
  initial: { _tag: "Off" },
  table: {
    Off: { Press: { to: "On", data: () => ({ level: 3 }) } },
    On: { Press: { to: "Off" }, Dim: { stay: ({ level }) => ({ level: level - 1 }) } }
  }
})

await using actor = await createActor(lamp, { activities: { On: ({ level }) => console.log(`on at ${level}`) } })
await actor.send({ _tag: "Press" })
console.log(await actor.send({ _tag: "Dim" }))
