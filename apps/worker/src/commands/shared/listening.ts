/** The flags of the commands that serve a deployment. */
import { Effect, FileSystem, Option } from "effect"
import { Flag } from "effect/cli"
import { configError, usageError } from "../../AppError.ts"
import * as Listening from "../../local/Listening.ts"

export const listeningFlags = {
  port: Flag.Int("port").pipe(
    Flag.withDescription("Port of the deployment and its web console (default: the one of the last start)"),
    Flag.optional
  ),
  host: Flag.String("host").pipe(
    Flag.withMetavar("address"),
    Flag.withDescription(
      "Address to listen on, such as 0.0.0.0 for other machines; they need https (default: 127.0.0.1, this machine only)"
    ),
    Flag.withDefault("127.0.0.1")
  ),
  tlsCert: Flag.String("tls-cert").pipe(
    Flag.withMetavar("path"),
    Flag.withDescription("The certificate for other machines, with its chain, in PEM format"),
    Flag.optional
  ),
  tlsKey: Flag.String("tls-key").pipe(
    Flag.withMetavar("path"),
    Flag.withDescription("The key of the certificate, in PEM format"),
    Flag.optional
  ),
  publicUrl: Flag.String("public-url").pipe(
    Flag.withMetavar("url"),
    Flag.withDescription("The https address of a reverse proxy or of tailscale serve in front of this deployment"),
    Flag.optional
  )
}

interface Flags {
  readonly port: Option.Option<number>
  readonly host: string
  readonly tlsCert: Option.Option<string>
  readonly tlsKey: Option.Option<string>
  readonly publicUrl: Option.Option<string>
}

const content = Effect.fnUntraced(function* (flag: string, path: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* fs
    .readFileString(path)
    .pipe(Effect.mapError(({ message }) => configError(`The file of ${flag} cannot be read: ${message}`)))
})

const tlsOf = Effect.fnUntraced(function* ({ tlsCert, tlsKey }: Flags) {
  if (Option.isNone(tlsCert) && Option.isNone(tlsKey)) return Option.none<Listening.Tls>()
  if (Option.isNone(tlsCert) || Option.isNone(tlsKey)) {
    return yield* usageError("--tls-cert and --tls-key belong together: pass both.")
  }
  const cert = yield* content("--tls-cert", tlsCert.value)
  return Option.some({ cert, key: yield* content("--tls-key", tlsKey.value) })
})

/** The addresses of these flags. Fails for an address that other machines would reach without encryption. */
export const listeningOf = Effect.fnUntraced(function* (flags: Flags) {
  return yield* Listening.decide({ ...flags, tls: yield* tlsOf(flags) })
})
