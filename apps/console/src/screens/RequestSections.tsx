/** The whole content of a permission. */
import { type OpenRequest, RequestCard } from "@opencode-worker/client"
import { cleanText } from "@opencode-worker/client/text"
import { type FileDiff, wholeFileDiffs } from "../text/diff.ts"
import { Diff } from "../ui/Diff.tsx"
import { Foreign } from "../ui/parts.tsx"

type Section = Extract<OpenRequest["content"], { readonly kind: "permission" }>["sections"][number]

interface Shown {
  readonly section: Section
  /** Of a diff whose files have headings of their own. */
  readonly files: ReadonlyArray<FileDiff> | null
}

/** The sections, without a list of files that are all named above their diffs. */
const shownSections = (sections: ReadonlyArray<Section>): ReadonlyArray<Shown> => {
  const shown = sections.map((section) => ({
    section,
    files: section.format === "diff" ? wholeFileDiffs(section.text) : null
  }))
  const named = new Set(shown.flatMap(({ files }) => files ?? []).map(({ file }) => file))
  const isNamed = ({ name, text }: Section) => name === "files" && text.split("\n").every((file) => named.has(file))
  return shown.filter(({ section }) => !isNamed(section))
}

export const RequestSections = ({ sections }: { readonly sections: ReadonlyArray<Section> }) =>
  shownSections(sections).map(({ files, section: { format, name, text } }, index) =>
    files === null ? (
      <div key={index}>
        {!RequestCard.isCommand(sections) && (
          <h2 className="section-title flush">
            <Foreign>{name}</Foreign>
          </h2>
        )}
        {format === "diff" ? (
          <Diff patch={text} label={name} />
        ) : (
          <code className="code" tabIndex={0} role="region" aria-label={name}>
            {cleanText(text)}
          </code>
        )}
      </div>
    ) : (
      files.map(({ file, patch }, at) => (
        <div key={`${index}:${at}`}>
          <h2 className="file-name">
            <Foreign>{file}</Foreign>
          </h2>
          <Diff patch={patch} label={file} isNamed />
        </div>
      ))
    )
  )
