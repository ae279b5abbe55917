/** The operator of `dev` is a device: it can be listed, revoked and replaced. */
import { copyFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import type { Client as PromiseClient } from "@opencode-worker/client"
import { Client } from "@opencode-worker/client/effect"
import { Effect, Layer, Option } from "effect"
import { UserDirectories } from "effect/persistence"
import { AppError } from "../../src/AppError.ts"
import { operatorLayer } from "../../src/local/operatorLayer.ts"
import { EmbeddedDeployment, rotateOperatorKey } from "../../src/local/EmbeddedDeployment.ts"
import { type DataFolder, dataFolder } from "../../src/state/DataFolder.ts"
import * as command from "../support/command.ts"

const services = Layer.merge(NodeServices.layer, UserDirectories.layer)

/** Runs as the operator of a folder, in a process that serves it. */
const asOperator = <A, E>(folder: DataFolder, use: Effect.Effect<A, E, Client>) =>
  Effect.provide(use, Layer.fresh(Layer.provide(operatorLayer, EmbeddedDeployment.serve(folder))))

const call = <A>(use: (client: PromiseClient) => Promise<A>) => Client.use((client) => client.call(use))
const devices = call((operator) => operator.devices.list())

describe("the operator of dev", () => {
  it.live(
    "is one device, also after a restart; it can be revoked, and rotate creates another one",
    () =>
      Effect.gen(function* () {
        const root = yield* command.home
        const folder = yield* dataFolder({ data: Option.some(join(root, "own")), directory: root, demo: false })
        const [first] = yield* asOperator(folder, devices)
        assert.deepInclude(first, { isCurrent: true, scope: "operate" })
        assert.strictEqual(statSync(folder.operator).mode & 0o777, 0o600)
        const stolen = join(root, "stolen.json")
        copyFileSync(folder.operator, stolen)

        yield* rotateOperatorKey(folder)
        const rotated = yield* asOperator(
          folder,
          Effect.tap(
            devices,
            call((operator) => operator.devices.leave())
          )
        )
        assert.deepStrictEqual(
          rotated.map(({ deviceId, isCurrent, revokedAt }) => [
            deviceId === first?.deviceId,
            isCurrent,
            revokedAt === null
          ]),
          [
            [false, true, true],
            [true, false, false]
          ]
        )
        for (const operator of [stolen, folder.operator]) {
          const refused = yield* Effect.flip(asOperator({ ...folder, operator }, devices))
          assert.instanceOf(refused, AppError)
          assert.strictEqual(refused.exitCode, 77)
          assert.match(refused.text, /\.json, was revoked: opencode-worker rotate creates another one/)
        }
        yield* rotateOperatorKey(folder)
        assert.lengthOf(yield* asOperator(folder, devices), 3)
      }).pipe(Effect.provide(services)),
    { timeout: 120_000 }
  )
})
