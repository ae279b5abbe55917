/** Deployments and clients for tests, all gone when the test ends. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ConvexClient, ConvexHttpClient } from "convex/browser"
import type { FunctionArgs, FunctionReference, FunctionReturnType } from "convex/server"
import { build } from "esbuild"
import { afterAll, beforeAll, onTestFinished } from "vitest"
import { ConvexEmbedded, type Deployment, type ConvexEmbeddedOptions } from "../src/index.ts"
import { api } from "./fixtures/convex/_generated/api.js"

export const FUNCTIONS = join(import.meta.dirname, "fixtures/convex")

/** The fixture as JavaScript, bundled once a test file: what bundling does is tested where it matters. */
let bundled: Promise<string> | undefined
export const bundledFunctions = (): Promise<string> => (bundled ??= bundleFunctions())
const bundleFunctions = async () => {
  const folder = mkdtempSync(join(tmpdir(), "convex-functions-"))
  const common = {
    bundle: true,
    format: "esm",
    outExtension: { ".js": ".mjs" },
    platform: "node",
    splitting: true
  } as const
  await build({ ...common, entryPoints: [`${FUNCTIONS}/**/*.ts`], outbase: FUNCTIONS, outdir: folder })
  return folder
}
afterAll(async () => {
  if (bundled !== undefined) rmSync(await bundled, { force: true, recursive: true })
})

export const temporaryFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "convex-embedded-"))
  onTestFinished(() => rmSync(folder, { force: true, recursive: true }))
  return folder
}

/** The functions of the fixture, in a folder of their own, without waiting for a disk; a busy machine gets time. */
export const deploy = async (
  options: Partial<ConvexEmbeddedOptions> = {}
): Promise<Deployment & { readonly dataDir: string }> => {
  const dataDir = options.dataDir ?? temporaryFolder()
  const deployment = await ConvexEmbedded.make({
    dataDir,
    durability: "normal",
    functions: options.functions ?? (await bundledFunctions()),
    userTimeLimit: 30_000,
    ...options
  })
  onTestFinished(() => deployment.close())
  return { ...deployment, dataDir }
}

/** One for all tests of a file, which must not mind each other. */
export const deployForAll = (options: Partial<ConvexEmbeddedOptions> = {}): (() => Deployment) => {
  let deployment: Deployment | undefined
  const dataDir = mkdtempSync(join(tmpdir(), "convex-embedded-"))
  beforeAll(async () => {
    const functions = await bundledFunctions()
    deployment = await ConvexEmbedded.make({
      dataDir,
      durability: "normal",
      functions,
      userTimeLimit: 30_000,
      ...options
    })
  })
  afterAll(async () => {
    await deployment?.close()
    rmSync(dataDir, { force: true, recursive: true })
  })
  return () => deployment!
}

/** The same deployment without documents, for a test that minds what others have left. */
export const emptied = async (deployment: Deployment): Promise<Deployment> => {
  await connectHttp(deployment).mutation(api.misc.clear, {})
  return deployment
}

export const connect = ({ url }: Pick<Deployment, "url">): ConvexClient => {
  const client = new ConvexClient(url, { logger: false, unsavedChangesWarning: false })
  onTestFinished(() => client.close())
  return client
}

export const connectHttp = ({ url }: Pick<Deployment, "url">): ConvexHttpClient =>
  new ConvexHttpClient(url, { logger: false })

export interface Watch<A> {
  /** Every value or failure so far, in order. */
  readonly seen: ReadonlyArray<A | Error>
  readonly latest: () => A | Error | undefined
  /** Resolves with the first value or failure, seen or to come, that fits. */
  readonly until: (fits: (value: A | Error) => boolean) => Promise<A | Error>
  readonly stop: () => void
}

export const watch = <Query extends FunctionReference<"query">>(
  client: ConvexClient,
  query: Query,
  args: FunctionArgs<Query>
): Watch<FunctionReturnType<Query>> => {
  type Seen = FunctionReturnType<Query> | Error
  const seen: Array<Seen> = []
  let changed = Promise.withResolvers<void>()
  const receive = (value: Seen) => {
    seen.push(value)
    changed.resolve()
    changed = Promise.withResolvers()
  }
  const unsubscribe = client.onUpdate(query, args, receive, receive)
  return {
    latest: () => seen.at(-1),
    seen,
    stop: () => unsubscribe(),
    until: async (fits) => {
      for (let next = 0; ;) {
        for (; next < seen.length; next++) if (fits(seen[next]!)) return seen[next]!
        await changed.promise
      }
    }
  }
}
