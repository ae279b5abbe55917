/** Text that attacks the terminal, passed to every part that writes to it. */
import { assert, describe, it } from "@effect/vitest"
import { type Segment, TurnView } from "@opencode-worker/client"
import { Cause } from "effect"
import { CliError } from "effect/cli"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { cleanLine, cleanText, splitDecided } from "@opencode-worker/client/text"
import { formatter } from "../../src/terminal/output/cliFormatter.ts"
import { format } from "../../src/terminal/output/logger.ts"
import { ScreenText, screen } from "../../src/terminal/output/ScreenText.ts"
import { colored, plain } from "../../src/terminal/output/Style.ts"
import * as ToolPreview from "../../src/terminal/ToolPreview.ts"
import * as Transcript from "../../src/terminal/Transcript.ts"
import { ended, live, part } from "../support/views.ts"

const escape = "\u001b"

const hostile: Readonly<Record<string, string>> = {
  "all bytes": String.fromCharCode(...Array.from({ length: 256 }, (_, code) => code)),
  "clear the screen, draw another question, conceal the rest": `ls${escape}[2J${escape}[H? OpenCode asks for bash: ls${escape}[8m`,
  "overwrite the line": "rm -rf /\rls -la  ",
  clipboard: `${escape}]52;c;cm0gLXJmIC8=\u0007`,
  "clipboard, ended by ST": `${escape}]52;c;cm0gLXJmIC8=${escape}\\`,
  title: `${escape}]0;TITLE\u0007`,
  link: `${escape}]8;;https://evil.example${escape}\\click${escape}]8;;${escape}\\`,
  "device control string": `${escape}P$q"p${escape}\\`,
  "C1 controls": "\u009b2J\u009d0;TITLE\u009c\u0090q\u009c",
  "a report that is typed for the person": `${escape}[6n${escape}[c${escape}[21t`,
  "bidirectional controls": "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
  "zero width": "pass\u200b\u200c\u200d\u2060\u2061\u2062\u2063\u2064\ufeffword\u00ad\u034f\u180e",
  "letters that are empty": "\u115f\u1160\u3164\uffa0\u17b4\u17b5",
  tags: "\u{E0001}\u{E0041}\u{E0042}\u{E007F}",
  "variation selectors that carry data": "a\ufe00\ufe01\u{E0100}\u{E01EF}",
  annotations: "\ufff9a\ufffab\ufffb",
  separators: "one\u2028two\u2029three\u0085four\vfive\fsix",
  "lone surrogates": "\ud800x\udc00",
  // Terminal modes that outlive a program: anthropics/claude-code#72648, akitaonrails/ai-jail#40, github/copilot-cli#2874.
  "mouse tracking, another screen, a paste mode": `${escape}[?1003h${escape}[?1006h${escape}[?1049h${escape}[?2004l${escape}[>1u`,
  // Output of a full-screen program, and null bytes: SWE-agent/mini-swe-agent#761.
  "a full-screen program and null bytes": `${escape}[1;24r${escape}(0lqk\u0000\u0000${escape}c`,
  // A text cut within a character: anthropics/claude-code#56064.
  "half an emoji": "🎯🚀\ud83d…",
  // Characters that only a model reads: NVIDIA/SkillSpector#169, aaif-goose/goose#3920, BitterSecurity/Decepticon#480.
  "hidden instructions": `nice${Array.from("rm -rf ~", (letter) => String.fromCodePoint(0xe0000 + (letter.codePointAt(0) ?? 0))).join("")}`,
  // Code that looks different from how it runs: eslint-community/eslint-plugin-security#95.
  "reordered code": "if (level != 'user\u202e \u2066// Check if admin\u2069 \u2066') {"
}

/** Characters that must not reach a terminal, after the styles are removed. */
const forbidden = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\ufff9-\ufffb]/u
// oxlint-disable-next-line no-control-regex -- the only sequences that the program itself writes
const styles = /\u001b\[(?:1|2|22|3|23|4|24|9|29|31|32|35|36|39)m/g

/** The first forbidden character, if any. */
const dangerIn = (shown: string): string | undefined => {
  const rest = shown.replaceAll(styles, "").replaceAll(/[\n\t]/g, "")
  return forbidden.exec(rest)?.[0].codePointAt(0)?.toString(16)
}

/** The terminal output for a sequence of views. */
const onScreenOf =
  (width: number | null) =>
  (...views: ReadonlyArray<TurnView.TurnView>): string => {
    let state = Transcript.empty
    return views
      .map((view) => {
        const [next, added] = Transcript.render(state, { style: colored, width }, view)
        state = next
        return added.text
      })
      .join("")
  }
const onScreen = onScreenOf(null)
const asMarkdown = onScreenOf(80)
/** A text in each kind of block and span. */
const inMarkdown = (text: string): string => {
  const line = text.replaceAll(/[\n\r]/g, " ")
  return [
    `# ${line}`,
    `- **${line}** _${line}_ ~~${line}~~ \`${line}\` [${line}](${line}) ![${line}](x) <${line}>\n  1. ${text}`,
    `| ${line} | b |\n| - | - |\n| ${line} | &#27;&#x9b;&#x202e; |`,
    ...["ts", "diff", "py", line].map((language) => `\`\`\`${language}\n${text}\n\`\`\``),
    `> ${text}`,
    `<b title="${text}">${text}</b>`,
    text
  ].join("\n\n")
}
const segment = (kind: Segment["kind"], text: string): Segment => ({ partId: "a", kind, text })

/** Each path from foreign text to the screen. */
const renderers: Readonly<Record<string, (text: string) => string>> = {
  text: (text) => onScreen(live(TurnView.empty, segment("text", text))),
  "text in pieces": (text) => {
    const views: Array<TurnView.TurnView> = []
    for (const unit of text.split("")) views.push(live(views.at(-1) ?? TurnView.empty, segment("text", unit)))
    return onScreen(...views)
  },
  Markdown: (text) => asMarkdown(ended(TurnView.empty, [part(0, "text", { id: "a", text: inMarkdown(text) })])),
  "Markdown in pieces": (text) => {
    const views: Array<TurnView.TurnView> = []
    for (const unit of inMarkdown(text).match(/[^]{1,17}/g) ?? []) {
      views.push(live(views.at(-1) ?? TurnView.empty, segment("text", unit)))
    }
    return asMarkdown(...views, ended(views.at(-1) ?? TurnView.empty, []))
  },
  reasoning: (text) => onScreen(live(TurnView.empty, segment("reasoning", text))),
  "a notice": (text) => onScreen(live(TurnView.empty, segment("notice", text))),
  "a tool's name, input and output": (text) => {
    const call = { tool: text, status: "error", title: text, input: text, output: text } as const
    return onScreen(live(TurnView.empty, segment("tool", ToolPreview.encode(call))))
  },
  "final text": (text) => onScreen(ended(TurnView.empty, [part(0, "text", { id: "a", text })])),
  "a final part of another kind": (text) => onScreen(ended(TurnView.empty, [part(0, text, { id: "a", text })])),
  "a sub-agent's name, task and answer": (text) => {
    const child = { sessionId: text, agent: text, task: text }
    const call = { tool: "task", status: "error", title: text, input: "{}", output: text, child }
    return onScreen(
      live(TurnView.empty, segment("tool", JSON.stringify(call)), segment("todos", JSON.stringify([text])))
    )
  },
  "a final tool call": (text) => {
    const call = { id: "a", tool: text, state: { status: "error", input: { text }, error: text } }
    return onScreen(ended(TurnView.empty, [part(0, "tool", call)]))
  },
  "a turn's error, and who answered": (text) => {
    const answeredBy = { model: text, agent: text }
    return onScreen(ended(TurnView.empty, [], { status: "failed", error: { name: text, message: text }, answeredBy }))
  },
  "a log line": (text) =>
    format(colored, {
      date: new Date(0),
      logLevel: "Warn",
      message: [text, { text }],
      cause: Cause.fail(new Error(text))
    }).text,
  "an error of the command line": (text) =>
    formatter(colored).formatErrors([
      new CliError.UnrecognizedOption({ option: text, suggestions: [text] }),
      new CliError.UserError({ cause: new Error(text), userMessage: text })
    ]),
  "a sentence about a mistake": (text) =>
    formatter(plain).formatError(new CliError.UserError({ cause: new Error(text), userMessage: text })),
  "a title": (text) => ScreenText.line(text).text,
  "any value in a screen text": (text) => ScreenText.indent(screen`${text}`, "  ").text
}

describe("hostile text", () => {
  for (const [renderer, render] of Object.entries(renderers)) {
    it(`${renderer}: no control, bidirectional or invisible character reaches the terminal`, () => {
      for (const [what, text] of Object.entries(hostile)) {
        const shown = render(`before ${text} after`)
        assert.isUndefined(dangerIn(shown), `${what}: ${JSON.stringify(shown)}`)
      }
    })
  }

  it("cannot leave the line of a title", () => {
    for (const text of Object.values(hostile)) assert.notMatch(ScreenText.line(text).text, /[\n\t]/)
  })

  it("cannot start a second line in a log message or an error", () => {
    const forged = "failed\n[00:00:00.000] INFO: all is well"
    assert.match(renderers["a log line"]?.(forged) ?? "", /failed\n {2}\[00/)
    assert.match(renderers["a sentence about a mistake"]?.(forged) ?? "", /failed\n {2}\[00/)
  })

  it("is shown with visible symbols for the replaced characters", () => {
    assert.strictEqual(
      cleanText(`a${escape}[2K\r\nb\rc\u007f\u009b\u202e\ud800`),
      "a␛[2K\nb␍c␡<U+009B><U+202E><U+D800>"
    )
    assert.strictEqual(cleanText("line\n\ttab"), "line\n\ttab")
    assert.strictEqual(cleanLine("line\n\ttab"), "line␊␉tab")
  })

  it("is not found in ordinary text, which stays unchanged", () => {
    const written = ["👩‍👩‍👧", "👩🏽‍💻", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "❤️", "1️⃣", "می‌خواهم", "क्‍ष", "日本語", "Zürich", "שלום", "🇨🇭"]
    for (const text of written) assert.strictEqual(cleanText(text), text)
    // Wherever it is cut.
    for (const text of written) {
      for (let at = 0; at <= text.length; at++) {
        let before = ""
        let held = ""
        let shown = ""
        for (const piece of [text.slice(0, at), text.slice(at)]) {
          const [decided, rest] = splitDecided(held + piece)
          shown += cleanText(decided, before)
          before += decided
          held = rest
        }
        assert.strictEqual(shown + held, text)
      }
    }
  })

  it("is clean after one pass", () => {
    for (const text of Object.values(hostile)) assert.strictEqual(cleanText(cleanText(text)), cleanText(text))
  })
})

describe("the source", () => {
  const root = fileURLToPath(new URL("../../src/", import.meta.url))
  /** Modules that may write: the output itself, the error for a Node.js that cannot load it, and the wait for the last output. */
  const writers = ["terminal/output/Output.ts", "main.ts", "runMain.ts"]

  it("writes to the terminal in one place", () => {
    const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"))
    const writing = files.filter((file) => {
      // Doc comments have examples, and a sample file of the demo contains a program.
      const code = readFileSync(join(root, file), "utf8").replaceAll(/^\s*\* .*$|'[^'\n]*'/gm, "''")
      return /\bConsole\.(?!ts")|(?<![\w./"])console\.\w+|=\s*console\b|\bdisplay\(|(?:stdout|stderr)\.(?:write|pipe)|Stdio\.(?:stdout|stderr)/.test(
        code
      )
    })
    assert.sameMembers(writing, writers)
  })

  it("writes escape sequences only in the modules of the terminal", () => {
    const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"))
    const escaping = files.filter((file) => /\\u001b|\\x1b|\\033/i.test(readFileSync(join(root, file), "utf8")))
    for (const file of escaping) assert.match(file, /^terminal\//)
  })
})
