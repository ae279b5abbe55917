/**
 * Markdown of a model as elements. No HTML is parsed: HTML in the text is shown as text, so that there is nothing to sanitize.
 * Images are not loaded; links name their target.
 */
import { cleanText } from "@opencode-worker/client/text"
import { createElement, memo, type ReactNode, useEffect, useLayoutEffect, useRef, useState } from "react"
import { MarkdownBlocks, type MarkdownToken } from "../text/blocks.ts"
import { safeLink } from "../text/links.ts"
import { t } from "../text/messages.ts"
import { Icon } from "./icons.tsx"

interface Inner {
  readonly type: string
  readonly raw: string
  readonly text?: string
  readonly href?: string
  readonly tokens?: ReadonlyArray<MarkdownToken>
}

const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" }
/** The lexer escapes text for HTML, which is not what is made of it here. */
const unescaped = (text: string): string =>
  text.replaceAll(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => entities[name] ?? "")

const inline = (tokens: ReadonlyArray<MarkdownToken> | undefined, isGrowing = false): ReactNode =>
  tokens?.map((token, index) => (
    <Inline key={index} token={token} isGrowing={isGrowing && index === tokens.length - 1} />
  ))

const Link = ({ children, target }: { readonly target: string; readonly children: ReactNode }) => {
  const url = safeLink(target)
  if (url === null) return children
  return (
    <a href={url} target="_blank" rel="noopener noreferrer nofollow" title={url}>
      {children}
    </a>
  )
}

/**
 * Text that grows at its end. Only the added characters are given to the browser, which keeps the shape and the lines of the others;
 * React would replace all of them.
 */
const Growing = ({ text }: { readonly text: string }) => {
  const ref = useRef<HTMLSpanElement>(null)
  useLayoutEffect(() => {
    const element = ref.current
    if (element === null) return
    const node = element.firstChild
    if (!(node instanceof Text)) element.append(text)
    else if (text.startsWith(node.data)) node.appendData(text.slice(node.length))
    else node.data = text
  }, [text])
  return <span ref={ref} />
}

const Inline = ({ isGrowing, token }: { readonly token: MarkdownToken; readonly isGrowing: boolean }): ReactNode => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the fields that all inline tokens share
  const { href = "", text = "", tokens, type, raw } = token as Inner
  switch (type) {
    case "strong":
    case "em":
    case "del":
      return createElement(type, null, inline(tokens))
    case "codespan":
      return <code>{unescaped(text)}</code>
    case "br":
      return <br />
    case "link":
      return <Link target={href}>{inline(tokens)}</Link>
    case "image":
      return <Link target={href}>{text === "" ? href : text}</Link>
    case "text":
    case "escape":
      if (tokens !== undefined) return inline(tokens)
      return isGrowing ? <Growing text={unescaped(text)} /> : unescaped(text)
    default:
      return raw
  }
}

const List = ({ token }: { readonly token: Extract<MarkdownToken, { type: "list" }> }) => {
  const items = token.items.map((item, index) => (
    <li key={index} className={item.task ? "task" : ""}>
      {item.task && <input type="checkbox" checked={item.checked === true} disabled aria-label={item.text} />}{" "}
      {item.tokens.map((each, at) => (
        <Block key={at} token={each} />
      ))}
    </li>
  ))
  return token.ordered ? <ol start={Number(token.start) || 1}>{items}</ol> : <ul>{items}</ul>
}

/** Milliseconds for which a button shows that it has copied. */
const noticed = 2_000

const Code = ({ text }: { readonly text: string }) => {
  const [isCopied, setCopied] = useState(false)
  useEffect(() => {
    if (!isCopied) return undefined
    const timer = setTimeout(() => setCopied(false), noticed)
    return () => clearTimeout(timer)
  }, [isCopied])
  const copy = () =>
    void navigator.clipboard.writeText(text).then(
      () => setCopied(true),
      () => undefined
    )
  return (
    <div className="code-block">
      <pre tabIndex={0}>
        <code>{text}</code>
      </pre>
      {/* Not on pages without TLS. */}
      {"clipboard" in navigator && (
        <button type="button" className="icon-button copy" aria-label={t("block.copy")} onClick={copy}>
          <Icon name={isCopied ? "check" : "copy"} />
        </button>
      )}
      <span className="hidden" role="status">
        {isCopied && t("settings.copied")}
      </span>
    </div>
  )
}

const Table = ({ token }: { readonly token: Extract<MarkdownToken, { type: "table" }> }) => (
  <table tabIndex={0}>
    <thead>
      <tr>
        {token.header.map(({ tokens }, index) => (
          <th key={index}>{inline(tokens)}</th>
        ))}
      </tr>
    </thead>
    <tbody>
      {token.rows.map((row, index) => (
        <tr key={index}>
          {row.map(({ tokens }, at) => (
            <td key={at}>{inline(tokens)}</td>
          ))}
        </tr>
      ))}
    </tbody>
  </table>
)

/** Levels below those of the page. */
const headings = ["h3", "h4", "h5", "h6", "h6", "h6"] as const

/** `isGrowing`: text is added at its end. */
const Block = memo(
  ({ isGrowing = false, token }: { readonly token: MarkdownToken; readonly isGrowing?: boolean }): ReactNode => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the fields that all tokens share
    const { raw, text = "", tokens, type } = token as Inner
    switch (type) {
      case "space":
      case "def":
      // The item of the list shows it.
      case "checkbox":
        return null
      case "paragraph":
        return <p>{inline(tokens, isGrowing)}</p>
      case "heading":
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of a heading
        return createElement(headings[(token as { depth: number }).depth - 1] ?? "h6", null, inline(tokens))
      case "code":
        return <Code text={text} />
      case "blockquote":
        return (
          <blockquote>
            {tokens?.map((each, index) => (
              <Block key={index} token={each} />
            ))}
          </blockquote>
        )
      case "list":
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of this type
        return <List token={token as Extract<MarkdownToken, { type: "list" }>} />
      case "table":
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of this type
        return <Table token={token as Extract<MarkdownToken, { type: "table" }>} />
      case "hr":
        return <hr />
      case "text":
        return tokens === undefined ? unescaped(text) : inline(tokens)
      default:
        return <p className="plain">{raw}</p>
    }
  }
)

/** `isLive`: the text may still grow. */
export default function Markdown({ isLive = false, text }: { readonly text: string; readonly isLive?: boolean }) {
  const blocks = useRef(new MarkdownBlocks())
  const tokens = blocks.current.update(cleanText(text), isLive)
  return (
    <div className={`markdown ${isLive ? "live" : ""}`} dir="auto">
      {tokens.map((token, index) => (
        <Block key={index} token={token} isGrowing={isLive && index === tokens.length - 1} />
      ))}
    </div>
  )
}
