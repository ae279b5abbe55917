/** Line icons, drawn in the current color. */
const paths = {
  inbox: "M4 13h4l2 3h4l2-3h4M6 5h12l3 8v6H3v-6z",
  sessions: "M4 5h16v11H9l-5 4z",
  machines: "M3 5h18v11H3zM9 20h6M12 16v4",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l4 4",
  usage: "M4 20V10M10 20V4M16 20v-7M21 20H3",
  settings: "M4 7h10M18 7h2M4 17h2M10 17h10M16 5v4M8 15v4",
  back: "M15 5l-7 7 7 7",
  add: "M12 5v14M5 12h14",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  send: "M12 19V5M6 11l6-6 6 6",
  stop: "M7 7h10v10H7z",
  attach: "M20 11l-8.5 8.5a5 5 0 0 1-7-7L13 4a3.5 3.5 0 0 1 5 5l-8.500 8.500a2 2 0 0 1-3-3L14 7",
  close: "M6 6l12 12M18 6L6 18",
  down: "M12 5v14M6 13l6 6 6-6",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
  check: "M5 12l5 5 9-10",
  circle: "M12 5a7 7 0 1 0 0 14 7 7 0 0 0 0-14z",
  wait: "M12 4a8 8 0 1 0 8 8",
  compact: "M8 3l4 5 4-5M8 21l4-5 4 5M4 12h16",
  fork: "M7 20V4M7 14c6 0 10-2 10-9M14 8l3-3 3 3",
  redo: "M20 9h-9a5 5 0 0 0 0 10h4M16 5l4 4-4 4",
  history: "M4 5v5h5M4.500 10a8 8 0 1 1-.5 3M12 8v4l3 2",
  shell: "M4 6l5 5-5 5M12 17h8",
  edit: "M4 20h4L20 8l-4-4L4 16zM14 6l4 4",
  trash: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13",
  copy: "M9 9h11v11H9zM15 5V4H4v11h1"
} as const

export type IconName = keyof typeof paths

export const Icon = ({ className = "", name }: { readonly name: IconName; readonly className?: string }) => (
  <svg className={`icon ${className}`} viewBox="0 0 24 24" aria-hidden="true">
    <path
      d={paths[name]}
      {...(name === "stop" && { fill: "currentColor" })}
      {...(name === "more" && { strokeWidth: 3 })}
    />
  </svg>
)
