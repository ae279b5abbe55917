import { assert, describe, it } from "@effect/vitest"
import { platformPackages, thisMachine } from "../src/internal/server/platformPackages.ts"
import { signalProblem, spawnProblem } from "../src/internal/server/unusable.ts"
import { Effect } from "effect"

const linux = { platform: "linux", arch: "x64", musl: false, avx2: true }

describe("the builds of OpenCode for a machine", () => {
  it("fit its libc and its processor, the fastest one first", () => {
    assert.deepStrictEqual(platformPackages(linux), ["opencode-linux-x64", "opencode-linux-x64-baseline"])
    assert.deepStrictEqual(platformPackages({ ...linux, avx2: false }), ["opencode-linux-x64-baseline"])
    assert.deepStrictEqual(platformPackages({ ...linux, musl: true }), [
      "opencode-linux-x64-musl",
      "opencode-linux-x64-baseline-musl"
    ])
    assert.deepStrictEqual(platformPackages({ ...linux, musl: true, arch: "arm64" }), ["opencode-linux-arm64-musl"])
    assert.deepStrictEqual(platformPackages({ ...linux, platform: "darwin", arch: "arm64" }), ["opencode-darwin-arm64"])
  })

  it.effect("are found out for this one", () =>
    Effect.gen(function* () {
      const machine = yield* thisMachine
      assert.strictEqual(machine.platform, process.platform)
      assert.isNotEmpty(platformPackages(machine))
    })
  )
})

describe("a program that cannot be run", () => {
  it("is explained by the errno in the error or in its causes", () => {
    const nested = { reason: { cause: Object.assign(new Error("spawn"), { code: "EMFILE" }) } }
    assert.match(spawnProblem(nested).problem, /ulimit -n.*\(EMFILE\)/)
    assert.isFalse(spawnProblem(nested).final)
    assert.isTrue(spawnProblem({ reason: { cause: { code: "ENOEXEC" } } }).final)
    // A build for glibc on Alpine: anomalyco/opencode#649, ccsert/opencode-review-gitea#18.
    const alpine = spawnProblem(Object.assign(new Error("posix_spawn"), { code: "ENOENT" }))
    assert.match(alpine.problem, /built for another libc \(glibc or musl\).*\(ENOENT\)/)
    assert.isTrue(alpine.final)
    // A processor without AVX2: anomalyco/opencode#12512, #40499.
    const ill = signalProblem({ reason: { cause: new Error("killed by signal SIGILL") } })
    assert.match(ill.problem, /baseline build/)
    assert.isTrue(ill.final)
    assert.deepStrictEqual(spawnProblem({ code: "EWHAT" }), { problem: "it cannot be run (EWHAT)", final: false })
    assert.deepStrictEqual(spawnProblem(undefined), { problem: "it cannot be run", final: false })
  })
})
