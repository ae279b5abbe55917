/** The files that a turn changed, and the undo of it. */
import type { SessionId, TurnId } from "@opencode-worker/client"
import { lazy, Suspense, useMemo, useState } from "react"
import { useMay, useSource } from "../app/Services.ts"
import { once } from "../data/Sources.ts"
import { fileDiffs } from "../text/diff.ts"
import { t } from "../text/messages.ts"
import { Diff } from "../ui/Diff.tsx"
import { Empty, Foreign, Head, Loaded } from "../ui/parts.tsx"

const Undo = lazy(() => import("./Undo.tsx"))

export default function ChangesScreen({
  sessionId: session,
  turnId: turn
}: {
  readonly sessionId: string
  readonly turnId: string
}) {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of the address; the deployment refuses others
  const [sessionId, turnId] = [session as SessionId, turn as TurnId]
  const changes = useSource(
    `changes:${turnId}`,
    once((client, signal) => client.turns.changes(turnId, { signal }))
  )
  const mayOperate = useMay("operate")
  const [isUndoing, setUndoing] = useState(false)
  return (
    <section className="pane" aria-label={t("changes.title")}>
      <Head title={t("changes.title")} back={{ name: "session", sessionId }}>
        {mayOperate && (
          <button type="button" className="button small" onClick={() => setUndoing(true)}>
            {t("changes.undoDo")}
          </button>
        )}
      </Head>
      <div className="pane-body">
        <Loaded result={changes}>
          {(shown) =>
            shown === null || shown.files.length === 0 ? (
              <Empty icon="file" title={t("changes.empty")} />
            ) : (
              <>
                {shown.truncated && <p className="sub">{t("changes.truncated")}</p>}
                <Files files={shown.files} patch={shown.patch} />
              </>
            )
          }
        </Loaded>
      </div>
      {isUndoing && (
        <Suspense fallback={null}>
          <Undo sessionId={sessionId} turnId={turnId} onClose={() => setUndoing(false)} />
        </Suspense>
      )}
    </section>
  )
}

interface File {
  readonly file: string
  readonly status: string
  readonly additions: number
  readonly deletions: number
}

const Files = ({ files, patch }: { readonly files: ReadonlyArray<File>; readonly patch: string }) => {
  const diffs = useMemo(() => new Map(fileDiffs(patch).map((each) => [each.file, each.patch])), [patch])
  return files.map((each) => <FileChange key={each.file} file={each} patch={diffs.get(each.file) ?? null} />)
}

/** One file with its diff. */
export const FileChange = ({ file, patch }: { readonly file: File; readonly patch: string | null }) => (
  <article>
    <div className="line">
      <h2 className="file-name grow clip">
        <Foreign>{file.file}</Foreign>
      </h2>
      <span className="tag">{file.status === "modified" ? "" : file.status}</span>
      <span className="age">
        <span className="tag ok">+{file.additions}</span> <span className="tag bad">−{file.deletions}</span>
      </span>
    </div>
    {patch !== null && patch !== "" && <Diff patch={patch} label={file.file} isNamed />}
  </article>
)
