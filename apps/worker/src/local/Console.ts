/** The web console of a deployment that this process serves: links that sign a browser in, and the browser of this machine. */
import { spawn } from "node:child_process"
import { Client } from "@opencode-worker/client/effect"
import { Effect, Option } from "effect"
import { EmbeddedDeployment } from "./EmbeddedDeployment.ts"
import { printLine } from "../terminal/output/Output.ts"
import { screen } from "../terminal/output/ScreenText.ts"
import { printQrCode } from "../terminal/printQrCode.ts"

/** The name of a browser in the list of devices, until its user renames it. */
const deviceName = "web console"

/** A link that signs one browser in, within 5 minutes. The fragment of an address is not sent to a server. */
const pairingLink = Effect.fnUntraced(function* (consoleUrl: string) {
  const client = yield* Client
  const { code } = yield* client.call(({ devices }) => devices.add({ name: deviceName, scope: "operate" }))
  return `${consoleUrl}/#pair=${code}`
})

/** Prints a new link. */
export const printLink = Effect.fnUntraced(function* (consoleUrl: string) {
  const link = yield* pairingLink(consoleUrl)
  yield* printLine(screen`${link}\n(signs one browser in, within 5 minutes)`)
  yield* printQrCode(link)
  return link
})

/** The program that opens an address in the browser of this machine; none over SSH and without a desktop. */
export const browserProgram = (
  platform: NodeJS.Platform,
  environment: Readonly<Record<string, string | undefined>>
): Option.Option<string> => {
  const isSet = (name: string) => (environment[name] ?? "") !== ""
  if (isSet("SSH_CONNECTION") || isSet("CI")) return Option.none()
  if (platform === "darwin") return Option.some("open")
  return isSet("DISPLAY") || isSet("WAYLAND_DISPLAY") ? Option.some("xdg-open") : Option.none()
}

/** Starts the browser and does not wait for it. */
const openLink = (program: string, link: string) =>
  Effect.sync(() => {
    const browser = spawn(program, [link], { detached: true, stdio: "ignore" })
    // A program that is missing: the link is printed anyway.
    browser.on("error", () => undefined)
    browser.unref()
  })

/** Prints a link, and opens it if this machine has a browser. */
export const openConsole = Effect.gen(function* () {
  const { consoleUrl } = yield* EmbeddedDeployment
  if (Option.isNone(consoleUrl)) return
  const link = yield* printLink(consoleUrl.value)
  const program = browserProgram(process.platform, process.env)
  if (Option.isSome(program)) yield* openLink(program.value, link)
}).pipe(Effect.catch(({ message }) => printLine(screen`There is no link now: ${message}`)))
