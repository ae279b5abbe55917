/** Rotation of a worker's secret, over the real client and the real backend. */
import { assert, layer } from "@effect/vitest"
import { getFunctionName } from "convex/server"
import { Effect, Redacted, Stream } from "effect"
import { api, ConvexSyncError, Lease, Pairing, type WorkerCredentials } from "../src/index.ts"
import { ConvexClient, ConvexClientReason } from "@opencode-worker/effect-convex"
import { connection, Deployment, pair, signature } from "./support/deployment.ts"

type Convex = ConvexClient["Service"]

const codeOf = ({ reason }: ConvexSyncError) => (reason._tag === "Rejected" ? reason.code : reason._tag)
const secretsOf = ({ previous, secret }: Pairing.StoredCredentials) =>
  [secret, previous].map((one) => (one === undefined ? undefined : Redacted.value(one)))

/** Acquires and releases the lease as a worker that starts and stops; returns its epoch. */
const begins = (convex: Convex, credentials: WorkerCredentials) =>
  Effect.map(Lease, ({ epoch }) => epoch).pipe(
    Effect.provide(Lease.layer(credentials, { processId: "worker" })),
    Effect.provideService(ConvexClient, convex)
  )
const refusal = <A>(call: Effect.Effect<A, ConvexSyncError>) => Effect.map(Effect.flip(call), codeOf)

/** Rotates the secret over `convex`. `stored` receives the stored credentials in order. */
const rotates = (
  convex: Convex,
  credentials: Pairing.StoredCredentials,
  stored: Array<Pairing.StoredCredentials> = []
) =>
  Pairing.rotate(credentials, {
    processId: "rotation",
    store: (kept) => Effect.sync(() => void stored.push(kept))
  }).pipe(Effect.provideService(ConvexClient, convex))

const noAnswer = new ConvexSyncError({
  operation: "pairing:rotate",
  reason: new ConvexClientReason.Timeout({ millis: 1 })
})

type Fate = "carried out" | "dropped"

/** The same deployment, but the first rotate calls get no response; `fates` says whether they are executed. */
const deaf = (convex: Convex, fates: ReadonlyArray<Fate>): Convex => {
  const left = [...fates]
  return ConvexClient.of({
    ...convex,
    mutation: (mutation, args) =>
      Effect.suspend(() => {
        const call = convex.mutation(mutation, args)
        const fate = getFunctionName(mutation) === "pairing:rotate" ? left.shift() : undefined
        if (fate === undefined) return call
        return Effect.andThen(fate === "dropped" ? Effect.void : Effect.exit(call), Effect.fail(noAnswer))
      })
  })
}

layer(Deployment.layer, { excludeTestServices: true })("a rotated secret", (test) => {
  test.effect("is valid at once, and the old secret is refused, also for reads", () =>
    Effect.gen(function* () {
      const convex = yield* connection("ann")
      const credentials = yield* pair(convex)
      assert.strictEqual(yield* begins(convex, credentials), 1)
      const stored: Array<Pairing.StoredCredentials> = []
      const renewed = yield* rotates(convex, credentials, stored)

      assert.deepStrictEqual(stored.map(secretsOf), [
        [Redacted.value(renewed.secret), Redacted.value(credentials.secret)],
        [Redacted.value(renewed.secret), undefined]
      ])
      assert.notStrictEqual(Redacted.value(renewed.secret), Redacted.value(credentials.secret))
      assert.strictEqual(yield* refusal(begins(convex, credentials)), "WrongSecret")
      // Each lease raises the epoch twice, so the rotation released its lease.
      assert.strictEqual(yield* begins(convex, renewed), 5)
      const read = convex.subscribe(api.queue.listReady, { ...signature(credentials, 1), limit: 1 })
      assert.strictEqual(yield* refusal(Stream.runHead(read)), "WrongSecret")
    })
  )

  test.effect("is rejected while a worker runs, and nothing is stored", () =>
    Effect.gen(function* () {
      const convex = yield* connection("bob")
      const credentials = yield* pair(convex)
      const stored: Array<Pairing.StoredCredentials> = []
      const refused = yield* refusal(rotates(convex, credentials, stored)).pipe(
        Effect.provide(Lease.layer(credentials, { processId: "worker" })),
        Effect.provideService(ConvexClient, convex)
      )
      assert.strictEqual(refused, "Conflict")
      assert.deepStrictEqual(stored, [])
      assert.isNumber(yield* begins(convex, credentials))
    })
  )

  test.effect("is not sent if it cannot be stored, and a worker can start at once", () =>
    Effect.gen(function* () {
      const convex = yield* connection("eve")
      const credentials = yield* pair(convex)
      const failure = yield* Pairing.rotate(credentials, {
        processId: "rotation",
        store: () => Effect.fail("the disk is full" as const)
      }).pipe(Effect.flip, Effect.provideService(ConvexClient, convex))
      assert.strictEqual(failure, "the disk is full")
      assert.strictEqual(yield* begins(convex, credentials), 3)
    })
  )

  const fates: ReadonlyArray<readonly [string, ReadonlyArray<Fate>]> = [
    ["whose response is lost", ["carried out"]],
    ["that never arrives", ["dropped"]],
    ["that arrives at the third attempt, without a response", ["dropped", "dropped", "carried out"]]
  ]
  test.effect.each(fates)("is valid after a call %s", ([, fate]) =>
    Effect.gen(function* () {
      const convex = yield* connection("cleo")
      const credentials = yield* pair(convex)
      const renewed = yield* rotates(deaf(convex, fate), credentials)
      assert.strictEqual(yield* refusal(begins(convex, credentials)), "WrongSecret")
      assert.isNumber(yield* begins(convex, renewed))
    })
  )

  test.effect.each<Fate>(["carried out", "dropped"])(
    "is identified among the two stored ones after an interrupted rotation whose call was %s",
    (fate) =>
      Effect.gen(function* () {
        const convex = yield* connection("dora")
        const credentials = yield* pair(convex)
        const stored: Array<Pairing.StoredCredentials> = []
        const silence = Array.from({ length: 100 }, () => fate)
        assert.strictEqual(yield* Effect.flip(rotates(deaf(convex, silence), credentials, stored)), noAnswer)
        const [kept] = stored
        assert.isDefined(kept)
        assert.strictEqual(stored.length, 1)

        const current = yield* Pairing.withValidSecret(kept, (one) => Effect.as(begins(convex, one), one))
        const expected = Redacted.value(fate === "dropped" ? credentials.secret : kept.secret)
        assert.strictEqual(Redacted.value(current.secret), expected)
        const renewed = yield* rotates(convex, kept, stored)
        assert.deepStrictEqual(stored.slice(1).map(secretsOf), [
          [Redacted.value(renewed.secret), expected],
          [Redacted.value(renewed.secret), undefined]
        ])
        assert.strictEqual(yield* refusal(begins(convex, current)), "WrongSecret")
        assert.isNumber(yield* begins(convex, renewed))
      })
  )
})

layer(Deployment.layer, { excludeTestServices: true })("an approved worker", (test) => {
  test.effect("knows its operator after the approval, without a lease", () =>
    Effect.gen(function* () {
      const operator = yield* connection("carol")
      const worker = yield* connection()
      const attempt = yield* Pairing.begin({ machine: "laptop", directory: `/home/${"deep/".repeat(40)}app` }).pipe(
        Effect.provideService(ConvexClient, worker)
      )
      const { code } = attempt
      const preview = yield* operator.action(api.pairing.preview, { code })
      assert.match(preview.directory, /^….*deep\/app$/)
      yield* operator.action(api.pairing.approve, { code })
      const credentials = yield* Effect.provideService(Pairing.approved(attempt), ConvexClient, worker)
      assert.strictEqual(credentials.ownerId, "https://issuer.test|carol")
      const ownerId = yield* Effect.provideService(Pairing.owner(credentials), ConvexClient, worker)
      assert.strictEqual(ownerId, credentials.ownerId)
      const [listed] = yield* operator.query(api.workers.list, {})
      assert.deepInclude(listed, { phase: "paired", online: false })
    })
  )
})
