/** Signs in at a login provider, and uses its ID token once: for a code by which this machine becomes a device of the identity. */
import { hostname } from "node:os"
import { httpCall, isClientError } from "@opencode-worker/client/http"
import { api } from "@opencode-worker/convex-backend/api"
import { MAX_NAME, printable } from "@opencode-worker/convex-backend/limits"
import { Effect } from "effect"
import { notAuthorised, refusal, temporaryError } from "../../AppError.ts"
import { printLine } from "../../terminal/output/Output.ts"
import { ScreenText, screen } from "../../terminal/output/ScreenText.ts"
import { printQrCode } from "../../terminal/printQrCode.ts"
import { begin, type Begun, idToken } from "./deviceLogin.ts"
import { loginProvider, type LoginProvider, type ProviderOptions } from "./provider.ts"

/** The name of this machine in the list of devices. */
const deviceName = (): string => printable(hostname()).slice(0, MAX_NAME) || "command line"

const minutes = (seconds: number): string => (seconds < 120 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`)

const show = Effect.fnUntraced(function* (url: string, { address, completeAddress, device, provider }: Begun) {
  yield* printLine(screen`address  ${ScreenText.line(address)}`)
  yield* printLine(screen`code     ${ScreenText.line(device.user_code)} (valid for ${minutes(device.expires_in)})`)
  yield* printQrCode(completeAddress ?? address)
  yield* printLine(
    screen`Open the address on any device and enter the code. This machine then acts for you at ${ScreenText.line(url)}, by your login at ${ScreenText.line(provider.issuer.href)}.`
  )
})

const refusedToken = (url: string, { clientId, issuer }: LoginProvider) =>
  notAuthorised(
    `${url} refuses the ID token of ${issuer.href}: its auth.config.ts needs a provider with this issuer as the domain, and ${clientId} as the applicationID.`
  )

const addDevice = (url: string, provider: LoginProvider, token: string) =>
  Effect.tryPromise({
    try: () => httpCall("mutation", api.devices.add, { name: deviceName(), scope: "operate" }, { url, token }),
    catch: (error) => {
      if (!isClientError(error) || error.reason._tag !== "Rejected") {
        return temporaryError(error instanceof Error ? error.message : String(error))
      }
      const { code, message } = error.reason
      return code === "Unauthenticated" ? refusedToken(url, provider) : refusal(code, message)
    }
  })

/** Returns a code for this machine, which becomes a device of the person who signs in. */
export const codeOfLogin = Effect.fnUntraced(function* (url: string, options: ProviderOptions) {
  const provider = yield* loginProvider(url, options)
  const begun = yield* begin(provider)
  yield* show(url, begun)
  const { code } = yield* addDevice(url, provider, yield* idToken(begun))
  return code
})
