export { retryTransient } from "@opencode-worker/effect-convex"
