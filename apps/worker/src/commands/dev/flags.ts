/** The flags of `dev`. */
import { type Command, Flag } from "effect/cli"
import { directorySettings } from "../../config/settings.ts"
import { plain } from "../../operator/output.ts"
import * as shared from "../shared/flags.ts"
import { listeningFlags } from "../shared/listening.ts"

export const flags = {
  directory: shared.directory,
  allowHome: shared.allowHome,
  data: shared.data,
  demo: shared.demo,
  ...listeningFlags,
  askTimeout: directorySettings.askTimeout.flag("ask-timeout"),
  attachable: directorySettings.attachable.flag("attachable"),
  opencode: shared.opencode,
  model: Flag.String("model").pipe(
    Flag.withAlias("m"),
    Flag.withDescription("provider/model of your own OpenCode configuration (default: OpenCode's choice)"),
    Flag.optional
  ),
  session: Flag.String("session").pipe(
    Flag.withAlias("s"),
    Flag.withDescription("Continue this session (default: a new one)"),
    Flag.optional
  ),
  prompt: Flag.String("prompt").pipe(
    Flag.withAlias("p"),
    Flag.withDescription("A prompt; repeat it for several. Without one: a chat, or the lines of standard input"),
    Flag.atLeast(0)
  ),
  promptFile: Flag.String("prompt-file").pipe(
    Flag.withAlias("F"),
    Flag.withMetavar("path"),
    Flag.withDescription("A file that is one prompt, with its line breaks; - for standard input"),
    Flag.optional
  ),
  plain,
  sample: Flag.Boolean("sample-prompt").pipe(
    Flag.withDescription("Begin with a sample prompt, unless --prompt is given"),
    Flag.withDefault(false)
  )
}

export type Flags = Command.Command.Config.Infer<typeof flags>
