/** The composed worker for Effect. */
export { Worker, WorkerError, type WorkerOptions } from "./library/Worker.ts"
export type { WorkerEnd, WorkerSettings, WorkerStatus } from "./library/WorkerSettings.ts"
