/** Every port passes the same checks, in memory and over the real backend. */
import { layer } from "@effect/vitest"
import { Layer } from "effect"
import { Deployment } from "../support/deployment.ts"
import { deployedWorker } from "../support/deployedWorker.ts"
import { memoryWorker } from "../support/memory/worker.ts"
import { commands } from "./commands.ts"
import { deltaWriter } from "./deltaWriter.ts"
import { history } from "./history.ts"
import { lease } from "./lease.ts"
import { modelPublisher } from "./modelPublisher.ts"
import { orphanedTurns } from "./orphanedTurns.ts"
import { requests } from "./requests.ts"
import { sessionSync } from "./sessionSync.ts"
import { turnQueue } from "./turnQueue.ts"
import type { Cases, MakeWorker, Operator, Process } from "./Worker.ts"

const all = <R>(cases: Cases<R>, worker: MakeWorker<R, keyof Process, keyof Operator>) => {
  lease(cases, worker)
  turnQueue(cases, worker)
  deltaWriter(cases, worker)
  requests(cases, worker)
  commands(cases, worker)
  sessionSync(cases, worker)
  history(cases, worker)
  modelPublisher(cases, worker)
  orphanedTurns(cases, worker)
}

layer(Layer.empty, { excludeTestServices: true })("in memory", (cases) => all(cases, memoryWorker))
layer(Deployment.layer, { excludeTestServices: true })("over a deployment", (cases) => all(cases, deployedWorker))
