/** Writes a prompt. Text, files and the idempotency key survive a reload. */
import type { SessionId, WorkerId } from "@opencode-worker/client"
import { cleanLine } from "@opencode-worker/client/text"
import { type KeyboardEvent, lazy, Suspense, useEffect, useRef, useState } from "react"
import { useServices } from "../app/Services.ts"
import { type DraftState, emptyDraft, typed } from "../data/drafts.ts"
import { usePromptChoice } from "../data/promptChoice.ts"
import { openStore } from "../data/storage.ts"
import { t } from "../text/messages.ts"
import { Icon } from "../ui/icons.tsx"
import { Segmented } from "../ui/parts.tsx"

const ChooseModel = lazy(() => import("./ChooseModel.tsx"))

const drafts = openStore<DraftState>("drafts")
const largestFile = 10 * 1024 ** 2

export const Composer = ({
  isRunning,
  onStop,
  sessionId,
  workerId
}: {
  readonly sessionId: SessionId
  /** Null until it is known. */
  readonly workerId: WorkerId | null
  readonly isRunning: boolean
  readonly onStop: () => void
}) => {
  const { outbox } = useServices()
  const [draft, setDraft] = useState(emptyDraft)
  const [delivery, setDelivery] = useState<"queue" | "steer">("queue")
  const [problem, setProblem] = useState<string | null>(null)
  const [choice, choose] = usePromptChoice(sessionId)
  const [isChoosing, setChoosing] = useState(false)
  const chooser = useRef<HTMLInputElement>(null)
  const field = useRef<HTMLTextAreaElement>(null)

  useEffect(() => {
    let isLeft = false
    const restore = async () => {
      const stored = await drafts.get(sessionId)
      if (isLeft || stored === undefined) return
      setDraft((now) => (now.text === "" && now.files.length === 0 ? stored : now))
    }
    restore().catch(() => undefined)
    return () => {
      isLeft = true
    }
  }, [sessionId])

  const change = (next: Partial<Pick<DraftState, "text" | "files">>) => {
    const changed = typed(draft, next, () => crypto.randomUUID())
    setDraft(changed)
    void drafts.set(sessionId, changed).catch(() => undefined)
  }
  const attach = (files: ReadonlyArray<File>) => {
    const tooLarge = files.find(({ size }) => size > largestFile)
    setProblem(tooLarge === undefined ? null : t("composer.tooLarge", { name: tooLarge.name }))
    const rest = files.filter(({ size }) => size <= largestFile)
    if (rest.length > 0) change({ files: [...draft.files, ...rest].slice(0, 10) })
  }
  const send = () => {
    const { files, key, text } = draft
    if (key === null || (text.trim() === "" && files.length === 0)) return
    void outbox.add({
      key,
      sessionId,
      text: text.trim() === "" ? t("composer.attach") : text,
      files,
      delivery: isRunning ? delivery : "queue",
      ...choice
    })
    setDraft(emptyDraft)
    void drafts.remove(sessionId).catch(() => undefined)
    field.current?.focus()
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Escape" && isRunning) onStop()
    const isPhone = matchMedia("(pointer: coarse)").matches
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing || isPhone) return
    event.preventDefault()
    send()
  }
  const chosen = [choice.model?.replace(/^[^/]+\//, ""), choice.variant, choice.agent].filter(
    (name) => name !== undefined
  )
  const isEmpty = draft.text.trim() === "" && draft.files.length === 0
  return (
    <div
      className="composer"
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault()
        attach([...event.dataTransfer.files])
      }}
    >
      {(isRunning || draft.files.length > 0 || chosen.length > 0 || problem !== null) && (
        <div className="options">
          {isRunning && (
            <Segmented
              label={t("composer.delivery")}
              name="delivery"
              value={delivery}
              onChange={setDelivery}
              options={[
                { value: "queue", label: t("composer.queue") },
                { value: "steer", label: t("composer.steer") }
              ]}
            />
          )}
          {chosen.length > 0 && (
            <span className="chip">
              <span className="clip">{cleanLine(chosen.join(" · "))}</span>
              <button type="button" aria-label={t("choose.forget")} onClick={() => choose({})}>
                ×
              </button>
            </span>
          )}
          {draft.files.map((file, index) => (
            <span className="chip" key={`${file.name}:${index}`}>
              <span className="clip">{file.name}</span>
              <button
                type="button"
                aria-label={t("composer.removeFile", { name: file.name })}
                onClick={() => change({ files: draft.files.filter((_, at) => at !== index) })}
              >
                ×
              </button>
            </span>
          ))}
          {problem !== null && <span role="alert">{problem}</span>}
        </div>
      )}
      <div className="controls">
        <button
          type="button"
          className="icon-button"
          aria-label={t("composer.attach")}
          onClick={() => chooser.current?.click()}
        >
          <Icon name="attach" />
        </button>
        {workerId !== null && (
          <button
            type="button"
            className="icon-button"
            aria-label={t("choose.title")}
            aria-haspopup="dialog"
            onClick={() => setChoosing(true)}
          >
            <Icon name="settings" />
          </button>
        )}
        <input
          ref={chooser}
          type="file"
          multiple
          hidden
          aria-label={t("composer.attach")}
          onChange={({ target }) => {
            attach([...(target.files ?? [])])
            target.value = ""
          }}
        />
        <textarea
          ref={field}
          rows={1}
          aria-label={t("composer.label")}
          placeholder={t(isRunning ? "composer.running" : "composer.new")}
          value={draft.text}
          enterKeyHint="enter"
          onChange={({ target }) => change({ text: target.value })}
          onKeyDown={onKeyDown}
          onPaste={(event) => {
            if (event.clipboardData.files.length > 0) attach([...event.clipboardData.files])
          }}
        />
        {isRunning && (
          <button type="button" className="button round" aria-label={t("composer.stop")} onClick={onStop}>
            <Icon name="stop" />
          </button>
        )}
        {(!isRunning || !isEmpty) && (
          <button
            type="button"
            className="button primary round"
            aria-label={t("composer.send")}
            disabled={isEmpty}
            onClick={send}
          >
            <Icon name="send" />
          </button>
        )}
      </div>
      {isChoosing && workerId !== null && (
        <Suspense fallback={null}>
          <ChooseModel choice={choice} workerId={workerId} onChoose={choose} onClose={() => setChoosing(false)} />
        </Suspense>
      )}
    </div>
  )
}
