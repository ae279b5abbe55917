import { spawn } from "node:child_process"
import { once } from "node:events"
import { OpenCodeHome, Reply, ScriptedProvider } from "@opencode-worker/testkit"
import { Config, Console, Effect } from "effect"

const program = Effect.gen(function* () {
  const provider = yield* ScriptedProvider.make(({ toolResults }) =>
    toolResults.length === 0
      ? Reply.toolCall("bash", { command: "cat hello.txt", description: "Reads hello.txt" })
      : Reply.text(`The file says: ${toolResults[0]?.output}`)
  )
  const home = yield* OpenCodeHome.make({
    config: provider.config,
    files: { "hello.txt": "hello from the disk" }
  })

  const opencode = yield* Config.String("OPENCODE_BIN").pipe(Config.withDefault("opencode"))
  yield* Effect.tryPromise(() =>
    once(
      spawn(opencode, ["run", "--title", "Example", "Summarise hello.txt"], {
        cwd: home.directory,
        env: home.environment,
        stdio: ["ignore", "inherit", "inherit"]
      }),
      "exit"
    )
  )
  yield* Console.log(`model requests: ${yield* provider.count}`)
})

await Effect.runPromise(Effect.scoped(program))
