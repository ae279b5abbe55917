/** `opencode-worker login`, `logout`, `whoami` and `context`: the deployments that this user is signed in to. */
import { hostname } from "node:os"
import { Client } from "@opencode-worker/client/effect"
import { Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { AppError, exitCodes, toAppError, usageError } from "../../AppError.ts"
import { asOperator } from "../../operator/connection.ts"
import { becomeDevice } from "../../operator/login/becomeDevice.ts"
import { isJson, json, printJson, printRows } from "../../operator/output.ts"
import type { ProviderOptions } from "../../operator/login/provider.ts"
import * as Contexts from "../../state/Contexts.ts"
import { endWithOutput } from "../../terminal/output/endWithOutput.ts"
import { printLine } from "../../terminal/output/Output.ts"
import { ScreenText, screen } from "../../terminal/output/ScreenText.ts"
import * as shared from "../shared/flags.ts"
import { resolveUrl } from "../shared/url.ts"
import { operatorCommand } from "./operatorCommand.ts"
import { descriptions } from "../descriptions.ts"

const named = Flag.String("context").pipe(
  Flag.withDescription("The name of the sign-in (default: the host of the deployment)"),
  Flag.optional
)

const provider = {
  issuer: Flag.String("issuer").pipe(
    Flag.withMetavar("https://…"),
    Flag.withDescription(
      "Sign in at this OpenID Connect provider, on any device (default: the one that the deployment names)"
    ),
    Flag.optional
  ),
  clientId: Flag.String("client-id").pipe(
    Flag.withMetavar("id"),
    Flag.withDescription("The public client at the provider: the applicationID in auth.config.ts"),
    Flag.optional
  ),
  scope: Flag.String("scope").pipe(
    Flag.withMetavar("scopes"),
    Flag.withDescription("The scopes of the login (default: openid)"),
    Flag.optional
  )
}

const codeAtProvider = Effect.fnUntraced(function* (url: string, options: ProviderOptions) {
  const { codeOfLogin } = yield* Effect.promise(() => import("../../operator/login/signIn.ts"))
  return yield* codeOfLogin(url, options)
})

/** Only the context of a name. */
const elsewhere = {
  url: Option.none<string>(),
  data: Option.none<string>(),
  directory: Option.none<string>(),
  demo: false
}

export const login = Command.make(
  "login",
  {
    code: Argument.String("code").pipe(
      Argument.withDescription("The code that opencode-worker devices add shows on a machine that is signed in"),
      Argument.optional
    ),
    url: shared.url,
    context: named,
    tokenCommand: Flag.String("token-command").pipe(
      Flag.withMetavar("command"),
      Flag.withDescription("Sign in by a command that prints a JWT of your login provider, in place of a code"),
      Flag.optional
    ),
    ...provider
  },
  Effect.fn(
    function* ({ clientId, code, context, issuer, scope, tokenCommand, url: given }) {
      const url = yield* resolveUrl(given)
      const name = Option.getOrElse(context, () => Contexts.nameOf(url))
      const existing = yield* Contexts.read(name)
      if (Option.isSome(existing) && existing.value.url !== url) {
        return yield* usageError(`The context ${name} belongs to ${existing.value.url}: choose another --context.`)
      }
      const isAtProvider = [issuer, clientId, scope].some(Option.isSome)
      if ([Option.isSome(code), Option.isSome(tokenCommand), isAtProvider].filter(Boolean).length > 1) {
        return yield* usageError(
          "Give one of them: a code of opencode-worker devices add, the login provider (--issuer, --client-id), or --token-command."
        )
      }
      if (Option.isSome(tokenCommand)) {
        const { printedToken } = yield* Effect.promise(() => import("../../operator/tokenCommand.ts"))
        yield* printedToken(tokenCommand.value)
        yield* Contexts.prepare(name)
        yield* Contexts.save(name, url, tokenCommand.value)
        const connected = Client.use((client) => client.call(({ workers }, options) => workers.list(options)))
        yield* asOperator({ ...elsewhere, context: Option.some(name) }, connected).pipe(
          Effect.tapError(() => Contexts.remove(name)),
          Effect.scoped
        )
        return yield* printLine(screen`Signed in to ${url} by a command for tokens. Context: ${name}`)
      }
      const device = yield* becomeDevice({
        url,
        name,
        code: Option.isSome(code) ? code.value.trim() : yield* codeAtProvider(url, { issuer, clientId, scope })
      })
      yield* printLine(
        screen`Signed in to ${url} as ${ScreenText.line(device.name)} (${device.scope}), on ${hostname()}. Context: ${name}`
      )
    },
    Effect.mapError(toAppError),
    endWithOutput(0)
  )
).pipe(Command.withDescription(descriptions.login))

export const logout = Command.make(
  "logout",
  { context: named },
  Effect.fn(
    function* (given) {
      const context = Option.isSome(given.context) ? yield* Contexts.read(given.context.value) : yield* Contexts.current
      if (Option.isNone(context)) return yield* usageError("You are not signed in there: opencode-worker context ls.")
      const { name, tokenCommand, url } = context.value
      if (tokenCommand !== undefined) {
        yield* Contexts.remove(name)
        return yield* printLine(screen`Signed out of ${url}`)
      }
      const leave = Client.use((client) => client.call(({ devices }) => devices.leave()))
      // The key is removed in any case; a device that the deployment still lists can be revoked from another one.
      const left = yield* Effect.exit(asOperator({ ...elsewhere, context: Option.some(name) }, leave))
      yield* Contexts.remove(name)
      if (left._tag === "Success") return yield* printLine(screen`Signed out of ${url}`)
      return yield* new AppError({
        text: `The key of ${url} is removed from this machine, but the deployment could not be informed: revoke the device from another one (opencode-worker devices revoke).`,
        exitCode: exitCodes.Temporary
      })
    },
    Effect.mapError(toAppError),
    endWithOutput(0)
  )
).pipe(Command.withDescription(descriptions.logout))

export const whoami = operatorCommand(
  "whoami",
  descriptions.whoami,
  { json },
  Effect.fnUntraced(function* (given) {
    const client = yield* Client
    const own = (yield* client.call(({ devices }, options) => devices.list(options))).find(({ isCurrent }) => isCurrent)
    if (isJson(given.json)) {
      const row = own ?? { deviceId: null, name: null, scope: "operate" }
      return yield* printJson([row], given.json)
    }
    yield* printLine(
      own === undefined
        ? screen`signed in by a login provider, with all permissions`
        : screen`${ScreenText.line(own.name)} (${own.scope}), device ${own.deviceId}`
    )
  })
)

const contexts = Command.make(
  "ls",
  { json },
  Effect.fn(
    function* (given) {
      const current = Option.getOrUndefined(yield* Contexts.current)?.name
      const rows = (yield* Contexts.list).map(({ name, url }) => ({ name, url, isCurrent: name === current }))
      yield* printRows({
        rows,
        json: given.json,
        empty: screen`You are not signed in to a deployment: opencode-worker login does that.`,
        columns: () => [
          { name: "", value: ({ isCurrent }) => (isCurrent ? "*" : "") },
          { name: "CONTEXT", value: ({ name }) => name },
          { name: "DEPLOYMENT", value: ({ url }) => url }
        ]
      })
    },
    Effect.mapError(toAppError),
    endWithOutput(0)
  )
).pipe(Command.withDescription("List the deployments that you are signed in to"))

const use = Command.make(
  "use",
  { name: Argument.String("context").pipe(Argument.withDescription("Its name (opencode-worker context ls)")) },
  Effect.fn(function* ({ name }) {
    yield* Contexts.use(name)
    yield* printLine(screen`Commands now use ${name}`)
  }, Effect.mapError(toAppError))
).pipe(Command.withDescription("Choose the deployment that commands use by default"))

export const context = Command.make("context").pipe(
  Command.withDescription(descriptions.context),
  Command.withSubcommands([contexts, use])
)
