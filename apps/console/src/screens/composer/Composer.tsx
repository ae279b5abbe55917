/** Writes a prompt or a command. Text, files and the idempotency key survive a reload. */
import type { SessionId, WorkerId } from "@opencode-worker/client"
import { type KeyboardEvent, lazy, Suspense, useEffect, useRef, useState } from "react"
import { useServices } from "../../app/Services.ts"
import { useCatalog } from "../../data/catalog.ts"
import { type DraftState, emptyDraft, typed } from "../../data/drafts.ts"
import { usePromptChoice } from "../../data/promptChoice.ts"
import { chosenText, slashOf } from "../../data/slashCommands.ts"
import { openStore } from "../../data/storage.ts"
import { t } from "../../text/messages.ts"
import { Icon } from "../../ui/icons.tsx"
import { type Delivery, PromptOptions } from "./PromptOptions.tsx"
import { fieldProps, SlashMenu, unknownCommand, useSlash } from "./SlashMenu.tsx"

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
  const [delivery, setDelivery] = useState<Delivery>("queue")
  const [problem, setProblem] = useState<string | null>(null)
  const [choice, choose] = usePromptChoice(sessionId)
  const [isChoosing, setChoosing] = useState(false)
  const chooser = useRef<HTMLInputElement>(null)
  const field = useRef<HTMLTextAreaElement>(null)
  const { value: catalog } = useCatalog(workerId, draft.text.startsWith("/"))
  const offered = catalog?.commands ?? []

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
    setProblem(null)
    void drafts.set(sessionId, changed).catch(() => undefined)
  }
  const slash = useSlash(draft.text, offered, (command) => {
    change({ text: chosenText(command) })
    field.current?.focus()
  })
  const attach = (files: ReadonlyArray<File>) => {
    const tooLarge = files.find(({ size }) => size > largestFile)
    const rest = files.filter(({ size }) => size <= largestFile)
    if (rest.length > 0) change({ files: [...draft.files, ...rest].slice(0, 10) })
    setProblem(tooLarge === undefined ? null : t("composer.tooLarge", { name: tooLarge.name }))
  }
  const command = slashOf(draft.text, offered)
  const isEmpty = draft.text.trim() === "" && draft.files.length === 0
  const send = () => {
    const { files, key, text } = draft
    if (key === null || isEmpty) return
    if (command?.kind === "unknown") {
      setProblem(unknownCommand(command.name, catalog !== undefined))
      return
    }
    void outbox.add({
      key,
      sessionId,
      text: text.trim() === "" ? t("composer.filesOnly") : text,
      files,
      // A command never steers.
      delivery: isRunning && command === null ? delivery : "queue",
      ...(command !== null && { command: { name: command.name, args: command.args } }),
      ...choice
    })
    setDraft(emptyDraft)
    setProblem(null)
    void drafts.remove(sessionId).catch(() => undefined)
    field.current?.focus()
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (slash.onKey(event)) return
    if (event.key === "Escape" && isRunning) onStop()
    const isPhone = matchMedia("(pointer: coarse)").matches
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing || isPhone) return
    event.preventDefault()
    send()
  }
  return (
    <div
      className="composer"
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault()
        attach([...event.dataTransfer.files])
      }}
    >
      <SlashMenu slash={slash} />
      <PromptOptions
        choice={choice}
        command={command?.kind === "command" ? offered.find(({ name }) => name === command.name) : undefined}
        delivery={isRunning && command === null ? delivery : null}
        files={draft.files}
        onDelivery={setDelivery}
        onForget={() => choose({})}
        onRemove={(index) => change({ files: draft.files.filter((_, at) => at !== index) })}
        problem={problem}
      />
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
          {...fieldProps(slash)}
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
