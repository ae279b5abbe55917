/** The scripted model of the browser test: each prompt has one purpose. */
import { Reply, type Script } from "@opencode-worker/testkit"

/** A page of this machine that a hostile answer refers to. */
const hostile = (elsewhere: string): string =>
  [
    "# A hostile answer",
    `<script>globalThis.wasHacked = "script"</script>`,
    `<img src="x" onerror="globalThis.wasHacked = 'image'">`,
    `<iframe src="${elsewhere}"></iframe>`,
    `![remote](${elsewhere}.png)`,
    "[run](javascript:globalThis.wasHacked='link')",
    "[data](data:text/html,<script>1</script>)",
    `<a href="${elsewhere}" onclick="globalThis.wasHacked = 'handler'">click</a>`,
    "safe \u202E evil \u202C text",
    "The hostile answer ends here."
  ].join("\n\n")

export const scriptFor =
  (elsewhere: string): Script =>
  ({ images, lastUserText, toolResults }) => {
    const [result] = toolResults
    if (lastUserText.includes("Say hello")) {
      return Reply.text("Hello from **the agent**, one word after the other.", { every: "20 millis" })
    }
    if (lastUserText.includes("Remove the file")) {
      return result === undefined
        ? Reply.toolCall("bash", { command: "rm -f old.txt", description: "remove the file" })
        : Reply.text("The old file is gone.")
    }
    if (lastUserText.includes("Write the list")) {
      return result === undefined
        ? Reply.toolCall("write", { filePath: "list.txt", content: "cumin\n" })
        : Reply.text("The list is written.")
    }
    if (lastUserText.includes("Wait for the file")) {
      const command = "until [ -e go.txt ]; do sleep 0.1; done; mv go.txt gone.txt"
      return result === undefined
        ? Reply.toolCall("bash", { command, description: "wait for the file" })
        : Reply.text("No other prompt arrived.")
    }
    if (lastUserText.includes("Change of plan")) return Reply.text("Steered to another plan.")
    if (lastUserText.includes("Go on")) return Reply.sequence([Reply.text("On and on it goes."), Reply.hang])
    if (lastUserText.includes("Look at this")) {
      return Reply.text(images.length > 0 ? "The image has arrived." : "There is no image.")
    }
    if (lastUserText.includes("Write the notes")) {
      return result === undefined
        ? Reply.toolCall("bash", { command: "echo saffron > notes.txt", description: "write the notes" })
        : Reply.text("The notes are written.")
    }
    if (lastUserText.includes("Be hostile")) return Reply.text(hostile(elsewhere), { chunks: 12 })
    return Reply.text(`The answer to: ${lastUserText}`)
  }
