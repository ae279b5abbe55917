/** The addresses on which a deployment is served, and the one under which other devices open the web console. */
import { X509Certificate } from "node:crypto"
import { isIP } from "node:net"
import { Effect, Option } from "effect"
import { type AppError, configError } from "../AppError.ts"

/** PEM texts. */
export interface Tls {
  readonly cert: string
  readonly key: string
}

export interface Listening {
  /** None: the port of the last start if it is free, otherwise any free one. */
  readonly port: Option.Option<number>
  /** The address for other machines, at `port`. Without it, `port` is the one of this machine. */
  readonly remote: Option.Option<{ readonly host: string; readonly tls: Option.Option<Tls> }>
  /** Names under which browsers reach the deployment. */
  readonly names: ReadonlyArray<string>
  /** The origin of the proxy in front of it. */
  readonly publicUrl: Option.Option<string>
  /** Milliseconds for the own code of a function, 1000 by default. Tests on a loaded machine need more. */
  readonly userTimeLimit?: number
}

/** This machine only. */
export const loopback: Listening = {
  port: Option.none(),
  remote: Option.none(),
  names: [],
  publicUrl: Option.none()
}

export interface Given {
  readonly host: string
  readonly port: Option.Option<number>
  readonly tls: Option.Option<Tls>
  readonly publicUrl: Option.Option<string>
}

const isLoopback = (host: string) => /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/.test(host)

const originOf = Effect.fnUntraced(function* (given: string) {
  const url = URL.parse(given)
  if (url?.protocol !== "https:" || url.username !== "" || url.pathname !== "/" || url.search + url.hash !== "") {
    return yield* configError("--public-url is the https address of the proxy, such as https://box.tail1234.ts.net.")
  }
  return url.origin
})

/** The names of a certificate that a browser can open: no wildcards. */
const namesOf = Effect.fnUntraced(function* ({ cert }: Tls) {
  const certificate = yield* Effect.try({
    try: () => new X509Certificate(cert),
    catch: () => configError("The file of --tls-cert is not a certificate in PEM format.")
  })
  return (certificate.subjectAltName ?? "").split(", ").flatMap((entry) => {
    const [, name] = /^(?:DNS|IP Address):([^*]+)$/.exec(entry) ?? []
    return name === undefined ? [] : [name]
  })
})

/** Fails unless other machines reach it encrypted: with a certificate, or through a proxy that has one. */
export const decide = Effect.fnUntraced(function* (given: Given): Effect.fn.Return<Listening, AppError> {
  const { host, port, tls } = given
  const publicUrl = Option.isSome(given.publicUrl)
    ? Option.some(yield* originOf(given.publicUrl.value))
    : Option.none<string>()
  const isLocal = isLoopback(host)
  if (!isLocal && Option.isNone(tls) && Option.isNone(publicUrl)) {
    return yield* configError(
      `--host ${host} without encryption would let other machines read all that the console sends, and browsers would refuse its keys. Pass --tls-cert and --tls-key, or leave out --host, run tailscale serve or a reverse proxy on this machine, and pass its address as --public-url https://….`
    )
  }
  const certified = Option.isSome(tls) ? yield* namesOf(tls.value) : []
  if (Option.isSome(tls) && certified.length === 0 && Option.isNone(publicUrl)) {
    return yield* configError(
      "The certificate has no name that a browser can open: pass one as --public-url https://…."
    )
  }
  const proxied = Option.match(publicUrl, { onNone: () => [], onSome: (url) => [new URL(url).hostname] })
  return {
    port,
    remote: isLocal && Option.isNone(tls) ? Option.none() : Option.some({ host, tls }),
    names: [...proxied, ...certified],
    publicUrl
  }
})

/** The address of the console for other devices. `url`: of this machine; `remoteUrl`: of the address for others. */
export const consoleAddress = (
  { names: [name], publicUrl, remote }: Listening,
  url: string,
  remoteUrl: string | null
): string => {
  if (Option.isSome(publicUrl)) return publicUrl.value
  if (remoteUrl === null || Option.isNone(remote) || name === undefined) return url
  const { port } = new URL(remoteUrl)
  return new URL(`https://${isIP(name) === 6 ? `[${name}]` : name}:${port || "443"}`).origin
}
