/** Undoes a turn: lists the files first, and asks about those that were changed since. */
import type { SessionId, TurnId } from "@opencode-worker/client"
import { useState } from "react"
import { go } from "../app/navigation.ts"
import { useAction, useServices, useSource } from "../app/Services.ts"
import { undoFiles, waitFor } from "../data/commands.ts"
import { once } from "../data/Sources.ts"
import { t } from "../text/messages.ts"
import { Dialog, Foreign, Problem, Segmented } from "../ui/parts.tsx"

export default function Undo({
  onClose,
  sessionId,
  turnId
}: {
  readonly sessionId: SessionId
  readonly turnId: TurnId
  readonly onClose: () => void
}) {
  const { client } = useServices()
  const { error, isRunning, run } = useAction()
  const [forced, setForced] = useState<ReadonlySet<string>>(new Set())
  const [note, setNote] = useState<string | null>(null)
  /** Each opening compares the files again. */
  const [opening] = useState(() => crypto.randomUUID())
  const preview = useSource(
    `undo:${turnId}:${opening}`,
    once(async (from) => {
      const options = { preview: true, idempotencyKey: `${opening}:preview` }
      const { isDone, value } = await waitFor(from, await from.sessionActions.undo(sessionId, turnId, options))
      if (!isDone) throw new Error(t("machines.offlineUnknown"))
      return undoFiles(value)
    })
  )
  const changed = (preview.value ?? []).filter((each) => each.changed)
  const undo = () =>
    run(async () => {
      const skip = changed.filter(({ file }) => !forced.has(file)).map(({ file }) => file)
      const force = [...forced]
      const options = { skip, force, idempotencyKey: `${opening}:undo` }
      const { isDone } = await waitFor(client, await client.sessionActions.undo(sessionId, turnId, options))
      setNote(t(isDone ? "changes.undone" : "session.accepted"))
      if (isDone) go({ name: "session", sessionId })
    })
  const choose = (file: string, isForced: boolean) =>
    setForced((before) => new Set(isForced ? [...before, file] : [...before].filter((each) => each !== file)))
  return (
    <Dialog title={t("changes.undo").replace("…", "")} onClose={onClose}>
      <div className="dialog-body">
        {preview.error !== undefined && <Problem error={preview.error} retry={preview.retry} />}
        {preview.value === undefined && preview.error === undefined && <p role="status">{t("changes.checking")}</p>}
        {preview.value !== undefined && (
          <>
            <p>{t(preview.value.length === 0 ? "changes.undoNone" : "changes.undoFiles")}</p>
            <ul className="plain-list">
              {preview.value.map(({ changed: isChanged, file }) => (
                <li key={file}>
                  <code>
                    <Foreign>{file}</Foreign>
                  </code>
                  {isChanged && (
                    <>
                      {" "}
                      <span className="tag wait">{t("changes.changedSince")}</span>
                      <Segmented
                        label={file}
                        name={file}
                        value={forced.has(file) ? "overwrite" : "keep"}
                        onChange={(value) => choose(file, value === "overwrite")}
                        options={[
                          { value: "keep", label: t("changes.keep") },
                          { value: "overwrite", label: t("changes.overwrite") }
                        ]}
                      />
                    </>
                  )}
                </li>
              ))}
            </ul>
          </>
        )}
        {error !== null && <Problem error={error} />}
        {note !== null && <p role="status">{note}</p>}
        <div className="button-row even">
          <button type="button" className="button" onClick={onClose}>
            {t("common.cancel")}
          </button>
          <button
            type="button"
            className="button primary"
            disabled={isRunning || preview.value === undefined}
            onClick={() => void undo()}
          >
            {t("changes.undoDo")}
          </button>
        </div>
      </div>
    </Dialog>
  )
}
