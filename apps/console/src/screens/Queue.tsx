/** The prompts of a session that wait: read, change, move and remove them. */
import type { QueuedPrompt, SessionId } from "@opencode-worker/client"
import { cleanText } from "@opencode-worker/client/text"
import { type FormEvent, useState } from "react"
import { type Action, useAction, useServices, useSource } from "../app/Services.ts"
import { t } from "../text/messages.ts"
import { Dialog, Loaded, Problem } from "../ui/parts.tsx"

export default function Queue({ onClose, sessionId }: { readonly sessionId: SessionId; readonly onClose: () => void }) {
  const queue = useSource(`queue:${sessionId}`, ({ promptQueue }, signal) => promptQueue.watch(sessionId, { signal }))
  const action = useAction()
  return (
    <Dialog title={t("queue.title")} onClose={onClose}>
      <div className="dialog-body">
        {action.error !== null && <Problem error={cleanText(action.error)} />}
        <Loaded result={queue} rows={1}>
          {(prompts) =>
            prompts.length === 0 ? (
              <p className="sub">{t("queue.empty")}</p>
            ) : (
              <ol className="queue">
                {prompts.map((prompt, index) => (
                  <Waiting key={prompt.turnId} prompt={prompt} prompts={prompts} index={index} action={action} />
                ))}
              </ol>
            )
          }
        </Loaded>
        <button type="button" className="button" onClick={onClose}>
          {t("common.close")}
        </button>
      </div>
    </Dialog>
  )
}

const Waiting = ({
  action: { isRunning, run },
  index,
  prompt: { head, length, turnId },
  prompts
}: {
  readonly prompt: QueuedPrompt
  readonly prompts: ReadonlyArray<QueuedPrompt>
  readonly index: number
  readonly action: Action
}) => {
  const { client } = useServices()
  /** The whole text while it is edited. */
  const [edited, setEdited] = useState<string | null>(null)
  const before = prompts[index - 1]
  const isLast = index === prompts.length - 1
  const later = () => client.promptQueue.move(turnId, prompts[index + 2]?.turnId ?? null)
  const onSubmit = (event: FormEvent) => {
    event.preventDefault()
    void run(
      () => client.promptQueue.edit(turnId, { text: edited ?? "" }),
      () => setEdited(null)
    )
  }
  if (edited !== null) {
    return (
      <li>
        <form onSubmit={onSubmit}>
          <textarea
            className="input"
            rows={4}
            aria-label={t("queue.text")}
            value={edited}
            autoFocus
            onChange={({ target }) => setEdited(target.value)}
          />
          <div className="button-row">
            <button type="button" className="button small" onClick={() => setEdited(null)}>
              {t("common.cancel")}
            </button>
            <button type="submit" className="button small primary" disabled={isRunning || edited.trim() === ""}>
              {t("queue.save")}
            </button>
          </div>
        </form>
      </li>
    )
  }
  return (
    <li>
      <p dir="auto">
        {cleanText(head)}
        {length > head.length && "…"}
      </p>
      <div className="button-row">
        <button
          type="button"
          className="button small"
          disabled={isRunning}
          onClick={() => void run(async () => setEdited(await client.turns.prompt(turnId)))}
        >
          {t("queue.edit")}
        </button>
        {before !== undefined && (
          <button
            type="button"
            className="button small"
            disabled={isRunning}
            onClick={() => void run(() => client.promptQueue.move(turnId, before.turnId))}
          >
            {t("queue.earlier")}
          </button>
        )}
        {!isLast && (
          <button type="button" className="button small" disabled={isRunning} onClick={() => void run(later)}>
            {t("queue.later")}
          </button>
        )}
        <button
          type="button"
          className="button small bad"
          disabled={isRunning}
          onClick={() => void run(() => client.promptQueue.drop(turnId))}
        >
          {t("prompt.drop")}
        </button>
      </div>
    </li>
  )
}
