/** The appearance that was chosen for this browser. Without a choice it follows the system. */
export type Theme = "system" | "light" | "dark"

const themeKey = "theme"
const contrastKey = "contrast"

const read = (key: string): string | null => {
  try {
    return localStorage.getItem(key)
  } catch {
    return null
  }
}

const write = (key: string, value: string): void => {
  try {
    localStorage.setItem(key, value)
  } catch {
    // The choice lasts as long as the page.
  }
}

export const theme = (): Theme => {
  const stored = read(themeKey)
  return stored === "light" || stored === "dark" ? stored : "system"
}

export const hasHighContrast = (): boolean => read(contrastKey) === "more"

export const applyTheme = (): void => {
  const { dataset } = document.documentElement
  const chosen = theme()
  if (chosen === "system") delete dataset["theme"]
  else dataset["theme"] = chosen
  if (hasHighContrast()) dataset["contrast"] = "more"
  else delete dataset["contrast"]
}

export const chooseTheme = (chosen: Theme): void => {
  write(themeKey, chosen)
  applyTheme()
}

export const chooseContrast = (isHigh: boolean): void => {
  write(contrastKey, isHigh ? "more" : "system")
  applyTheme()
}
