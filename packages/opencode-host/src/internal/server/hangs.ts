/** Detects a server that hangs. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import { cpuMillis } from "../process/processes.ts"
import { stallAfter } from "./hub.ts"
import { health, type Instance } from "./instance.ts"

const probeEvery = Duration.seconds(10)
const probeLimit = Duration.seconds(10)
const patience = 3
/** CPU time that a server which works uses from one probe to the next; one that is stopped or dead-locked uses none. */
const workingMillis = 500
/** The weight of a failed probe of a server that uses CPU: it may take ten times as long. */
const workingProbeWeight = 0.1

/** How many probes have failed, after one more. Silence and the CPU time used since the last one in ms. */
export const hangScore = (
  failures: number,
  { answers, cpu, silence }: { readonly answers: boolean; readonly silence: number; readonly cpu: number }
): number => {
  if (answers || silence < Duration.toMillis(stallAfter)) return 0
  return failures + (cpu >= workingMillis ? workingProbeWeight : 1)
}

/**
 * Ends a server that hangs, since everything knows how to go on after a death. Slow is not hung: only a server that
 * neither answers three times nor streams anything, not even a heartbeat, is. On a machine with too much to do OpenCode
 * was silent for a minute and went on, so one that works all the while is given minutes.
 */
export const endIfHung = Effect.fnUntraced(function* (instance: Instance, lastHeard: Ref.Ref<number>) {
  const { pid } = instance.server
  const used = pid === undefined ? Effect.succeed(0) : cpuMillis(pid)
  let before = yield* used
  let failures = 0
  while (failures < patience) {
    yield* Effect.sleep(probeEvery)
    const answers = yield* Effect.isSuccess(Effect.timeout(health(instance.server, true), probeLimit))
    const silence = (yield* Clock.currentTimeMillis) - (yield* Ref.get(lastHeard))
    const after = yield* used
    failures = hangScore(failures, { answers, silence, cpu: after - before })
    before = after
  }
  yield* Effect.logWarning("OpenCode hangs: it neither answers nor streams; it is ended, or given up if it is not ours")
  yield* instance.kill
})
