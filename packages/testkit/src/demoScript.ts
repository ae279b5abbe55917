/** A model for demonstrations without a network. Its replies quote its input, which shows that the context was kept. */
import * as Reply from "./Reply.ts"
import type { Script } from "./ScriptedProvider.ts"

/** A prompt that makes `demoScript` use a tool. */
export const demoPrompt = "Look at the files in this directory and describe what you find."

const aboutFiles = /\b(ls|list|look|files?|folders?|director(y|ies)|run|execute)\b/i

/** Slow enough to show streaming, fast enough for a demonstration. */
const every = "20 millis"

/** Characters of a quotation. */
const quoteLimit = 160

const quote = (text: string): string => {
  const line = text.replace(/\s+/gu, " ").trim()
  return `"${line.length > quoteLimit ? `${line.slice(0, quoteLimit).trimEnd()} …` : line}"`
}

/**
 * - A prompt about files, or to run something: it reasons, calls the `bash` tool with `ls -a`, and describes the output.
 * - Any other prompt: it introduces itself and quotes the prompt, its number in the session and the first prompt.
 *
 * The text streams in twenty pieces or more, one every 20 ms. The same session receives the same answers.
 */
export const demoScript: Script = ({ lastUserText, prompts, toolNames, toolResults }) => {
  const result = toolResults.at(-1)
  if (result !== undefined) return Reply.text(afterTool(result.output), { every })
  if (aboutFiles.test(lastUserText) && toolNames.includes("bash")) {
    return Reply.sequence([
      Reply.reasoning("The prompt is about what is here, so I look before I answer.", { every }),
      Reply.toolCall("bash", { command: "ls -a", description: "Lists the files of the directory" })
    ])
  }
  return Reply.text(inCharacter(lastUserText, prompts), { every })
}

const afterTool = (output: string): string => {
  const names = output.split("\n").filter((name) => !["", ".", ".."].includes(name))
  return (
    `I asked the bash tool to list the directory, and OpenCode really ran it: it printed ${names.length} ` +
    `${names.length === 1 ? "name" : "names"} besides the two dots, ${quote(names.join(", "))}. ` +
    "I am only the offline model of the demonstration and cannot judge files, but the way from your prompt " +
    "to the tool and back is the one that a real model takes."
  )
}

const inCharacter = (prompt: string, prompts: ReadonlyArray<string>): string =>
  "I am the offline model of this demonstration: a script on your machine, not a language model, so I repeat " +
  `what reached me instead of thinking about it. You wrote ${quote(prompt)}. ` +
  `That is prompt number ${prompts.length} of this session, ` +
  (prompts.length === 1
    ? "its first one. Ask me something else, and I will show that I still know it."
    : `which began with ${quote(prompts[0] ?? "")}, so its context was kept. `) +
  (prompts.length === 1 ? "" : "Ask me to look at the files here, and I will use a real tool.")
