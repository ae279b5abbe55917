/** A line of `opencode-worker doctor`. Pure. */
import { ScreenText, screen } from "../terminal/output/ScreenText.ts"
import type { Style } from "../terminal/output/Style.ts"
import type { Finding } from "./Finding.ts"

export const findingLine = ({ advice, detail, name, state }: Finding, style: Style): ScreenText => {
  const mark =
    state === "ok"
      ? screen`ok     `
      : state === "warning"
        ? style.strong(screen`warning`)
        : style.alarm(screen`problem`)
  const more = advice === null ? screen`` : screen`\n         ${ScreenText.indent(screen`${advice}`, "         ")}`
  return screen`${mark}  ${name}: ${ScreenText.indent(screen`${detail}`, "         ")}${more}`
}
