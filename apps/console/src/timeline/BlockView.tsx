/** One block of an answer. */
import { cleanText } from "@opencode-worker/client/text"
import { lazy, memo, type ReactNode, Suspense, useEffect, useState } from "react"
import { useNow, useServices } from "../app/Services.ts"
import { elapsed, longDuration } from "../text/format.ts"
import { t, tn } from "../text/messages.ts"
import { Foreign } from "../ui/parts.tsx"
import type { Block, Row } from "./rows.ts"
import { SubAgentTranscript } from "./SubAgentTranscript.tsx"
import { TurnFiles } from "./TurnFiles.tsx"

const Markdown = lazy(() => import("../ui/Markdown.tsx"))

type BlockRow = Extract<Row, { readonly kind: "block" }>
type Of<Kind extends Block["kind"]> = Extract<Block, { readonly kind: Kind }>

/** The whole block of a row. `isWanted`: read it, if the outline has only its head. */
const useWhole = ({ block, index, turn }: BlockRow, isWanted: boolean): Block => {
  const { parts } = useServices()
  const known = index === null ? block : parts.known(turn, index)
  const [whole, set] = useState(known)
  useEffect(() => {
    if (index === null || !isWanted || whole !== undefined) return undefined
    let isLeft = false
    const read = async () => {
      const found = await parts.read(turn, index)
      if (!isLeft && found !== null) set(found)
    }
    // Without it the head stays.
    read().catch(() => undefined)
    return () => {
      isLeft = true
    }
  }, [index, isWanted, parts, turn, whole])
  return index === null ? block : (whole ?? block)
}

export const BlockView = memo(({ row }: { readonly row: BlockRow }) => {
  switch (row.block.kind) {
    case "text":
      return <Text row={row} />
    case "reasoning":
      return <Thought row={row} />
    case "tool":
      return <Tool row={row} block={row.block} />
    case "agent":
      return <SubAgent row={row} block={row.block} />
    case "notice":
      return <Notice block={row.block} />
    case "file":
      return <File row={row} />
    case "request":
    case "todos":
      return null
    case "other":
      return (
        <p className="notice">
          <Foreign>{row.block.type}</Foreign>
        </p>
      )
  }
})

const textOf = (block: Block): string => (block.kind === "text" || block.kind === "reasoning" ? block.text : "")

const Plain = ({ text }: { readonly text: string }) => (
  <div className="markdown">
    <p className="plain">{cleanText(text)}</p>
  </div>
)

const Text = ({ row }: { readonly row: BlockRow }) => {
  const text = textOf(useWhole(row, true))
  return (
    <Suspense fallback={<Plain text={text} />}>
      <Markdown text={text} isLive={row.isLive} />
    </Suspense>
  )
}

const Thought = ({ row }: { readonly row: BlockRow }) => {
  const [isOpen, setOpen] = useState(false)
  const text = textOf(useWhole(row, isOpen))
  const head = text.trim().split("\n", 1)[0] ?? ""
  return (
    <div className="thought">
      <button type="button" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        {t(row.isLive ? "block.thinking" : "block.thought")}
        {!isOpen && head !== "" && (
          <>
            {" · "}
            <Foreign>{head.replaceAll("**", "").slice(0, 80)}</Foreign>
          </>
        )}
      </button>
      {isOpen && (
        <Suspense fallback={<Plain text={text} />}>
          <Markdown text={text} />
        </Suspense>
      )}
    </div>
  )
}

/** The most informative argument of a call, if the agent gave it no title. */
const argumentOf = (input: string): string => {
  let parsed: unknown
  try {
    parsed = JSON.parse(input)
  } catch {
    return ""
  }
  if (typeof parsed !== "object" || parsed === null) return ""
  for (const name of ["command", "filePath", "path", "pattern", "query", "url", "description"]) {
    const value: unknown = Reflect.get(parsed, name)
    if (typeof value === "string" && value !== "") return value
  }
  return ""
}

const prettyInput = (input: string): string => {
  try {
    return JSON.stringify(JSON.parse(input), undefined, 2)
  } catch {
    return input
  }
}

const State = ({ duration, state }: Pick<Of<"tool">, "duration" | "state">) => {
  if (state === "error") return <span className="tag bad">{t("block.failed")}</span>
  if (state === "running") return <span className="tag">{t("block.running")}</span>
  return duration === null ? null : <span className="age">{elapsed(duration)}</span>
}

const Fold = ({
  children,
  head,
  isOpen,
  onToggle
}: {
  readonly head: ReactNode
  readonly isOpen: boolean
  readonly onToggle: () => void
  readonly children: ReactNode
}) => (
  <div className="tool">
    <button type="button" aria-expanded={isOpen} onClick={onToggle}>
      {head}
    </button>
    {children}
  </div>
)

const Tool = ({ block, row }: { readonly row: BlockRow; readonly block: Of<"tool"> }) => {
  const [isOpen, setOpen] = useState(false)
  const whole = useWhole(row, isOpen || block.files.length > 0)
  const { files, input, output } = whole.kind === "tool" ? whole : block
  const title = block.title ?? argumentOf(block.input)
  const isTail = !isOpen && block.state === "running" && block.output !== ""
  return (
    <Fold
      isOpen={isOpen}
      onToggle={() => setOpen(!isOpen)}
      head={
        <>
          <span className="name">
            <Foreign>{block.tool}</Foreign>
          </span>
          <span className="sub grow clip">
            <Foreign>{title}</Foreign>
          </span>
          <State state={block.state} duration={block.duration} />
        </>
      }
    >
      {isTail && (
        <div className="tool-body tail">
          <pre>{cleanText(block.output)}</pre>
        </div>
      )}
      {isOpen && (
        <div className="tool-body" tabIndex={0} role="region" aria-label={block.tool}>
          {input !== "" && input !== "{}" && (
            <>
              <h4>{t("block.input")}</h4>
              <pre>{cleanText(prettyInput(input))}</pre>
            </>
          )}
          <h4>{t("block.output")}</h4>
          <pre>{output === "" ? t("block.noOutput") : cleanText(output)}</pre>
        </div>
      )}
      {files.length > 0 && <TurnFiles turn={row.turn} of={files} />}
    </Fold>
  )
}

const SubAgent = ({ block, row }: { readonly row: BlockRow; readonly block: Of<"agent"> }) => {
  const [isOpen, setOpen] = useState(false)
  const whole = useWhole(row, isOpen)
  const output = whole.kind === "agent" ? whole.output : block.output
  const { progress } = block
  return (
    <div className="child">
      <Fold
        isOpen={isOpen}
        onToggle={() => setOpen(!isOpen)}
        head={
          <>
            <span className="name">
              <Foreign>{block.agent === "" ? t("block.agent") : block.agent}</Foreign>
            </span>
            <span className="sub grow clip">
              <Foreign>{block.task}</Foreign>
              {progress !== null && (
                <>
                  {` · ${tn("block.tools", progress.tools)} · `}
                  <Foreign>{progress.current}</Foreign>
                </>
              )}
            </span>
            <State state={block.state} duration={block.duration} />
          </>
        }
      >
        {isOpen && (
          <SubAgentTranscript
            agentSessionId={block.sessionId}
            sessionId={row.turn.sessionId}
            renderBlock={(each, key) => (
              <BlockView
                key={key}
                row={{ kind: "block", key, turn: row.turn, block: each, index: null, isLive: false }}
              />
            )}
          >
            <div className="tool-body" tabIndex={0} role="region" aria-label={block.agent}>
              <pre>{output === "" ? t("block.noOutput") : cleanText(output)}</pre>
            </div>
          </SubAgentTranscript>
        )}
      </Fold>
    </div>
  )
}

const Notice = ({ block: { text, until } }: { readonly block: Of<"notice"> }) => {
  const now = useNow(until === null ? 60_000 : 1_000)
  const left = until === null ? 0 : until - now
  return (
    <p className="notice">
      <span>
        <Foreign>{text}</Foreign>
        {left > 0 && ` · ${t("block.retryIn", { left: longDuration(left) })}`}
      </span>
    </p>
  )
}

/** A file that is not stored is shown by its name. */
const File = ({ row }: { readonly row: BlockRow }) => {
  const whole = useWhole(row, true)
  return whole.kind === "file" ? <TurnFiles turn={row.turn} of={[whole.file]} /> : null
}
