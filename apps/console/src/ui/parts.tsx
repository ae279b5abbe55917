/** Small parts that all screens share. */
import { cleanLine } from "@opencode-worker/client/text"
import { type ReactNode, useEffect, useId, useRef } from "react"
import { explain } from "../app/Services.ts"
import { href, type Route } from "../app/router.ts"
import { t } from "../text/messages.ts"
import { Icon, type IconName } from "./icons.tsx"

/** One line of foreign text. */
export const Foreign = ({ children }: { readonly children: string }) => <bdi>{cleanLine(children)}</bdi>

export const Head = ({
  back,
  children,
  lead,
  title
}: {
  readonly title: ReactNode
  readonly back?: Route | null
  /** Before the title, such as a state. */
  readonly lead?: ReactNode
  readonly children?: ReactNode
}) => (
  <header className="pane-head">
    {back !== undefined && back !== null && (
      <a className="icon-button back" href={href(back)} aria-label={t("common.back")}>
        <Icon name="back" />
      </a>
    )}
    {lead}
    <h1 className="grow clip">{title}</h1>
    {children}
  </header>
)

export const Empty = ({
  children,
  icon,
  text,
  title
}: {
  readonly icon: IconName
  readonly title: string
  readonly text?: string
  readonly children?: ReactNode
}) => (
  <div className="empty">
    <Icon name={icon} />
    <h2>{title}</h2>
    {text !== undefined && <p>{text}</p>}
    {children}
  </div>
)

export const Loading = ({ rows = 3 }: { readonly rows?: number }) => (
  <div role="status" aria-label={t("common.loading")} className="pane-skeletons">
    {Array.from({ length: rows }, (_, index) => (
      <div className="skeleton" key={index} />
    ))}
  </div>
)

export const Problem = ({ error, retry }: { readonly error: unknown; readonly retry?: () => void }) => (
  <div className="problem" role="alert">
    <p>{typeof error === "string" ? error : `${t("error.title")}: ${cleanLine(explain(error))}`}</p>
    {retry !== undefined && (
      <button type="button" className="button small" onClick={retry}>
        {t("common.retry")}
      </button>
    )}
  </div>
)

/** The value of a source, or its loading and error states. */
export const Loaded = <A,>({
  children,
  result,
  rows
}: {
  readonly result: { readonly value: A | undefined; readonly error: unknown; readonly retry: () => void }
  readonly rows?: number
  readonly children: (value: A) => ReactNode
}) => (
  <>
    {result.error !== undefined && <Problem error={result.error} retry={result.retry} />}
    {result.value !== undefined
      ? children(result.value)
      : result.error === undefined && <Loading {...(rows !== undefined && { rows })} />}
  </>
)

/** A modal dialog of the browser: it keeps the focus and closes with Esc. */
export const Dialog = ({
  children,
  className = "",
  onClose,
  title
}: {
  readonly title: string
  readonly onClose: () => void
  readonly className?: string
  readonly children: ReactNode
}) => {
  const ref = useRef<HTMLDialogElement>(null)
  const id = useId()
  useEffect(() => {
    const dialog = ref.current
    if (dialog !== null && !dialog.open) dialog.showModal()
    return () => dialog?.close()
  }, [])
  return (
    <dialog
      ref={ref}
      className={`dialog ${className}`}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
      onClick={(event) => {
        if (event.target === ref.current) onClose()
      }}
    >
      <h2 id={id} className={className === "palette" ? "hidden" : "dialog-title"}>
        {title}
      </h2>
      {children}
    </dialog>
  )
}

export const Confirm = ({
  action,
  error,
  isRunning,
  onClose,
  onConfirm,
  text
}: {
  readonly text: string
  readonly action: string
  readonly isRunning: boolean
  readonly error: string | null
  readonly onClose: () => void
  readonly onConfirm: () => void
}) => (
  <Dialog title={action} onClose={onClose}>
    <div className="dialog-body">
      <p>{text}</p>
      {error !== null && <Problem error={error} />}
      <div className="button-row even">
        <button type="button" className="button" onClick={onClose}>
          {t("common.cancel")}
        </button>
        <button type="button" className="button bad" disabled={isRunning} onClick={onConfirm}>
          {action}
        </button>
      </div>
    </div>
  </Dialog>
)

/** Switches between values. */
export const Segmented = <A extends string>({
  label,
  name,
  onChange,
  options,
  value
}: {
  readonly label: string
  readonly name: string
  readonly options: ReadonlyArray<{ readonly value: A; readonly label: string }>
  readonly value: A
  readonly onChange: (value: A) => void
}) => (
  <span className="segmented" role="radiogroup" aria-label={label}>
    {options.map((option) => (
      <label key={option.value}>
        <input
          className="hidden"
          type="radio"
          name={name}
          checked={option.value === value}
          onChange={() => onChange(option.value)}
        />
        {option.label}
      </label>
    ))}
  </span>
)
