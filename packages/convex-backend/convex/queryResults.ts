/** The results of queries to a worker, by the kind of the query. Paths are relative to the worker's directory. */

export interface ChangedFile {
  readonly file: string
  readonly status: "added" | "deleted" | "modified"
  readonly additions: number
  readonly deletions: number
}

/** A task of a sub-agent, and its answer. */
export interface SubAgentTurn {
  /** The task, as its agent wrote it. */
  readonly text: string
  readonly status: "running" | "completed" | "failed" | "aborted" | "interrupted"
  readonly error: { readonly name: string; readonly message: string } | null
  readonly usage: { readonly input: number; readonly output: number; readonly cost: number }
  readonly answeredBy: { readonly model: string; readonly agent: string } | null
  /** As `turns.parts` of the deployment: `payload` is JSON. */
  readonly parts: ReadonlyArray<{ readonly index: number; readonly kind: string; readonly payload: string }>
}

export interface QueryResults {
  /** The best match first. */
  readonly findFiles: { readonly files: ReadonlyArray<string> }
  readonly readFile: {
    /** With links resolved. */
    readonly path: string
    /** Bytes. */
    readonly size: number
    /** Null: the file is binary. */
    readonly text: string | null
    /** Whether `text` is only the start of the file. */
    readonly truncated: boolean
  }
  /** Without a repository, `branch` is null and there are no files. */
  readonly vcs: {
    readonly branch: string | null
    readonly defaultBranch: string | null
    readonly files: ReadonlyArray<ChangedFile>
    /** Whether files were left out. */
    readonly truncated: boolean
  }
  readonly diff: {
    /** `patch` is null if it was left out, because the patches are too long together. */
    readonly files: ReadonlyArray<ChangedFile & { readonly patch: string | null }>
    /** Whether files or patches were left out. */
    readonly truncated: boolean
  }
  readonly subAgent: {
    /** The newest 20, in their order. */
    readonly turns: ReadonlyArray<SubAgentTurn>
    /** Whether turns, parts or the ends of texts were left out. */
    readonly truncated: boolean
  }
  readonly status: {
    /** False: OpenCode is idle or starts, so it has no servers. */
    readonly running: boolean
    readonly mcp: ReadonlyArray<{ readonly name: string; readonly status: string; readonly error: string | null }>
    readonly lsp: ReadonlyArray<{ readonly name: string; readonly root: string; readonly status: string }>
  }
}
