/** Addresses for other devices, such as a phone, as QR codes. */
import { Effect, Stdio } from "effect"
import { isLocal } from "../commands/shared/url.ts"
import { columns, printLine } from "./output/Output.ts"
import { none } from "./output/ScreenText.ts"
import { colored, styleFor } from "./output/Style.ts"

/** At a terminal only. Other devices cannot open an address of this machine, so it has none. */
export const printQrCode = Effect.fnUntraced(function* (address: string) {
  const isTerminal = yield* Stdio.Stdio.use(({ stdoutIsTerminal }) => stdoutIsTerminal)
  if (!isTerminal || isLocal(address)) return
  const { qrCode } = yield* Effect.promise(() => import("./qrCode.ts"))
  yield* printLine(qrCode(address, { columns: columns(), isColored: styleFor(isTerminal) === colored }) ?? none)
})
