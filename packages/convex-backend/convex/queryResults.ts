/** The results of queries to a worker, by the kind of the query. Paths are relative to the worker's directory. */

export interface ChangedFile {
  readonly file: string
  readonly status: "added" | "deleted" | "modified"
  readonly additions: number
  readonly deletions: number
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
  readonly status: {
    /** False: OpenCode is idle or starts, so it has no servers. */
    readonly running: boolean
    readonly mcp: ReadonlyArray<{ readonly name: string; readonly status: string; readonly error: string | null }>
    readonly lsp: ReadonlyArray<{ readonly name: string; readonly root: string; readonly status: string }>
  }
}
