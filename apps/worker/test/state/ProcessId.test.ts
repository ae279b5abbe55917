import { assert, it } from "@effect/vitest"
import { ConfigProvider, Effect, FileSystem } from "effect"
import { UserDirectories } from "effect/persistence"
import { processIdIn } from "../../src/state/ProcessId.ts"

const here = { machineId: "a\n", namespace: "pid:[1]", state: "/home/me/.local/state", directory: "/home/me/app" }

const idOn = (machine: Partial<typeof here>) => {
  const { directory, machineId, namespace, state } = { ...here, ...machine }
  return processIdIn(directory).pipe(
    Effect.provideService(
      FileSystem.FileSystem,
      FileSystem.makeNoop({
        readFileString: (path) => Effect.succeed(path === "/etc/machine-id" ? machineId : ""),
        readLink: (path) => Effect.succeed(path === "/proc/self/ns/pid" ? namespace : "")
      })
    ),
    Effect.provideService(UserDirectories.UserDirectories, UserDirectories.make()),
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env: { XDG_STATE_HOME: state } }))
  )
}

it.effect("only processes with the same machine, namespace, state directory and directory share an id", () =>
  Effect.gen(function* () {
    const id = yield* idOn({})
    assert.strictEqual(yield* idOn({}), id)
    assert.notInclude(id, here.directory)
    const others = yield* Effect.all([
      idOn({ machineId: "b\n" }),
      idOn({ namespace: "pid:[2]" }),
      idOn({ state: "/mnt/state" }),
      idOn({ directory: "/home/me/other" })
    ])
    assert.strictEqual(new Set([id, ...others]).size, 5)
  })
)
