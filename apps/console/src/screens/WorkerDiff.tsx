/** The files of a machine that differ from the last commit. */
import type { WorkerId } from "@opencode-worker/client"
import { useSource } from "../app/Services.ts"
import { once } from "../data/Sources.ts"
import { t } from "../text/messages.ts"
import { Empty, Head, Loaded } from "../ui/parts.tsx"
import { FileChange } from "./Changes.tsx"

export default function DiffScreen({ workerId: given }: { readonly workerId: string }) {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of the address; the deployment refuses others
  const workerId = given as WorkerId
  const diff = useSource(
    `diff:${workerId}`,
    once((client, signal) => client.queries.diff(workerId, { signal }))
  )
  return (
    <section className="pane" aria-label={t("diff.title")}>
      <Head title={t("diff.title")} back={{ name: "machine", workerId }}>
        <button type="button" className="button small" onClick={diff.retry}>
          {t("common.reload")}
        </button>
      </Head>
      <div className="pane-body">
        <Loaded result={diff}>
          {({ files, truncated }) =>
            files.length === 0 ? (
              <Empty icon="file" title={t("diff.empty")} />
            ) : (
              <>
                {truncated && <p className="sub">{t("changes.truncated")}</p>}
                {files.map((file) => (
                  <FileChange key={file.file} file={file} patch={file.patch} />
                ))}
              </>
            )
          }
        </Loaded>
      </div>
    </section>
  )
}
